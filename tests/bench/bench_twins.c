/* bench_twins.c: networks of published or realistic sizes on two threads, beside their PyTorch twins (twin.py) and the machine's sgemm. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "pasta/base/paths.h"
#include "pasta/base/rng.h"
#include "pasta/base/threads.h"
#include "pasta/io/file.h"
#include "pasta/model/clip.h"
#include "pasta/model/gemma.h"
#include "pasta/tensor/blas.h"
#include "unit/user_people.h"

enum { THREADS = BENCH_TWIN_THREADS };

/* --- CLIP ViT-B/32's image tower --- */

enum { IMAGES = 64 };

struct vision { const struct pasta_clip *clip; struct pasta_image *images; int n; float *out; /* [n,D] */ };

static pasta_status encode_part(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    const struct vision *v = ctx;
    const int part = v->n / THREADS;
    (void)worker;
    pt_threads(1);
    return pasta_clip_images(v->clip, v->images + item * part, part, true, v->out + item * part * pasta_clip_dim(v->clip), err);
}

static pasta_status encode(void *ctx, double *seconds, struct pasta_err *err)
{
    (void)seconds;
    return pasta_parallel_for(THREADS, THREADS, encode_part, ctx, err);
}

pasta_status bench_vision_twin(struct bench *b, struct pasta_err *err)
{
    struct pasta_clip_tower vision = {.width = 768, .mlp = 3072, .layers = 12, .heads = 12, .quick_gelu = true, .eps = 1e-5}, text = vision;
    text.layers = 1; /* not measured */
    if (b->quick)
        vision.layers = 1;
    const struct pasta_clip_shape shape = {.text = text, .vision = vision, .context = 77, .image_size = 224, .patch = 32, .projection = 512};
    struct pasta_bpe *bpe;
    struct pasta_clip *clip = NULL;
    char *dir = pasta_data_path("models/clip-sketch");
    pasta_status status = pasta_bpe_load(dir, &bpe, err);
    free(dir);
    if (status == PASTA_OK)
        status = pasta_clip_new(&shape, bpe, 1, "cpu", &clip, err);
    if (status != PASTA_OK)
        return status;
    struct vision v = {.clip = clip, .n = b->quick ? THREADS : IMAGES};
    v.images = pasta_calloc((size_t)v.n, sizeof *v.images);
    v.out = pasta_calloc((size_t)(v.n * pasta_clip_dim(clip)), sizeof *v.out);
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < v.n; i++) {
        v.images[i] = (struct pasta_image){224, 224, pasta_malloc(224 * 224 * 3)};
        for (int j = 0; j < 224 * 224 * 3; j++)
            v.images[i].pixels[j] = (uint8_t)pasta_rng_u32(&rng);
    }
    const char *settings = bench_text(b, "\"twin\": \"vision\", \"size\": 224, \"patch\": 32, \"width\": 768, \"mlp\": 3072, \"layers\": 12, "
                                         "\"heads\": 12, \"projection\": 512, \"images\": %d", v.n);
    const struct bench_rival rivals[] = {
        {0, settings, NULL, ", as installed"}, {0, settings, "Prescott", ", SSE3 kernels"}, {THREADS, settings, NULL, ""}};
    status = bench_beside_twins(b, (struct bench_side){encode, &v, v.n, true, NULL}, bench_text(b, "CLIP ViT-B/32 images, %d threads", THREADS), "images/s",
                     bench_image_flops(&shape), NULL, rivals, 3, err);
    for (int i = 0; i < v.n; i++)
        pasta_image_release(&v.images[i]);
    free(v.images);
    free(v.out);
    pasta_clip_free(clip);
    return status;
}

/* --- values of candidates that share a history --- */

enum { CANDIDATES = 25, HISTORY = 600, QUESTION = 25 };

