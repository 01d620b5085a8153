#include "pasta/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void record(struct pasta_err *err, pasta_status status, const char *fmt, va_list args)
{
    err->status = status;
    vsnprintf(err->message, sizeof err->message, fmt, args);
}

pasta_status pasta_fail(struct pasta_err *err, pasta_status status, const char *fmt, ...)
{
    if (err && err->status == PASTA_OK) {
        va_list args;
        va_start(args, fmt);
        record(err, status, fmt, args);
        va_end(args);
    }
    return status;
}

pasta_status pasta_fail_errno(struct pasta_err *err, const char *fmt, ...)
{
    int number = errno;
    pasta_status status = number == ENOENT || number == ENOTDIR || number == EISDIR
                              ? PASTA_ERR_INPUT : PASTA_ERR_IO;
    if (err && err->status == PASTA_OK) {
        va_list args;
        va_start(args, fmt);
        record(err, status, fmt, args);
        va_end(args);
        size_t length = strlen(err->message);
        snprintf(err->message + length, sizeof err->message - length, ": %s", strerror(number));
    }
    return status;
}

void pasta_err_prefix(struct pasta_err *err, const char *fmt, ...)
{
    if (!err || err->status == PASTA_OK)
        return;
    char prefix[sizeof err->message], whole[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    if (snprintf(whole, sizeof whole, "%s: %s", prefix, err->message) >= (int)sizeof whole)
        memcpy(whole + sizeof whole - 4, "...", 4);
    memcpy(err->message, whole, sizeof whole);
}

enum pasta_exit pasta_status_exit(pasta_status status)
{
    switch (status) {
    case PASTA_OK: return PASTA_EXIT_OK;
    case PASTA_ERR_USAGE: return PASTA_EXIT_USAGE;
    case PASTA_ERR_INPUT: return PASTA_EXIT_INPUT;
    case PASTA_ERR_CHECK: return PASTA_EXIT_CHECK;
    case PASTA_ERR_STOPPED: return PASTA_EXIT_STOPPED;
    case PASTA_ERR_FAILED:
    case PASTA_ERR_IO: break;
    }
    return PASTA_EXIT_FAILED;
}
