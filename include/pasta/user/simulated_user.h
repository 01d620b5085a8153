/* simulated_user.h: a rater (world/backend.h) whose answers are samples of a trained user model.
 *
 * The user's type is drawn by (seed, PASTA_RNG_USER_TYPE, session), from the prior or from the posterior of one of the given people, drawn
 * with it, and holds for the whole session; choice from softmax(tau R), the comparison with the turn before from the versus head, the rating
 * of the chosen column from the rating head with its noise, mapped back to whole numbers 1..10. Embeddings come through function pointers, so
 * that nothing here draws or encodes.
 *
 *     struct pasta_user_embedder embedder = {ctx, images, texts};
 *     struct pasta_simulated_user *u = pasta_simulated_user_new(model, pasta_simulated_prior(model), embedder);
 *     struct pasta_rater rater = pasta_simulated_user_rater(u);
 */
#ifndef PASTA_USER_SIMULATED_USER_H
#define PASTA_USER_SIMULATED_USER_H
#include "pasta/user/user_model.h"
#include "pasta/world/backend.h"

/* Both write L2-normalised embeddings [n,D] of the model's encoder; safe from several threads; pure functions of their arguments. */
struct pasta_user_embedder {
    void *ctx;
    /* Of the images that were drawn for these prompts. */
    pasta_status (*images)(void *ctx, const char *const *prompts, const struct pasta_image_ref *images, int n, float *out,
                           struct pasta_err *err);
    pasta_status (*texts)(void *ctx, const char *const *texts, int n, float *out, struct pasta_err *err);
};
/* Whom the simulated users follow: each session one of n people at random, by that one's distribution over types. */
struct pasta_simulated_people {
    const double *weights; /* [n,K], rows sum to 1 */
    int64_t n;             /* >= 1 */
};
struct pasta_simulated_people pasta_simulated_prior(const struct pasta_user_model *model); /* nobody in particular */

struct pasta_simulated_user;
/* Everything is borrowed until free. */
struct pasta_simulated_user *pasta_simulated_user_new(const struct pasta_user_model *model, struct pasta_simulated_people people,
                                                      struct pasta_user_embedder embedder);
void pasta_simulated_user_free(struct pasta_simulated_user *u);
/* Answers carry the utility of the chosen column. Valid until free; safe from several threads. */
struct pasta_rater pasta_simulated_user_rater(struct pasta_simulated_user *u);
/* The type of the user of one session, for the record's user_type. */
int pasta_simulated_user_type(const struct pasta_simulated_user *u, uint64_t seed, uint32_t session);

/* The same answers in expectation, of a person known by a distribution over types: exact, nothing is drawn. */
struct pasta_expected_answer {
    double choice[PASTA_MAX_SLATE]; /* probability of each column */
    double rating;                  /* mean, of whole numbers 1..10, of the column that the simulated user chooses */
    double versus[3];               /* worse, same, better: its own choice against `before` */
};
/* weights [K]; utilities [K,L] of a turn (pasta_user_turn_utilities), 1 <= L <= PASTA_MAX_SLATE; before [K]: utilities of the column chosen
 * in the turn before, or NULL: versus is then NAN. */
void pasta_simulated_user_expect(const struct pasta_user_model *model, const double *weights, const double *utilities, int n_columns,
                                 const double *before, struct pasta_expected_answer *out);
#endif
