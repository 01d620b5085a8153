/* Which type of one user model is which of another: types have no names of their own, and another seed numbers them otherwise. */
#include <math.h>
#include <stdlib.h>

#include "evaluate.h"
#include "pasta/eval/assignment.h"
#include "pasta/eval/measures.h"

enum { MOST_LOOKS = 4000 };

/* Pearson's correlation of column `a` of x [n,width_x] with column `b` of y [n,width_y]; 0 where one is constant. */
static double correlation(const double *x, int width_x, int a, const double *y, int width_y, int b, int64_t n)
{
    double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < n; i++) {
        mean_x += x[i * width_x + a] / (double)n;
        mean_y += y[i * width_y + b] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        double dx = x[i * width_x + a] - mean_x, dy = y[i * width_y + b] - mean_y;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

struct evaluate_alignment evaluate_align(const struct evaluate_held_out *h, const struct evaluate_user *a, const struct evaluate_user *b)
{
    struct evaluate_alignment result = {.from = a, .to = b};
    int ka = a->model->n_types, kb = b->model->n_types;
    struct evaluate_look *looks;
    int64_t all = evaluate_looks(h, MOST_LOOKS, &looks), n = 0;
    double *x = pasta_malloc((size_t)(all * ka + 1) * sizeof *x), *y = pasta_malloc((size_t)(all * kb + 1) * sizeof *y);
    double *value = pasta_malloc((size_t)ka * (size_t)kb * sizeof *value);
    for (int64_t i = 0; i < all; i++)
        if (evaluate_lift(h, a->model, &looks[i], x + n * ka) && evaluate_lift(h, b->model, &looks[i], y + n * kb))
            n++;
    for (int i = 0; i < ka; i++)
        for (int j = 0; j < kb; j++)
            value[i * kb + j] = correlation(x, ka, i, y, kb, j, n);
    result.looks = n;
    result.match = pasta_malloc((size_t)ka * sizeof *result.match);
    result.similarity = pasta_malloc((size_t)ka * sizeof *result.similarity);
    double sum = pasta_assignment(value, ka, kb, result.match), total = 0;
    int matched = ka < kb ? ka : kb, others = ka * kb - matched;
    for (int i = 0; i < ka; i++) {
        result.similarity[i] = result.match[i] < 0 ? NAN : value[i * kb + result.match[i]];
        for (int j = 0; j < kb; j++)
            total += value[i * kb + j];
    }
    result.matched = sum / matched;
    result.others = others ? (total - sum) / others : NAN;
    free(value);
    free(x);
    free(y);
    free(looks);
    return result;
}

void evaluate_alignment_release(struct evaluate_alignment *alignment)
{
    free(alignment->match);
    free(alignment->similarity);
}

static void put_rows(const struct evaluate_results *r, const struct evaluate_alignment *al, struct pasta_table *t)
{
    const struct evaluate_user *a = al->from, *b = al->to;
    for (int i = 0; i < a->model->n_types; i++) {
        int j = al->match[i];
        int64_t in_a = 0, in_b = 0, in_both = 0;
        for (int64_t p = 0; p < r->held_out->n_people; p++) {
            in_a += a->type[p] == i;
            in_b += b->type[p] == j;
            in_both += a->type[p] == i && b->type[p] == j;
        }
        pasta_table_row(t);
        pasta_table_text(t, a->name);
        pasta_table_count(t, i + 1);
        pasta_table_estimate(t, (struct pasta_estimate){a->model->prior[i], NAN, NAN, 0, 0});
        pasta_table_text(t, b->name);
        if (j < 0)
            continue;
        pasta_table_count(t, j + 1);
        pasta_table_estimate(t, (struct pasta_estimate){b->model->prior[j], NAN, NAN, 0, 0});
        pasta_table_estimate(t, (struct pasta_estimate){al->similarity[i], NAN, NAN, 0, 0});
        pasta_table_count(t, in_a);
        pasta_table_count(t, in_b);
        pasta_table_count(t, in_both);
    }
}

void evaluate_alignment_table(struct evaluate_results *r)
{
    if (r->n_alignments == 0)
        return;
    struct pasta_str note = {0};
    pasta_str_add(&note, "One to one, so that the sum of similarities is the largest (Hungarian method). Similarity of two types: correlation, over "
                         "images of the held-out answers with their prompts, of what each scores above its model's mean type.");
    for (int i = 0; i < r->n_alignments; i++) {
        const struct evaluate_alignment *al = &r->alignments[i];
        struct pasta_estimate e = pasta_adjusted_rand(r->people, al->from->type, al->to->type, r->held_out->n_people);
        pasta_str_printf(&note, " %s and %s: mean similarity of matched types %.2f", al->from->name, al->to->name, al->matched);
        if (!isnan(al->others))
            pasta_str_printf(&note, ", of all others %.2f", al->others);
        pasta_str_printf(&note, " (%lld images); adjusted Rand index of people's types ", (long long)al->looks);
        pasta_estimate_print(e, PASTA_FORMAT_NUMBER, 2, &note);
        pasta_str_printf(&note, " (%lld people).", (long long)e.n);
    }
    struct pasta_table *t = evaluate_table_add(r, "type_alignment", "Which type is which", note.data);
    pasta_str_release(&note);
    pasta_table_column(t, "from", "of", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "from_type", "type", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "from_prior", "prior", PASTA_FORMAT_NUMBER, 3);
    pasta_table_column(t, "to", "is, of", PASTA_FORMAT_TEXT, 0);
    pasta_table_column(t, "to_type", "type", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "to_prior", "prior", PASTA_FORMAT_NUMBER, 3);
    pasta_table_column(t, "similarity", "similarity", PASTA_FORMAT_NUMBER, 2);
    pasta_table_column(t, "from_people", "people of the first", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "to_people", "of the second", PASTA_FORMAT_COUNT, 0);
    pasta_table_column(t, "both_people", "of both", PASTA_FORMAT_COUNT, 0);
    for (int i = 0; i < r->n_alignments; i++)
        put_rows(r, &r->alignments[i], t);
}