struct values {
    const struct pasta_gemma *g;
    int history, together; /* tokens; candidates in one pass */
    int64_t *ids;          /* [history + CANDIDATES * QUESTION] */
    float *out;            /* [CANDIDATES,D] */
};

static pasta_status read_candidates(void *ctx, double *seconds, struct pasta_err *err)
{
    const struct values *v = ctx;
    const int64_t n = v->together, dim = pasta_gemma_shape(v->g)->hidden_size, length = v->history + n * QUESTION;
    int64_t *ids = pasta_malloc((size_t)length * sizeof *ids), fork[CANDIDATES], read[CANDIDATES];
    const bool grad = pt_grad_enable(false);
    pasta_status status = PASTA_OK;
    (void)seconds;
    memcpy(ids, v->ids, (size_t)v->history * sizeof *ids);
    for (int64_t i = 0; i < n; i++) {
        fork[i] = v->history;
        read[i] = v->history + (i + 1) * QUESTION - 1;
    }
    pt_threads(THREADS);
    for (int64_t i = 0; i < CANDIDATES && status == PASTA_OK; i += n) {
        memcpy(ids + v->history, v->ids + v->history + i * QUESTION, (size_t)(n * QUESTION) * sizeof *ids);
        const struct pasta_gemma_pack pack = {1, v->history, n, QUESTION, n, ids, fork, read};
        pt_scope_open();
        pt_copy_f32(pasta_gemma_packed(v->g, &pack), v->out + i * dim);
        status = pt_scope_close(err);
    }
    pt_threads(1);
    pt_grad_enable(grad);
    free(ids);
    return status;
}

/* Of all candidates, the history counted once. */
static double values_flops(const struct pasta_gemma_config *c, double history)
{
    const double D = (double)c->hidden_size, q = (double)(c->num_attention_heads * c->head_dim), kv = (double)(c->num_key_value_heads * c->head_dim);
    const double W = QUESTION, tokens = history + CANDIDATES * W, pairs = history * (history + 1) / 2 + CANDIDATES * (W * history + W * (W + 1) / 2);
    const double keys = 4 * D * kv, rest = 2 * (2 * D * q + 3 * D * (double)c->intermediate_size);
    return (double)(c->num_hidden_layers - 1) * (tokens * (keys + rest) + 4 * q * pairs) + tokens * keys + CANDIDATES * (rest + 4 * q * (history + W));
}

pasta_status bench_gemma_twin(struct bench *b, struct pasta_err *err)
{
    static const char config[] = "{\"model_type\": \"gemma\", \"vocab_size\": 1000, \"hidden_size\": 512, \"intermediate_size\": 4096, "
                                 "\"num_hidden_layers\": 4, \"num_attention_heads\": 4, \"num_key_value_heads\": 1, \"head_dim\": 128}";
    char *path = pasta_path_join(b->scratch, "config.json");
    struct pasta_gemma *g = NULL;
    bool initialised;
    pasta_status status = pasta_file_write(path, config, strlen(config), err);
    if (status == PASTA_OK)
        status = pasta_gemma_load(b->scratch, "cpu", PT_F32, 1, &initialised, &g, err);
    free(path);
    if (status != PASTA_OK)
        return status;
    const struct pasta_gemma_config *c = pasta_gemma_shape(g);
    const int history = b->quick ? 8 : HISTORY, n = CANDIDATES * (int)c->hidden_size;
    struct values packed = {g, history, CANDIDATES, pasta_calloc(HISTORY + CANDIDATES * QUESTION, sizeof(int64_t)), pasta_calloc((size_t)n, sizeof(float))};
    struct values single = packed;
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 1, 0, 0);
    for (int i = 0; i < HISTORY + CANDIDATES * QUESTION; i++)
        packed.ids[i] = (int64_t)(pasta_rng_u32(&rng) % 1000);
    single.together = 1;
    single.out = pasta_calloc((size_t)n, sizeof(float));
    const char *settings = bench_text(b, "\"twin\": \"gemma\", \"vocab\": 1000, \"width\": 512, \"mlp\": 4096, \"layers\": 4, \"heads\": 4, "
                                         "\"key_heads\": 1, \"head\": 128, \"sequences\": %d, \"together\": %d, \"tokens\": %d",
                                      CANDIDATES, 1, history + QUESTION);
    const struct bench_side one_by_one = {read_candidates, &single, CANDIDATES, true, NULL};
    const struct bench_rival rival = {THREADS, settings, NULL, ""};
    status = bench_beside_twins(b, (struct bench_side){read_candidates, &packed, CANDIDATES, true, NULL},
                     bench_text(b, "Gemma (%.0fM) values, %d + %d x %d tokens, %d threads", (double)pasta_params_count(pasta_gemma_params(g)) * 1e-6, history,
                                CANDIDATES, QUESTION, THREADS),
                     "values/s", values_flops(c, history) / CANDIDATES, &one_by_one, &rival, 1, err);
    if (status == PASTA_OK)
        status = bench_check_close("values in one pass", packed.out, single.out, n, 1e-4, err);
    free(single.out);
    free(packed.out);
    free(packed.ids);
    pasta_gemma_free(g);
    return status;
}

