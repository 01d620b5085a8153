/* user_people.h: a small population with known types, for tests of the user model: features in a pack on disk, records in memory.
 *
 * Embeddings are random directions. A person of type k likes an image by cos(e_I, e_p) and by the type's taste vector; pairs and choices are drawn
 * with logistic and Gumbel noise, ratings with Gaussian noise, so the model is the right one and recovery can be asked for. With a prior, types are
 * drawn from it, and then nothing is approximate: no ties, ratings far from the ends of the scale, better/same/worse by logistic noise.
 */
#ifndef USER_PEOPLE_H
#define USER_PEOPLE_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/mem.h"
#include "pasta/base/rng.h"
#include "pasta/user/em.h"

struct people {
    char folder[64];
    struct pasta_features *features;
    struct pasta_sessions sessions;
    struct pasta_preferences pairs;
    struct pasta_ratings ratings;
    struct pasta_arena arena;
    int dim, types, n_people, n_images, n_prompts;
    float *images, *prompts; /* [n,D] */
    double *taste;           /* [types,D] */
    int *type;               /* [people] */
    struct pasta_rng rng;
};
struct people_size { int dim, types, people, pairs, ratings, turns; double strength; const double *prior; }; /* pairs, ratings, turns: of each person; a session has 3 turns */
#define PEOPLE_TIE 0.5 /* delta of better/same/worse */
#define PEOPLE_RATING 0.04 /* with a prior: gain and noise of the rating in [0,1] */

static inline char *people_name(struct people *p, const char *what, int i) { return pasta_arena_printf(&p->arena, "%s %d", what, i); }

static inline float *people_vector(struct people *p, float **rows, int *n)
{
    *rows = pasta_realloc(*rows, (size_t)(*n + 1) * p->dim, sizeof **rows);
    float *row = *rows + (size_t)(*n)++ * p->dim;
    double square = 0;
    for (int d = 0; d < p->dim; d++) {
        row[d] = (float)pasta_rng_normal(&p->rng);
        square += (double)row[d] * row[d];
    }
    for (int d = 0; d < p->dim; d++)
        row[d] = (float)(row[d] / sqrt(square));
    return row;
}
static inline int people_image(struct people *p) { people_vector(p, &p->images, &p->n_images); return p->n_images - 1; }
static inline int people_prompt(struct people *p) { people_vector(p, &p->prompts, &p->n_prompts); return p->n_prompts - 1; }

static inline double people_utility(const struct people *p, int person, int image, int prompt)
{
    const float *e = p->images + (size_t)image * p->dim, *t = p->prompts + (size_t)prompt * p->dim;
    const double *w = p->taste + (size_t)p->type[person] * p->dim;
    double s = 0;
    for (int d = 0; d < p->dim; d++)
        s += 2.0 * e[d] * t[d] + w[d] * e[d];
    return s;
}

static inline double people_logistic(struct people *p) { double first = pasta_rng_gumbel(&p->rng); return first - pasta_rng_gumbel(&p->rng); }

static inline void people_session(struct people *p, int person, const char *id, bool exact)
{
    int prompt = people_prompt(p);
    double before = 0;
    struct pasta_session s = {.session_id = people_name(p, "session", (int)p->sessions.n), .rater_id = id, .initial_prompt = people_name(p, "prompt", prompt), .n_turns = 3, .user_type = -1};
    s.turns = pasta_arena_alloc(&p->arena, 3 * sizeof *s.turns);
    for (int h = 0; h < 3; h++) {
        struct pasta_turn *turn = &s.turns[h];
        double best = -INFINITY, chosen = 0;
        turn->n_columns = 2 + (int)pasta_rng_below(&p->rng, 3); /* ragged on purpose */
        turn->columns = pasta_arena_alloc(&p->arena, (size_t)turn->n_columns * sizeof *turn->columns);
        for (int l = 0; l < turn->n_columns; l++) {
            struct pasta_column *column = &turn->columns[l];
            column->n_images = 1 + (int)pasta_rng_below(&p->rng, 3);
            column->images = pasta_arena_alloc(&p->arena, (size_t)column->n_images * sizeof *column->images);
            double utility = 0;
            for (int i = 0; i < column->n_images; i++) {
                int image = people_image(p);
                column->images[i].id = people_name(p, "image", image);
                utility += people_utility(p, person, image, prompt) / column->n_images;
            }
            double value = utility + pasta_rng_gumbel(&p->rng);
            if (value > best) {
                best = value;
                turn->choice = l;
                chosen = utility;
            }
        }
        double d = chosen - before + (exact ? people_logistic(p) : 0.5 * pasta_rng_normal(&p->rng)), tie = PEOPLE_TIE;
        turn->versus = h == 0 ? PASTA_VERSUS_NONE : d > tie ? PASTA_BETTER : d < -tie ? PASTA_WORSE : PASTA_SAME;
        before = chosen;
    }
    PASTA_GROW(p->sessions.items, p->sessions.n + 1, p->sessions.capacity);
    p->sessions.items[p->sessions.n++] = s;
}

