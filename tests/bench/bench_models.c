/* bench_models.c: the embedded networks on one thread, against one by one and against the machine's sgemm. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/bench_sessions.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/model/clip.h"
#include "pasta/model/gemma.h"
#include "pasta/value/history.h"
#include "pasta/value/value_model.h"

/* Path of an embedded model, or NULL and a word why it is not measured. The caller frees. */
static char *find_model(struct bench *b, const char *name)
{
    char *dir = pasta_data_path(name), *config = pasta_path_join(dir, "config.json");
    const bool there = pasta_file_exists(config);
    free(config);
    if (there)
        return dir;
    bench_skip(b, "%s: no such folder", dir);
    free(dir);
    return NULL;
}

static struct bench_sgemm *reference(const struct bench *b)
{
    return bench_sgemm_new(b->quick ? BENCH_SGEMM_QUICK : BENCH_SGEMM_N);
}

pasta_status bench_check_close(const char *what, const float *a, const float *b, int n, double tolerance, struct pasta_err *err)
{
    for (int i = 0; i < n; i++)
        if (!(fabs(a[i] - b[i]) <= tolerance))
            return pasta_fail(err, PASTA_ERR_CHECK, "%s: expected the same as one by one within %g, found %g and %g at %d", what, tolerance, a[i], b[i], i);
    return PASTA_OK;
}

/* --- CLIP's image tower --- */

enum { IMAGES = 32 };

struct encoding {
    const struct pasta_clip *clip;
    const struct pasta_image *images;
    int batch;
    float *out; /* [IMAGES,D] */
};

static pasta_status encode(void *ctx, double *seconds, struct pasta_err *err)
{
    const struct encoding *e = ctx;
    pasta_status status = PASTA_OK;
    (void)seconds;
    for (int i = 0; i < IMAGES && status == PASTA_OK; i += e->batch)
        status = pasta_clip_images(e->clip, e->images + i, e->batch, false, e->out + (size_t)i * (size_t)pasta_clip_dim(e->clip), err);
    return status;
}

double bench_image_flops(const struct pasta_clip_shape *s)
{
    const struct pasta_clip_tower *t = &s->vision;
    const double side = (double)(s->image_size / s->patch), patches = side * side, T = patches + 1, D = (double)t->width, I = (double)t->mlp;
    const double embed = 2 * patches * 3 * (double)(s->patch * s->patch) * D;
    const double layer = 2 * T * (4 * D * D + 2 * D * I) + 4 * T * T * D;
    return embed + (double)t->layers * layer + 2 * D * (double)s->projection;
}

static pasta_status measure_clip(struct bench *b, const struct pasta_clip *clip, const struct pasta_image *images, struct pasta_err *err)
{
    const int n = IMAGES * pasta_clip_dim(clip);
    float *out = pasta_calloc((size_t)n * 2, sizeof *out);
    struct encoding batch = {clip, images, IMAGES, out}, single = {clip, images, 1, out + n};
    struct bench_sgemm *s = reference(b);
    const struct bench_side sides[] = {{encode, &batch, IMAGES, false, NULL}, {encode, &single, IMAGES, false, NULL}, {bench_sgemm_run, s, bench_sgemm_work(s), false, NULL}};
    struct bench_rounds r;
    pasta_status status = bench_measure(b, sides, 3, &r, err);
    if (status == PASTA_OK)
        status = bench_check_close("images in a batch", out, out + n, n, 1e-5, err);
    if (status == PASTA_OK) {
        const double flops = bench_image_flops(pasta_clip_shape_of(clip)) * 1e-9;
        const char *what = bench_text(b, "encoding images, batch %d, 1 thread", IMAGES);
        bench_row(b, &r, &(struct bench_label){what, "images/s", "one by one"}, 0, 1, 1, 1);
        bench_row(b, &r, &(struct bench_label){bench_text(b, "  the same, %.1f MFLOP an image", flops * 1e3), "GFLOP/s", "sgemm, 1 thread (floor)"}, 0, flops, 2, 1e-9);
    }
    bench_sgemm_free(s);
    free(out);
    return status;
}

