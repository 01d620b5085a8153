/* clip.c: CLIP folders, and encoding of images and texts. */
#include "pasta/model/clip.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clip_impl.h"
#include "folder_hash.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/model/weights.h"

/* Tokens that one forward pass takes. In main memory: enough for products at full speed, few enough for activations that stay in the caches
 * and are allocated again from the heap rather than mapped anew, which cost a tenth of the time (ViT-B/32, 1,600 tokens). */
enum { CPU_TOKENS = 1024, DEVICE_TOKENS = 1 << 14 };

/* Of logit_scale the exponential is taken: bfloat16 would be off by a percent. */
static pt_dtype param_dtype(const struct pasta_clip *clip, const char *name)
{
    return strcmp(name, "logit_scale") == 0 ? PT_F32 : clip->dtype;
}

/* What a checkpoint is expected to hold. */
struct contents { struct clip_param *list; struct clip_source *sources; int n; };

/* Old files hold the numbers of the positions as well, and masks. */
static bool expected(const void *ctx, const char *name)
{
    const struct contents *c = ctx;
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->sources[i].name, name) == 0)
            return true;
    return pasta_ends_with(name, ".position_ids") || strcmp(name, "attn_mask") == 0;
}

static pasta_status load_transposed(struct pasta_weights *w, const struct clip_source *source, const struct clip_param *p,
                                    struct pasta_clip *clip, struct pasta_err *err)
{
    struct pasta_params stored = {0};
    pasta_status status = pasta_weights_load(w, source->name, p->name, PT_SHAPE(p->shape[1], p->shape[0]),
                                             param_dtype(clip, p->name), clip->device, &stored, err);
    if (status == PASTA_OK) {
        pt_scope_open();
        pt turned = pt_keep(pt_contiguous(pt_transpose(stored.items[0].tensor, 0, 1)));
        status = pt_scope_close(err);
        if (status == PASTA_OK)
            pasta_params_add(&clip->params, p->name, turned);
        else
            pt_free(turned);
    }
    pasta_params_release(&stored);
    return status;
}

static pasta_status load_params(struct pasta_clip *clip, struct pasta_weights *w, const struct contents *c, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0; i < c->n && status == PASTA_OK; i++) {
        const struct clip_param *p = &c->list[i];
        const struct clip_source *source = &c->sources[i];
        status = source->transposed ? load_transposed(w, source, p, clip, err)
                                    : pasta_weights_load_part(w, source->name, source->part, source->parts, p->name, p->rank, p->shape,
                                                              param_dtype(clip, p->name), clip->device, &clip->params, err);
    }
    return status == PASTA_OK ? pasta_weights_expect(w, expected, c, err) : status;
}

static pasta_status load_weights(struct pasta_clip *clip, const char *dir, char weights_hash[65], struct pasta_err *err)
{
    struct pasta_weights *w;
    struct contents c;
    pasta_status status = pasta_weights_open(dir, &w, err);
    if (status != PASTA_OK)
        return status;
    const bool openclip = clip_openclip_is(w);
    c.list = clip_param_list(&clip->shape, &c.n);
    c.sources = pasta_calloc((size_t)c.n, sizeof *c.sources);
    for (int i = 0; i < c.n; i++)
        c.sources[i] = openclip ? clip_openclip_source(c.list[i].name) : (struct clip_source){.name = pasta_strdup(c.list[i].name)};
    status = load_params(clip, w, &c, err);
    if (status == PASTA_OK)
        memcpy(weights_hash, pasta_weights_hash(w), 65);
    for (int i = 0; i < c.n; i++)
        free(c.sources[i].name);
    free(c.sources);
    clip_param_list_free(c.list, c.n);
    pasta_weights_close(w);
    return status;
}

