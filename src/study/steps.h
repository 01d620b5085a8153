/* steps.h: what a session shows next: its turns, and the checks between them.
 *
 * After every turn there may be an attention check (the slate just seen, with a sentence that says which column to choose) and a repeated
 * slate (that of an earlier turn, in another order), each with the probability that the design says. Both are functions of the session's
 * address, PASTA_RNG_STUDY at (seed, index, turn, slot), and of the turns so far: a server that is started again asks the same.
 */
#ifndef PASTA_SRC_STUDY_STEPS_H
#define PASTA_SRC_STUDY_STEPS_H
#include "pasta/io/record.h"
#include "pasta/study/design.h"

/* Slots of the PASTA_RNG_STUDY streams at (seed, index, turn). Append only. */
enum study_slot {
    STUDY_SLOT_ARM,       /* turn 0: the arm of a session */
    STUDY_SLOT_ATTENTION, /* whether, the column to choose, the order */
    STUDY_SLOT_REPEAT,    /* whether, which turn, the order */
};
enum step_kind { STEP_TURN, STEP_CHECK, STEP_END };

/* What follows the answered turns and checks of `s`. STEP_CHECK: *check is filled in but for its answer, columns in `arena` (NULL: not
 * wanted). */
enum step_kind step_next(const struct pasta_study_design *design, const struct pasta_session *s, uint32_t index, struct pasta_arena *arena,
                         struct pasta_check *check);
/* Number of the step under way, from 1: one more than what was answered. */
int step_number(const struct pasta_session *s);
/* The answered step `number`: a turn (*turn) or a check (*check); the other is NULL. */
void step_find(const struct pasta_session *s, int number, const struct pasta_turn **turn, const struct pasta_check **check);
#endif
