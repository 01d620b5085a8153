#include "pasta/model/gemma_text.h"

#include <stdlib.h>
#include <string.h>

#include "folder_hash.h"
#include "gemma_impl.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/model/weights.h"

/* Logits are computed [TOKENS,PIECES] at a time: 32 MB in float32. A forward pass takes so many tokens, padding included, unless one text
 * alone has more: a layer's activations of 1,024 tokens of Gemma 2B are 64 MB each. */
enum { TOKENS = 1024, PIECES = 8192, CPU_TOKENS = 1024, DEVICE_TOKENS = 1 << 13 };

struct pasta_gemma_text {
    struct pasta_gemma *gemma;
    struct pasta_spm *spm;
    char hash[65];
};

/* --- folders --- */

pasta_status pasta_gemma_tokenizer(const struct pasta_gemma *g, const char *dir, struct pasta_spm **out, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, "tokenizer.model");
    struct pasta_spm *spm = NULL;
    pasta_status status = pasta_spm_load(path, &spm, err);
    if (status == PASTA_OK && pasta_spm_vocab(spm) > g->config.vocab_size)
        status = pasta_fail(err, PASTA_ERR_INPUT, "\"%s\": expected at most %lld pieces, the model's vocab_size, found %d", path,
                            (long long)g->config.vocab_size, pasta_spm_vocab(spm));
    if (status == PASTA_OK && pasta_spm_bos(spm) < 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "\"%s\": expected a piece <bos>, found none", path);
    if (status == PASTA_OK && pasta_spm_bos(spm) != g->config.bos_token_id)
        status = pasta_fail(err, PASTA_ERR_INPUT, "\"%s\": <bos>: expected config.json's bos_token_id %lld, found %d", path,
                            (long long)g->config.bos_token_id, pasta_spm_bos(spm));
    if (status == PASTA_OK)
        *out = spm;
    else
        pasta_spm_free(spm);
    free(path);
    return status;
}

static pasta_status identify(struct pasta_gemma_text *t, const char *dir, struct pasta_err *err)
{
    static const char *const names[] = {"config.json", "tokenizer.model", NULL};
    struct pasta_weights *weights;
    pasta_status status = pasta_weights_open(dir, &weights, err);
    if (status != PASTA_OK)
        return status;
    status = model_folder_hash(dir, pasta_weights_hash(weights), names, t->hash, err);
    pasta_weights_close(weights);
    return status;
}

pasta_status pasta_gemma_text_load(const char *dir, const char *device, pt_dtype dtype, struct pasta_gemma_text **out,
                                   struct pasta_err *err)
{
    struct pasta_gemma_text *t = pasta_calloc(1, sizeof *t);
    bool initialised;
    pasta_status status = pasta_gemma_load(dir, device, dtype, 0, &initialised, &t->gemma, err);
    if (status == PASTA_OK)
        status = identify(t, dir, err); /* fails where there are no weights */
    if (status == PASTA_OK)
        status = pasta_gemma_tokenizer(t->gemma, dir, &t->spm, err);
    if (status == PASTA_OK)
        *out = t;
    else
        pasta_gemma_text_free(t);
    return status;
}

void pasta_gemma_text_free(struct pasta_gemma_text *t)
{
    if (!t)
        return;
    pasta_spm_free(t->spm);
    pasta_gemma_free(t->gemma);
    free(t);
}

int pasta_gemma_text_dim(const struct pasta_gemma_text *t)
{
    return (int)t->gemma->config.hidden_size;
}

int pasta_gemma_text_context(const struct pasta_gemma_text *t)
{
    return (int)t->gemma->config.max_position_embeddings;
}

const char *pasta_gemma_text_hash(const struct pasta_gemma_text *t)
{
    return t->hash;
}

/* --- texts --- */

pasta_status pasta_gemma_text_ids(const struct pasta_gemma_text *t, const char *text, int64_t **ids, int *n, struct pasta_err *err)
{
    int64_t *pieces;
    int count;
    pasta_status status = pasta_spm_encode(t->spm, text, &pieces, &count, err);
    if (status != PASTA_OK)
        return status;
    if (count >= pasta_gemma_text_context(t)) {
        free(pieces);
        return pasta_fail(err, PASTA_ERR_INPUT, "expected a text of at most %d tokens, <bos> included, found %d",
                          pasta_gemma_text_context(t), count + 1);
    }
    *ids = pasta_malloc(((size_t)count + 1) * sizeof **ids);
    (*ids)[0] = pasta_spm_bos(t->spm);
    memcpy(*ids + 1, pieces, (size_t)count * sizeof **ids);
    *n = count + 1;
    free(pieces);
    return PASTA_OK;
}

