/* em_towers.c: the encoder as a part of the model that is fitted (em.h, trained towers).
 *
 * A step sees two small tables instead of the two large ones: the batch's images and its prompts, each once. They are encoded without
 * gradients, the loss is differentiated by them, and those gradients go back through the towers pass by pass; so memory grows with the
 * number of the batch's embeddings, not with their graphs (Gao et al., RepL4NLP 2021).
 *
 * The target towers need no weights of their own: they are read only right after a copy, when they equal the online ones. What they say of
 * all images and prompts is in the large tables, which are made anew there.
 */
#include <stdlib.h>
#include <string.h>
#include "em_state.h"
#include "pasta/base/mem.h"
#include "pasta/base/threads.h"

enum { CHUNK = 32 }; /* images or prompts that one thread encodes at a time */
enum { CHECKED = 8 }; /* images and prompts that are compared with the features */
/* Gradients are taken back on one thread where a product of a layer is smaller than this: starting threads for each would cost many times more. */
static const double WORK_FOR_THREADS = 2e8;

/* Rows of one large table that a batch uses, each once. */
struct used {
    int64_t *rows;   /* [n] */
    int n;
    size_t capacity;
    int32_t *place;  /* [rows of the large table] index into `rows`, where present */
    pt leaf;         /* [n,D] */
};

struct em_towers {
    struct pasta_em_towers given;
    bool stale;                /* the large tables are not what the towers say now */
    struct used images, texts;
};

struct em_towers *em_towers_new(const struct pasta_em_towers *given, const struct pasta_user_data *data)
{
    struct em_towers *t = pasta_calloc(1, sizeof *t);
    struct pasta_params *params = pasta_clip_params(given->clip);
    t->given = *given;
    t->images.place = pasta_malloc(data->images.n * sizeof *t->images.place);
    t->texts.place = pasta_malloc(data->texts.n * sizeof *t->texts.place);
    pasta_params_requires_grad(params, true);
    pt_requires_grad(pasta_params_get(params, "logit_scale"), false); /* the user model has a scale of its own */
    return t;
}

void em_towers_free(struct em_towers *t)
{
    if (t == NULL)
        return;
    pasta_clip_free(t->given.clip);
    free(t->images.rows);
    free(t->images.place);
    free(t->texts.rows);
    free(t->texts.place);
    free(t);
}

struct pasta_params *em_towers_params(const struct em_towers *t) { return pasta_clip_params(t->given.clip); }
void em_towers_changed(struct em_towers *t) { t->stale = true; }
const struct pasta_clip *pasta_em_encoder(const struct pasta_em *em) { return em->towers != NULL ? em->towers->given.clip : NULL; }

/* --- encoding ---------------------------------------------------------------------------------------------------------------------- */

struct job {
    const struct em_towers *towers;
    char *const *keys;    /* of the large table */
    const int64_t *rows;  /* [n], or NULL: all in order */
    int64_t n;
    float *out;           /* [n,D] embeddings, or [n,3,S,S] pixels */
};

static const char *key_of(const struct job *job, int64_t i)
{
    return job->keys[job->rows != NULL ? job->rows[i] : i];
}

static size_t image_values(const struct em_towers *t)
{
    const size_t side = (size_t)pasta_clip_shape_of(t->given.clip)->image_size;
    return 3 * side * side;
}

static pasta_status read_pixels(const struct em_towers *t, const char *id, float *pixels, struct pasta_err *err)
{
    struct pasta_image image = {0};
    pasta_status status = t->given.image(t->given.ctx, id, &image, err);
    if (status == PASTA_OK)
        status = pasta_clip_preprocess(t->given.clip, &image, pixels, err);
    pasta_image_release(&image);
    return status;
}

static int64_t chunk_of(const struct job *job, int64_t item, int *n)
{
    const int64_t first = item * CHUNK;
    *n = job->n - first < CHUNK ? (int)(job->n - first) : CHUNK;
    return first;
}

