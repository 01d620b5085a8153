/* lmm_template.h: what a language model is asked, as a text file of sections with {{placeholders}}: configs/candidates-1.txt.
 *
 * Lines before the first section that begin with '#' are comments. A section begins with its name in brackets, alone on a line, and is
 * trimmed at both ends. Its name and version are the file's name; the file's SHA-256 is kept in every session that it helped to make.
 */
#ifndef PASTA_SRC_WORLD_LMM_TEMPLATE_H
#define PASTA_SRC_WORLD_LMM_TEMPLATE_H
#include "pasta/base/err.h"
#include "pasta/base/str.h"

enum lmm_section { LMM_SYSTEM, LMM_USER, LMM_FIRST, LMM_TURN, LMM_IMAGES, LMM_REPAIR, LMM_MISSING, LMM_SECTIONS };
/* What placeholders stand for. Everything that a person typed or a model wrote is JSON. */
enum lmm_value {
    LMM_CANDIDATES, LMM_EACH, LMM_MAX_WORDS, LMM_NUMBER, LMM_HORIZON, /* everywhere: numbers; LMM_NUMBER is {{turn}} */
    LMM_INITIAL_PROMPT, LMM_HISTORY,                                  /* [user] */
    LMM_SHOWN, LMM_ANSWER,                                            /* [turn] */
    LMM_PROBLEM,                                                      /* [repair], [missing] */
    LMM_LACKING,                                                      /* [missing] */
    LMM_VALUES
};
struct lmm_template {
    char *text[LMM_SECTIONS];
    char hash[65];
};
/* Unknown sections and placeholders, and missing sections, are PASTA_ERR_INPUT with FILE:LINE. */
pasta_status lmm_template_read(const char *path, struct lmm_template *out, struct pasta_err *err) PASTA_MUST_CHECK;
void lmm_template_release(struct lmm_template *t); /* legal on a zeroed struct */
/* Appends the section with values[v] for each placeholder; values that the section does not know may be NULL. */
void lmm_template_fill(const struct lmm_template *t, enum lmm_section section, const char *const values[LMM_VALUES], struct pasta_str *out);
#endif
