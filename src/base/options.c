#include "pasta/base/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/dims.h"
#include "pasta/base/threads.h"

/* What the common flags are parsed into before the configuration is put together. */
struct common {
    const char *config, *out;
    struct pasta_strings keys; /* flag, config key, value; and so on */
    struct pasta_strings set;
    bool force, resume, quiet, verbose, json, dry_run, print_config, help_config, version, help;
};

enum { N_COMMON = 16 };

static void common_table(struct common *c, struct pasta_option table[N_COMMON + 1])
{
    const struct pasta_option t[N_COMMON + 1] = {
        {"config", PASTA_OPT_STRING, &c->config, "FILE", "read config keys from a JSON file", NULL},
        {"set", PASTA_OPT_STRINGS, &c->set, "KEY=VALUE", "set one config key; repeatable", NULL},
        {"seed", PASTA_OPT_KEY, "seed", "N", "random seed (config key seed, PASTA_SEED)", NULL},
        {"threads", PASTA_OPT_KEY, "threads", "N", "threads; 0: one for each processor (PASTA_THREADS)", NULL},
        {"device", PASTA_OPT_KEY, "device", "DEVICE", "cpu or cuda:N (PASTA_DEVICE)", NULL},
        {"out", PASTA_OPT_STRING, &c->out, "PATH", "where the results go", NULL},
        {"force", PASTA_OPT_FLAG, &c->force, NULL, "replace the results of an earlier run", NULL},
        {"resume", PASTA_OPT_FLAG, &c->resume, NULL, "go on with an interrupted run", NULL},
        {"quiet", PASTA_OPT_FLAG, &c->quiet, NULL, "errors only", NULL},
        {"verbose", PASTA_OPT_FLAG, &c->verbose, NULL, "say more: also version, seed, threads and device", NULL},
        {"json", PASTA_OPT_FLAG, &c->json, NULL, "print the summary on stdout as JSON", NULL},
        {"dry-run", PASTA_OPT_FLAG, &c->dry_run, NULL, "check the inputs and print what the run would take", NULL},
        {"print-config", PASTA_OPT_FLAG, &c->print_config, NULL, "print the resolved configuration and stop", NULL},
        {"help-config", PASTA_OPT_FLAG, &c->help_config, NULL, "list every config key with range, default and source", NULL},
        {"version", PASTA_OPT_FLAG, &c->version, NULL, "print version and libraries in use", NULL},
        {"help", PASTA_OPT_FLAG, &c->help, NULL, "print this", NULL},
    };
    memcpy(table, t, sizeof t);
}

static const struct pasta_option *find(const struct pasta_option *table, const char *name, size_t length)
{
    for (; table->name; table++)
        if (strlen(table->name) == length && memcmp(table->name, name, length) == 0)
            return table;
    return NULL;
}

static void push(struct pasta_strings *list, const char *value)
{
    PASTA_GROW(list->items, (size_t)list->count + 1, list->capacity);
    list->items[list->count++] = value;
}

/* Once: which key a second value would set is a question. */
static pasta_status push_key(struct pasta_strings *keys, const struct pasta_option *option, const char *value, struct pasta_err *err)
{
    for (int i = 0; i < keys->count; i += 3)
        if (strcmp(keys->items[i], option->name) == 0)
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s is given twice", option->name);
    push(keys, option->name);
    push(keys, option->target);
    push(keys, value);
    return PASTA_OK;
}

