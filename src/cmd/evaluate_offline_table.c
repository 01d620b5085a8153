/* The table of what agents would get. */
#include <math.h>
#include <stdlib.h>

#include "evaluate.h"

enum { LEAST_LEFT = 10 };
static const struct pasta_estimate nothing = {NAN, NAN, NAN, 0, 0};

static void put_method(struct pasta_table *t, const struct evaluate_results *r, const double *values, const double *base)
{
    const struct evaluate_offline *o = r->offline;
    const int64_t n = (int64_t)o->sessions.n;
    pasta_table_estimate(t, pasta_estimate_mean(r->loggers, values, o->person, n));
    if (base)
        pasta_table_estimate(t, values == base ? nothing
                                               : pasta_estimate_difference(r->loggers, values, base, o->person, n));
}

/* Nothing where too little is left: such an estimate, with its interval, would only look like one. */
static void put_weighted(struct pasta_table *t, const struct evaluate_results *r, const double *values, const double *base, double left)
{
    if (left >= LEAST_LEFT) {
        put_method(t, r, values, base);
        return;
    }
    pasta_table_estimate(t, nothing);
    if (base)
        pasta_table_estimate(t, nothing);
}

static void put_number(struct pasta_table *t, double value)
{
    pasta_table_estimate(t, (struct pasta_estimate){value, NAN, NAN, 0, 0});
}

/* The mean rating of the sessions themselves, which is what each method says of the agent that played them. */
static void put_logged(struct pasta_table *t, const struct evaluate_results *r)
{
    const struct evaluate_offline *o = r->offline;
    double *values = pasta_calloc(o->sessions.n, sizeof *values);
    for (size_t i = 0; i < o->sessions.n; i++) {
        double factor = 1;
        for (int k = 0; k < o->sessions.items[i].n_turns; k++, factor *= o->context->config.value.discount)
            values[i] += factor * o->reward[(int64_t)i * o->horizon + k];
    }
    evaluate_offline_ratings(o, values);
    pasta_table_row(t);
    pasta_table_text(t, "as logged");
    put_method(t, r, values, NULL);
    for (int k = 0; k < 7; k++)
        put_number(t, NAN);
    free(values);
}

/* In words: which turns' weights count, and for whom there is no estimate. */
static char *make_note(int64_t turns)
{
    char *window = turns == 0   ? pasta_strdup("of all turns up to a reward's own")
                   : turns == 1 ? pasta_strdup("of a reward's own turn, histories as they were logged")
                                : pasta_asprintf("of the last %lld turns up to a reward's own", (long long)turns);
    char *note = pasta_asprintf(
        "Mean rating of a turn (of value.reward), as estimated without asking anybody. Fitted: fitted Q evaluation, linear in what f's head reads. "
        "By slates: importance weights of whole slates; by items: of their candidates, right where what a slate brings is a sum over them, as Q "
        "has it; weights %s. Doubly robust: the fitted values corrected with the weights by items. Left: how many sessions' worth of evidence the "
        "weights leave. A dash: fewer than %d are left, the logging agent never showed what this one would, or did not say how it explored.",
        window, LEAST_LEFT);
    free(window);
    return note;
}

void evaluate_offline_table(struct evaluate_results *r)
{
    const struct evaluate_offline *o = r->offline;
    const struct evaluate_offline_agent *base = &o->agents[EVALUATE_BASELINE];
    char *note = make_note(r->context->config.evaluate.weight_turns);
    struct pasta_table *t = evaluate_table_add(r, "offline", "What agents would get, from logged sessions", note);
    free(note);
    pasta_table_column(t, "agent", "agent", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "fitted", "fitted", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "fitted_difference", "less the baseline", PASTA_FORMAT_CHANGE, 2);
    pasta_table_column(t, "slates", "by slates", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "slates_left", "left", PASTA_FORMAT_NUMBER, 0);
    pasta_table_column(t, "items", "by items", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "items_left", "left", PASTA_FORMAT_NUMBER, 0);
    pasta_table_column(t, "doubly", "doubly robust", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "doubly_difference", "less the baseline", PASTA_FORMAT_CHANGE, 2);
    put_logged(t, r);
    for (int i = 0; i < o->n; i++) {
        const struct evaluate_offline_agent *a = &o->agents[i];
        pasta_table_row(t);
        pasta_table_text(t, a->name);
        put_method(t, r, a->fitted, base->fitted);
        put_weighted(t, r, a->slates, NULL, a->left_slates);
        put_number(t, isnan(a->slates[0]) ? NAN : a->left_slates);
        put_weighted(t, r, a->items, NULL, a->left_items);
        put_number(t, isnan(a->items[0]) ? NAN : a->left_items);
        put_weighted(t, r, a->doubly, base->doubly, fmin(a->left_items, base->left_items));
    }
}
