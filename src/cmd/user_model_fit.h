/* user_model_fit.h: fits of the user model, one or the best of several, in a run folder; and what is to be said of the result.
 *
 * One fit (user_model.restarts 1) keeps its curves and its checkpoint in the folder itself. Of several, fit R lives in restarts/R, where a
 * resumed run finds it; the one with the best held-out log-likelihood wins, and its curves are copied up. Fit 0 is the one that a run
 * without restarts makes. fit.json holds the outcome.
 */
#ifndef PASTA_CMD_USER_MODEL_FIT_H
#define PASTA_CMD_USER_MODEL_FIT_H
#include "common.h"
#include "pasta/io/manifest.h"
#include "pasta/user/em.h"

#define USER_MODEL_FIT "fit.json"
#define USER_MODEL_RESTARTS "restarts"

struct user_model_fits {
    struct pasta_em *best;
    int n, kept;                  /* fits, number of the best */
    double *train, *held_out;     /* [n] log-likelihood of an observation at the end */
    const char *image_root;       /* where trained towers read images; borrowed */
};
/* Settings and data are checked, nothing is written. Release in every case; data and image_root stay borrowed until then. */
pasta_status user_model_fits_new(const struct pasta_context *context, const struct pasta_user_data *data, const char *image_root,
                                 struct user_model_fits *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Trains, or resumes, all fits of context->config. Stopping is PASTA_ERR_STOPPED. */
pasta_status user_model_fit(const struct pasta_context *context, const struct pasta_user_data *data, struct user_model_fits *fits,
                            struct pasta_err *err) PASTA_MUST_CHECK;
void user_model_fits_release(struct user_model_fits *fits); /* and makes it reusable */

/* --- user_model_health.c --- */
/* Looks at the types of the best fit, writes DIR/fit.json, and enters it and its counts into the manifest. */
pasta_status user_model_health_write(const struct pasta_context *context, const struct user_model_fits *fits, struct pasta_manifest *manifest,
                                     struct pasta_err *err) PASTA_MUST_CHECK;
/* Appends fit.json to a summary, as further fields of a JSON object or as lines, and says its warnings on stderr. */
pasta_status user_model_health_report(const struct pasta_context *context, struct pasta_str *out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Log-likelihood of an observation under the fit that was kept, from fit.json; NAN where nobody was held out. */
pasta_status user_model_loglik(const struct pasta_context *context, double *train, double *held_out, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