static pasta_status parse_words(const struct pasta_command *command, const struct pasta_option *common, int argc,
                                char **argv, struct pasta_strings *keys, struct pasta_context *context, struct pasta_err *err)
{
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (options_end || word[0] != '-' || !word[1]) {
            if (!command->operands)
                return pasta_fail(err, PASTA_ERR_USAGE, "unexpected argument '%s'; see --help", word);
            push(&context->operands, word);
            continue;
        }
        if (strcmp(word, "--") == 0) {
            options_end = true;
            continue;
        }
        if (word[1] != '-')
            return pasta_fail(err, PASTA_ERR_USAGE, "unknown flag '%s'; see --help", word);
        const char *name = word + 2, *value = strchr(name, '=');
        size_t length = value ? (size_t)(value - name) : strlen(name);
        const struct pasta_option *option = find(command->options, name, length);
        if (!option)
            option = find(common, name, length);
        if (!option)
            return pasta_fail(err, PASTA_ERR_USAGE, "unknown flag '--%.*s'; see --help", (int)length, name);
        if (option->kind == PASTA_OPT_FLAG) {
            if (value)
                return pasta_fail(err, PASTA_ERR_USAGE, "--%s takes no value, found '%s'", option->name, value + 1);
            *(bool *)option->target = true;
            continue;
        }
        if (value)
            value++;
        else if (++i < argc && strncmp(argv[i], "--", 2) != 0)
            value = argv[i];
        else /* whoever means a value that begins so writes --NAME=VALUE */
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s: expected %s, found %s", option->name, option->argument,
                              i < argc ? argv[i] : "the end of the command line");
        if (option->kind == PASTA_OPT_STRINGS) {
            push(option->target, value);
            continue;
        }
        if (option->kind == PASTA_OPT_KEY) {
            const pasta_status status = push_key(keys, option, value, err);
            if (status != PASTA_OK)
                return status;
            continue;
        }
        const char **target = option->target;
        if (*target)
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s is given twice", option->name);
        *target = value;
    }
    return PASTA_OK;
}

static pasta_status set_key(struct pasta_config *config, const char *from, const char *key, const char *value,
                            struct pasta_err *err)
{
    struct pasta_err inner = {0};
    pasta_status status = pasta_config_set(config, key, value, &inner);
    if (status == PASTA_OK)
        return PASTA_OK;
    const char *message = pasta_starts_with(inner.message, "--set: ") ? inner.message + 7 : inner.message;
    return pasta_fail(err, status, "%s: %s", from, message);
}

static pasta_status resolve_config(const struct common *c, struct pasta_config *config, struct pasta_err *err)
{
    pasta_status status;
    if (c->config && (status = pasta_config_read(config, c->config, err)) != PASTA_OK)
        return status;
    static const char *const variables[][2] = {
        {"PASTA_SEED", "seed"}, {"PASTA_THREADS", "threads"}, {"PASTA_DEVICE", "device"}};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(variables[i][0]);
        if (value && *value && (status = set_key(config, variables[i][0], variables[i][1], value, err)) != PASTA_OK)
            return status;
    }
    for (int i = 0; i < c->set.count; i++) {
        const char *item = c->set.items[i], *equals = strchr(item, '=');
        if (!equals)
            return pasta_fail(err, PASTA_ERR_USAGE, "--set: expected KEY=VALUE, found '%s'", item);
        char *key = pasta_strndup(item, (size_t)(equals - item));
        status = pasta_config_set(config, key, equals + 1, err);
        free(key);
        if (status != PASTA_OK)
            return status;
    }
    for (int i = 0; i < c->keys.count; i += 3) {
        char *flag = pasta_asprintf("--%s", c->keys.items[i]);
        status = set_key(config, flag, c->keys.items[i + 1], c->keys.items[i + 2], err);
        free(flag);
        if (status != PASTA_OK)
            return status;
    }
    if (config->agent.candidates % PASTA_CATEGORIES)
        return pasta_fail(err, PASTA_ERR_USAGE, "agent.candidates: expected a multiple of %d, found %lld",
                          PASTA_CATEGORIES, (long long)config->agent.candidates);
    return PASTA_OK;
}

