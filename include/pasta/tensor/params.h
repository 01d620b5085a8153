/* params.h: a network's parameters, an ordered list of named tensors.
 *
 * The list owns its tensors (f32 unless said, all kept). Names are those of the published checkpoints. Layers look a parameter up
 * by name once, when the model is built.
 */
#ifndef PASTA_TENSOR_PARAMS_H
#define PASTA_TENSOR_PARAMS_H
#include <stddef.h>
#include "pasta/tensor/pt.h"
struct pasta_param { char *name; pt tensor; };
struct pasta_params { struct pasta_param *items; int n; size_t capacity; };
/* Takes ownership of a kept tensor; a second parameter of the same name is a bug. */
void pasta_params_add(struct pasta_params *p, const char *name, pt kept);
pt pasta_params_get(const struct pasta_params *p, const char *name); /* borrowed; NULL if absent */
int64_t pasta_params_count(const struct pasta_params *p);            /* number of scalars */
void pasta_params_requires_grad(struct pasta_params *p, bool on);
void pasta_params_zero_grad(struct pasta_params *p);
/* dst <- dst + weight (src - dst), same names in the same order; weight 1 copies. */
void pasta_params_lerp(struct pasta_params *dst, const struct pasta_params *src, double weight);
void pasta_params_release(struct pasta_params *p);
#endif
