/* weights.h: parameters to and from safetensors, single or sharded, in the Hugging Face layout; checkpoints of training runs. */
#ifndef PASTA_MODEL_WEIGHTS_H
#define PASTA_MODEL_WEIGHTS_H
#include "pasta/io/safetensors.h"
#include "pasta/tensor/optim.h"
#include "pasta/tensor/params.h"

/* The weight files of a model folder: model.safetensors, or the shards of model.safetensors.index.json, which names each tensor of theirs,
 * or open_clip_model.safetensors. */
struct pasta_weights;
bool pasta_weights_exist(const char *dir); /* whether the folder has such files; they may be broken */
pasta_status pasta_weights_open(const char *dir, struct pasta_weights **out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_weights_close(struct pasta_weights *w);
int pasta_weights_files(const struct pasta_weights *w);
const struct pasta_safetensors *pasta_weights_file(const struct pasta_weights *w, int i); /* borrowed */
bool pasta_weights_has(const struct pasta_weights *w, const char *name);
/* PASTA_ERR_INPUT naming file and tensor if there is one that `known` does not know: config.json must not describe less than there is. */
pasta_status pasta_weights_expect(const struct pasta_weights *w, bool (*known)(const void *ctx, const char *name), const void *ctx,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
/* Adds `name` (as `as`) to params in the dtype `dtype` on `device`. Where file and memory hold the same, the tensor looks into the mapped
 * file and holds it, also after close: weights are in memory once; what training writes stays in the process. Otherwise it is
 * converted slice by slice. Missing or misshapen: PASTA_ERR_INPUT naming file, tensor, both shapes. */
pasta_status pasta_weights_load(struct pasta_weights *w, const char *name, const char *as, int rank, const int64_t *shape,
                                pt_dtype dtype, const char *device, struct pasta_params *params, struct pasta_err *err) PASTA_MUST_CHECK;
/* The same of a tensor that is `part` of the `parts` that `name` holds one below the other. shape is the part's. */
pasta_status pasta_weights_load_part(struct pasta_weights *w, const char *name, int part, int parts, const char *as, int rank,
                                     const int64_t *shape, pt_dtype dtype, const char *device, struct pasta_params *params,
                                     struct pasta_err *err) PASTA_MUST_CHECK;
/* SHA-256 of the weight file, as sha256sum prints it; of several shards: of the list of their digests and names. 64 digits, valid until
 * close; empty if a file can no longer be read. */
const char *pasta_weights_hash(struct pasta_weights *w);

/* Writes params as one safetensors file; dtype PT_F32, PT_F16 or PT_BF16 for floating-point ones. */
pasta_status pasta_params_save(const struct pasta_params *params, const char *path, pt_dtype dtype, struct pasta_err *err) PASTA_MUST_CHECK;

/* A training checkpoint: one safetensors file with every list (PREFIX/NAME), every optimiser's state (optimN/NAME), and in its metadata
 * the step counter and each optimiser's steps; dtypes as they are. Written atomically. Restoring checks names, dtypes and shapes
 * before it changes anything. Same state, same bytes. */
struct pasta_checkpoint_list { const char *prefix; struct pasta_params *params; };
pasta_status pasta_checkpoint_save(const char *path, int64_t step, const struct pasta_checkpoint_list *lists, int n_lists,
                                   struct pasta_optim *const *optims, int n_optims, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_checkpoint_restore(const char *path, int64_t *step, const struct pasta_checkpoint_list *lists, int n_lists,
                                      struct pasta_optim *const *optims, int n_optims, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
