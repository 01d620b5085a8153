/* user_model.h: the mixture of K user types, scored from encoder features.
 *
 * Score of image I for prompt p under type k (paper, "User model"; its form is our decision):
 *
 *     s(k,p,I) = scale * cos(a_k(e_I), b_k(e_p)) + <w_k, e_I>
 *
 * with residual adapters a_k(e) = e + U_k silu(V_k e). On a column's M images the utility is R = Agg s. The heads, shared by all types:
 *
 *     pair      P(i over j)  = sigmoid(s_i - s_j); a tie is the soft label 0.5
 *     choice    P(c = l)     = softmax over l of tau R_l, 0 < tau <= tau_max
 *     versus    P(better)    = sigmoid(d - delta), P(worse) = sigmoid(-d - delta), P(same) the rest; d = R_now - R_before
 *     rating    y in [0,1]   ~ Normal(gain s + offset, noise^2)
 *
 * A model is read-only after loading and safe to use from several threads. Everything here is plain C in double precision: it is
 * the path of simulation and evaluation, and agrees with the training path (ATen) within 1e-5. The prompt of a session's columns is
 * the session's initial prompt: what the user asked for, not the expansion that the user never sees.
 *
 *     double loglik[K] = {0}, weights[K];
 *     pasta_user_pair_loglik(m, s_first, s_second, 1.0, loglik);      // s_*: [K], pasta_user_scores
 *     pasta_user_choice_loglik(m, utilities, L, choice, loglik);      // utilities: [K,L], pasta_user_turn_utilities
 *     pasta_user_posterior(m, loglik, weights);
 *     pasta_user_choice_probabilities(m, next_utilities, L, weights, p);
 */
#ifndef PASTA_USER_USER_MODEL_H
#define PASTA_USER_USER_MODEL_H
#include "pasta/base/err.h"
#include "pasta/io/features.h"
#include "pasta/io/record.h"

enum pasta_aggregate { PASTA_AGG_MEAN, PASTA_AGG_MAX, PASTA_AGG_LOGSUMEXP };

struct pasta_user_model {
    int n_types;                 /* K */
    int dim;                     /* D */
    int width;                   /* W, hidden width of the adapters; 0: none */
    enum pasta_aggregate aggregate; /* logsumexp is the log of the mean exponential, so equal images give their own score */
    double temperature_max;      /* tau_max */
    char *encoder;               /* hash of the encoder whose features the model reads */
    double *prior;               /* [K] pi */
    float *taste;                /* [K,D] w */
    float *image_in, *image_out; /* [K,W,D] V and U^T of a */
    float *text_in, *text_out;   /* [K,W,D] V and U^T of b */
    double scale, temperature;   /* scale > 0; 0 < temperature <= temperature_max */
    double tie;                  /* delta > 0 */
    double rating_gain, rating_offset, rating_noise; /* on the rating normalised to [0,1]; noise > 0 */
};

/* Loads DIR/config.json and DIR/user_model.safetensors. `features` (may be NULL) must come from the model's encoder, else
 * PASTA_ERR_INPUT. Caller frees. */