/* Tokenizer and text tower must speak of the same ids. */
static pasta_status check_tokenizer(const struct pasta_clip *clip, const char *dir, struct pasta_err *err)
{
    const long long vocab = pasta_bpe_vocab(clip->bpe), end = pasta_bpe_end(clip->bpe);
    char *path = pasta_path_join(dir, "vocab.json");
    if (!pasta_file_exists(path)) {
        free(path);
        path = pasta_path_join(dir, "tokenizer.json");
    }
    pasta_status status = PASTA_OK;
    if (vocab > clip->shape.vocab)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected ids below config.json's vocab_size %lld, found %lld", path,
                            (long long)clip->shape.vocab, vocab - 1);
    else if (end != clip->shape.end)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: <|endoftext|>: expected config.json's eos_token_id %lld, found %lld", path,
                            (long long)clip->shape.end, end);
    free(path);
    return status;
}

/* Besides the weights, every file that has a say in an embedding. */
static const char *const files[] = {"config.json", "preprocessor_config.json", "vocab.json", "merges.txt", "tokenizer.json", NULL};

pasta_status pasta_clip_load(const char *dir, const char *device, pt_dtype dtype, struct pasta_clip **out, struct pasta_err *err)
{
    char *embedded = *dir ? NULL : pasta_data_path("models/clip-sketch"), weights_hash[65];
    if (embedded)
        dir = embedded;
    struct pasta_clip *clip = pasta_calloc(1, sizeof *clip);
    clip->device = pasta_strdup(device);
    clip->dtype = dtype;
    pasta_status status = clip_config_read(dir, &clip->shape, err);
    if (status == PASTA_OK)
        status = pasta_preprocess_read(dir, (int)clip->shape.image_size, &clip->preprocess, err);
    if (status == PASTA_OK)
        status = pasta_bpe_load(dir, &clip->bpe, err);
    if (status == PASTA_OK)
        status = check_tokenizer(clip, dir, err);
    if (status == PASTA_OK)
        status = load_weights(clip, dir, weights_hash, err);
    if (status == PASTA_OK)
        status = model_folder_hash(dir, weights_hash, files, clip->hash, err);
    free(embedded);
    if (status != PASTA_OK) {
        pasta_clip_free(clip);
        return status;
    }
    clip_bind(clip);
    *out = clip;
    return PASTA_OK;
}

pasta_status pasta_clip_new(const struct pasta_clip_shape *shape, struct pasta_bpe *bpe, uint64_t seed, const char *device,
                            struct pasta_clip **out, struct pasta_err *err)
{
    struct pasta_clip *clip = pasta_calloc(1, sizeof *clip);
    clip->shape = *shape;
    clip->shape.vocab = pasta_bpe_vocab(bpe);
    clip->shape.end = pasta_bpe_end(bpe);
    clip->bpe = bpe;
    clip->device = pasta_strdup(device);
    clip->dtype = PT_F32;
    clip->preprocess = pasta_preprocess_clip((int)shape->image_size);
    pasta_status status = clip_shape_check(&clip->shape, "CLIP", PASTA_ERR_USAGE, err);
    if (status == PASTA_OK)
        status = clip_init_params(&clip->shape, seed, device, &clip->params, err);
    if (status != PASTA_OK) {
        pasta_clip_free(clip);
        return status;
    }
    clip_bind(clip);
    *out = clip;
    return PASTA_OK;
}

static pasta_status write_text(const char *dir, const char *name, const struct pasta_str *text, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, name);
    pasta_status status = pasta_file_write(path, text->data, text->length, err);
    free(path);
    return status;
}

pasta_status pasta_clip_save(const struct pasta_clip *clip, const char *dir, pt_dtype dtype, struct pasta_err *err)
{
    struct pasta_str text = {0};
    char *weights = pasta_path_join(dir, "model.safetensors");
    pasta_status status = pasta_mkdirs(dir, err);
    if (status == PASTA_OK) {
        clip_config_print(clip, &text);
        status = write_text(dir, "config.json", &text, err);
    }
    if (status == PASTA_OK) {
        pasta_str_clear(&text);
        pasta_preprocess_print(&clip->preprocess, &text);
        status = write_text(dir, "preprocessor_config.json", &text, err);
    }
    if (status == PASTA_OK)
        status = pasta_bpe_save(clip->bpe, dir, (int)clip->shape.context, err);
    if (status == PASTA_OK)
        status = pasta_params_save(&clip->params, weights, dtype, err);
    pasta_str_release(&text);
    free(weights);
    return status;
}

