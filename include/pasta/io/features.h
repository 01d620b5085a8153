/* features.h: feature packs, vectors of one encoder for images and texts.
 *
 * Folder layout: image.safetensors `embeds` [N,D] f32, text.safetensors `embeds` [N,D] f32 (rows L2-normalised), index.jsonl with one
 * row {"schema":"pasta.feature/1","kind":"image"|"text","row":i,"key":ID or prompt} per vector, every row and key once. Metadata
 * `encoder` is the encoder's hash; packs of different encoders never mix. Metadata `index_sha256` (optional in packs made elsewhere)
 * ties the files together.
 */
#ifndef PASTA_IO_FEATURES_H
#define PASTA_IO_FEATURES_H
#include "pasta/base/err.h"
#include <stddef.h>
struct pasta_features; /* an open pack; safe to read from several threads */
pasta_status pasta_features_open(const char *dir, struct pasta_features **out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_features_close(struct pasta_features *f); /* NULL is legal */
int pasta_features_dim(const struct pasta_features *f);
const char *pasta_features_encoder(const struct pasta_features *f);
/* The vector [D] of an image id or a prompt, NULL where the pack has none; valid until close. */
const float *pasta_features_image(const struct pasta_features *f, const char *id);
const float *pasta_features_text(const struct pasta_features *f, const char *prompt);
/* Writes a pack into `dir`, which is made; keys must differ within their kind; image_embeds [n_images,dim], text_embeds [n_texts,dim]
 * row-major. */
pasta_status pasta_features_write(const char *dir, const char *encoder, int dim, const char *const *image_ids, const float *image_embeds,
                                  size_t n_images, const char *const *texts, const float *text_embeds, size_t n_texts,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
#endif
