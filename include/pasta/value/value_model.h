/* value_model.h: the agent's value functions, f(h, p) and V(h), as Gemma sequence classifiers over the history as text.
 *
 * Q(h, P) = mean over p in P of f(h, p) [paper]. f and V are each a Gemma trunk and one linear head, read at the last token of
 * their input (history.h). A folder holds f/ and v/, each a Hugging Face GemmaForSequenceClassification with one label (score.weight
 * [1,D]): config.json, model.safetensors, tokenizer.model, tokenizer_config.json, whose model_max_length is the token limit l_q or l_v.
 *
 * value.json says the mean reward of the training data, which rewards entered less of (iql.h): a return is Q and that for every turn to come.
 *
 *     pasta_value_model_load("runs/pasta", "cpu", &m, &err);
 *     pasta_value_model_score(m, session, candidates, 25, f, NULL, &err);
 *     pasta_value_model_free(m);
 */
#ifndef PASTA_VALUE_VALUE_MODEL_H
#define PASTA_VALUE_VALUE_MODEL_H
#include "pasta/base/config.h"
#include "pasta/base/err.h"
#include "pasta/io/record.h"
struct pasta_value_model;
pasta_status pasta_value_model_load(const char *dir, const char *device, struct pasta_value_model **out,
                                    struct pasta_err *err) PASTA_MUST_CHECK;
/* A start for training: both trunks from settings->model ("" = the embedded data/models/gemma-sketch), at random from `seed` where that
 * folder has no weights (*initialised); V's head 0, f's the folder's score.weight or else N(0, initializer_range). Both trunks start equal;
 * with shared_trunk they are one. So the f/ of one run can be the start of another. */
pasta_status pasta_value_model_new(const struct pasta_value_settings *settings, const char *device, uint64_t seed, bool *initialised,
                                   struct pasta_value_model **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Writes f/, v/ and value.json below `dir`, which exists. */
pasta_status pasta_value_model_save(const struct pasta_value_model *m, const char *dir, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_value_model_free(struct pasta_value_model *m); /* NULL is legal */
int64_t pasta_value_model_parameters(const struct pasta_value_model *m); /* scalars; a shared trunk counts once */
/* f of n candidates after the complete turns of `session`, through one pass over the shared prefix; v may be NULL. Safe from several
 * threads. The history is cut so that it and the longest of these candidates fit into l_q tokens. */
pasta_status pasta_value_model_score(const struct pasta_value_model *m, const struct pasta_session *session,
                                     const struct pasta_candidate *candidates, int n, double *f, double *v,
                                     struct pasta_err *err) PASTA_MUST_CHECK;
/* The same with what f's head reads: features [n,D], D = pasta_value_model_width. n >= 1. */
pasta_status pasta_value_model_features(const struct pasta_value_model *m, const struct pasta_session *session,
                                        const struct pasta_candidate *candidates, int n, float *features, double *f,
                                        struct pasta_err *err) PASTA_MUST_CHECK;
int64_t pasta_value_model_width(const struct pasta_value_model *m);
double pasta_value_model_mean_reward(const struct pasta_value_model *m); /* NAN: the folder does not say */
#endif
