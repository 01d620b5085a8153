/* value_model.c: folders of value models, and scoring. */
#include "pasta/value/value_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/model/gemma_text.h"
#include "pasta/model/weights.h"
#include "value_impl.h"

enum { MIN_TOKENS = 16 }; /* of either limit */

/* --- loading ------------------------------------------------------------------------------------------------------ */

static pasta_status load_tokenizer(struct pasta_value_model *m, const char *dir, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, "tokenizer.model");
    pasta_status st = pasta_file_read(path, &m->tokenizer, err);
    if (st == PASTA_OK)
        st = pasta_gemma_tokenizer(m->f, dir, &m->spm, err);
    free(path);
    return st;
}

static pasta_status read_limit(const char *dir, int *limit, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, "tokenizer_config.json");
    cJSON *json = NULL;
    int64_t value = 0;
    pasta_status st = pasta_json_read(path, &json, err);
    if (st == PASTA_OK)
        st = pasta_json_int(json, "model_max_length", path, MIN_TOKENS, 1 << 20, &value, err);
    if (st == PASTA_OK)
        *limit = (int)value;
    cJSON_Delete(json);
    free(path);
    return st;
}

/* One of f/ and v/: trunk, head, token limit. */
static pasta_status load_half(const char *dir, const char *device, struct pasta_gemma **trunk, struct pasta_params *head, int *limit,
                              struct pasta_err *err)
{
    struct pasta_weights *weights = NULL;
    bool initialised;
    pasta_status st = pasta_weights_open(dir, &weights, err); /* first: a value model without weights is an error */
    if (st == PASTA_OK)
        st = pasta_gemma_load(dir, device, PT_F32, 0, &initialised, trunk, err);
    if (st == PASTA_OK)
        st = pasta_weights_load(weights, "score.weight", "score.weight", PT_SHAPE(1, pasta_gemma_shape(*trunk)->hidden_size), PT_F32,
                                device, head, err);
    if (st == PASTA_OK)
        st = read_limit(dir, limit, err);
    if (st == PASTA_OK && *limit > pasta_gemma_shape(*trunk)->max_position_embeddings)
        st = pasta_fail(err, PASTA_ERR_INPUT,
                        "%s/tokenizer_config.json: model_max_length: expected at most max_position_embeddings (%lld), found %d", dir,
                        (long long)pasta_gemma_shape(*trunk)->max_position_embeddings, *limit);
    pasta_weights_close(weights);
    return st;
}

/* A folder that somebody else made need not say it. */
static pasta_status read_scale(const char *dir, double *mean_reward, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, "value.json");
    cJSON *json = NULL;
    pasta_status st = PASTA_OK;
    *mean_reward = NAN;
    if (pasta_file_exists(path) && (st = pasta_json_read(path, &json, err)) == PASTA_OK)
        st = pasta_json_num(json, "mean_reward", path, 0, 1, mean_reward, err);
    cJSON_Delete(json);
    free(path);
    return st;
}

pasta_status pasta_value_model_load(const char *dir, const char *device, struct pasta_value_model **out, struct pasta_err *err)
{
    struct pasta_value_model *m = pasta_calloc(1, sizeof *m);
    char *f = pasta_path_join(dir, "f"), *v = pasta_path_join(dir, "v");
    pasta_status st = pasta_file_exists(f) && pasta_file_exists(v) ? PASTA_OK : pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected the folder of an agent "
                      "(pasta-train-pasta) with f/ and v/, found none", dir);
    if (st == PASTA_OK)
        st = load_half(f, device, &m->f, &m->f_head, &m->max_tokens_q, err);
    if (st == PASTA_OK)
        st = load_half(v, device, &m->v, &m->v_head, &m->max_tokens_v, err);
    if (st == PASTA_OK)
        st = load_tokenizer(m, f, err);
    if (st == PASTA_OK)
        st = read_scale(dir, &m->mean_reward, err);
    free(v);
    free(f);
    if (st == PASTA_OK)
        *out = m;
    else
        pasta_value_model_free(m);
    return st;
}

