/* value_model.h: the agent's value functions, f(h, p) and V(h), as Gemma sequence classifiers over the history as text.
 *
 * Q(h, P) = mean over p in P of f(h, p) [paper]. A folder holds f/ and v/, each a Hugging Face GemmaForSequenceClassification with one label.
 */
#ifndef PASTA_VALUE_VALUE_MODEL_H
#define PASTA_VALUE_VALUE_MODEL_H
#include "pasta/base/err.h"
#include "pasta/io/record.h"
struct pasta_value_model;
pasta_status pasta_value_model_load(const char *dir, const char *device, struct pasta_value_model **out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_value_model_free(struct pasta_value_model *m);
/* f of n candidates after the complete turns of `session`, through one pass over the shared prefix; v may be NULL. Safe from several threads. */
pasta_status pasta_value_model_score(const struct pasta_value_model *m, const struct pasta_session *session, const struct pasta_candidate *candidates, int n,
                                     double *f, double *v, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
