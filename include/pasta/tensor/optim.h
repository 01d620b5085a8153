/* optim.h: AdamW, Adafactor, the cosine schedule, gradient clipping.
 *
 * One optimiser owns the state for the parameter lists registered with it; gradients are read from the parameters. Checked against
 * PyTorch's AdamW and Hugging Face's Adafactor in tests/golden.
 *
 *     struct pasta_optim *o = pasta_optim_adafactor(params, weight_decay);
 *     pt_backward(loss);
 *     double norm = pasta_optim_clip(o, 1.0);
 *     pasta_optim_step(o, pasta_schedule(settings, step));
 *     pasta_optim_zero_grad(o);
 *
 * Sources: Loshchilov & Hutter 2019 (AdamW); Shazeer & Stern 2018 (Adafactor: beta2_t = 1 - t^-0.8, eps1 1e-30, update clip 1, fixed
 * learning rate, no parameter scaling, as transformers' Adafactor(scale_parameter=False, relative_step=False)).
 */
#ifndef PASTA_TENSOR_OPTIM_H
#define PASTA_TENSOR_OPTIM_H
#include "pasta/base/config.h"
#include "pasta/tensor/params.h"
struct pasta_optim;
/* betas 0.9, 0.999, eps 1e-8; params borrowed */
struct pasta_optim *pasta_optim_adamw(struct pasta_params *params, double weight_decay);
struct pasta_optim *pasta_optim_adafactor(struct pasta_params *params, double weight_decay);
/* A further list, before the first step; its learning rate is `rate` times the step's. */
void pasta_optim_add(struct pasta_optim *o, struct pasta_params *params, double rate);
/* PyTorch's clip_grad_norm_; returns the norm before; max_norm 0: measure only */
double pasta_optim_clip(struct pasta_optim *o, double max_norm);
void pasta_optim_step(struct pasta_optim *o, double learning_rate);
void pasta_optim_zero_grad(struct pasta_optim *o);
int64_t pasta_optim_steps(const struct pasta_optim *o);
void pasta_optim_steps_set(struct pasta_optim *o, int64_t steps);
/* The state as named tensors (borrowed, "adamw.m.NAME" ...), for checkpoints: read them, or pt_set them. Created on first use. */
const struct pasta_params *pasta_optim_state(struct pasta_optim *o);
void pasta_optim_free(struct pasta_optim *o);
/* Learning rate of step 0, 1, ...: linear warm-up, then PyTorch's CosineAnnealingLR with T_max = cosine_period and minimum 0: down
 * over one period, up over the next, and so on; constant when the period is 0. */
double pasta_schedule(const struct pasta_train_settings *s, int64_t step);
#endif