static inline void people_answer(struct people *p, int person, const struct people_size *size)
{
    const char *id = people_name(p, "person", person);
    bool exact = size->prior != NULL;
    for (int i = 0; i < size->pairs; i++) {
        int prompt = people_prompt(p), a = people_image(p), b = people_image(p);
        double d = people_utility(p, person, a, prompt) - people_utility(p, person, b, prompt) + pasta_rng_gumbel(&p->rng) - pasta_rng_gumbel(&p->rng);
        PASTA_GROW(p->pairs.items, p->pairs.n + 1, p->pairs.capacity);
        p->pairs.items[p->pairs.n++] = (struct pasta_preference){.prompt = people_name(p, "prompt", prompt), .image = {people_name(p, "image", a), people_name(p, "image", b)},
                                                                 .user_id = id, .label = !exact && fabs(d) < 0.1 ? 0.5 : d > 0};
    }
    for (int i = 0; i < size->ratings; i++) {
        int prompt = people_prompt(p), a = people_image(p);
        double unit = exact ? 9 * PEOPLE_RATING : 1;
        PASTA_GROW(p->ratings.items, p->ratings.n + 1, p->ratings.capacity);
        p->ratings.items[p->ratings.n++] = (struct pasta_rating){.prompt = people_name(p, "prompt", prompt), .image = people_name(p, "image", a), .user_id = id,
                                                                 .rating = 5.5 + unit * (people_utility(p, person, a, prompt) + pasta_rng_normal(&p->rng)), .lo = 1, .hi = 10};
    }
    for (int i = 0; i < size->turns; i += 3)
        people_session(p, person, id, exact);
}

static inline void people_make(struct people *p, uint64_t seed, struct people_size size)
{
    *p = (struct people){.dim = size.dim, .types = size.types, .n_people = size.people, .rng = pasta_rng_at(seed, PASTA_RNG_TEST, 0, 0, 0)};
    struct pasta_err err = {0};
    strcpy(p->folder, "/tmp/pasta-people-XXXXXX");
    if (mkdtemp(p->folder) == NULL)
        abort();
    p->taste = pasta_malloc((size_t)size.types * size.dim * sizeof *p->taste);
    p->type = pasta_malloc((size_t)size.people * sizeof *p->type);
    for (int i = 0; i < size.types * size.dim; i++)
        p->taste[i] = size.strength * pasta_rng_normal(&p->rng);
    for (int u = 0; u < size.people; u++) {
        p->type[u] = size.prior != NULL ? pasta_rng_categorical(&p->rng, size.prior, size.types) : u % size.types;
        people_answer(p, u, &size);
    }
    const char **images = pasta_arena_alloc(&p->arena, (size_t)p->n_images * sizeof *images), **prompts = pasta_arena_alloc(&p->arena, (size_t)p->n_prompts * sizeof *prompts);
    for (int i = 0; i < p->n_images; i++)
        images[i] = people_name(p, "image", i);
    for (int i = 0; i < p->n_prompts; i++)
        prompts[i] = people_name(p, "prompt", i);
    if (pasta_features_write(p->folder, "encoder-of-people", p->dim, images, p->images, (size_t)p->n_images, prompts, p->prompts, (size_t)p->n_prompts, &err) != PASTA_OK ||
        pasta_features_open(p->folder, &p->features, &err) != PASTA_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
}

/* All kinds of answers that the population gave. */
static inline struct pasta_user_data *people_data(struct people *p, double held_out)
{
    struct pasta_err err = {0};
    struct pasta_user_data *data = pasta_user_data_new(p->features);
    if ((p->pairs.n > 0 && pasta_user_data_add_preferences(data, "P.jsonl", &p->pairs, &err) != PASTA_OK) ||
        (p->ratings.n > 0 && pasta_user_data_add_ratings(data, "R.jsonl", &p->ratings, &err) != PASTA_OK) ||
        (p->sessions.n > 0 && pasta_user_data_add_sessions(data, "S.jsonl", &p->sessions, &err) != PASTA_OK)) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    pasta_user_data_split(data, held_out, 1);
    return data;
}

static inline void people_free(struct people *p)
{
    char *command = pasta_asprintf("rm -r '%s'", p->folder);
    pasta_features_close(p->features);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", p->folder);
    free(command);
    free(p->images);
    free(p->prompts);
    free(p->taste);
    free(p->type);
    free(p->sessions.items);
    free(p->pairs.items);
    free(p->ratings.items);
    pasta_arena_release(&p->arena);
}
#endif
