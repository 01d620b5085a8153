/* clip_evaluation.h: retrieval and linear probes on held-out pairs, as evaluation.json and on stdout. */
#ifndef PASTA_CMD_CLIP_EVALUATION_H
#define PASTA_CMD_CLIP_EVALUATION_H
#include "clip_pairs.h"
#include "pasta/base/options.h"

/* Evaluates the encoder in context->out on the held-out pairs: image-to-prompt retrieval, top 1 among 100, and linear probes of the image
 * embeddings for subject group and style, trained on the first half; each with a 95 % interval. Writes evaluation.json. */
pasta_status clip_evaluate(const struct pasta_context *context, const struct clip_pairs *w, struct pasta_err *err) PASTA_MUST_CHECK;
/* Prints context->out/evaluation.json, as it is with --json. */
pasta_status clip_report(const struct pasta_context *context, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
