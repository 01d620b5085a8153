/* The table of what agents would get. */
#include <math.h>
#include <stdlib.h>

#include "evaluate.h"

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

void evaluate_offline_table(struct evaluate_results *r)
{
    const struct evaluate_offline *o = r->offline;
    const struct evaluate_offline_agent *base = &o->agents[EVALUATE_BASELINE];
    struct pasta_table *t = evaluate_table_add(r, "offline", "What agents would get, from logged sessions",
                                      "Mean rating of a turn (of value.reward), as estimated without asking anybody. Fitted: fitted Q evaluation, "
                                      "linear in what f's head reads. By slates: importance weights of whole slates; by items: of their "
                                      "candidates, right where what a slate brings is a sum over them, as Q has it. Doubly robust: the fitted "
                                      "values corrected with the weights by items. Left: how many sessions' worth of evidence the weights leave; of "
                                      "few, an estimate and its interval say little. "
                                      "A dash: the logging agent never showed what this one would, or did not say how it explored.");
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
        put_method(t, r, a->slates, NULL);
        put_number(t, isnan(a->slates[0]) ? NAN : a->left_slates);
        put_method(t, r, a->items, NULL);
        put_number(t, isnan(a->items[0]) ? NAN : a->left_items);
        put_method(t, r, a->doubly, base->doubly);
    }
}
