/* design.h: how a study is laid out: who may answer, how often, under which arms.
 *
 * There are `places`, a multiple of the arms: block b holds one place of each arm, and its sessions start from the same prompt. Whoever
 * begins a session is dealt one of the arms that they have seen least, in the first block that has a place of such an arm left; where the
 * block has several, one at random. So whoever plays one session gets the first block's, which balances arms, and whoever plays several
 * sees every arm. Raters never learn which. A session that was not answered for so long is abandoned, and its place is given to another;
 * should its rater come back, it goes on all the same.
 */
#ifndef PASTA_STUDY_DESIGN_H
#define PASTA_STUDY_DESIGN_H
#include <stdbool.h>
#include <stdint.h>

enum { PASTA_STUDY_MAX_PLACES = 1000000, PASTA_STUDY_MAX_RATERS = 1000000, PASTA_STUDY_MAX_ARMS = 1000 };

struct pasta_study_design {
    uint64_t seed;
    int n_arms;
    const char **arms;             /* [n_arms] names */
    int64_t places;
    uint32_t raters, first_rater;  /* people with a link: numbers from first_rater on */
    int sessions_per_rater;
    int horizon;                   /* H */
    double attention_rate, repeat_rate; /* checks after a turn, on average */
    double idle_seconds;           /* until a session counts as abandoned */
};
#endif
