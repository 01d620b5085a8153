/* backend.h: the three things that a session needs from outside, as structs of function pointers.
 *
 *   generator   history -> candidate prompts          (an LMM; here the sketch generator)
 *   t2i         prompt, seed -> image                 (a diffusion model; here the sketch renderer)
 *   rater       session, slate -> choice, answers     (a person; a sketch rater; a simulated user)
 *
 * All functions are safe to call from several threads for different sessions and are pure functions of their arguments: no hidden
 * random state.
 */
#ifndef PASTA_WORLD_BACKEND_H
#define PASTA_WORLD_BACKEND_H
#include "pasta/base/err.h"
#include "pasta/base/mem.h"
#include "pasta/io/image.h"
#include "pasta/io/record.h"

struct pasta_generator {
    void *ctx;
    const char *name; /* part of image and session provenance: "sketch" */
    /* Writes n candidates (strings in arena), PASTA_CATEGORIES groups of n / PASTA_CATEGORIES in the generator's own order of preference:
     * candidates of one category are adjacent, best first, and the categories themselves come best first. `session` holds the turns so far
     * (complete), `index` is the session's random address, `seed` the run's seed. */
    pasta_status (*candidates)(void *ctx, const struct pasta_session *session, uint64_t seed, uint32_t index, int n,
                               struct pasta_arena *arena, struct pasta_candidate *out, struct pasta_err *err);
    const char *template_hash; /* SHA-256 of the prompt template, kept in every session; NULL: there is none */
};
struct pasta_t2i {
    void *ctx;
    const char *name; /* "sketch/1": the model and all that it is set to, for it names images */
    int size;         /* pixels; 0: images of any size */
    pasta_status (*draw)(void *ctx, const char *prompt, uint64_t seed, struct pasta_image *out, struct pasta_err *err);
    /* NULL where any seed draws another image. Else *n ready images stand for the prompt, and seed s draws image s mod n; sessions then
     * name each by its own number, so that the same image has one id. */
    pasta_status (*ready)(void *ctx, const char *prompt, int *n, struct pasta_err *err);
};
struct pasta_answer {
    int choice;                /* column, or -1 */
    double rating;             /* 1..10, or NAN */
    enum pasta_versus versus;  /* against the turn before */
    double utility;            /* true utility of the chosen column where the rater knows it, else NAN; never written to session files */
};
struct pasta_rater {
    void *ctx;
    enum pasta_source source;
    /* Answers the last turn of `session` (its columns are filled in, its answers are not; earlier turns are complete). `person` names who
     * answers, `index` the session's random address. */
    pasta_status (*answer)(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                           struct pasta_answer *out, struct pasta_err *err);
};

/* The id of an image: SHA-256 over generator name, prompt, seed and size. */
void pasta_image_id(const struct pasta_t2i *t2i, const char *prompt, uint64_t seed, char hex[65]);
#endif