static pasta_status encode_images(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)worker;
    const struct job *job = ctx;
    const struct pasta_clip *clip = job->towers->given.clip;
    const size_t values = image_values(job->towers), dim = (size_t)pasta_clip_dim(clip);
    int n;
    const int64_t first = chunk_of(job, item, &n);
    float *pixels = pasta_malloc((size_t)n * values * sizeof *pixels);
    pasta_status status = PASTA_OK;
    pt_threads(1);
    for (int i = 0; i < n && status == PASTA_OK; i++)
        status = read_pixels(job->towers, key_of(job, first + i), pixels + (size_t)i * values, err);
    if (status == PASTA_OK)
        status = pasta_clip_pixels(clip, pixels, n, false, job->out + (size_t)first * dim, err);
    free(pixels);
    return status;
}

static pasta_status encode_texts(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)worker;
    const struct job *job = ctx;
    const struct pasta_clip *clip = job->towers->given.clip;
    const char *texts[CHUNK];
    int n;
    const int64_t first = chunk_of(job, item, &n);
    for (int i = 0; i < n; i++)
        texts[i] = key_of(job, first + i);
    pt_threads(1);
    return pasta_clip_texts(clip, texts, n, false, job->out + first * pasta_clip_dim(clip), err);
}

static pasta_status side_by_side(const struct em_towers *t, int64_t n, pasta_work_fn fn, struct job *job, struct pasta_err *err)
{
    const int threads = pt_threads_get();
    const pasta_status status = pasta_parallel_for(n, t->given.threads, fn, job, err);
    pt_threads(threads);
    return status;
}

/* Embeddings [n,D] of rows of a large table (rows NULL: of all), as a tensor of the caller's scope. */
static pasta_status encode(const struct pasta_em *em, bool images, const int64_t *rows, int64_t n, pt *result, struct pasta_err *err)
{
    const struct pasta_user_data *data = em->data;
    float *out = pasta_malloc((size_t)n * (size_t)data->dim * sizeof *out);
    struct job job = {.towers = em->towers, .keys = images ? data->images.keys : data->texts.keys, .rows = rows, .n = n, .out = out};
    const pasta_status status = side_by_side(em->towers, (n + CHUNK - 1) / CHUNK, images ? encode_images : encode_texts, &job, err);
    *result = status == PASTA_OK ? pt_to_device(pt_from_f32(out, PT_SHAPE(n, data->dim)), em->device) : NULL;
    free(out);
    return status;
}

pasta_status em_towers_check(const struct pasta_em *em, struct pasta_err *err)
{
    const struct pasta_user_data *data = em->data;
    const size_t D = (size_t)data->dim;
    pasta_status status = PASTA_OK;
    for (int images = 0; images < 2 && em->towers != NULL && status == PASTA_OK; images++) {
        char *const *keys = images ? data->images.keys : data->texts.keys;
        const float *rows = images ? data->image_table : data->text_table;
        const size_t all = images ? data->images.n : data->texts.n, n = all < CHECKED ? all : CHECKED;
        float *out = pasta_malloc(CHECKED * D * sizeof *out);
        struct job job = {.towers = em->towers, .keys = keys, .n = (int64_t)n, .out = out};
        status = side_by_side(em->towers, n > 0, images ? encode_images : encode_texts, &job, err);
        for (size_t i = 0; i < n && status == PASTA_OK; i++) {
            double cosine = 0;
            for (size_t d = 0; d < D; d++)
                cosine += (double)out[i * D + d] * rows[i * D + d];
            if (!(cosine > 0.99))
                status = pasta_fail(err, PASTA_ERR_INPUT, "%s '%.200s': expected what the features were made of, found an embedding at cosine %.3f "
                                    "from theirs", images ? "image" : "prompt", keys[i], cosine);
        }
        free(out);
    }
    return status;
}

pasta_status em_towers_refresh(const struct pasta_em *em, struct pasta_err *err)
{
    struct em_towers *t = em->towers;
    pt images, texts;
    if (t == NULL || !t->stale)
        return PASTA_OK;
    pt_scope_open();
    pasta_status status = encode(em, true, NULL, (int64_t)em->data->images.n, &images, err);
    if (status == PASTA_OK)
        status = encode(em, false, NULL, (int64_t)em->data->texts.n, &texts, err);
    if (status == PASTA_OK) {
        pt_set(em->image_table, images);
        pt_set(em->text_table, texts);
    }
    const pasta_status closed = pt_scope_close(status == PASTA_OK ? err : NULL);
    status = status == PASTA_OK ? closed : status;
    t->stale = status != PASTA_OK;
    return status;
}

