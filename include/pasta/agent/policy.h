/* policy.h: who chooses the slate.
 *
 * A policy scores candidates; the selector (slate.h) takes the best of each category, then the L best of those (paper, section on slate
 * selection; Q is the mean over the slate, so choosing is a sort). Policies are structs of function pointers so that agent/ needs no value
 * network.
 */
#ifndef PASTA_AGENT_POLICY_H
#define PASTA_AGENT_POLICY_H
#include <stdbool.h>

#include "pasta/base/err.h"
#include "pasta/io/record.h"
struct pasta_policy {
    void *ctx;
    const char *name; /* "random", "baseline", "pasta", "oracle" */
    /* scores[n], higher is better. `session` holds the complete turns so far; `person` and (seed, index) are the rater and the random
     * address, for policies that may know them. Safe from several threads. */
    pasta_status (*score)(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                          const struct pasta_candidate *candidates, int n, double *scores, struct pasta_err *err);
    bool at_random; /* scores are independent draws that know nothing: a slate at random */
};
struct pasta_policy pasta_policy_random(void);   /* scores at random */
struct pasta_policy pasta_policy_baseline(void); /* the generator's own order: the paper's baseline */
struct pasta_policy pasta_policy_named(const char *name); /* one of the two, as the configuration names them; it has checked the name */
#endif
