/* value_impl.h: what is inside a value model, for training. */
#ifndef PASTA_SRC_VALUE_VALUE_IMPL_H
#define PASTA_SRC_VALUE_VALUE_IMPL_H
#include "packing.h"
#include "pasta/base/str.h"
#include "pasta/value/value_model.h"

struct pasta_value_model {
    struct pasta_gemma *f, *v;        /* trunks; the same pointer when shared */
    struct pasta_params f_head, v_head; /* score.weight [1,D] each */
    bool f_head_read;                 /* f's came with the model that training starts from */
    struct pasta_spm *spm;
    struct pasta_str tokenizer;       /* the bytes of tokenizer.model */
    int max_tokens_q, max_tokens_v;   /* l_q, l_v */
    double mean_reward;               /* of the training data, which rewards enter less of; NAN: not known */
};

static inline int pasta_candidate_limit(const struct pasta_value_model *m)
{
    return m->max_tokens_q / 2; /* the other half always holds the history */
}

/* The head on the tokens that are read out: [B*R]. Call inside a scope. */
pt pasta_value_read(const struct pasta_gemma *trunk, const struct pasta_params *head, const struct pasta_gemma_pack *layout);
/* Tokens of the history of n_turns in at most `room`; *length is their number. The caller frees. */
int64_t *pasta_value_prefix(const struct pasta_history *h, int n_turns, int room, int *length);
#endif