void pasta_clip_free(struct pasta_clip *clip)
{
    if (!clip)
        return;
    pasta_params_release(&clip->params);
    pasta_bpe_free(clip->bpe);
    free(clip->text);
    free(clip->vision);
    free(clip->device);
    free(clip);
}

int pasta_clip_dim(const struct pasta_clip *clip)
{
    return (int)clip->shape.projection;
}

const char *pasta_clip_hash(const struct pasta_clip *clip)
{
    return clip->hash;
}

struct pasta_params *pasta_clip_params(struct pasta_clip *clip)
{
    return &clip->params;
}

const struct pasta_clip_shape *pasta_clip_shape_of(const struct pasta_clip *clip)
{
    return &clip->shape;
}

const struct pasta_bpe *pasta_clip_bpe(const struct pasta_clip *clip)
{
    return clip->bpe;
}

double pasta_clip_logit_scale(const struct pasta_clip *clip)
{
    return exp(pt_item(clip->logit_scale));
}

/* --- encoding --- */

static void normalise(float *rows, int n, int dim)
{
    for (int i = 0; i < n; i++, rows += dim) {
        double sum = 0.0;
        for (int j = 0; j < dim; j++)
            sum += (double)rows[j] * rows[j];
        for (int j = 0; j < dim; j++)
            rows[j] = (float)(rows[j] / sqrt(sum));
    }
}

/* What is done with the features [n,D] of one pass: copied out, or with `by`, differentiated. */
static void use_features(pt features, int n, const struct pasta_clip *clip, float *out, const float *by)
{
    if (by)
        pt_backward(pt_sum(pt_mul(pt_normalize(features, 1),
                                  pt_to_device(pt_borrow(by, PT_F32, PT_SHAPE(n, clip->shape.projection)), clip->device))));
    else
        pt_copy_f32(features, out);
}

static pasta_status pixel_batch(const struct pasta_clip *clip, const float *pixels, int n, float *out, const float *by, struct pasta_err *err)
{
    const int64_t side = clip->shape.image_size;
    pt_scope_open();
    pt x = pt_to_device(pt_borrow(pixels, PT_F32, PT_SHAPE(n, 3, side, side)), clip->device);
    x = pt_to_dtype(x, clip->dtype);
    use_features(pasta_clip_image_features(clip, x), n, clip, out, by);
    return pt_scope_close(err);
}

static pasta_status text_batch(const struct pasta_clip *clip, const char *const *texts, int n, float *out, const float *by,
                               struct pasta_err *err)
{
    int context = (int)clip->shape.context, longest = 0;
    int64_t *all = pasta_malloc((size_t)(n * context) * sizeof *all), *ids = NULL;
    pasta_status status = PASTA_OK;
    for (int i = 0; i < n && status == PASTA_OK; i++) {
        int length = 0;
        status = pasta_bpe_encode(clip->bpe, texts[i], context, all + i * context, &length, err);
        for (int j = length; j < context; j++)
            all[i * context + j] = clip->shape.end;
        longest = length > longest ? length : longest;
    }
    if (status == PASTA_OK) { /* places behind every end token have no say: leave them out */
        ids = pasta_malloc((size_t)(n * longest) * sizeof *ids);
        for (int i = 0; i < n; i++)
            memcpy(ids + i * longest, all + i * context, (size_t)longest * sizeof *ids);
        pt_scope_open();
        pt x = pt_to_device(pt_borrow(ids, PT_I64, PT_SHAPE(n, longest)), clip->device);
        use_features(pasta_clip_text_features(clip, x), n, clip, out, by);
        status = pt_scope_close(err);
    }
    free(all);
    free(ids);
    return status;
}

static int rows_of_pass(const struct pasta_clip *clip, int64_t tokens)
{
    const int64_t rows = (strcmp(clip->device, "cpu") == 0 ? CPU_TOKENS : DEVICE_TOKENS) / tokens;
    return rows > 1 ? (int)rows : 1;
}

static int images_of_pass(const struct pasta_clip *clip)
{
    const int64_t side = clip->shape.image_size / clip->shape.patch;
    return rows_of_pass(clip, side * side + 1);
}

