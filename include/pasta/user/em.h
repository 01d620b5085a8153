/* em.h: fitting the user model, Algorithm 1 of the paper: mini-batch expectation-maximisation over K latent user types.
 *
 *   E-step   gamma_u(k) proportional to pi_k * product of the likelihoods of u's observations, under *target* parameters
 *   prior    pi <- alpha pi + (1 - alpha) * mean gamma of the batch's users
 *   M-step   one AdamW step on the gamma-weighted negative log-likelihood of the batch
 *   target   copied from the online parameters every target_every steps
 *
 * Between two copies the likelihoods under the target parameters cannot change. So they are computed once for all observations, right after
 * the copy, and summed over each user's training observations; the E-step of a batch is then the exact posterior of its users under the
 * present prior. That is the paper's E-step for samples without a user, and the exact product for users whose observations are spread over
 * many batches. One id is one user, in pairs, ratings and sessions alike.
 *
 * Main training: pairs + k1 ratings. Fine-tuning: k2 (pairs + k1 ratings) + k3 choice + k4 cross-turn. Each step takes `batch` examples of
 * every kind present (all, where there are fewer), each kind in shuffled epochs of its own, addressed by (seed, PASTA_RNG_BATCH, epoch,
 * kind): the position is a function of the step. A phase without data of its kinds is passed over.
 *
 *     pasta_user_data_new(features, &data); pasta_user_data_add_preferences(data, path, &p, &err); pasta_user_data_split(data, 0.1, seed);
 *     pasta_em_new(&config.user_model, seed, "cpu", data, NULL, &em, &err);
 *     while (pasta_em_position(em) < pasta_em_total(em)) pasta_em_step(em, &metrics, &err);
 *     pasta_em_model(em, &model, &err);
 */
#ifndef PASTA_USER_EM_H
#define PASTA_USER_EM_H
#include "pasta/base/config.h"
#include "pasta/io/id_set.h"
#include "pasta/model/clip.h"
#include "pasta/user/user_model.h"

/* --- observations, as rows of feature tables --------------------------------------------------------------------------------------- */

struct pasta_user_data;
struct pasta_user_data *pasta_user_data_new(const struct pasta_features *features); /* features borrowed; caller frees */
void pasta_user_data_free(struct pasta_user_data *data);
/* Append records (not referenced afterwards). `path` names their file: an image or prompt that the feature pack lacks is PASTA_ERR_INPUT
 * with file, record and id. A session's turns without a choice are passed over. Raters of the sketch world and simulated ones are numbers of
 * one collection: an id whose sessions have different seeds is two people, and PASTA_ERR_INPUT. */