static void add_head(struct pasta_params *head, const struct pasta_gemma *trunk, const char *device, uint64_t seed, double deviation)
{
    const int64_t D = pasta_gemma_shape(trunk)->hidden_size;
    float *values = pasta_malloc((size_t)D * sizeof *values);
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_INIT, 0, 1, 0);
    for (int64_t i = 0; i < D; i++)
        values[i] = (float)(deviation * pasta_rng_normal(&rng));
    pasta_params_add(head, "score.weight", pt_keep(pt_to_device(pt_from_f32(values, PT_SHAPE(1, D)), device)));
    free(values);
}

/* f's head: the folder's own where it has one, as a value model's f/ does. */
static pasta_status start_f_head(struct pasta_value_model *m, const char *dir, const char *device, uint64_t seed, bool initialised,
                                 struct pasta_err *err)
{
    const struct pasta_gemma_config *shape = pasta_gemma_shape(m->f);
    struct pasta_weights *weights = NULL;
    pasta_status st = initialised ? PASTA_OK : pasta_weights_open(dir, &weights, err);
    m->f_head_read = weights && pasta_weights_has(weights, "score.weight");
    if (m->f_head_read)
        st = pasta_weights_load(weights, "score.weight", "score.weight", PT_SHAPE(1, shape->hidden_size), PT_F32, device, &m->f_head, err);
    else if (st == PASTA_OK)
        add_head(&m->f_head, m->f, device, seed, shape->initializer_range);
    pasta_weights_close(weights);
    return st;
}

static pasta_status check_limit(const char *key, int64_t limit, const struct pasta_gemma *trunk, struct pasta_err *err)
{
    const int64_t most = pasta_gemma_shape(trunk)->max_position_embeddings;
    if (limit >= MIN_TOKENS && limit <= most)
        return PASTA_OK;
    return pasta_fail(err, PASTA_ERR_USAGE, "%s: expected %d to %lld tokens, the model's max_position_embeddings, found %lld", key,
                      MIN_TOKENS, (long long)most, (long long)limit);
}

pasta_status pasta_value_model_new(const struct pasta_value_settings *settings, const char *device, uint64_t seed, bool *initialised,
                                   struct pasta_value_model **out, struct pasta_err *err)
{
    struct pasta_value_model *m = pasta_calloc(1, sizeof *m);
    char *dir = *settings->model ? pasta_strdup(settings->model) : pasta_data_path("models/gemma-sketch");
    pasta_status st = pasta_gemma_load(dir, device, PT_F32, seed, initialised, &m->f, err);
    if (st == PASTA_OK)
        st = load_tokenizer(m, dir, err);
    if (st == PASTA_OK && (st = check_limit("value.max_tokens_q", settings->max_tokens_q, m->f, err)) == PASTA_OK)
        st = check_limit("value.max_tokens_v", settings->max_tokens_v, m->f, err);
    if (st == PASTA_OK) {
        m->v = settings->shared_trunk ? m->f : pasta_gemma_copy(m->f);
        m->mean_reward = NAN;
        m->max_tokens_q = (int)settings->max_tokens_q;
        m->max_tokens_v = (int)settings->max_tokens_v;
        pt_scope_open();
        add_head(&m->v_head, m->v, device, seed, 0); /* values start at 0 */
        st = start_f_head(m, dir, device, seed, *initialised, err);
        const pasta_status closed = pt_scope_close(st == PASTA_OK ? err : NULL);
        st = st == PASTA_OK ? closed : st;
    }
    free(dir);
    if (st == PASTA_OK)
        *out = m;
    else
        pasta_value_model_free(m);
    return st;
}

void pasta_value_model_free(struct pasta_value_model *m)
{
    if (!m)
        return;
    if (m->v != m->f)
        pasta_gemma_free(m->v);
    pasta_gemma_free(m->f);
    pasta_params_release(&m->f_head);
    pasta_params_release(&m->v_head);
    pasta_spm_free(m->spm);
    pasta_str_release(&m->tokenizer);
    free(m);
}

