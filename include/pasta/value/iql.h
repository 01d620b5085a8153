/* iql.h: implicit Q-learning on slates (Kostrikov, Nair & Levine 2022), the training of f and V.
 *
 *     Q(h,P)   = mean over p in P of f(h,p)
 *     V loss   = mean |alpha - 1(u < 0)| u^2,   u = Q_target(h,P) - V(h)
 *     Q loss   = mean (r + gamma V(h') - Q(h,P))^2,   V(h') = 0 after the last turn
 *
 * One step, in this order: V by its loss, with the target Q; then Q by its loss, with V(h') of the NEW V; then the target moves,
 * target <- target + polyak (f - target). No gradient passes through a target, and no maximum over slates is ever taken. With a shared
 * trunk both losses are added and make one update, with V(h') from before it.
 *
 * Rewards (episodes.h) enter less their mean over the training data: where all sessions have the same number of turns this shifts every
 * value of a turn alike and changes no ranking, and values start near 0, where the heads start.
 *
 * A pretrained Gemma can read; the embedded one is small and has read no more than the choices of other generated populations, and a
 * slate's return says little about each of its members. So before the first step of IQL, value.choice_steps steps teach f the users'
 * choices in the same sessions, P(column | history, slate) = softmax of f over the slate. Then f's head is divided by ten, from the scale
 * of such logits to that of values, and V's trunk starts as a copy of f's. value.choice_weight keeps the same loss, of ten times f, beside
 * the Q loss. Both are 0 by default; without choice_steps f's head starts as read from the model's folder, or at 0 as V's does.
 */
#ifndef PASTA_VALUE_IQL_H
#define PASTA_VALUE_IQL_H
#include "pasta/base/config.h"
#include "pasta/base/progress.h"
#include "pasta/io/record.h"
#include "pasta/tensor/pt.h"
#include "pasta/value/value_model.h"

/* The losses on their own, means over n; call inside a scope. Gradients pass into v and into q alone. */
pt pasta_iql_v_loss(pt q_target /* [n] */, pt v /* [n] */, double expectile);
pt pasta_iql_q_loss(pt q /* [n] */, pt reward /* [n] */, pt v_next /* [n], 0 where done */, double discount);

struct pasta_value_counts { int64_t sessions, held_out, transitions; };
/* Trains `model` in place by settings->choice_steps and settings->train, on all sessions but those of about every twentieth rater, whose
 * sessions give the held-out curves. Writes checkpoint.safetensors and the curves into `out`; with `resume` goes on from there if it
 * exists. After a signal makes a checkpoint and returns PASTA_ERR_STOPPED. The same seed gives the same weights, resumed or not, and on any
 * number of threads while half a batch fits one pass (16,384 padded tokens). */
pasta_status pasta_value_train(struct pasta_value_model *model, const struct pasta_value_settings *settings,
                               const struct pasta_sessions *sessions, const char *out, uint64_t seed, int threads, bool resume,
                               struct pasta_value_counts *counts, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
