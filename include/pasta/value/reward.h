/* reward.h: what a turn is worth to the agent. */
#ifndef PASTA_VALUE_REWARD_H
#define PASTA_VALUE_REWARD_H
#include <stdbool.h>

#include "pasta/io/record.h"
/* The reward of a turn: its rating as (rating - 1) / 9 where there is one; else 0 where nothing was chosen; else better 1, same 0.5, worse
 * 0; else (the first turn, or nothing asked) 0.5. `versus`: better, same and worse come before the rating. */
double pasta_turn_reward(const struct pasta_turn *turn, bool versus);
#endif
