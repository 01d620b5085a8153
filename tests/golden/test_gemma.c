/* Gemma and its tokenizer against PyTorch's reference, and branches against the same tokens run as plain sequences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"
#include "pasta/io/safetensors.h"
#include "pasta/model/gemma_text.h"
#include "pasta/model/spm.h"

static const double TOLERANCE = 1e-4; /* float32 against float32 in another order of summation; hidden states have size 1 */

static char *parity_path(const char *name)
{
    const char *shared = getenv("PASTA_SHARED");
    char *path = pasta_asprintf("%s/parity/gemma-tiny/%s", shared ? shared : "../shared", name);
    if (!pasta_file_exists(path)) {
        print_message("skipped: no %s\n", path);
        free(path);
        skip();
    }
    return path;
}

static struct pasta_gemma *load_tiny(void)
{
    struct pasta_err err = {0};
    struct pasta_gemma *g = NULL;
    bool initialised = true;
    char *config = parity_path("config.json");
    *strrchr(config, '/') = 0;
    if (pasta_gemma_load(config, "cpu", PT_F32, 0, &initialised, &g, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_false(initialised);
    free(config);
    return g;
}

static struct pasta_safetensors *load_expected(void)
{
    struct pasta_err err = {0};
    struct pasta_safetensors *st = NULL;
    char *path = parity_path("expected.safetensors");
    if (pasta_safetensors_open(path, &st, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    free(path);
    return st;
}

static const void *expected_data(const struct pasta_safetensors *st, const char *name)
{
    const struct pasta_st_tensor *t = pasta_safetensors_find(st, name);
    assert_non_null(t);
    return t->data;
}

static double largest_difference(const float *a, const float *b, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(a[i]));
        largest = fmax(largest, fabs((double)a[i] - b[i]));
    }
    return largest;
}

static void tokenizer_matches(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_spm *spm = NULL;
    struct pasta_str text = {0};
    cJSON *cases = NULL;
    char *model = parity_path("tokenizer.model"), *tokens = parity_path("tokens.json");
    assert_int_equal(pasta_spm_load(model, &spm, &err), PASTA_OK);
    assert_int_equal(pasta_file_read(tokens, &text, &err), PASTA_OK);
    assert_int_equal(pasta_json_parse(text.data, text.length, tokens, &cases, &err), PASTA_OK);
    assert_int_equal(pasta_spm_vocab(spm), 768);
    assert_int_equal(pasta_spm_bos(spm), 2);
    const cJSON *item;
    int checked = 0;
    cJSON_ArrayForEach(item, cases) {
        const cJSON *want = cJSON_GetObjectItem(item, "ids");
        int64_t *ids;
        int n;
        assert_int_equal(pasta_spm_encode(spm, cJSON_GetObjectItem(item, "text")->valuestring, &ids, &n, &err), PASTA_OK);
        assert_int_equal(n + 1, cJSON_GetArraySize(want)); /* the reference has <bos> first */
        for (int i = 0; i < n; i++)
            assert_int_equal(ids[i], cJSON_GetArrayItem(want, i + 1)->valueint);
        free(ids);
        checked++;
    }
    assert_int_equal(checked, 7);
    cJSON_Delete(cases);
    pasta_str_release(&text);
    pasta_spm_free(spm);
    free(tokens);
    free(model);
}

static void broken_tokenizer_is_refused(void **state)
{
    (void)state;
    struct pasta_err missing = {0}, broken = {0};
    struct pasta_spm *spm = NULL;
    assert_int_equal(pasta_spm_load("/nonexistent/tokenizer.model", &spm, &missing), PASTA_ERR_INPUT);
    assert_non_null(strstr(missing.message, "/nonexistent/tokenizer.model"));
    assert_int_equal(pasta_spm_load("Makefile", &spm, &broken), PASTA_ERR_INPUT);
    assert_non_null(strstr(broken.message, "Makefile"));
    assert_null(spm);
}

/* Every token's hidden states [B,T,D] of plain sequences ids [B,T]. */
static pt plain(const struct pasta_gemma *g, const int64_t *ids, int64_t B, int64_t T)
{
    int64_t *read = pasta_malloc((size_t)(B * T) * sizeof *read);
    for (int64_t i = 0; i < B * T; i++)
        read[i] = i % T;
    const struct pasta_gemma_pack pack = {.rows = B, .prefix = T, .reads = T, .ids = ids, .read = read};
    pt hidden = pasta_gemma_packed(g, &pack);
    free(read);
    return hidden;
}

static void hidden_states_match(void **state)
{
    (void)state;
    enum { B = 7, T = 47, D = 64 };
    struct pasta_err err = {0};
    struct pasta_gemma *g = load_tiny();
    struct pasta_safetensors *expected = load_expected();
    const int64_t *lengths = expected_data(expected, "lengths"), *all_ids = expected_data(expected, "input_ids");
    const float *want = expected_data(expected, "last_hidden_state");
    float *hidden = pasta_malloc(sizeof(float) * B * T * D);

    pt_grad_enable(false);
    pt_scope_open();
    pt_copy_f32(plain(g, all_ids, B, T), hidden);
    for (int b = 0; b < B; b++) {
        const int64_t n = lengths[b];
        const double off = largest_difference(hidden + b * T * D, want + b * T * D, (size_t)(n * D));
        if (off > TOLERANCE)
            fail_msg("row %d: hidden states are off by %g", b, off);
    }
    if (pt_scope_close(&err) != PASTA_OK)
        fail_msg("%s", err.message);
    free(hidden);
    pasta_safetensors_close(expected);
    pasta_gemma_free(g);
}

/* --- texts --- */

struct texts { cJSON *cases; int64_t *ids[8]; int n[8], count; };

/* tokens.json as the tokenizer of `t` reads it: the ids are those of the reference. */
static struct texts encode_texts(const struct pasta_gemma_text *t)
{
    struct texts texts = {0};
    struct pasta_err err = {0};
    char *path = parity_path("tokens.json");
    struct pasta_str json = {0};
    assert_int_equal(pasta_file_read(path, &json, &err), PASTA_OK);
    assert_int_equal(pasta_json_parse(json.data, json.length, path, &texts.cases, &err), PASTA_OK);
    const cJSON *item;
    cJSON_ArrayForEach(item, texts.cases) {
        const int i = texts.count++;
        const cJSON *want = cJSON_GetObjectItem(item, "ids");
        assert_true(i < 8);
        const char *text = cJSON_GetObjectItem(item, "text")->valuestring;
        assert_int_equal(pasta_gemma_text_ids(t, text, &texts.ids[i], &texts.n[i], &err), PASTA_OK);
        assert_int_equal(texts.n[i], cJSON_GetArraySize(want));
        for (int j = 0; j < texts.n[i]; j++)
            assert_int_equal(texts.ids[i][j], cJSON_GetArrayItem(want, j)->valueint);
    }
    pasta_str_release(&json);
    free(path);
    return texts;
}

static void texts_release(struct texts *texts)
{
    for (int i = 0; i < texts->count; i++)
        free(texts->ids[i]);
    cJSON_Delete(texts->cases);
}

static struct pasta_gemma_text *load_texts(const char *dir, pt_dtype dtype)
{
    struct pasta_err err = {0};
    struct pasta_gemma_text *t = NULL;
    if (pasta_gemma_text_load(dir, "cpu", dtype, &t, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return t;
}

static struct pasta_gemma_text *load_tiny_texts(pt_dtype dtype)
{
    char *dir = parity_path("config.json");
    *strrchr(dir, '/') = 0;
    struct pasta_gemma_text *t = load_texts(dir, dtype);
    free(dir);
    return t;
}

/* Hidden states and log-probabilities of whole texts in one batch against the reference; the bounds are relative for log p. */
static void check_texts(pt_dtype dtype, double hidden_bound, double log_prob_bound)
{
    enum { B = 7, T = 47, D = 64 };
    struct pasta_err err = {0};
    struct pasta_gemma_text *t = load_tiny_texts(dtype);
    struct pasta_safetensors *expected = load_expected();
    const float *want_hidden = expected_data(expected, "last_hidden_state"), *want = expected_data(expected, "sequence_log_prob");
    struct texts texts = encode_texts(t);
    float hidden[B * D];
    double log_prob[B], off_hidden = 0, off = 0;
    assert_int_equal(texts.count, B);
    if (pasta_gemma_text_read(t, B, (const int64_t *const *)texts.ids, texts.n, hidden, log_prob, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    for (int b = 0; b < B; b++) {
        off_hidden = fmax(off_hidden, largest_difference(hidden + b * D, want_hidden + (b * T + texts.n[b] - 1) * D, D));
        assert_true(isfinite(log_prob[b]));
        off = fmax(off, fabs(log_prob[b] / want[b] - 1));
    }
    print_message("%s: hidden states off by %.1e, log-probabilities by %.1e relative\n", pt_dtype_name(dtype), off_hidden, off);
    assert_true(off_hidden <= hidden_bound);
    assert_true(off <= log_prob_bound);
    texts_release(&texts);
    pasta_safetensors_close(expected);
    pasta_gemma_text_free(t);
}

static void texts_match(void **state)
{
    (void)state;
    check_texts(PT_F32, TOLERANCE, 1e-5);
}

/* bfloat16 keeps 8 bits; the reference computed in float32. */
static void texts_match_in_bfloat16(void **state)
{
    (void)state;
    check_texts(PT_BF16, 0.1, 1e-2);
}

static void last_logits_match(void **state)
{
    (void)state;
    enum { B = 7, T = 47, V = 768 };
    struct pasta_err err = {0};
    struct pasta_gemma *g = load_tiny();
    struct pasta_safetensors *expected = load_expected();
    const int64_t *lengths = expected_data(expected, "lengths");
    int64_t last[B];
    for (int b = 0; b < B; b++)
        last[b] = lengths[b] - 1;
    const struct pasta_gemma_pack pack = {.rows = B, .prefix = T, .reads = 1, .ids = expected_data(expected, "input_ids"), .read = last};
    float logits[B * V];
    pt_grad_enable(false);
    pt_scope_open();
    pt embedding = pasta_params_get(pasta_gemma_params(g), "model.embed_tokens.weight");
    pt_copy_f32(pt_linear(pasta_gemma_packed(g, &pack), embedding, NULL), logits);
    assert_int_equal(pt_scope_close(&err), PASTA_OK);
    const double off = largest_difference(logits, expected_data(expected, "last_token_logits"), B * V);
    print_message("logits off by %.1e\n", off);
    assert_true(off <= TOLERANCE);
    pasta_safetensors_close(expected);
    pasta_gemma_free(g);
}

static void random_ids(int64_t *ids, int64_t n, uint32_t stream)
{
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, stream, 0, 0);
    for (int64_t i = 0; i < n; i++)
        ids[i] = 4 + pasta_rng_below(&rng, 700);
}

/* A random network whose vocabulary takes several parts of the softmax, in a folder of its own with gemma-tiny's tokenizer. */
static void save_wide(const char *dir)
{
    static const char config[] = "{\"model_type\": \"gemma\", \"vocab_size\": 20000, \"hidden_size\": 16, \"intermediate_size\": 32, "
                                 "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"head_dim\": 8, "
                                 "\"max_position_embeddings\": 1500, \"initializer_range\": 1}";
    struct pasta_err err = {0};
    struct pasta_gemma *g;
    struct pasta_str tokenizer = {0};
    bool initialised;
    char *from = parity_path("tokenizer.model"), *to = pasta_path_join(dir, "tokenizer.model"), *json = pasta_path_join(dir, "config.json");
    assert_int_equal(pasta_file_write(json, config, sizeof config - 1, &err), PASTA_OK);
    assert_int_equal(pasta_gemma_load(dir, "cpu", PT_F32, 1, &initialised, &g, &err), PASTA_OK);
    assert_int_equal(pasta_gemma_save(g, dir, "GemmaForCausalLM", NULL, &err), PASTA_OK);
    assert_int_equal(pasta_file_read(from, &tokenizer, &err), PASTA_OK);
    assert_int_equal(pasta_file_write(to, tokenizer.data, tokenizer.length, &err), PASTA_OK);
    pasta_str_release(&tokenizer);
    pasta_gemma_free(g);
    free(json);
    free(to);
    free(from);
}

/* Token by token, the whole vocabulary at once, in double. */
static double slow_log_prob(const struct pasta_gemma *g, const int64_t *ids, int n)
{
    enum { V = 20000 };
    static float logits[1500 * V];
    double sum = 0;
    pt_grad_enable(false);
    pt_scope_open();
    pt embedding = pasta_params_get(pasta_gemma_params((struct pasta_gemma *)g), "model.embed_tokens.weight");
    pt_copy_f32(pt_linear(plain(g, ids, 1, n), embedding, NULL), logits);
    assert_int_equal(pt_scope_close(NULL), PASTA_OK);
    for (int i = 0; i + 1 < n; i++) {
        double all = 0;
        for (int v = 0; v < V; v++)
            all += exp((double)logits[(size_t)i * V + v] - logits[(size_t)i * V]);
        sum += (double)logits[(size_t)i * V + ids[i + 1]] - logits[(size_t)i * V] - log(all);
    }
    return sum;
}

static void texts_do_not_see_each_other(void **state)
{
    (void)state;
    enum { N = 4, D = 16, LONGEST = 1400 };
    static const int lengths[N] = {3, LONGEST, 1, 200}; /* together more tokens than are scored at a time */
    struct pasta_err err = {0};
    char dir[] = "/tmp/pasta-gemma-XXXXXX", command[60];
    assert_non_null(mkdtemp(dir));
    save_wide(dir);
    struct pasta_gemma_text *t = load_texts(dir, PT_F32);
    struct pasta_gemma *g;
    bool initialised;
    assert_int_equal(pasta_gemma_load(dir, "cpu", PT_F32, 0, &initialised, &g, &err), PASTA_OK);
    int64_t *ids[N], *one;
    float hidden[N * D], alone[D];
    double log_prob[N], alone_log_prob;
    int n;
    for (int i = 0; i < N; i++) {
        ids[i] = pasta_malloc(sizeof(int64_t) * LONGEST);
        random_ids(ids[i], lengths[i], (uint32_t)i);
        for (int j = 0; j < lengths[i]; j++)
            ids[i][j] = ids[i][j] * 28 % 20000;
    }
    assert_int_equal(pasta_gemma_text_read(t, N, (const int64_t *const *)ids, lengths, hidden, log_prob, &err), PASTA_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(pasta_gemma_text_read(t, 1, (const int64_t *const *)&ids[i], &lengths[i], alone, &alone_log_prob, &err), PASTA_OK);
        const double slow = slow_log_prob(g, ids[i], lengths[i]);
        assert_true(largest_difference(hidden + i * D, alone, D) <= 1e-5);
        assert_true(fabs(log_prob[i] - alone_log_prob) <= 1e-5 * fabs(alone_log_prob));
        assert_true(fabs(log_prob[i] - slow) <= 1e-5 * fabs(slow));
        free(ids[i]);
    }
    assert_true(log_prob[2] == 0); /* <bos> alone */

    /* what is longer than the model's context is refused, not cut */
    char *text = pasta_malloc(3001);
    memset(text, 'x', 3000);
    text[3000] = 0;
    assert_int_equal(pasta_gemma_text_ids(t, text, &one, &n, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "at most 1500 tokens"));
    free(text);
    pasta_gemma_free(g);
    pasta_gemma_text_free(t);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void packed_equals_one_by_one(void **state)
{
    (void)state;
    enum { B = 2, P = 19, N = 5, W = 6, T = P + N * W, R = N + 2, D = 64 };
    struct pasta_err err = {0};
    struct pasta_gemma *g = load_tiny();
    int64_t ids[B * T], fork[B * N], read[B * R];
    random_ids(ids, B * T, 0);
    for (int b = 0; b < B; b++) {
        for (int n = 0; n < N; n++) {
            fork[b * N + n] = b == 0 ? P - n : 1 + 3 * n;
            read[b * R + n] = P + n * W + (n + b) % W;
        }
        read[b * R + N] = P - 1;
        read[b * R + N + 1] = 4 * b;
    }
    float packed[B * R * D], alone[D];
    pt_grad_enable(false);
    pt_scope_open();
    const struct pasta_gemma_pack pack = {B, P, N, W, R, ids, fork, read};
    pt_copy_f32(pasta_gemma_packed(g, &pack), packed);
    for (int b = 0; b < B; b++)
        for (int r = 0; r < R; r++) {
            const int64_t at = read[b * R + r], branch = at < P ? 0 : (at - P) / W;
            const int64_t seen = at < P ? at + 1 : fork[b * N + branch], own = at < P ? at + 1 : P + branch * W;
            int64_t line[T], n = 0;
            for (int64_t t = 0; t < seen; t++)
                line[n++] = ids[b * T + t];
            for (int64_t t = own; t <= at; t++)
                line[n++] = ids[b * T + t];
            pt_copy_f32(pt_select(pt_select(plain(g, line, 1, n), 0, 0), 0, n - 1), alone);
            const double off = largest_difference(packed + (b * R + r) * D, alone, D);
            if (off > 1e-5)
                fail_msg("row %d, token read out %d: off by %g", b, r, off);
        }
    if (pt_scope_close(&err) != PASTA_OK)
        fail_msg("%s", err.message);
    pasta_gemma_free(g);
}

/* Branches are padded to one width; what pads one that ends at the last position lies beyond the table of positions. */
static void branches_may_end_at_the_last_position(void **state)
{
    (void)state;
    enum { P = 253, W = 6, T = P + W, MOST = 256, D = 64 };
    struct pasta_err err = {0};
    struct pasta_gemma *g = load_tiny();
    assert_int_equal(pasta_gemma_shape(g)->max_position_embeddings, MOST);
    int64_t ids[T], fork = P, read = MOST - 1;
    float packed[D], alone[D];
    random_ids(ids, T, 4);
    pt_grad_enable(false);
    pt_scope_open();
    const struct pasta_gemma_pack pack = {1, P, 1, W, 1, ids, &fork, &read};
    pt_copy_f32(pasta_gemma_packed(g, &pack), packed);
    pt_copy_f32(pt_select(pt_select(plain(g, ids, 1, MOST), 0, 0), 0, MOST - 1), alone);
    if (pt_scope_close(&err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_true(largest_difference(packed, alone, D) < 1e-5);
    pasta_gemma_free(g);
}

static void saved_equals_loaded(void **state)
{
    (void)state;
    enum { T = 5, D = 64 };
    struct pasta_err err = {0};
    struct pasta_gemma *g = load_tiny(), *again = NULL;
    char dir[] = "/tmp/pasta-gemma-XXXXXX";
    bool initialised;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(pasta_gemma_save(g, dir, "GemmaForCausalLM", NULL, &err), PASTA_OK);
    assert_int_equal(pasta_gemma_load(dir, "cpu", PT_F32, 0, &initialised, &again, &err), PASTA_OK);
    assert_false(initialised);
    const struct pasta_gemma_config *x = pasta_gemma_shape(g), *y = pasta_gemma_shape(again);
    assert_memory_equal(x, y, offsetof(struct pasta_gemma_config, rms_norm_eps)); /* the sizes, all of one type */
    assert_true(x->rms_norm_eps == y->rms_norm_eps && x->rope_theta == y->rope_theta && x->initializer_range == y->initializer_range);
    assert_true(x->pad_token_id == y->pad_token_id && x->eos_token_id == y->eos_token_id && x->bos_token_id == y->bos_token_id);
    struct pasta_gemma *copy = pasta_gemma_copy(again);
    pasta_gemma_free(again);
    float a[T * D], b[T * D];
    int64_t ids[T];
    random_ids(ids, T, 3);
    pt_grad_enable(false);
    pt_scope_open();
    pt_copy_f32(plain(g, ids, 1, T), a);
    pt_copy_f32(plain(copy, ids, 1, T), b);
    assert_int_equal(pt_scope_close(&err), PASTA_OK);
    assert_memory_equal(a, b, sizeof a);

    /* without its weights the same folder gives a random start, addressed by the seed */
    const char *name = "model.layers.1.mlp.up_proj.weight";
    struct pasta_gemma *start[3] = {NULL};
    char *weights = pasta_path_join(dir, "model.safetensors"), *config = pasta_path_join(dir, "config.json");
    pt w[3];
    assert_int_equal(unlink(weights), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pasta_gemma_load(dir, "cpu", PT_F32, i == 2 ? 2 : 1, &initialised, &start[i], &err), PASTA_OK);
        assert_true(initialised);
        w[i] = pasta_params_get(pasta_gemma_params(start[i]), name);
    }
    pt_scope_open();
    assert_true(pt_item(pt_norm(pt_sub(w[0], w[1]))) == 0);
    assert_true(pt_item(pt_norm(pt_sub(w[0], w[2]))) > 0.1);
    assert_float_equal(pt_item(pt_norm(w[0])) / sqrt((double)pt_numel(w[0])), 0.02, 1e-3);
    assert_int_equal(pt_scope_close(&err), PASTA_OK);
    unlink(config);
    rmdir(dir);
    free(config);
    free(weights);
    for (int i = 0; i < 3; i++)
        pasta_gemma_free(start[i]);
    pasta_gemma_free(copy);
    pasta_gemma_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenizer_matches),
        cmocka_unit_test(broken_tokenizer_is_refused),
        cmocka_unit_test(hidden_states_match),
        cmocka_unit_test(texts_match),
        cmocka_unit_test(texts_match_in_bfloat16),
        cmocka_unit_test(last_logits_match),
        cmocka_unit_test(texts_do_not_see_each_other),
        cmocka_unit_test(packed_equals_one_by_one),
        cmocka_unit_test(branches_may_end_at_the_last_position),
        cmocka_unit_test(saved_equals_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