pasta_status pasta_user_data_add_sessions(struct pasta_user_data *data, const char *path, const struct pasta_sessions *sessions,
                                          struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_user_data_add_preferences(struct pasta_user_data *data, const char *path, const struct pasta_preferences *preferences,
                                             struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_user_data_add_ratings(struct pasta_user_data *data, const char *path, const struct pasta_ratings *ratings,
                                         struct pasta_err *err) PASTA_MUST_CHECK;
/* Sets the nearest number to `held_out` of the users apart (at least one stays in training), by random keys of (seed, PASTA_RNG_SPLIT, id):
 * the same people whatever the order of the files. A record without a user id counts as a user of its own. */
void pasta_user_data_split(struct pasta_user_data *data, double held_out, uint64_t seed);

/* Records on this share of prompts are passed over by the functions above when they come after it: by random keys of (seed,
 * PASTA_RNG_SPLIT, prompt), the same prompts whatever the files. A session's prompt is its initial one. */
void pasta_user_data_leave_out_prompts(struct pasta_user_data *data, double share, uint64_t seed);
/* Adds the prompts of the observations of users in training; after the split. */
void pasta_user_data_trained_prompts(const struct pasta_user_data *data, struct pasta_id_set *out);

struct pasta_user_counts { int64_t users, held_out_users, pairs, ratings, turns, comparisons, images, prompts, left_out; };
struct pasta_user_counts pasta_user_data_counts(const struct pasta_user_data *data);
const char *pasta_user_data_user(const struct pasta_user_data *data, int user); /* id, or NULL; user 0..users-1 in order of appearance */
const char *pasta_user_data_image(const struct pasta_user_data *data, int64_t image); /* id of image 0..images-1 of the counts */
bool pasta_user_data_held_out(const struct pasta_user_data *data, int user); /* after the split */

/* --- training ---------------------------------------------------------------------------------------------------------------------- */

struct pasta_em;
struct pasta_em_metrics {            /* of one step; NAN where absent */
    double loss, pair, rating, choice, versus; /* gamma-weighted means of the batch */
    double learning_rate, grad_norm;
    double responsibility_entropy;   /* mean over the batch's users, in nats */
    double temperature, scale, tie, rating_noise;
    bool copied;                     /* target parameters were copied before this step; then: */
    /* log-likelihood of the users' observations under the target parameters, divided by their number */
    double train_loglik, held_out_loglik;
    double effective_types;          /* exp of the prior's entropy */
    double dead_types, duplicate_types, reseeded_types; /* where it was looked for them: found, found, started anew */
};
/* One type, after training or during it. Two types differ by the mean, over at most 2,048 training observations of each kind, of the
 * difference of the probabilities that they gave to the answer (of ratings: of the density, as a share of its highest value). */
struct pasta_em_type {
    double share, users;             /* mean and sum of the responsibilities of the users in training (by sample: of the observations) */
    double difference;               /* from the nearest other type; INFINITY for the only one */
    int nearest;                     /* that one; -1: none */
    int duplicate_of;                /* a type of a larger share that differs by less than settings.duplicate; -1: none */
    bool dead;                       /* share below settings.dead / K */
};
/* Trained towers: the encoder is a part of the online and of the target parameters. Every step encodes its images and prompts anew, with a
 * learning rate of settings.towers_rate times the phase's, and every copy of the target those of all observations. Tastes and the units of
 * training still start from the data's features, and the norm that gradients are clipped by is a common one. No types are started anew. */
struct pasta_em_towers {
    struct pasta_clip *clip;         /* the encoder of the features, in f32 and on em's device; owned by em from pasta_em_new on, also if it fails */
    void *ctx;                       /* borrowed */
    pasta_status (*image)(void *ctx, const char *id, struct pasta_image *out, struct pasta_err *err); /* from several threads */
    int threads;                     /* that read and encode */
};
/* With responsibilities "sample" every observation has its own. towers NULL: frozen, features are read from `data`. `data`, `settings` and
 * `device` are borrowed until free. */
pasta_status pasta_em_new(const struct pasta_user_model_settings *settings, uint64_t seed, const char *device,
                          const struct pasta_user_data *data, const struct pasta_em_towers *towers, struct pasta_em **out,
                          struct pasta_err *err) PASTA_MUST_CHECK;
/* Sets the parameters to their start: the encoder's own score, its units fitted to the training data, plus tastes. With start "clusters"
 * those of a mixture fitted to quadratic expansions of the users' likelihoods (em_start.h); with "random", or with fewer than two users a
 * type that have at least four observations, random ones; trained towers stay as they are. The first step does it where nobody did. The result does not depend on the number
 * of threads. */
pasta_status pasta_em_start(struct pasta_em *em, int threads, struct pasta_err *err) PASTA_MUST_CHECK;
bool pasta_em_clustered(const struct pasta_em *em); /* whether the start came from clusters */
void pasta_em_free(struct pasta_em *em);
int64_t pasta_em_position(const struct pasta_em *em); /* steps done, both phases */
int64_t pasta_em_total(const struct pasta_em *em);    /* steps of the phases that have data */
bool pasta_em_fine(const struct pasta_em *em);        /* whether the next step belongs to fine-tuning */
double pasta_em_work(const struct pasta_em *em);      /* floating-point operations of one step of the dearer phase, about */
pasta_status pasta_em_step(struct pasta_em *em, struct pasta_em_metrics *out, struct pasta_err *err) PASTA_MUST_CHECK;
const double *pasta_em_prior(const struct pasta_em *em); /* [K] */
int64_t pasta_em_reseeded(const struct pasta_em *em); /* types started anew so far */
/* Log-likelihood of the observations of all kinds under the online parameters, divided by their number: of the users in training, of the
 * others (NAN where there are none). */
pasta_status pasta_em_loglik(const struct pasta_em *em, double *train, double *held_out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Of the online parameters: out [K]. */
pasta_status pasta_em_types(const struct pasta_em *em, struct pasta_em_type *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* The encoder as trained so far, borrowed; NULL where the towers are frozen. */
const struct pasta_clip *pasta_em_encoder(const struct pasta_em *em);
/* The online parameters and the prior as a model; caller frees. Its encoder is that of the data's features: with trained towers the caller
 * sets the one that it has saved. */
pasta_status pasta_em_model(const struct pasta_em *em, struct pasta_user_model **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Log-likelihood of every user's observations of all kinds under each type, from the online parameters: out [users,K]. */
pasta_status pasta_em_user_loglik(const struct pasta_em *em, double *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* One file with parameters, target, prior, evidence, optimiser state and position. A run that loads it goes on with the bytes of an
 * uninterrupted one. */
pasta_status pasta_em_save(struct pasta_em *em, const char *path, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_em_load(struct pasta_em *em, const char *path, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
