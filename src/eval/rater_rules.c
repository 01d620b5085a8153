#include "pasta/eval/rater_rules.h"

#include <math.h>
#include <stdlib.h>

#include "pasta/base/str.h"
#include "pasta/eval/paired_tests.h"

const char *const pasta_rater_rule_names[PASTA_RULES] = {
    [PASTA_RULE_ATTENTION] = "attention", [PASTA_RULE_REPEATS] = "repeated slates", [PASTA_RULE_POSITIONS] = "places",
    [PASTA_RULE_POSITION_RUN] = "run of a column", [PASTA_RULE_PATTERN] = "pattern of columns",
    [PASTA_RULE_VERSUS_RUN] = "run of an answer", [PASTA_RULE_SAME_RATING] = "one rating",
    [PASTA_RULE_RATING_RUN] = "run of a rating", [PASTA_RULE_FAST] = "fast turns", [PASTA_RULE_SPEED] = "speed"};

/* --- what is tested --- */

static double raw_p(const struct pasta_rater_habits *h, enum pasta_rater_rule rule)
{
    switch (rule) {
    case PASTA_RULE_REPEATS: return h->repeats_p;
    case PASTA_RULE_POSITIONS: return h->positions.p;
    case PASTA_RULE_POSITION_RUN: return h->position_run.p;
    case PASTA_RULE_PATTERN: return h->pattern.p;
    case PASTA_RULE_VERSUS_RUN: return h->versus_run.p;
    case PASTA_RULE_RATING_RUN: return h->rating_run.p;
    default: return NAN;
    }
}

/* One family: every test of every rater. */
static void correct(const struct pasta_rater_study *study, struct pasta_rater_verdicts *v)
{
    struct pasta_paired_test *tests = pasta_calloc((size_t)(study->n * PASTA_RULES) + 1, sizeof *tests);
    for (int64_t i = 0; i < study->n * PASTA_RULES; i++)
        tests[i].p = raw_p(&study->habits[i / PASTA_RULES], (enum pasta_rater_rule)(i % PASTA_RULES));
    pasta_holm(tests, (int)(study->n * PASTA_RULES));
    for (int64_t i = 0; i < study->n * PASTA_RULES; i++)
        v->items[i / PASTA_RULES].p[i % PASTA_RULES] = tests[i].p_holm;
    free(tests);
}

/* Is the rater's agreement nearer to chance than to the agreement of all? */
static bool near_chance(const struct pasta_rater_study *study, const struct pasta_rater_habits *h)
{
    int64_t same = 0;
    for (int64_t r = 0; r < study->n; r++)
        same += study->habits[r].repeats_same;
    const double others = (double)(same - h->repeats_same) / (double)(study->n_repeats - h->repeats);
    return (double)h->repeats_same / (double)h->repeats < (others + h->repeats_chance) / 2;
}

static bool is_share(int64_t part, int64_t of, double least)
{
    return of > 0 && (double)part >= least * (double)of;
}

static bool breaks(const struct pasta_rater_study *study, const struct pasta_rater_habits *h, const struct pasta_rater_verdict *v,
                   const struct pasta_raters_settings *set, enum pasta_rater_rule rule)
{
    const bool tested = v->p[rule] < set->alpha;
    switch (rule) {
    case PASTA_RULE_ATTENTION:
        return h->attention_failed >= set->attention_failed && is_share(h->attention_failed, h->attention, set->attention_share);
    case PASTA_RULE_REPEATS: return tested && near_chance(study, h);
    case PASTA_RULE_POSITIONS: return tested && h->positions.excess >= set->position_excess;
    case PASTA_RULE_POSITION_RUN: return tested && !v->broken[PASTA_RULE_POSITIONS];
    case PASTA_RULE_PATTERN: /* a lag of 1 is a run */
        return tested && h->pattern.lag > 1 && h->pattern.excess >= set->position_excess && !v->broken[PASTA_RULE_POSITION_RUN];
    case PASTA_RULE_VERSUS_RUN: return tested && is_share(h->versus_run.run.length, h->versus_run.of, set->run_share);
    case PASTA_RULE_SAME_RATING: return h->rating_values == 1 && h->rating_run.of >= set->same_rating;
    case PASTA_RULE_RATING_RUN:
        return tested && is_share(h->rating_run.run.length, h->rating_run.of, set->run_share) && !v->broken[PASTA_RULE_SAME_RATING];
    case PASTA_RULE_FAST: return is_share(h->fast, h->timed, set->fast_share);
    case PASTA_RULE_SPEED: return h->speed <= -set->speed && h->seconds <= study->median_seconds / 2;
    case PASTA_RULES: break;
    }
    return false;
}

/* --- words --- */

static void put_p(double p, struct pasta_str *out)
{
    if (p < 1e-9)
        pasta_str_add(out, " (p < 1e-9)");
    else
        pasta_str_printf(out, " (p = %.1g)", p);
}