/* --- a step ------------------------------------------------------------------------------------------------------------------------ */

/* Replaces rows of a large table by places in the list of those used. */
static void list_used(struct used *u, int64_t *rows, int n, size_t table_rows)
{
    memset(u->place, -1, table_rows * sizeof *u->place);
    u->n = 0;
    PASTA_GROW(u->rows, (size_t)n + 1, u->capacity);
    for (int i = 0; i < n; i++) {
        int32_t *place = &u->place[rows[i]];
        if (*place < 0) {
            *place = u->n;
            u->rows[u->n++] = rows[i];
        }
        rows[i] = *place;
    }
}

pasta_status em_towers_begin(const struct pasta_em *em, struct user_batch *batch, pt *image_table, pt *text_table, struct pasta_err *err)
{
    struct em_towers *t = em->towers;
    list_used(&t->images, batch->image, batch->n_images, em->data->images.n);
    list_used(&t->texts, batch->text, batch->n_texts, em->data->texts.n);
    pasta_status status = encode(em, true, t->images.rows, t->images.n, &t->images.leaf, err);
    if (status == PASTA_OK)
        status = encode(em, false, t->texts.rows, t->texts.n, &t->texts.leaf, err);
    if (status != PASTA_OK)
        return status;
    pt_requires_grad(t->images.leaf, true);
    pt_requires_grad(t->texts.leaf, true);
    *image_table = t->images.leaf;
    *text_table = t->texts.leaf;
    return PASTA_OK;
}

static pasta_status read_one(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    (void)worker;
    const struct job *job = ctx;
    return read_pixels(job->towers, key_of(job, item), job->out + (size_t)item * image_values(job->towers), err);
}

static pasta_status images_backward(const struct pasta_em *em, const float *by, struct pasta_err *err)
{
    const struct em_towers *t = em->towers;
    float *pixels = pasta_malloc(CHUNK * image_values(t) * sizeof *pixels);
    pasta_status status = PASTA_OK;
    for (int first = 0; first < t->images.n && status == PASTA_OK; first += CHUNK) {
        const int n = t->images.n - first < CHUNK ? t->images.n - first : CHUNK;
        struct job job = {.towers = t, .keys = em->data->images.keys, .rows = t->images.rows + first, .n = n, .out = pixels};
        status = side_by_side(t, n, read_one, &job, err);
        if (status == PASTA_OK)
            status = pasta_clip_pixels_backward(t->given.clip, pixels, n, by + (size_t)first * (size_t)em->data->dim, err);
    }
    free(pixels);
    return status;
}

static pasta_status texts_backward(const struct pasta_em *em, const float *by, struct pasta_err *err)
{
    const struct em_towers *t = em->towers;
    const char **texts = pasta_malloc((size_t)t->texts.n * sizeof *texts);
    for (int i = 0; i < t->texts.n; i++)
        texts[i] = em->data->texts.keys[t->texts.rows[i]];
    const pasta_status status = pasta_clip_texts_backward(t->given.clip, texts, t->texts.n, by, err);
    free(texts);
    return status;
}

pasta_status em_towers_backward(const struct pasta_em *em, struct pasta_err *err)
{
    const struct em_towers *t = em->towers;
    const size_t dim = (size_t)em->data->dim;
    float *by_images = pasta_malloc((size_t)t->images.n * dim * sizeof *by_images);
    float *by_texts = pasta_malloc((size_t)t->texts.n * dim * sizeof *by_texts);
    pt_copy_f32(pt_grad(t->images.leaf), by_images);
    pt_copy_f32(pt_grad(t->texts.leaf), by_texts);
    const struct pasta_clip_shape *shape = pasta_clip_shape_of(t->given.clip);
    const double side = (double)(shape->image_size / shape->patch), width = (double)shape->vision.width;
    const int threads = pt_threads_get();
    pasta_status status = PASTA_OK;
    pt_threads(2 * CHUNK * side * side * width * width < WORK_FOR_THREADS ? 1 : t->given.threads);
    if (!pt_failed()) { /* else the caller's scope says why */
        status = images_backward(em, by_images, err);
        if (status == PASTA_OK)
            status = texts_backward(em, by_texts, err);
    }
    pt_threads(threads);
    free(by_images);
    free(by_texts);
    return status;
}
