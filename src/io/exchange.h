/* exchange.h: a question and its reply as one line of JSON, in cache and cassette alike.
 *
 *     {"schema":"pasta.exchange/1","key":"HEX","kind":"chat","method":"POST","path":"/v1/chat/completions","body":"HEX","repeat":0,
 *      "reply":"TEXT"}
 *
 * `body` is the SHA-256 of what was sent, null for a GET; the words themselves are not kept: with images attached they would be longer
 * than the reply, and what a rater typed has no place here. `key`, by which a question is found again, is the SHA-256 of the lines kind,
 * method, path, body ("-" for null) and repeat, each with its newline. The path is the whole path of the URL, without query: some
 * services name the model in it, so the same API below another base path counts as another service. A reply that is no text is base64, in
 * `reply_base64`. The same exchange is the same bytes.
 */
#ifndef PASTA_SRC_IO_EXCHANGE_H
#define PASTA_SRC_IO_EXCHANGE_H
#include "pasta/base/mem.h"
#include "pasta/io/service.h"

#define EXCHANGE_SCHEMA "pasta.exchange/1"
struct exchange {
    char key[65], body[65];      /* body "": a GET */
    enum pasta_service_kind kind;
    int repeat;
    char *path;                  /* owned */
};

/* Takes `path`. */
void exchange_init(struct exchange *e, const struct pasta_question *q, char *path);
void exchange_release(struct exchange *e); /* legal on a zeroed struct */
void exchange_print(const struct exchange *e, const struct pasta_str *reply, struct pasta_str *line); /* appends, with a newline */
/* Replaces `reply`. A key that is not that of the other fields is PASTA_ERR_INPUT. `where` is FILE or FILE:LINE. */
pasta_status exchange_parse(const char *line, size_t length, const char *where, struct exchange *e, struct pasta_str *reply,
                            struct pasta_err *err) PASTA_MUST_CHECK;
#endif
