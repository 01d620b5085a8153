/* lmm_json.h: the next JSON value amid a text. */
#ifndef PASTA_SRC_WORLD_LMM_JSON_H
#define PASTA_SRC_WORLD_LMM_JSON_H
#include "pasta/base/json.h"

/* The first object or array at or behind text[*at], which moves behind it; NULL: there is none. Commas before a closing bracket are passed
 * over, and what the end of the text left open is closed behind the last whole value. *tries bounds the places that are looked at, over all
 * calls for a text: work is at most tries times its length. The caller deletes the tree. */
cJSON *lmm_json_next(const char *text, size_t *at, int *tries);
#endif
