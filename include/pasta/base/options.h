/* options.h: one table per command drives parsing, --help, and the test that the README names no
 * flag that does not exist.
 *
 *     static const char *prompts;
 *     static const struct pasta_option options[] = {
 *         {"prompts", PASTA_OPT_STRING, &prompts, "FILE", "initial prompts: .txt, .tsv or .jsonl", NULL},
 *         {0}};
 *     static const struct pasta_command command = {
 *         .name = "pasta-collect", .summary = "...", .examples = "...", .options = options};
 *
 * cmd/common.h runs a command. Values are `--name VALUE` or `--name=VALUE`; `--` ends the options. Flags that every
 * command has: --config --set --seed --threads --device --out --force --resume --quiet --verbose --print-config
 * --help-config --version --help, and, unless it refuses them, --json and --dry-run.
 */
#ifndef PASTA_BASE_OPTIONS_H
#define PASTA_BASE_OPTIONS_H
#include <stdbool.h>
#include "pasta/base/config.h"
#include "pasta/base/log.h"
#include "pasta/base/err.h"

enum pasta_option_kind {
    PASTA_OPT_FLAG = 1, /* bool * */
    PASTA_OPT_STRING,   /* const char **, borrowed from argv; given twice is an error */
    PASTA_OPT_STRINGS,  /* struct pasta_strings *, repeatable */
    PASTA_OPT_KEY,      /* the name of a config key, which the value sets after --set; given twice is an error */
};
struct pasta_strings {
    const char **items; /* owned: release with free(); the strings are argv's */
    int count;
    size_t capacity;
};
struct pasta_option {
    const char *name;         /* without "--" */
    enum pasta_option_kind kind;
    void *target;
    const char *argument;     /* its name in --help; NULL for flags */
    const char *help;
    const char *required;     /* non-NULL: must be given, and this says what for */
};
struct pasta_command {
    const char *name, *summary;
    const char *examples;               /* lines of --help, first */
    const struct pasta_option *options; /* ends with a zero entry */
    const char *operands;               /* "FILE..." when the command takes operands, else NULL */
    bool no_out;                        /* --out is not required */
    bool no_dry_run, no_json;           /* --dry-run, --json are refused, and not listed in --help */
    void (*prepare)(char **argv);       /* run first: pasta_blas_ensure where libtorch is used */
    const char *(*libraries)(void);     /* further lines of --version, or NULL */
    /* Whether `device` can be computed on, asked before the body: pt_device_check. NULL: the command computes on no device. */
    pasta_status (*device_check)(const char *device, struct pasta_err *err);
};

/* What a command's body gets. */
struct pasta_context {
    const struct pasta_command *command;
    struct pasta_config config;
    const char *out;                 /* --out */
    bool force, resume, json, dry_run;
    struct pasta_strings operands;
    int threads;                     /* resolved: >= 1 */
    int argc;
    char **argv;                     /* as given, for the manifest */
};

enum pasta_action { PASTA_RUN, PASTA_SHOW_HELP, PASTA_SHOW_VERSION, PASTA_SHOW_CONFIG, PASTA_SHOW_KEYS };
/* Fills `context` and the targets of the table. On success *action says what to do; release the context in any case. */
pasta_status pasta_options_parse(const struct pasta_command *command, int argc, char **argv, struct pasta_context *context,
                                 enum pasta_action *action, enum pasta_log_level *level, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_options_help(const struct pasta_command *command, struct pasta_str *out);
void pasta_context_release(struct pasta_context *context);
#endif
