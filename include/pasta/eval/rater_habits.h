/* rater_habits.h: how raters answer, measured from their sessions and the checks in them.
 *
 * Columns, answers and ratings are taken in the order in which the sessions are given; turns without a choice, a rating or a time count
 * nowhere. Columns are taken to stand in an order that says nothing (shuffled, as the rater's page has them): then an attentive rater
 * chooses all positions alike, and one turn's position says nothing of the next one's.
 *
 *     struct pasta_rater_study *study = pasta_rater_study_new(sessions.items, sessions.n, 2, seed);
 *     study->habits[0].attention_failed;
 *     pasta_rater_study_free(study);
 *
 * Sources: Meade & Craig, "Identifying careless responses in survey data", Psychological Methods 2012 (what to look at); Iglewicz &
 * Hoaglin, "How to detect and handle outliers", 1993 (median and MAD).
 */
#ifndef PASTA_EVAL_RATER_HABITS_H
#define PASTA_EVAL_RATER_HABITS_H
#include <stdint.h>
#include "pasta/eval/chance.h"
#include "pasta/io/record.h"

struct pasta_habit_run {
    struct pasta_run run;           /* run.value: a column; an enum pasta_versus; a rating's index in the study's `ratings` */
    int64_t of;                     /* answers that there were */
    double p;                       /* of a run as long by chance; NAN without answers */
};
/* Whether a choice is that of `lag` turns before, where both slates were as wide: by chance 1 / width of the times. */
struct pasta_habit_pattern {
    int lag;                        /* 1..PASTA_MOST_LAG, the one with the least p, of equals the least; 0: nothing to compare */
    int64_t equal, of;              /* as many turns before */
    double excess;                  /* equal / of above what chance gives; NAN: nothing to compare */
    double p;                       /* of as many by chance, times PASTA_MOST_LAG for the choice of the lag; NAN as above */
};
enum { PASTA_MOST_LAG = 5 };
struct pasta_rater_habits {
    const char *rater_id;
    int64_t sessions, turns, chosen;
    struct pasta_uniform_test positions; /* against even ones */
    struct pasta_habit_run position_run;
    struct pasta_habit_pattern pattern;  /* of positions: who goes from column to column in turn comes back to each */
    /* The same for answers (better, same, worse) and ratings; by chance: drawn independently from what all raters gave. */
    struct pasta_habit_run versus_run, rating_run;
    int64_t rating_values;          /* different ratings given */
    int64_t attention, attention_failed; /* no choice is a failure */
    double guessing;                /* probability that who chooses at random passes as many; NAN: none shown */
    int64_t repeats, repeats_same;  /* slates shown twice; the same column chosen, or none both times */
    double repeats_chance;          /* share expected of who chooses at random: the mean of 1 / L; NAN: no repeats */
    double repeats_p;               /* of as few, if all agree with themselves alike (Fisher); NAN: no repeats, or nobody else's */
    int64_t timed, fast;            /* turns whose seconds are known, and below the bound */
    double seconds;                 /* their median, NAN: none */
    double speed;                   /* log of it less the raters' median of that, in robust standard deviations (1.4826 MAD); NAN with fewer
                                       than five raters whose time is known, or where more than half take the same */
};
enum { PASTA_LEAST_TIMED_RATERS = 5 };

struct pasta_rater_study {
    int64_t n;                      /* raters, in the order of their ids' bytes */
    struct pasta_rater_habits *habits; /* [n] */
    int32_t *rater_of;              /* [sessions] */
    double fast_seconds;
    int n_ratings;                  /* different ratings that were given, in rising order */
    double *ratings;
    struct pasta_uniform_test positions; /* of all raters together */
    int64_t n_repeats;              /* of all raters */
    double *repeat_codes;           /* [n_repeats,2] column of the turn that was chosen the first and the second time; -1 none */
    double *repeat_chance;          /* [n_repeats] 1 / L */
    int32_t *repeat_rater;          /* [n_repeats] */
    double median_seconds;          /* median over raters; NAN: no times */
    struct pasta_arena arena;
};
/* The sessions' strings are borrowed. */
struct pasta_rater_study *pasta_rater_study_new(const struct pasta_session *sessions, size_t n, double fast_seconds, uint64_t seed);
void pasta_rater_study_free(struct pasta_rater_study *study); /* NULL is legal */
#endif
