/* What the learned user types are: a table against the true types, and for each type the held-out images that it scores highest above the
 * mean type. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate_report.h"

enum { SHOWN = 8, DESCRIBED = 200, MOST_IMAGES = 4000 };

/* An image of a held-out session, and its score under each type less the prior mean. */
struct seen {
    const struct pasta_session *session;
    const struct pasta_column *column;
    const struct pasta_image_ref *image;
    const double *lift; /* [K] */
};
struct ranked {
    double lift;
    int64_t item;
};

static int by_lift(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->lift != y->lift)
        return x->lift < y->lift ? 1 : -1;
    return (x->item > y->item) - (x->item < y->item);
}

/* Every n-th image of the sessions that the sketch world can draw again and the features know. */
static int64_t look(const struct evaluate_results *r, const struct evaluate_user *u, struct pasta_arena *arena, struct seen *seen)
{
    const struct evaluate_held_out *h = r->held_out;
    const struct pasta_user_model *m = u->model;
    struct pasta_t2i t2i = pasta_sketch_t2i((struct pasta_sketch *)r->sketch);
    int64_t all = 0, n = 0, at = 0;
    for (size_t s = 0; s < h->sessions.n; s++)
        for (int t = 0; t < h->sessions.items[s].n_turns; t++)
            for (int l = 0; l < h->sessions.items[s].turns[t].n_columns; l++)
                all += h->sessions.items[s].turns[t].columns[l].n_images;
    int64_t every = (all + MOST_IMAGES - 1) / MOST_IMAGES;
    for (size_t s = 0; s < h->sessions.n; s++) {
        const struct pasta_session *session = &h->sessions.items[s];
        const float *text = pasta_features_text(h->features, session->initial_prompt);
        for (int t = 0; t < session->n_turns; t++)
            for (int l = 0; l < session->turns[t].n_columns; l++) {
                const struct pasta_column *column = &session->turns[t].columns[l];
                for (int i = 0; i < column->n_images; i++) {
                    const float *vector = at++ % every ? NULL : pasta_features_image(h->features, column->images[i].id);
                    char id[65];
                    if (!text || !vector)
                        continue;
                    pasta_image_id(&t2i, column->prompt, column->images[i].seed, id);
                    if (strcmp(id, column->images[i].id) != 0)
                        continue;
                    double *lift = pasta_arena_alloc(arena, (size_t)m->n_types * sizeof *lift), mean;
                    pasta_user_scores(m, text, &vector, 1, lift);
                    mean = pasta_user_expected(m, lift, m->prior);
                    for (int k = 0; k < m->n_types; k++)
                        lift[k] -= mean;
                    seen[n++] = (struct seen){session, column, &column->images[i], lift};
                }
            }
    }
    return n;
}

/* The most frequent of n labels and its share. Labels are the lexicon's own strings. */
static const char *most_frequent(const char **labels, int n, double *share)
{
    const char *best = "";
    int most = 0;
    for (int i = 0; i < n; i++) {
        int count = 0;
        for (int j = 0; j < n; j++)
            count += strcmp(labels[i], labels[j]) == 0;
        if (count > most) {
            most = count;
            best = labels[i];
        }
    }
    *share = n ? (double)most / n : 0;
    return best;
}

static char *describe(const struct evaluate_results *r, const struct evaluate_user *u, int type, const struct seen *seen,
                      const struct ranked *ranked, int64_t n, struct pasta_arena *arena)
{
    const char *groups[DESCRIBED], *styles[DESCRIBED];
    int used = n < DESCRIBED ? (int)n : DESCRIBED;
    double group_share, style_share;
    int64_t people = 0;
    for (int i = 0; i < used; i++) {
        const struct seen *s = &seen[ranked[i].item];
        pasta_sketch_labels(r->sketch, s->column->prompt, s->image->seed, &groups[i], &styles[i]);
    }
    const char *style = most_frequent(styles, used, &style_share), *group = most_frequent(groups, used, &group_share);
    for (int64_t p = 0; p < r->held_out->n_people; p++)
        people += u->type[p] == type;
    return pasta_arena_printf(arena, "prior %.0f %%, %lld %s; of its top %d images %.0f %% %s, %.0f %% %s", 100 * u->model->prior[type],
                              (long long)people, people == 1 ? "person" : "people", used, 100 * style_share, style, 100 * group_share,
                              group);
}

