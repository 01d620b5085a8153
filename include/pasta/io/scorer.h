/* scorer.h: how a process that scores candidates is asked: one JSON line each way, over its standard input and output.
 *
 *     says, once it is ready:   {"schema":"pasta.scorer/1","name":"my agent"}
 *     is asked:                 {"schema":"pasta.score_request/1","session":{...},"person":3,"index":17,
 *                                "candidates":[{"prompt":"a red bicycle","category":"style"},...]}
 *     answers each question:    {"scores":[0.25,-1.5,...]}     or     {"error":"one sentence"}
 *
 * `session` is a pasta.session/1 with the complete turns so far, none before the first. Higher scores are better, one for each candidate in
 * their order; all are numbers, for JSON has no infinity and NaN. `person` numbers the rater and (session.seed, index) is the session's
 * random address, for scorers that draw: the same question then has the same answer. Fields that a reader does not know are passed over.
 * The scorer goes on after an error, and ends when its input does.
 */
#ifndef PASTA_IO_SCORER_H
#define PASTA_IO_SCORER_H
#include "pasta/io/record.h"

struct pasta_score_request {
    const struct pasta_session *session;
    uint32_t person, index;
    int n;                       /* >= 1 */
    const struct pasta_candidate *candidates;
};

/* Append one line with its newline. */
void pasta_score_request_print(const struct pasta_score_request *request, struct pasta_str *out);
void pasta_scores_print(const double *scores, int n, struct pasta_str *out);
void pasta_scores_print_error(const char *sentence, struct pasta_str *out);
void pasta_scorer_print(const char *name, struct pasta_str *out);

/* Parse one line; `where` stands in front of messages. A line that breaks the rules is PASTA_ERR_INPUT. */
pasta_status pasta_score_request_parse(const char *line, size_t length, const char *where, struct pasta_arena *arena,
                                       struct pasta_score_request *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* scores[n]. PASTA_ERR_FAILED with the sentence where the scorer says that it failed. */
pasta_status pasta_scores_parse(const char *line, size_t length, const char *where, int n, double *scores,
                                struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_scorer_parse(const char *line, size_t length, const char *where, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