int64_t pasta_value_model_parameters(const struct pasta_value_model *m)
{
    const int64_t heads = pasta_params_count(&m->f_head) + pasta_params_count(&m->v_head);
    return heads + pasta_params_count(pasta_gemma_params(m->f)) + (m->v == m->f ? 0 : pasta_params_count(pasta_gemma_params(m->v)));
}

/* --- saving ------------------------------------------------------------------------------------------------------- */

static pasta_status write_in(const char *dir, const char *name, const struct pasta_str *text, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, name);
    const pasta_status st = pasta_file_write(path, text->data, text->length, err);
    free(path);
    return st;
}

static pasta_status save_half(const struct pasta_value_model *m, const char *parent, const char *name, const struct pasta_gemma *trunk,
                              const struct pasta_params *head, int limit, struct pasta_err *err)
{
    char *dir = pasta_path_join(parent, name);
    struct pasta_str config = {0};
    pasta_str_printf(&config,
                     "{\n  \"tokenizer_class\": \"GemmaTokenizer\",\n  \"model_max_length\": %d,\n  \"truncation_side\": \"left\",\n"
                     "  \"add_bos_token\": true,\n  \"add_eos_token\": false,\n  \"bos_token\": \"<bos>\",\n  \"eos_token\": \"<eos>\",\n"
                     "  \"pad_token\": \"<pad>\",\n  \"unk_token\": \"<unk>\",\n  \"added_tokens_decoder\": ", limit);
    pasta_spm_added_tokens(&m->tokenizer, &config);
    pasta_str_add(&config, "\n}\n");
    pasta_status st = pasta_mkdirs(dir, err);
    if (st == PASTA_OK)
        st = pasta_gemma_save(trunk, dir, "GemmaForSequenceClassification", head, err);
    if (st == PASTA_OK)
        st = write_in(dir, "tokenizer.model", &m->tokenizer, err);
    if (st == PASTA_OK)
        st = write_in(dir, "tokenizer_config.json", &config, err);
    pasta_str_release(&config);
    free(dir);
    return st;
}

pasta_status pasta_value_model_save(const struct pasta_value_model *m, const char *dir, struct pasta_err *err)
{
    pasta_status st = save_half(m, dir, "f", m->f, &m->f_head, m->max_tokens_q, err);
    if (st == PASTA_OK)
        st = save_half(m, dir, "v", m->v, &m->v_head, m->max_tokens_v, err);
    if (st == PASTA_OK && !isnan(m->mean_reward)) {
        struct pasta_str scale = {0};
        pasta_str_printf(&scale, "{\n  \"mean_reward\": %.17g\n}\n", m->mean_reward);
        st = write_in(dir, "value.json", &scale, err);
        pasta_str_release(&scale);
    }
    return st;
}

/* --- scoring ------------------------------------------------------------------------------------------------------ */

static pt apply_head(const struct pasta_params *head, pt hidden)
{
    return pt_reshape(pt_linear(hidden, head->items[0].tensor, NULL), PT_SHAPE(-1));
}

pt pasta_value_read(const struct pasta_gemma *trunk, const struct pasta_params *head, const struct pasta_gemma_pack *layout)
{
    return apply_head(head, pasta_gemma_packed(trunk, layout)); /* of [B,R,D] */
}

int64_t *pasta_value_prefix(const struct pasta_history *h, int n_turns, int room, int *length)
{
    int64_t *ids = pasta_malloc((size_t)room * sizeof *ids);
    *length = pasta_history_write(h, pasta_history_first(h, n_turns, room), n_turns, room, ids);
    return ids;
}

