/* trainer.h: a value model in training and its single steps.
 *
 * The episodes of a batch are dealt to two shards, which may run side by side: their gradients are added, and the sum of two numbers does
 * not depend on their order. A shard that does not fit one pass goes through several, and then the shards run one after the other.
 */
#ifndef PASTA_SRC_VALUE_TRAINER_H
#define PASTA_SRC_VALUE_TRAINER_H
#include "episodes.h"
#include "pasta/model/weights.h"
#include "pasta/tensor/optim.h"

enum { PASTA_SHARDS = 2, PASTA_PASS_TOKENS = 16384, PASTA_CHOICE_SCALE = 10 /* logits of a choice for one unit of value */ };

struct pasta_trainer {
    struct pasta_value_model *model;           /* borrowed */
    const struct pasta_value_settings *settings; /* borrowed */
    int threads;
    double mean_reward;                        /* taken from every reward */
    struct pasta_gemma *target;                /* target f */
    struct pasta_params target_head;
    struct pasta_optim *choices, *f, *v;       /* v is NULL with a shared trunk: f then has both heads */
};
struct pasta_iql_stats {
    double loss_v, loss_q, mean_q, mean_v, advantage; /* advantage: mean of Q_target - V */
    double grad_v, grad_q;                            /* gradient norms before clipping */
    double loss_choice;                               /* cross-entropy of a choice; 0 where not trained */
};
struct pasta_batch { struct pasta_episode *const *episodes; int n; }; /* borrowed */

pasta_status pasta_trainer_init(struct pasta_trainer *t, struct pasta_value_model *model, const struct pasta_value_settings *settings,
                                int threads, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_trainer_release(struct pasta_trainer *t);
/* Everything that a checkpoint has to hold. */
pasta_status pasta_trainer_save(struct pasta_trainer *t, const char *path, int64_t step, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_trainer_restore(struct pasta_trainer *t, const char *path, int64_t *step, struct pasta_err *err) PASTA_MUST_CHECK;

/* One step of learning the choices: P(column) = softmax over the slate of f. */
pasta_status pasta_choices_step(struct pasta_trainer *t, struct pasta_batch batch, double learning_rate, struct pasta_iql_stats *stats,
                                struct pasta_err *err) PASTA_MUST_CHECK;
/* From the choices to IQL: f's head to the scale of values; V's trunk and the target from what f has learnt. */
pasta_status pasta_trainer_start_iql(struct pasta_trainer *t, struct pasta_err *err) PASTA_MUST_CHECK;
/* One step of IQL, in the order stated in iql.h. */
pasta_status pasta_iql_step(struct pasta_trainer *t, struct pasta_batch batch, double learning_rate, struct pasta_iql_stats *stats,
                            struct pasta_err *err) PASTA_MUST_CHECK;
/* The losses on episodes without a step; *choice: how often the column that was chosen has the largest f of its slate (ties share), over
 * the *choices turns with a choice. */
pasta_status pasta_iql_measure(struct pasta_trainer *t, struct pasta_batch batch, struct pasta_iql_stats *stats, double *choice,
                               int64_t *choices, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
