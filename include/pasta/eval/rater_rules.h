/* rater_rules.h: whose answers had better be looked at, by rules that are said in advance, with the reason in words.
 *
 *     struct pasta_rater_verdicts *v = pasta_rater_judge(study, &config.raters);
 *     v->items[0].suspicious, v->items[0].reasons;      // true, "failed 2 of 3 attention checks; ..."
 *     pasta_rater_verdicts_free(v);
 *
 * Attention, equal ratings and times are plain bounds. The others are tests, and p of all tests of all raters together is corrected (Holm):
 * of attentive raters, whose columns are shuffled and who choose them alike, none is called suspicious by a test with probability
 * 1 - alpha. Where what is usual is not known in advance (how ratings spread, how often two looks agree), p comes from all raters
 * together, who differ; there a bound on the size of the habit stands beside it.
 *
 * Source of the correction: Holm, Scandinavian Journal of Statistics 1979.
 */
#ifndef PASTA_EVAL_RATER_RULES_H
#define PASTA_EVAL_RATER_RULES_H
#include <stdbool.h>
#include "pasta/base/config.h"
#include "pasta/eval/rater_habits.h"

enum pasta_rater_rule {
    PASTA_RULE_ATTENTION,    /* failed too many attention checks */
    PASTA_RULE_REPEATS,      /* agrees with itself less than others do, and more as chance does than as they do */
    PASTA_RULE_POSITIONS,    /* chooses columns by their place */
    PASTA_RULE_POSITION_RUN, /* the same column for long; said where the rule before is silent */
    PASTA_RULE_PATTERN,      /* goes from column to column in turn; said where the rule before is silent */
    PASTA_RULE_VERSUS_RUN,   /* the same of better, same, worse for long */
    PASTA_RULE_SAME_RATING,  /* one value of the scale */
    PASTA_RULE_RATING_RUN,   /* the same rating for long; said where the rule before is silent */
    PASTA_RULE_FAST,         /* too many turns in no time */
    PASTA_RULE_SPEED,        /* far faster than the others */
    PASTA_RULES
};
struct pasta_rater_verdict {
    bool suspicious;
    bool broken[PASTA_RULES]; /* the rules behind it */
    double p[PASTA_RULES];    /* Holm's, of those that are tests; NAN elsewhere and where there is nothing to test */
    const char *reasons;      /* joined by "; "; "" where there are none */
};
struct pasta_rater_verdicts {
    int64_t n, suspicious;
    struct pasta_rater_verdict *items; /* [n] raters of the study */
    int64_t named[PASTA_RULES];        /* raters that break each rule */
    struct pasta_arena arena;
};
struct pasta_rater_verdicts *pasta_rater_judge(const struct pasta_rater_study *study, const struct pasta_raters_settings *settings);
void pasta_rater_verdicts_free(struct pasta_rater_verdicts *v); /* NULL is legal */
extern const char *const pasta_rater_rule_names[PASTA_RULES];
/* The rule in words, with its bounds; appended. */
void pasta_rater_rule_print(enum pasta_rater_rule rule, const struct pasta_raters_settings *settings, struct pasta_str *out);
#endif