pasta_status bench_clip(struct bench *b, struct pasta_err *err)
{
    char *dir = find_model(b, "models/clip-sketch");
    struct pasta_clip *clip = NULL;
    struct bench_world w = {0};
    struct pasta_image images[IMAGES] = {{0}};
    if (!dir)
        return PASTA_OK;
    pasta_status status = pasta_clip_load(dir, "cpu", PT_F32, &clip, err);
    if (status == PASTA_OK)
        status = bench_world_open(&w, 64, err);
    for (int i = 0; i < IMAGES && status == PASTA_OK; i++)
        status = w.t2i.draw(w.t2i.ctx, w.prompts.items[(size_t)i % w.prompts.n], 1, &images[i], err);
    if (status == PASTA_OK)
        status = measure_clip(b, clip, images, err);
    for (int i = 0; i < IMAGES; i++)
        pasta_image_release(&images[i]);
    bench_world_close(&w);
    pasta_clip_free(clip);
    free(dir);
    return status;
}

/* --- f of the candidates of one turn --- */

enum { CANDIDATES = 25 };

struct scoring {
    struct pasta_value_model *model;
    struct pasta_session session;
    struct pasta_candidate candidates[CANDIDATES];
    int prefix, width[CANDIDATES]; /* tokens of the history and of each question */
    int together;                  /* candidates in one pass */
    double f[CANDIDATES];
};

static pasta_status score(void *ctx, double *seconds, struct pasta_err *err)
{
    struct scoring *s = ctx;
    pasta_status status = PASTA_OK;
    (void)seconds;
    for (int i = 0; i < CANDIDATES && status == PASTA_OK; i += s->together)
        status = pasta_value_model_score(s->model, &s->session, s->candidates + i, s->together, s->f + i, NULL, err);
    return status;
}

/* Multiplications and additions of the products that the 25 values need: history once, no padding, nothing that is masked, and in the last
 * layer only what the last tokens depend on. */
static double score_flops(const struct pasta_gemma_config *c, const struct scoring *s)
{
    const double D = (double)c->hidden_size, I = (double)c->intermediate_size, L = (double)c->num_hidden_layers;
    const double q = (double)(c->num_attention_heads * c->head_dim), kv = (double)(c->num_key_value_heads * c->head_dim), P = s->prefix;
    double tokens = P, pairs = P * (P + 1) / 2, last_pairs = 0;
    for (int i = 0; i < CANDIDATES; i++) {
        const double W = s->width[i];
        tokens += W;
        pairs += W * P + W * (W + 1) / 2;
        last_pairs += P + W;
    }
    const double keys = 2 * 2 * D * kv, rest = 2 * (2 * D * q + 3 * D * I); /* a token: k and v; q, o and the MLP */
    return (L - 1) * (tokens * (keys + rest) + 4 * q * pairs) + tokens * keys + CANDIDATES * rest + 4 * q * last_pairs;
}

/* Counts tokens; with as many of the last turns as fit into the limit, so that all candidates see the same history in either way. */
static pasta_status count_tokens(struct scoring *s, const struct pasta_spm *spm, int limit, struct pasta_err *err)
{
    struct pasta_history h;
    int longest = 0;
    pasta_status status = pasta_history_init(&h, spm, &s->session, s->session.n_turns, err);
    if (status != PASTA_OK)
        return status;
    for (int i = 0; i < CANDIDATES && status == PASTA_OK; i++) {
        struct pasta_tokens tokens;
        status = pasta_history_candidate(spm, &s->session, s->session.n_turns, &s->candidates[i], limit / 2, &tokens, err);
        if (status != PASTA_OK)
            break;
        s->width[i] = tokens.n;
        longest = tokens.n > longest ? tokens.n : longest;
        pasta_tokens_release(&tokens);
    }
    int64_t *ids = pasta_calloc((size_t)limit, sizeof *ids);
    const int first = pasta_history_first(&h, s->session.n_turns, limit - longest);
    s->prefix = pasta_history_write(&h, first, s->session.n_turns, limit - longest, ids);
    if (status == PASTA_OK && first > 0)
        s->session.n_turns = 0; /* the caller tries again with fewer turns */
    free(ids);
    pasta_history_release(&h);
    return status;
}