/* log p of `next` i64 [n], each after what hidden [n,D] has seen; f32 [n]. The logsumexp over the vocabulary is that of its parts'. */
static pt log_prob_of(const struct pasta_gemma *g, pt hidden, pt next)
{
    const int64_t vocab = g->config.vocab_size, parts = (vocab + PIECES - 1) / PIECES;
    pt *sums = pasta_malloc((size_t)parts * sizeof *sums);
    hidden = pt_to_dtype(hidden, PT_F32);
    for (int64_t i = 0; i < parts; i++) {
        const int64_t first = i * PIECES, length = vocab - first < PIECES ? vocab - first : PIECES;
        pt_scope_open();
        pt part = pt_to_dtype(pt_narrow(g->embed, 0, first, length), PT_F32); /* [PIECES,D] */
        sums[i] = pt_yield(pt_logsumexp(pt_linear(hidden, part, NULL), 1, false));
        if (pt_scope_close(NULL) != PASTA_OK)
            sums[i] = NULL; /* the enclosing scope carries the cause */
    }
    pt total = pt_logsumexp(pt_stack(sums, (int)parts, 0), 0, false);
    pt logit = pt_sum_dim(pt_mul(hidden, pt_to_dtype(pt_embedding(g->embed, next), PT_F32)), 1, false);
    free(sums);
    return pt_sub(logit, total);
}

static pt index_tensor(const struct pasta_gemma *g, const int64_t *index, int64_t n)
{
    return pt_to_device(pt_from_i64(index, 1, &n), g->device);
}

/* Adds log p of every token that has one before it to its row. hidden [rows*T,D]. */
static void add_log_probs(const struct pasta_gemma *g, pt hidden, int rows, int64_t T, const int64_t *const *ids, const int *lengths,
                          double *log_prob)
{
    int64_t at[TOKENS], next[TOKENS];
    int row[TOKENS], n = 0;
    float values[TOKENS];
    for (int i = 0; i < rows; i++) {
        log_prob[i] = 0;
        for (int j = 0; j < lengths[i]; j++) {
            if (j + 1 < lengths[i]) {
                at[n] = i * T + j;
                next[n] = ids[i][j + 1];
                row[n++] = i;
            }
            const bool end = i == rows - 1 && j == lengths[i] - 1;
            if (n < TOKENS && !(end && n))
                continue;
            pt_scope_open();
            pt_copy_f32(log_prob_of(g, pt_index_select(hidden, 0, index_tensor(g, at, n)), index_tensor(g, next, n)), values);
            if (pt_scope_close(NULL) != PASTA_OK)
                return; /* as above */
            for (int k = 0; k < n; k++)
                log_prob[row[k]] += values[k];
            n = 0;
        }
    }
}

static pasta_status one_pass(const struct pasta_gemma_text *t, int rows, const int64_t *const *ids, const int *lengths, float *hidden,
                             double *log_prob, struct pasta_err *err)
{
    int64_t T = 0;
    for (int i = 0; i < rows; i++)
        T = lengths[i] > T ? lengths[i] : T;
    int64_t *padded = pasta_calloc((size_t)(rows * T), sizeof *padded), *last = pasta_malloc((size_t)rows * sizeof *last);
    for (int i = 0; i < rows; i++) {
        memcpy(padded + i * T, ids[i], (size_t)lengths[i] * sizeof *padded);
        last[i] = i * T + lengths[i] - 1;
    }
    const struct pasta_gemma_pack pack = {.rows = rows, .prefix = T, .ids = padded};
    const bool grad = pt_grad_enable(false);
    pt_scope_open();
    pt all = pt_reshape(pasta_gemma_packed(t->gemma, &pack), PT_SHAPE(rows * T, t->gemma->config.hidden_size));
    pt_copy_f32(pt_index_select(all, 0, index_tensor(t->gemma, last, rows)), hidden);
    add_log_probs(t->gemma, all, rows, T, ids, lengths, log_prob);
    const pasta_status status = pt_scope_close(err);
    pt_grad_enable(grad);
    free(last);
    free(padded);
    return status;
}

/* How many of the rows one pass takes. */
static int rows_of_pass(const struct pasta_gemma_text *t, int rows, const int *lengths)
{
    const int64_t tokens = strcmp(t->gemma->device, "cpu") == 0 ? CPU_TOKENS : DEVICE_TOKENS;
    int64_t longest = 0;
    for (int i = 0; i < rows; i++) {
        longest = lengths[i] > longest ? lengths[i] : longest;
        if (i && (i + 1) * longest > tokens)
            return i;
    }
    return rows;
}

pasta_status pasta_gemma_text_read(const struct pasta_gemma_text *t, int rows, const int64_t *const *ids, const int *lengths, float *hidden,
                                   double *log_prob, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0, n; i < rows && status == PASTA_OK; i += n) {
        n = rows_of_pass(t, rows - i, lengths + i);
        status = one_pass(t, n, ids + i, lengths + i, hidden + (int64_t)i * t->gemma->config.hidden_size, log_prob + i, err);
    }
    return status;
}