static pasta_status check_required(const struct pasta_command *command, const struct common *c, struct pasta_err *err)
{
    for (const struct pasta_option *o = command->options; o->name; o++) {
        bool given = o->kind == PASTA_OPT_FLAG || o->kind == PASTA_OPT_KEY ? true
                     : o->kind == PASTA_OPT_STRING ? *(const char **)o->target != NULL
                                                   : ((struct pasta_strings *)o->target)->count > 0;
        if (o->required && !given)
            return pasta_fail(err, PASTA_ERR_USAGE, "--%s %s is needed: %s", o->name, o->argument, o->required);
    }
    if (!command->no_out && !c->out && !c->dry_run)
        return pasta_fail(err, PASTA_ERR_USAGE, "--out PATH is needed: where the results go");
    if (c->force && c->resume)
        return pasta_fail(err, PASTA_ERR_USAGE, "--force and --resume exclude each other");
    if (c->dry_run && command->no_dry_run)
        return pasta_fail(err, PASTA_ERR_USAGE, "--dry-run has no meaning for %s", command->name);
    if (c->json && command->no_json)
        return pasta_fail(err, PASTA_ERR_USAGE, "--json has no meaning for %s", command->name);
    return PASTA_OK;
}

pasta_status pasta_options_parse(const struct pasta_command *command, int argc, char **argv,
                                 struct pasta_context *context, enum pasta_action *action, enum pasta_log_level *level,
                                 struct pasta_err *err)
{
    struct common c = {0};
    struct pasta_option common[N_COMMON + 1];
    common_table(&c, common);
    *context = (struct pasta_context){.command = command, .argc = argc, .argv = argv};
    pasta_config_init(&context->config);
    pasta_status status = parse_words(command, common, argc, argv, &c.keys, context, err);
    if (status != PASTA_OK)
        goto out;
    *level = c.quiet ? PASTA_LOG_ERROR : c.verbose ? PASTA_LOG_DEBUG : PASTA_LOG_INFO;
    *action = c.help ? PASTA_SHOW_HELP : c.version ? PASTA_SHOW_VERSION : c.help_config ? PASTA_SHOW_KEYS
              : c.print_config ? PASTA_SHOW_CONFIG : PASTA_RUN;
    if (*action == PASTA_SHOW_HELP || *action == PASTA_SHOW_VERSION || *action == PASTA_SHOW_KEYS)
        goto out;
    status = resolve_config(&c, &context->config, err);
    if (status == PASTA_OK && *action == PASTA_RUN)
        status = check_required(command, &c, err);
    context->out = c.out;
    context->force = c.force;
    context->resume = c.resume;
    context->json = c.json;
    context->dry_run = c.dry_run;
    context->threads = context->config.threads ? (int)context->config.threads : pasta_cpu_count();
out:
    free(c.set.items);
    free(c.keys.items);
    return status;
}

static bool is_refused(const struct pasta_command *command, const char *flag)
{
    return (command->no_dry_run && strcmp(flag, "dry-run") == 0) || (command->no_json && strcmp(flag, "json") == 0);
}

static void help_table(const struct pasta_command *command, const struct pasta_option *table, struct pasta_str *out)
{
    for (; table->name; table++) {
        char left[60];
        if (is_refused(command, table->name))
            continue;
        snprintf(left, sizeof left, "--%s%s%s", table->name, table->argument ? " " : "",
                 table->argument ? table->argument : "");
        pasta_str_printf(out, "  %-26s %s%s%s\n", left, table->help, table->required ? " (needed)" : "",
                         table->kind == PASTA_OPT_STRINGS && !strstr(table->help, "repeatable") ? "; repeatable" : "");
    }
}

void pasta_options_help(const struct pasta_command *command, struct pasta_str *out)
{
    struct common c = {0};
    struct pasta_option common[N_COMMON + 1];
    common_table(&c, common);
    pasta_str_printf(out, "%s: %s\n\nExamples:\n%s\nUsage: %s [options]%s%s\n\nOptions:\n", command->name,
                     command->summary, command->examples, command->name, command->operands ? " " : "",
                     command->operands ? command->operands : "");
    help_table(command, command->options, out);
    pasta_str_add(out, "\nCommon options:\n");
    help_table(command, common, out);
    pasta_str_add(out, "\nExit codes: 0 ok, 1 failed, 2 usage, 3 invalid input, 4 a check was not met, 75 stopped but resumable.\n");
}

void pasta_context_release(struct pasta_context *context)
{
    pasta_config_release(&context->config);
    free(context->operands.items);
    *context = (struct pasta_context){0};
}
