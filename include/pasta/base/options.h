/* options.h: one table per command drives parsing, --help, and the test that the README names no
 * flag that does not exist.
 *
 *     static const char *prompts;
 *     static const struct pasta_option options[] = {
 *         {"prompts", PASTA_OPT_STRING, &prompts, "FILE", "initial prompts: .txt, .tsv or .jsonl", NULL},
 *         {0}};
 *     static const struct pasta_command command = {"pasta-collect", "summary", "examples", options};
 *     int main(int argc, char **argv) { return pasta_command_main(&command, argc, argv, run); }
 *
 * Flags every command has: --config --set --seed --threads --device --out --force --resume --quiet
 * --verbose --json --dry-run --print-config --version --help.
 */
#ifndef PASTA_BASE_OPTIONS_H
#define PASTA_BASE_OPTIONS_H
#include <stdbool.h>
#include "pasta/base/config.h"
#include "pasta/base/err.h"

enum pasta_option_kind {
    PASTA_OPT_FLAG,    /* bool *       */
    PASTA_OPT_STRING,  /* const char **, borrowed from argv */
    PASTA_OPT_STRINGS, /* struct pasta_strings *, repeatable */
    PASTA_OPT_KEY,     /* const char * naming the config key that the value sets */
};
struct pasta_strings {
    const char **items;
    int count;
};
struct pasta_option {
    const char *name;           /* without "--" */
    enum pasta_option_kind kind;
    void *target;
    const char *argument;       /* name in --help, NULL for flags */
    const char *help;
    const char *required;       /* non-NULL: must be given; the text says what for */
};
struct pasta_command {
    const char *name, *summary, *examples;
    const struct pasta_option *options; /* ends with a zero entry */
    bool positional;                    /* takes operands (context.operands) */
    bool no_out;                        /* writes no run folder: --out is not required */
};

/* What a command's body gets. */
struct pasta_context {
    const struct pasta_command *command;
    struct pasta_config config;
    const char *out;             /* --out */
    bool force, resume, json, dry_run;
    struct pasta_strings operands;
    int threads;                 /* resolved: >= 1 */
    int argc; char **argv;       /* as given, for the manifest */
};
#endif