pasta_status pasta_user_model_load(const char *dir, const struct pasta_features *features, struct pasta_user_model **out,
                                   struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_user_model_save(const struct pasta_user_model *m, const char *dir, struct pasta_err *err) PASTA_MUST_CHECK;
/* As the check in load: dimension and encoder hash. `where` names the model in the message. */
pasta_status pasta_user_model_fits(const struct pasta_user_model *m, const char *encoder, int dim, const char *where,
                                   struct pasta_err *err) PASTA_MUST_CHECK;
/* A model of zero adapters and tastes, uniform prior, heads at their starting values; caller frees. */
struct pasta_user_model *pasta_user_model_new(int n_types, int dim, int width, enum pasta_aggregate aggregate, double temperature_max,
                                              const char *encoder);
void pasta_user_model_free(struct pasta_user_model *m);
/* PASTA_ERR_USAGE for a name that is none of mean, max, logsumexp. */
pasta_status pasta_aggregate_parse(const char *name, enum pasta_aggregate *out, struct pasta_err *err) PASTA_MUST_CHECK;
const char *pasta_aggregate_name(enum pasta_aggregate aggregate);

/* --- scores ------------------------------------------------------------------------------------------------------------------ */

/* s(k, text, image) of one type, n images of one prompt: text [D], images n pointers to [D], out [n]. */
void pasta_user_scores_of_type(const struct pasta_user_model *m, int type, const float *text, const float *const *images, int n,
                               double *out);
/* The same for all types: out [K,n]. */
void pasta_user_scores(const struct pasta_user_model *m, const float *text, const float *const *images, int n, double *out);
/* n images, each for a text of its own; out [n,K]. The same numbers; faster than one by one, and equal neighbours among texts count once. */
void pasta_user_scores_each(const struct pasta_user_model *m, const float *const *texts, const float *const *images, int n, double *out);
/* Agg of n scores; n >= 1. */
double pasta_user_aggregate(enum pasta_aggregate aggregate, const double *scores, int n);
/* Utilities of the columns of turn `turn` (index from 0) of a session, looked up in a feature pack: out [K,L], L the turn's n_columns. A
 * missing image or prompt is PASTA_ERR_INPUT naming session and id. */
pasta_status pasta_user_turn_utilities(const struct pasta_user_model *m, const struct pasta_features *features,
                                       const struct pasta_session *session, int turn, double *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* The rows of a prompt and an image, [D] each. What the pack lacks is PASTA_ERR_INPUT; `where` names the record in the message. */
pasta_status pasta_user_look_up(const struct pasta_features *features, const char *prompt, const char *image, const char *where,
                                const float **text, const float **pixels, struct pasta_err *err) PASTA_MUST_CHECK;
/* Scores of one image of one prompt under all types: out [K]. */
pasta_status pasta_user_image_scores(const struct pasta_user_model *m, const struct pasta_features *features, const char *prompt,
                                     const char *image, const char *where, double *out, struct pasta_err *err) PASTA_MUST_CHECK;

/* --- log-likelihoods of one observation; each ADDS to loglik [K] ----------------------------------------------------------------- */

void pasta_user_pair_loglik(const struct pasta_user_model *m, const double *first /* [K] */, const double *second /* [K] */, double label,
                            double *loglik);
void pasta_user_rating_loglik(const struct pasta_user_model *m, const double *score /* [K] */, double rating01, double *loglik);
void pasta_user_choice_loglik(const struct pasta_user_model *m, const double *utilities /* [K,L] */, int n_columns, int choice,
                              double *loglik);
void pasta_user_versus_loglik(const struct pasta_user_model *m, const double *now /* [K] */, const double *before /* [K] */,
                              enum pasta_versus versus, double *loglik);
/* A rating of scale [lo, hi] as the model sees it, clamped to [0,1]. */
double pasta_user_rating01(double rating, double lo, double hi);

/* --- inference: weights [K] sum to 1, the prior or a posterior ---------------------------------------------------------------------- */

/* weights = softmax(log prior + loglik); loglik all 0 gives the prior. */
void pasta_user_posterior(const struct pasta_user_model *m, const double *loglik, double *weights);
/* log sum_k prior_k exp(loglik_k): the evidence of a user's observations. */
double pasta_user_evidence(const struct pasta_user_model *m, const double *loglik);
void pasta_user_choice_probabilities(const struct pasta_user_model *m, const double *utilities /* [K,L] */, int n_columns,
                                     const double *weights, double *out /* [L] */);
/* Of the first. */
double pasta_user_pair_probability(const struct pasta_user_model *m, const double *first, const double *second, const double *weights);
/* out[0..2]: worse, same, better, in the order of enum pasta_versus less one. */
void pasta_user_versus_probabilities(const struct pasta_user_model *m, const double *now, const double *before, const double *weights,
                                     double out[3]);
/* Expected score or utility. */
double pasta_user_expected(const struct pasta_user_model *m, const double *values /* [K] */, const double *weights);
double pasta_user_expected_rating01(const struct pasta_user_model *m, const double *score /* [K] */, const double *weights); /* in [0,1] */
#endif