/* A session of `turns` turns and the candidates that come next. */
static pasta_status make_scoring(const struct bench_world *w, int turns, struct pasta_arena *arena, struct scoring *s, struct pasta_err *err)
{
    const struct pasta_generator g = pasta_sketch_generator(w->sketch);
    const pasta_status status = bench_world_session(w, 0, turns, arena, &s->session, err);
    return status == PASTA_OK ? g.candidates(g.ctx, &s->session, 1, 0, CANDIDATES, arena, s->candidates, err) : status;
}

static pasta_status measure_value(struct bench *b, const struct pasta_gemma_config *config, struct scoring *packed, struct pasta_err *err)
{
    struct scoring *single = pasta_malloc(sizeof *single);
    struct bench_sgemm *s = reference(b);
    struct bench_rounds r;
    *single = *packed;
    packed->together = CANDIDATES;
    single->together = 1;
    const struct bench_side sides[] = {{score, packed, CANDIDATES, false, NULL}, {score, single, CANDIDATES, false, NULL}, {bench_sgemm_run, s, bench_sgemm_work(s), false, NULL}};
    pasta_status status = bench_measure(b, sides, 3, &r, err);
    if (status == PASTA_OK) {
        float a[CANDIDATES], c[CANDIDATES];
        for (int i = 0; i < CANDIDATES; i++) {
            a[i] = (float)packed->f[i];
            c[i] = (float)single->f[i];
        }
        status = bench_check_close("values in one pass", a, c, CANDIDATES, 1e-4, err);
    }
    if (status == PASTA_OK) {
        const double flops = score_flops(config, packed) * 1e-9;
        double width = 0;
        for (int i = 0; i < CANDIDATES; i++)
            width += packed->width[i] / (double)CANDIDATES;
        bench_row(b, &r, &(struct bench_label){bench_text(b, "values after %d turns, %d + %d x %.1f tokens", packed->session.n_turns, packed->prefix, CANDIDATES, width),
                                               "values/s", "one by one"}, 0, 1, 1, 1);
        bench_row(b, &r, &(struct bench_label){bench_text(b, "  the same, %.0f MFLOP for %d", flops * 1e3, CANDIDATES), "GFLOP/s", "sgemm, 1 thread (floor)"},
                  0, flops / CANDIDATES, 2, 1e-9);
    }
    bench_sgemm_free(s);
    free(single);
    return status;
}

pasta_status bench_value(struct bench *b, struct pasta_err *err)
{
    char *dir = find_model(b, "models/gemma-sketch");
    struct pasta_gemma *g = NULL; /* for its shape */
    struct pasta_spm *spm = NULL;
    struct bench_world w = {0};
    struct scoring *s = pasta_calloc(1, sizeof *s);
    struct pasta_arena arena = {0};
    bool initialised;
    if (!dir) {
        free(s);
        return PASTA_OK;
    }
    char *pieces = pasta_path_join(dir, "tokenizer.model");
    pasta_status status = pasta_gemma_load(dir, "cpu", PT_F32, 1, &initialised, &g, err);
    if (status == PASTA_OK)
        status = pasta_spm_load(pieces, &spm, err);
    if (status == PASTA_OK)
        status = bench_world_open(&w, 64, err);
    if (status == PASTA_OK) {
        struct pasta_value_settings settings = w.config.value;
        const int64_t most = pasta_gemma_shape(g)->max_position_embeddings;
        if (settings.max_tokens_q > most)
            settings.max_tokens_q = settings.max_tokens_v = most;
        status = pasta_value_model_new(&settings, "cpu", 1, &initialised, &s->model, err);
        for (int turns = 5; turns >= 1 && s->session.n_turns == 0 && status == PASTA_OK; turns--) {
            status = make_scoring(&w, turns, &arena, s, err);
            if (status == PASTA_OK)
                status = count_tokens(s, spm, (int)settings.max_tokens_q, err);
        }
        if (status == PASTA_OK && s->session.n_turns == 0)
            bench_skip(b, "%s: no turn fits into %lld tokens", dir, (long long)settings.max_tokens_q);
        else if (status == PASTA_OK)
            status = measure_value(b, pasta_gemma_shape(g), s, err);
    }
    pasta_value_model_free(s->model);
    pasta_arena_release(&arena);
    free(s);
    bench_world_close(&w);
    pasta_spm_free(spm);
    pasta_gemma_free(g);
    free(pieces);
    free(dir);
    return status;
}
