/* image_store.h: images on disk, named by the SHA-256 of what made them.
 *
 * ROOT/images/ab/ID.png, where ab are the first two digits of ID. A tEXt chunk "parameters" holds the generator, prompt, seed and size as
 * ASCII JSON, which is all it takes to make the image again.
 */
#ifndef PASTA_AGENT_IMAGE_STORE_H
#define PASTA_AGENT_IMAGE_STORE_H
#include "pasta/world/backend.h"

/* Draws and saves one image, unless a readable image of that name is already there (a truncated one is replaced). Same arguments, same
 * bytes; atomic; safe from several threads and processes, also for the same id. */
pasta_status pasta_image_save(const struct pasta_t2i *t2i, const char *prompt, uint64_t seed, const char *id, const char *root,
                              struct pasta_err *err) PASTA_MUST_CHECK;
/* Mean size of the saved files of n prompts, drawn for the purpose with seed 0; n >= 1. */
pasta_status pasta_image_bytes(const struct pasta_t2i *t2i, const char *const *prompts, int n, double *mean,
                               struct pasta_err *err) PASTA_MUST_CHECK;
/* "images/ab/ID.png"; caller frees. */
char *pasta_image_name(const char *id);
#endif
