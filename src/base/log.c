#include "pasta/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *prog_name = "pasta";
static enum pasta_log_level log_level = PASTA_LOG_INFO;

void pasta_log_init(const char *prog, enum pasta_log_level level)
{
    prog_name = prog;
    log_level = level;
}

void pasta_log_level_set(enum pasta_log_level level)
{
    log_level = level;
}

enum pasta_log_level pasta_log_level_get(void)
{
    return log_level;
}

/* One write per line, so that lines of several threads do not mix. */
static void line(enum pasta_log_level level, const char *name, const char *fmt, va_list args)
{
    if (level > log_level)
        return;
    char message[1400];
    vsnprintf(message, sizeof message, fmt, args);
    /* A progress line may stand on the terminal; it is redrawn after the message. */
    fprintf(stderr, "%s%s: %s: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", prog_name, name, message);
}

#define LEVEL(function, level, name)            \
    void function(const char *fmt, ...)         \
    {                                           \
        va_list args;                           \
        va_start(args, fmt);                    \
        line(level, name, fmt, args);           \
        va_end(args);                           \
    }
LEVEL(pasta_error, PASTA_LOG_ERROR, "error")
LEVEL(pasta_warn, PASTA_LOG_WARN, "warning")
LEVEL(pasta_info, PASTA_LOG_INFO, "info")
LEVEL(pasta_debug, PASTA_LOG_DEBUG, "debug")