/* --- a step of the user model --- */

enum { PAIRS = 2048 };

static pasta_status step(void *ctx, double *seconds, struct pasta_err *err)
{
    struct pasta_em_metrics metrics;
    (void)seconds;
    pt_threads(THREADS);
    const pasta_status status = pasta_em_step(ctx, &metrics, err);
    pt_threads(1);
    return status;
}

/* Of the products of a step on n pairs of images that share a prompt. */
static double step_flops(double n, double K, double W, double D)
{
    const double rows = 3 * 2 * n + 3 * n;         /* V, U_a and U_b of each image; V, U_b and U_a of each prompt */
    const double forward = 2 * rows * K * W * D;
    return 3 * forward;                            /* target scores, online scores, gradients of the matrices alone */
}

pasta_status bench_user_twin(struct bench *b, struct pasta_err *err)
{
    const int K = 8, W = b->quick ? 8 : 128, D = b->quick ? 32 : 768, pairs = b->quick ? 64 : PAIRS;
    struct people people;
    struct pasta_em *em = NULL;
    struct pasta_config config;
    pasta_config_init(&config);
    config.user_model.types = K;
    config.user_model.adapter_width = W;
    config.user_model.target_every = 1; /* target scores of the whole batch in every step, as the twin has them */
    config.user_model.main.batch = pairs;
    config.user_model.start = "random";
    people_make(&people, 1, (struct people_size){.dim = D, .types = K, .people = pairs / 2, .pairs = 2, .strength = 1});
    struct pasta_user_data *data = people_data(&people, 0);
    pasta_status status = pasta_em_new(&config.user_model, 1, "cpu", data, NULL, &em, err);
    const char *forms[BENCH_RIVALS] = {"einsum", "matmul", "inner"};
    struct bench_rival rivals[BENCH_RIVALS];
    for (int i = 0; i < BENCH_RIVALS; i++)
        rivals[i] = (struct bench_rival){THREADS, bench_text(b, "\"twin\": \"user\", \"form\": \"%s\", \"types\": %d, \"dim\": %d, \"adapter\": %d, \"pairs\": %d",
                                                       forms[i], K, D, W, pairs), NULL, bench_text(b, ", %s", forms[i])};
    if (status == PASTA_OK)
        status = bench_beside_twins(b, (struct bench_side){step, em, 1, true, NULL}, bench_text(b, "user model step, %d pairs, K %d, D %d, W %d", pairs, K, D, W), "steps/s",
                         step_flops(pairs, K, W, D), NULL, rivals, BENCH_RIVALS, err);
    pasta_em_free(em);
    pasta_config_release(&config);
    pasta_user_data_free(data);
    people_free(&people);
    return status;
}
