/* sha256.h: SHA-256 through libcrypto; digests as 64 lower-case hex digits and a NUL. */
#ifndef PASTA_IO_SHA256_H
#define PASTA_IO_SHA256_H
#include <stddef.h>
#include "pasta/base/err.h"
void pasta_sha256(const void *bytes, size_t length, char hex[65]);
pasta_status pasta_sha256_file(const char *path, char hex[65], struct pasta_err *err) PASTA_MUST_CHECK;
#endif