static void put_reason(const struct pasta_rater_study *study, const struct pasta_rater_habits *h, const struct pasta_rater_verdict *v,
                       enum pasta_rater_rule rule, struct pasta_str *out)
{
    switch (rule) {
    case PASTA_RULE_ATTENTION:
        pasta_str_printf(out, "failed %lld of %lld attention checks", (long long)h->attention_failed, (long long)h->attention);
        break;
    case PASTA_RULE_REPEATS:
        pasta_str_printf(out, "chose the same in %lld of %lld repeated slates", (long long)h->repeats_same, (long long)h->repeats);
        break;
    case PASTA_RULE_POSITIONS:
        pasta_str_printf(out, "chose column %d in %lld of %lld turns", h->positions.commonest + 1, (long long)h->positions.commonest_n,
                         (long long)h->positions.n);
        break;
    case PASTA_RULE_POSITION_RUN:
        pasta_str_printf(out, "chose column %d %lld times in a row", h->position_run.run.value + 1, (long long)h->position_run.run.length);
        break;
    case PASTA_RULE_PATTERN:
        pasta_str_printf(out, "chose the column of %d turns before in %lld of %lld turns", h->pattern.lag, (long long)h->pattern.equal,
                         (long long)h->pattern.of);
        break;
    case PASTA_RULE_VERSUS_RUN:
        pasta_str_printf(out, "answered '%s' %lld times in a row", pasta_versus_names[h->versus_run.run.value], (long long)h->versus_run.run.length);
        break;
    case PASTA_RULE_SAME_RATING:
        pasta_str_printf(out, "rated every one of %lld turns %g", (long long)h->rating_run.of, study->ratings[h->rating_run.run.value]);
        break;
    case PASTA_RULE_RATING_RUN:
        pasta_str_printf(out, "rated %g %lld times in a row", study->ratings[h->rating_run.run.value], (long long)h->rating_run.run.length);
        break;
    case PASTA_RULE_FAST:
        pasta_str_printf(out, "took less than %g s for %lld of %lld turns", study->fast_seconds, (long long)h->fast, (long long)h->timed);
        break;
    case PASTA_RULE_SPEED:
        pasta_str_printf(out, "took %.2g s a turn where others take %.2g", h->seconds, study->median_seconds);
        break;
    case PASTA_RULES: break;
    }
    if (!isnan(v->p[rule]))
        put_p(v->p[rule], out);
}

void pasta_rater_rule_print(enum pasta_rater_rule rule, const struct pasta_raters_settings *set, struct pasta_str *out)
{
    switch (rule) {
    case PASTA_RULE_ATTENTION:
        pasta_str_printf(out, "failed at least %lld attention checks and %g %% of those shown", (long long)set->attention_failed,
                         100 * set->attention_share);
        break;
    case PASTA_RULE_REPEATS:
        pasta_str_printf(out, "agrees with itself on repeated slates less than the others (p < %g), and nearer to chance than to them",
                         set->alpha);
        break;
    case PASTA_RULE_POSITIONS:
        pasta_str_printf(out, "chooses columns by their place (p < %g), at least %g %% of the choices beyond an even spread", set->alpha,
                         100 * set->position_excess);
        break;
    case PASTA_RULE_POSITION_RUN:
        pasta_str_printf(out, "chooses one column in a longer run than chance has (p < %g)", set->alpha);
        break;
    case PASTA_RULE_PATTERN:
        pasta_str_printf(out, "goes from column to column in turn, back to each after 2 to %d (p < %g), at least %g %% of the turns "
                         "oftener than by chance", PASTA_MOST_LAG, set->alpha, 100 * set->position_excess);
        break;
    case PASTA_RULE_VERSUS_RUN:
        pasta_str_printf(out, "gives one answer of better, same, worse in a longer run than chance has (p < %g), at least %g %% of the "
                         "answers", set->alpha, 100 * set->run_share);
        break;
    case PASTA_RULE_SAME_RATING:
        pasta_str_printf(out, "gives at least %lld ratings, all the same", (long long)set->same_rating);
        break;
    case PASTA_RULE_RATING_RUN:
        pasta_str_printf(out, "gives one rating in a longer run than chance has (p < %g), at least %g %% of the ratings", set->alpha,
                         100 * set->run_share);
        break;
    case PASTA_RULE_FAST:
        pasta_str_printf(out, "takes less than %g s for at least %g %% of the turns", set->fast_seconds, 100 * set->fast_share);
        break;
    case PASTA_RULE_SPEED:
        pasta_str_printf(out, "takes so little time that its log is %g robust standard deviations below the raters' median, and half their "
                         "time at most", set->speed);
        break;
    case PASTA_RULES: break;
    }
}

/* --- verdicts --- */

static void judge(const struct pasta_rater_study *study, const struct pasta_raters_settings *set, int64_t rater,
                  struct pasta_rater_verdicts *all)
{
    const struct pasta_rater_habits *h = &study->habits[rater];
    struct pasta_rater_verdict *v = &all->items[rater];
    struct pasta_str reasons = {0};
    pasta_str_add(&reasons, "");
    for (int rule = 0; rule < PASTA_RULES; rule++) {
        if (!(v->broken[rule] = breaks(study, h, v, set, (enum pasta_rater_rule)rule)))
            continue;
        all->named[rule]++;
        pasta_str_add(&reasons, v->suspicious ? "; " : "");
        put_reason(study, h, v, (enum pasta_rater_rule)rule, &reasons);
        v->suspicious = true;
    }
    all->suspicious += v->suspicious;
    v->reasons = pasta_arena_strdup(&all->arena, reasons.data);
    pasta_str_release(&reasons);
}

struct pasta_rater_verdicts *pasta_rater_judge(const struct pasta_rater_study *study, const struct pasta_raters_settings *settings)
{
    struct pasta_rater_verdicts *v = pasta_calloc(1, sizeof *v);
    v->n = study->n;
    v->items = pasta_arena_alloc(&v->arena, (size_t)v->n * sizeof *v->items);
    correct(study, v);
    for (int64_t r = 0; r < v->n; r++)
        judge(study, settings, r, v);
    return v;
}

void pasta_rater_verdicts_free(struct pasta_rater_verdicts *v)
{
    if (!v)
        return;
    pasta_arena_release(&v->arena);
    free(v);
}
