/* episodes.h: sessions as what one training step reads: tokens laid out as rows, rewards, choices.
 *
 * A session of n transitions (h_t, P_t, r_t, h_{t+1}, done): every turn that showed a slate is one; the last one is done. Histories grow
 * at their end, so all of a session's transitions share one row where it fits into the token limit; where it does not, each transition has
 * a row of its own with its oldest turns cut. Either way the forks of the rows, in order, are the transitions.
 */
#ifndef PASTA_SRC_VALUE_EPISODES_H
#define PASTA_SRC_VALUE_EPISODES_H
#include "value_impl.h"

struct pasta_rows { struct pasta_row *items; int n; };
struct pasta_episode {
    int n;                       /* transitions, >= 1 */
    double *reward;              /* [n] */
    int *choice;                 /* [n] column chosen, -1: none */
    struct pasta_rows f, v;      /* forks with the slate; forks alone */
};
struct pasta_episodes { struct pasta_episode *items; int n; int64_t transitions; };

/* Sessions without a slate in any turn give no episode. */
pasta_status pasta_episodes_init(struct pasta_episodes *e, const struct pasta_value_model *m, const struct pasta_session *const *sessions,
                                 int n, bool versus, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_episodes_release(struct pasta_episodes *e);
#endif
