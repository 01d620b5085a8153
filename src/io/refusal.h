/* refusal.h: what a service says when it does not answer, as one line for a message. */
#ifndef PASTA_SRC_IO_REFUSAL_H
#define PASTA_SRC_IO_REFUSAL_H
#include "pasta/base/str.h"

/* Appends the message of the body's JSON, as services write it ({"error": {"message": ...}}, {"error": ...}, {"message": ...}, {"detail":
 * ...}, or a list of one of these), else the body's beginning: at most 200 characters, white space and what cannot be printed as single
 * spaces. Where the service repeats the credentials of `authorization` ("Bearer KEY"; NULL: none), "***" stands for them. */
void refusal_put(struct pasta_str *out, const struct pasta_str *body, const char *authorization);
/* The same for any text. */
void refusal_put_text(struct pasta_str *out, const char *text, size_t length, size_t characters);
#endif
