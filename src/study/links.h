/* links.h: links.tsv, the one place where a rater's pseudonym and token stand together.
 *
 * A header `rater<TAB>url` and a row for each rater. The token is the last folder of the URL: 132 bits from the system's random numbers, in
 * 22 letters, digits, `-` and `_`. The file is readable by its owner only, and no record or log holds a token.
 */
#ifndef PASTA_SRC_STUDY_LINKS_H
#define PASTA_SRC_STUDY_LINKS_H
#include "state.h"

enum { STUDY_TOKEN = 22 };
#define STUDY_LINKS "links.tsv"
/* Reads the tokens of DIR/links.tsv into study->raters, or draws them where there is no such file, and writes it with `base`
 * ("https://host:port") in front of every link. PASTA_ERR_INPUT: a file with other lines than one for each rater, in their order. */
pasta_status links_open(struct study *study, const char *dir, const char *base, struct pasta_err *err) PASTA_MUST_CHECK;
/* The rater with this token, or NULL. */
struct study_rater *links_find(const struct study *study, const char *token, size_t length);
#endif