/* Values at every read of one row, through one trunk; features [reads,D] are what the head reads, or NULL. */
static pasta_status read_row(const struct pasta_gemma *trunk, const struct pasta_params *head, const struct pasta_row *row,
                             enum pasta_pack_reads reads, double *out, float *features, struct pasta_err *err)
{
    struct pasta_pack pack;
    pasta_pack_init(&pack, &row, 1, reads);
    const size_t n = (size_t)pack.layout.reads;
    float *values = pasta_malloc(n * sizeof *values);
    const bool grad = pt_grad_enable(false);
    pt_scope_open();
    pt hidden = pasta_gemma_packed(trunk, &pack.layout); /* [1,R,D] */
    pt_copy_f32(apply_head(head, hidden), values);
    if (features)
        pt_copy_f32(hidden, features);
    const pasta_status st = pt_scope_close(err);
    pt_grad_enable(grad);
    for (size_t i = 0; i < n && st == PASTA_OK; i++)
        out[i] = values[i];
    free(values);
    pasta_pack_release(&pack);
    return st;
}

static pasta_status score_candidates(const struct pasta_value_model *m, const struct pasta_session *session,
                                     const struct pasta_history *history, const struct pasta_candidate *candidates, int n, double *f,
                                     float *features, struct pasta_err *err)
{
    struct pasta_row row = {.n_forks = 1, .forks = pasta_calloc(1, sizeof *row.forks)};
    struct pasta_fork *fork = row.forks;
    int longest = 0;
    pasta_status st = PASTA_OK;
    fork->candidates = pasta_calloc((size_t)n, sizeof *fork->candidates);
    while (fork->n_candidates < n && st == PASTA_OK) {
        struct pasta_tokens *tokens = &fork->candidates[fork->n_candidates];
        st = pasta_history_candidate(m->spm, session, session->n_turns, &candidates[fork->n_candidates++], pasta_candidate_limit(m), tokens,
                                     err);
        longest = tokens->n > longest ? tokens->n : longest;
    }
    if (st == PASTA_OK) {
        row.prefix = pasta_value_prefix(history, session->n_turns, m->max_tokens_q - longest, &row.n_prefix);
        fork->length = row.n_prefix;
        st = read_row(m->f, &m->f_head, &row, PASTA_PACK_BRANCHES, f, features, err);
    }
    pasta_row_release(&row);
    return st;
}

pasta_status pasta_value_model_score(const struct pasta_value_model *m, const struct pasta_session *session,
                                     const struct pasta_candidate *candidates, int n, double *f, double *v, struct pasta_err *err)
{
    struct pasta_history history;
    pasta_status st = pasta_history_init(&history, m->spm, session, session->n_turns, err);
    if (st != PASTA_OK)
        return st;
    if (n > 0)
        st = score_candidates(m, session, &history, candidates, n, f, NULL, err);
    if (st == PASTA_OK && v) {
        struct pasta_row row = {.n_forks = 1, .forks = pasta_calloc(1, sizeof *row.forks)};
        row.prefix = pasta_value_prefix(&history, session->n_turns, m->max_tokens_v, &row.n_prefix);
        row.forks[0].length = row.n_prefix;
        st = read_row(m->v, &m->v_head, &row, PASTA_PACK_FORKS, v, NULL, err);
        pasta_row_release(&row);
    }
    pasta_history_release(&history);
    return st;
}

pasta_status pasta_value_model_features(const struct pasta_value_model *m, const struct pasta_session *session,
                                        const struct pasta_candidate *candidates, int n, float *features, double *f, struct pasta_err *err)
{
    struct pasta_history history;
    pasta_status st = pasta_history_init(&history, m->spm, session, session->n_turns, err);
    if (st == PASTA_OK)
        st = score_candidates(m, session, &history, candidates, n, f, features, err);
    pasta_history_release(&history);
    return st;
}

int64_t pasta_value_model_width(const struct pasta_value_model *m)
{
    return pasta_gemma_shape(m->f)->hidden_size;
}

double pasta_value_model_mean_reward(const struct pasta_value_model *m)
{
    return m->mean_reward;
}