static pasta_status put_galleries(const struct evaluate_results *r, const struct evaluate_user *u, struct pasta_report *report,
                                  struct pasta_err *err)
{
    int types = u->model->n_types;
    struct pasta_arena arena = {0};
    struct seen *seen = pasta_calloc(MOST_IMAGES + 1, sizeof *seen);
    int64_t n = look(r, u, &arena, seen);
    struct ranked *ranked = pasta_calloc((size_t)n + 1, sizeof *ranked);
    struct pasta_str *pngs = pasta_calloc((size_t)types * SHOWN, sizeof *pngs);
    struct pasta_gallery *galleries = pasta_calloc((size_t)types, sizeof *galleries);
    pasta_status status = PASTA_OK;
    for (int k = 0; k < types && n > 0 && status == PASTA_OK; k++) {
        for (int64_t i = 0; i < n; i++)
            ranked[i] = (struct ranked){seen[i].lift[k], i};
        qsort(ranked, (size_t)n, sizeof *ranked, by_lift);
        struct pasta_gallery_image *images = pasta_arena_alloc(&arena, SHOWN * sizeof *images);
        const struct pasta_session *shown[SHOWN];
        int count = 0;
        for (int64_t i = 0; i < n && count < SHOWN && status == PASTA_OK; i++) {
            const struct seen *s = &seen[ranked[i].item];
            bool again = false; /* one image a session, so that a single prompt does not speak for a type */
            for (int j = 0; j < count; j++)
                again = again || shown[j] == s->session;
            if (again)
                continue;
            status = evaluate_draw(r->sketch, s->column->prompt, s->image->seed, &pngs[k * SHOWN + count], err);
            images[count] = (struct pasta_gallery_image){&pngs[k * SHOWN + count], s->column->prompt};
            shown[count++] = s->session;
        }
        galleries[k] = (struct pasta_gallery){pasta_arena_printf(&arena, "Learned type %d", k + 1),
                                              describe(r, u, k, seen, ranked, n, &arena), images, count};
    }
    if (status == PASTA_OK && n > 0)
        pasta_report_galleries(report, galleries, types);
    for (int i = 0; i < types * SHOWN; i++)
        pasta_str_release(&pngs[i]);
    free(pngs);
    free(galleries);
    free(ranked);
    free(seen);
    pasta_arena_release(&arena);
    return status;
}

/* Learned types in the order of the true type that most of their people have, so that agreement shows as a diagonal. */
static void put_agreement(const struct evaluate_results *r, const struct evaluate_user *u, struct pasta_report *report)
{
    const struct evaluate_held_out *h = r->held_out;
    int learned = u->model->n_types, true_types = pasta_sketch_types(r->sketch);
    struct pasta_arena arena = {0};
    int64_t *counts = pasta_arena_alloc(&arena, (size_t)(learned * true_types) * sizeof *counts);
    for (int64_t p = 0; p < h->n_people; p++) {
        if (h->true_type[p] < 0) {
            pasta_arena_release(&arena);
            return;
        }
        counts[u->type[p] * true_types + h->true_type[p]]++;
    }
    int64_t *sorted = pasta_arena_alloc(&arena, (size_t)(learned * true_types) * sizeof *sorted);
    const char **rows = pasta_arena_alloc(&arena, (size_t)learned * sizeof *rows);
    const char **columns = pasta_arena_alloc(&arena, (size_t)true_types * sizeof *columns);
    for (int c = 0; c < true_types; c++)
        columns[c] = pasta_arena_printf(&arena, "%d", c + 1);
    int n = 0;
    for (int c = 0; c <= true_types; c++) /* the last round takes types that nobody has */
        for (int k = 0; k < learned; k++) {
            int best = true_types;
            for (int j = 0; j < true_types; j++)
                if (counts[k * true_types + j] > (best < true_types ? counts[k * true_types + best] : 0))
                    best = j;
            if (best != c)
                continue;
            rows[n] = pasta_arena_printf(&arena, "type %d", k + 1);
            memcpy(sorted + n * true_types, counts + k * true_types, (size_t)true_types * sizeof *sorted);
            n++;
        }
    char *title = pasta_arena_printf(&arena, "Learned against true types, %s", u->name);
    struct pasta_heatmap map = {.title = title, .row_title = "learned", .column_title = "true",
                                .note = "Held-out people by their most probable type after all their answers. Rows are sorted by the "
                                        "true type that most of their people have.",
                                .rows = rows, .columns = columns, .counts = sorted, .n_rows = n, .n_columns = true_types};
    pasta_report_heatmap(report, &map);
    pasta_arena_release(&arena);
}

pasta_status evaluate_report_types(const struct evaluate_results *r, struct pasta_report *report, struct pasta_err *err)
{
    const struct evaluate_user *u = NULL;
    for (int i = 0; i < r->n_users; i++)
        if (r->users[i].model->n_types > 1)
            u = &r->users[i];
    if (!u || !r->sketch)
        return PASTA_OK;
    pasta_report_section(report, "types", "User types",
                         "Below each learned type: the held-out images that it scores highest above the average type, one a session. They "
                                                        "were chosen by the model's numbers, not by hand.");
    put_agreement(r, u, report);
    return put_galleries(r, u, report, err);
}
