/* collected.h: one pass over the records of a run folder: what there is, and how the raters answered.
 *
 *     struct pasta_collected found;
 *     pasta_collected_scan(out, "prompts.txt", &found, &err);
 *     pasta_collected_print(&found, true, &text);
 */
#ifndef PASTA_AGENT_COLLECTED_H
#define PASTA_AGENT_COLLECTED_H
#include <stdbool.h>
#include <stdint.h>
#include "pasta/base/dims.h"
#include "pasta/base/err.h"
#include "pasta/base/str.h"

struct pasta_collected {
    int64_t sessions, turns, pairs, ratings, images;
    int64_t prompts;                              /* different initial prompts */
    int64_t no_choice;                            /* turns without a choice */
    int64_t rated[PASTA_MAX_HORIZON];             /* turns with a rating, by turn */
    double rating_sum[PASTA_MAX_HORIZON];         /* of 1..10 */
    int64_t worse, same, better;
    double single_rating_sum;                     /* of the single-turn ratings */
};
/* Reads DIR/sessions.jsonl, preferences.jsonl and ratings.jsonl, those that are there. With `prompts_file` (a name in DIR, or NULL) the
 * different prompts are written there, a line each, in byte order. */
pasta_status pasta_collected_scan(const char *dir, const char *prompts_file, struct pasta_collected *out,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
/* Appends the numbers as one JSON object on a line, or as a few lines to read. Means of nothing are null, or left out. */
void pasta_collected_print(const struct pasta_collected *c, bool json, struct pasta_str *out);
#endif