void pasta_clip_set_preprocess(struct pasta_clip *clip, struct pasta_preprocess preprocess)
{
    clip->preprocess = preprocess;
}

pasta_status pasta_clip_preprocess(const struct pasta_clip *clip, const struct pasta_image *image, float *pixels, struct pasta_err *err)
{
    return pasta_preprocess_image(&clip->preprocess, image, (int)clip->shape.image_size, pixels, err);
}

/* n images in passes of a size that suits the device: either out or by. */
static pasta_status pixel_passes(const struct pasta_clip *clip, const float *pixels, int n, float *out, const float *by,
                                 struct pasta_err *err)
{
    const size_t dim = (size_t)clip->shape.projection, side = (size_t)clip->shape.image_size;
    const int rows = images_of_pass(clip);
    bool grad = pt_grad_enable(by != NULL);
    pasta_status status = PASTA_OK;
    for (int i = 0; i < n && status == PASTA_OK; i += rows) {
        const size_t at = (size_t)i * dim;
        status = pixel_batch(clip, pixels + (size_t)i * 3 * side * side, n - i < rows ? n - i : rows, out ? out + at : NULL,
                             by ? by + at : NULL, err);
    }
    pt_grad_enable(grad);
    return status;
}

pasta_status pasta_clip_pixels(const struct pasta_clip *clip, const float *pixels, int n, bool raw, float *out, struct pasta_err *err)
{
    const pasta_status status = pixel_passes(clip, pixels, n, out, NULL, err);
    if (status == PASTA_OK && !raw)
        normalise(out, n, pasta_clip_dim(clip));
    return status;
}

pasta_status pasta_clip_pixels_backward(struct pasta_clip *clip, const float *pixels, int n, const float *by, struct pasta_err *err)
{
    return pixel_passes(clip, pixels, n, NULL, by, err);
}

pasta_status pasta_clip_images(const struct pasta_clip *clip, const struct pasta_image *images, int n, bool raw, float *out,
                               struct pasta_err *err)
{
    const size_t dim = (size_t)clip->shape.projection, side = (size_t)clip->shape.image_size, values = 3 * side * side;
    const int rows = images_of_pass(clip);
    float *pixels = pasta_malloc((size_t)(n < rows ? n : rows) * values * sizeof *pixels);
    pasta_status status = PASTA_OK;
    for (int i = 0; i < n && status == PASTA_OK; i += rows) {
        const int some = n - i < rows ? n - i : rows;
        for (int j = 0; j < some && status == PASTA_OK; j++)
            status = pasta_clip_preprocess(clip, &images[i + j], pixels + (size_t)j * values, err);
        if (status == PASTA_OK)
            status = pasta_clip_pixels(clip, pixels, some, raw, out + (size_t)i * dim, err);
    }
    free(pixels);
    return status;
}

static pasta_status text_passes(const struct pasta_clip *clip, const char *const *texts, int n, float *out, const float *by,
                                struct pasta_err *err)
{
    const size_t dim = (size_t)clip->shape.projection;
    const int rows = rows_of_pass(clip, clip->shape.context);
    bool grad = pt_grad_enable(by != NULL);
    pasta_status status = PASTA_OK;
    for (int i = 0; i < n && status == PASTA_OK; i += rows) {
        const size_t at = (size_t)i * dim;
        status = text_batch(clip, texts + i, n - i < rows ? n - i : rows, out ? out + at : NULL, by ? by + at : NULL, err);
    }
    pt_grad_enable(grad);
    return status;
}

pasta_status pasta_clip_texts(const struct pasta_clip *clip, const char *const *texts, int n, bool raw, float *out, struct pasta_err *err)
{
    const pasta_status status = text_passes(clip, texts, n, out, NULL, err);
    if (status == PASTA_OK && !raw)
        normalise(out, n, pasta_clip_dim(clip));
    return status;
}

pasta_status pasta_clip_texts_backward(struct pasta_clip *clip, const char *const *texts, int n, const float *by, struct pasta_err *err)
{
    return text_passes(clip, texts, n, NULL, by, err);
}
