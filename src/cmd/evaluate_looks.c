/* The images of the held-out answers with the prompt that each is scored for: the common ground on which types are compared. */
#include <stdlib.h>

#include "evaluate.h"

struct lister {
    struct evaluate_look *out; /* NULL: only counts */
    int64_t seen, every, n;
};

static void list(struct lister *l, struct evaluate_look look)
{
    if (l->seen++ % l->every == 0) {
        if (l->out)
            l->out[l->n] = look;
        l->n++;
    }
}

static void list_all(const struct evaluate_held_out *h, struct lister *l)
{
    for (size_t s = 0; s < h->sessions.n; s++) {
        const struct pasta_session *session = &h->sessions.items[s];
        for (int t = 0; t < session->n_turns; t++)
            for (int c = 0; c < session->turns[t].n_columns; c++) {
                const struct pasta_column *column = &session->turns[t].columns[c];
                for (int i = 0; i < column->n_images; i++)
                    list(l, (struct evaluate_look){session->initial_prompt, column->prompt, column->images[i].id, column->images[i].seed,
                                                   true});
            }
    }
    for (size_t i = 0; i < h->pairs.n; i++)
        for (int j = 0; j < 2; j++) {
            const struct pasta_preference *p = &h->pairs.items[i];
            list(l, (struct evaluate_look){p->prompt, p->prompt, p->image[j], 0, false});
        }
    for (size_t i = 0; i < h->ratings.n; i++) {
        const struct pasta_rating *p = &h->ratings.items[i];
        list(l, (struct evaluate_look){p->prompt, p->prompt, p->image, 0, false});
    }
    for (size_t i = 0; i < h->rankings.n; i++)
        for (int j = 0; j < h->rankings.items[i].n; j++) {
            const struct pasta_ranking *p = &h->rankings.items[i];
            list(l, (struct evaluate_look){p->prompt, p->prompt, p->images[j], 0, false});
        }
}

int64_t evaluate_looks(const struct evaluate_held_out *h, int64_t most, struct evaluate_look **out)
{
    struct lister l = {.every = 1};
    list_all(h, &l);
    l = (struct lister){.every = l.seen > most ? (l.seen + most - 1) / most : 1};
    l.out = *out = pasta_calloc((size_t)most + 1, sizeof **out);
    list_all(h, &l);
    return l.n;
}

bool evaluate_lift(const struct evaluate_held_out *h, const struct pasta_user_model *m, const struct evaluate_look *look, double *lift)
{
    const float *text = pasta_features_text(h->features, look->prompt), *image = pasta_features_image(h->features, look->image);
    if (!text || !image)
        return false;
    pasta_user_scores(m, text, &image, 1, lift);
    double mean = pasta_user_expected(m, lift, m->prior);
    for (int k = 0; k < m->n_types; k++)
        lift[k] -= mean;
    return true;
}
