/* base64.h: bytes as text in the standard alphabet with padding (RFC 4648, section 4), without line breaks. */
#ifndef PASTA_BASE_BASE64_H
#define PASTA_BASE_BASE64_H
#include <stdbool.h>
#include <stddef.h>
#include "pasta/base/str.h"

void pasta_base64_put(struct pasta_str *s, const void *bytes, size_t length); /* appends */
/* Appends what `text` stands for. False, and nothing appended, when it is not what pasta_base64_put writes for any bytes. */
bool pasta_base64_read(struct pasta_str *s, const char *text, size_t length);
#endif
