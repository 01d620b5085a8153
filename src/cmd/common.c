#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pasta/base/log.h"
#include "pasta/base/progress.h"
#include "pasta/base/version.h"

static void show(const struct pasta_command *command, const struct pasta_context *context, enum pasta_action action)
{
    struct pasta_str text = {0};
    switch (action) {
    case PASTA_SHOW_HELP: pasta_options_help(command, &text); break;
    case PASTA_SHOW_KEYS: pasta_config_help(&text); break;
    case PASTA_SHOW_CONFIG: pasta_config_print(&context->config, &text); break;
    case PASTA_SHOW_VERSION:
        pasta_str_printf(&text, "%s %s (%s)\n", command->name, pasta_version(), pasta_commit());
        if (command->libraries)
            pasta_str_printf(&text, "%s\n", command->libraries());
        break;
    case PASTA_RUN: break;
    }
    fputs(text.data ? text.data : "", stdout);
    pasta_str_release(&text);
}

int pasta_command_main(const struct pasta_command *command, int argc, char **argv, pasta_command_fn run)
{
    pasta_log_init(command->name, PASTA_LOG_INFO);
    if (command->prepare)
        command->prepare(argv);
    struct pasta_err err = {0};
    struct pasta_context context;
    enum pasta_action action = PASTA_RUN;
    enum pasta_log_level level = PASTA_LOG_INFO;
    pasta_status status = pasta_options_parse(command, argc, argv, &context, &action, &level, &err);
    pasta_log_level_set(level);
    if (status == PASTA_OK && action == PASTA_RUN) {
        pasta_stop_install();
        pasta_debug("%s (%s), seed %llu, %d threads, device %s", pasta_version(), pasta_commit(), (unsigned long long)context.config.seed,
                    context.threads, context.config.device);
        if (command->device_check)
            status = command->device_check(context.config.device, &err);
        if (status == PASTA_OK)
            status = run(&context, &err);
    } else if (status == PASTA_OK) {
        show(command, &context, action);
    }
    if (fflush(stdout) && status == PASTA_OK)
        status = pasta_fail(&err, PASTA_ERR_IO, "cannot write to stdout: %s", strerror(errno));
    if (status == PASTA_ERR_STOPPED)
        pasta_info("%s", err.message[0] ? err.message : "stopped; --resume goes on from here");
    else if (status != PASTA_OK)
        pasta_error("%s", err.message);
    pasta_context_release(&context);
    return pasta_status_exit(status);
}
