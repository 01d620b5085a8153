/* reward.c: see reward.h. */
#include "pasta/value/reward.h"

#include <math.h>

double pasta_turn_reward(const struct pasta_turn *turn, bool versus)
{
    const bool answered = turn->versus != PASTA_VERSUS_NONE && turn->choice >= 0;
    if (!isnan(turn->rating) && !(versus && answered))
        return (turn->rating - 1) / 9;
    if (turn->choice < 0)
        return 0;
    switch (turn->versus) {
    case PASTA_BETTER: return 1;
    case PASTA_SAME: return 0.5;
    case PASTA_WORSE: return 0;
    default: return 0.5;
    }
}
