/* clip_train.h: contrastive training of CLIP on pairs that are made while it trains, and what its embeddings are worth.
 *
 *     struct pasta_clip_stream *s = pasta_clip_stream_open(clip, &source, batch, first_step, threads);
 *     struct pasta_clip_team *team = pasta_clip_team_new(clip, batch, threads);
 *     for (step = first_step; step < steps; step++) {
 *         pasta_clip_stream_next(s, &pixels, &ids, &n_ids, &err);
 *         pasta_clip_team_gradients(team, pixels, ids, n_ids, &loss, &err);
 *         ... an optimiser's step on pasta_clip_params(clip) ...
 *     }
 *
 * Source: Radford et al., ICML 2021, figure 3.
 */
#ifndef PASTA_MODEL_CLIP_TRAIN_H
#define PASTA_MODEL_CLIP_TRAIN_H
#include "pasta/base/str.h"
#include "pasta/model/clip.h"

/* Where pairs come from. `pair` is a pure function of `index`, called from several threads. */
struct pasta_clip_source {
    void *ctx;
    pasta_status (*pair)(void *ctx, int64_t index, struct pasta_str *caption /* empty */, struct pasta_image *image, struct pasta_err *err);
};

/* Batches of pairs, made by `threads` workers ahead of the step that needs them. Step t holds the pairs t * batch ... t * batch +
 * batch - 1. */
struct pasta_clip_stream;
struct pasta_clip_stream *pasta_clip_stream_open(const struct pasta_clip *clip, const struct pasta_clip_source *source, int batch,
                                                 int64_t first_step, int threads);
/* The next batch: pixels [batch,3,S,S] and ids [batch,T], T the longest caption of the batch; valid until the next call. */
pasta_status pasta_clip_stream_next(struct pasta_clip_stream *s, const float **pixels, const int64_t **ids, int *n_ids,
                                    struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_clip_stream_close(struct pasta_clip_stream *s); /* stops and joins the workers; NULL is legal */

/* Symmetric cross-entropy over the similarity matrix of L2-normalised images and texts [B,P], times scale (rank 0): mean of
 * image-to-text and text-to-image. Rank 0. Call inside a scope. */
pt pasta_clip_loss(pt images, pt texts, pt scale);

/* A training step's gradients on several threads. A batch is cut into chunks of PASTA_CLIP_CHUNK pairs, each encoded and
 * differentiated by one thread on its own copy of the weights; the loss is that of the whole batch, and the chunks' gradients are
 * added in their order, so that the bits do not depend on `threads`. */
enum { PASTA_CLIP_CHUNK = 32 };
struct pasta_clip_team;
struct pasta_clip_team *pasta_clip_team_new(struct pasta_clip *clip, int batch, int threads); /* clip is borrowed */
/* Sets the gradient of every parameter of `clip` and *loss. pixels [batch,3,S,S], ids [batch,n_ids]. Outside of any scope. */
pasta_status pasta_clip_team_gradients(struct pasta_clip_team *team, const float *pixels, const int64_t *ids, int n_ids, double *loss,
                                       struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_clip_team_free(struct pasta_clip_team *team); /* NULL is legal */
/* Keeps the scale at or below `max_scale` (100 in the paper), after an optimiser's step. Call inside a scope. */
void pasta_clip_clamp_scale(struct pasta_clip *clip, double max_scale);

/* Image-to-text retrieval: the share of rows whose own text is the most similar one within its group of `group` successive rows, for
 * each of the n / group groups in top1. images, texts [n,dim] L2-normalised. A tie of m best texts, the own one among them, counts 1/m. */
void pasta_clip_retrieval(const float *images, const float *texts, int n, int dim, int group, double *top1);
/* Linear probe: multinomial logistic regression on the standardised embeddings of the first n_train rows of embeds [n,dim], labels
 * [n] below n_classes; returns the accuracy on the other rows in *accuracy. */
pasta_status pasta_clip_probe(const float *embeds, const int *labels, int n, int n_train, int dim, int n_classes, double *accuracy,
                              struct pasta_err *err) PASTA_MUST_CHECK;
#endif
