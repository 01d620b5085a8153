/* peer.c: what our side makes of a model folder, for scripts/compare-transformers: inputs of the network and gradients.
 *
 *     peer DIR INPUTS.json OUT.safetensors [--gradients] [--save NEW-DIR]
 *
 * INPUTS.json: {"prompts": [text ...], "images": [path ...]}, either may be empty. OUT, for N prompts and M images:
 *   CLIP   input_ids [N,T] i64, padded with the end token; pixel_values [M,3,S,S]
 *   Gemma  input_ids [N,T] i64, padded with -1
 *   --gradients  `loss` and grad.NAME for every parameter; w[i] = cos(0.37 i), i over the elements in row-major order:
 *     CLIP   exp(logit_scale) * (sum of w * text embeddings + sum of w * image embeddings), L2-normalised, [N,D] and [M,D]
 *     Gemma  the sum over prompts of the sum of w * logits [T,V]
 *   --save       writes the folder anew with our own writers, a Gemma as GemmaForCausalLM and without its tokenizer
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/image.h"
#include "pasta/model/clip.h"
#include "pasta/model/gemma_text.h"
#include "pasta/model/weights.h"
#include "pasta/tensor/blas.h"

struct inputs { cJSON *tree; const cJSON *prompts, *images; int n_prompts, n_images; };

static struct pasta_err err;

static void must(pasta_status status)
{
    if (status == PASTA_OK)
        return;
    fprintf(stderr, "peer: %s\n", err.message);
    exit(1);
}

static cJSON *read_json(const char *path)
{
    cJSON *tree;
    must(pasta_json_read(path, &tree, &err));
    return tree;
}

static const char *item(const cJSON *list, int i)
{
    return cJSON_GetArrayItem(list, i)->valuestring;
}

/* w * t, summed. */
static pt functional(pt t)
{
    const int64_t n = pt_numel(t);
    float *w = pasta_malloc((size_t)n * sizeof *w);
    for (int64_t i = 0; i < n; i++)
        w[i] = (float)cos(0.37 * (double)i);
    pt sum = pt_sum(pt_mul(pt_reshape(t, PT_SHAPE(n)), pt_from_f32(w, PT_SHAPE(n))));
    free(w);
    return sum;
}

static void keep(struct pasta_params *out, const char *name, pt t)
{
    pasta_params_add(out, name, pt_keep(pt_clone(t)));
}

static void keep_gradients(struct pasta_params *out, const struct pasta_params *params, pt loss)
{
    pt_backward(loss);
    keep(out, "loss", pt_detach(loss));
    for (int i = 0; i < params->n; i++) {
        char *name = pasta_asprintf("grad.%s", params->items[i].name);
        keep(out, name, pt_grad(params->items[i].tensor));
        free(name);
    }
}

/* --- CLIP --- */

static pt clip_ids(const struct pasta_clip *clip, const struct inputs *in)
{
    const int context = (int)pasta_clip_shape_of(clip)->context, N = in->n_prompts;
    const int64_t end = pasta_bpe_end(pasta_clip_bpe(clip));
    int64_t *ids = pasta_malloc((size_t)(N * context) * sizeof *ids);
    for (int i = 0; i < N; i++) {
        int n;
        must(pasta_bpe_encode(pasta_clip_bpe(clip), item(in->prompts, i), context, ids + i * context, &n, &err));
        for (; n < context; n++)
            ids[i * context + n] = end;
    }
    pt t = pt_from_i64(ids, PT_SHAPE(N, context));
    free(ids);
    return t;
}

static pt clip_pixels(const struct pasta_clip *clip, const char *dir, const struct inputs *in)
{
    const int64_t S = pasta_clip_shape_of(clip)->image_size, M = in->n_images, values = 3 * S * S;
    struct pasta_preprocess preprocess;
    float *pixels = pasta_malloc((size_t)(M * values) * sizeof *pixels);
    must(pasta_preprocess_read(dir, (int)S, &preprocess, &err));
    for (int i = 0; i < M; i++) {
        struct pasta_image image;
        must(pasta_image_read(item(in->images, i), &image, &err));
        must(pasta_preprocess_image(&preprocess, &image, (int)S, pixels + i * values, &err));
        pasta_image_release(&image);
    }
    pt t = pt_from_f32(pixels, PT_SHAPE(M, 3, S, S));
    free(pixels);
    return t;
}

static void run_clip(const char *dir, const struct inputs *in, bool gradients, const char *save, struct pasta_params *out)
{
    struct pasta_clip *clip;
    must(pasta_clip_load(dir, "cpu", PT_F32, &clip, &err));
    pasta_params_requires_grad(pasta_clip_params(clip), gradients);
    pt_scope_open();
    pt ids = clip_ids(clip, in), pixels = clip_pixels(clip, dir, in);
    if (in->n_prompts)
        keep(out, "input_ids", ids);
    if (in->n_images)
        keep(out, "pixel_values", pixels);
    if (gradients) {
        pt text = functional(pt_normalize(pasta_clip_text_features(clip, ids), 1));
        pt image = functional(pt_normalize(pasta_clip_image_features(clip, pixels), 1));
        keep_gradients(out, pasta_clip_params(clip), pt_mul(pasta_clip_scale(clip), pt_add(text, image)));
    }
    must(pt_scope_close(&err));
    if (save)
        must(pasta_clip_save(clip, save, PT_F32, &err));
    pasta_clip_free(clip);
}

/* --- Gemma --- */

static pt gemma_logits(struct pasta_gemma *g, const int64_t *ids, int64_t n)
{
    const struct pasta_gemma_pack pack = {.rows = 1, .prefix = n, .reads = n, .ids = ids};
    return pt_linear(pasta_gemma_packed(g, &pack), pasta_params_get(pasta_gemma_params(g), "model.embed_tokens.weight"), NULL);
}

static void run_gemma(const char *dir, const struct inputs *in, bool gradients, const char *save, struct pasta_params *out)
{
    struct pasta_gemma *g;
    struct pasta_spm *spm;
    bool initialised;
    must(pasta_gemma_load(dir, "cpu", PT_F32, 0, &initialised, &g, &err));
    must(pasta_gemma_tokenizer(g, dir, &spm, &err));
    const int N = in->n_prompts, context = (int)pasta_gemma_shape(g)->max_position_embeddings;
    int64_t *ids = pasta_malloc((size_t)N * (size_t)context * sizeof *ids);
    memset(ids, -1, (size_t)N * (size_t)context * sizeof *ids);
    pasta_params_requires_grad(pasta_gemma_params(g), gradients);
    pt_scope_open();
    pt loss = NULL;
    int longest = 1;
    for (int i = 0; i < N; i++) {
        int64_t *pieces, *row = ids + (int64_t)i * context;
        int n;
        must(pasta_spm_encode(spm, item(in->prompts, i), &pieces, &n, &err));
        if (n >= context)
            n = context - 1;
        row[0] = pasta_spm_bos(spm);
        memcpy(row + 1, pieces, (size_t)n * sizeof *pieces);
        free(pieces);
        longest = n + 1 > longest ? n + 1 : longest;
        if (gradients) {
            pt part = functional(gemma_logits(g, row, n + 1));
            loss = loss ? pt_add(loss, part) : part;
        }
    }
    keep(out, "input_ids", pt_narrow(pt_from_i64(ids, PT_SHAPE(N, context)), 1, 0, longest));
    if (gradients)
        keep_gradients(out, pasta_gemma_params(g), loss);
    must(pt_scope_close(&err));
    if (save) {
        must(pasta_mkdirs(save, &err));
        must(pasta_gemma_save(g, save, "GemmaForCausalLM", NULL, &err));
    }
    free(ids);
    pasta_spm_free(spm);
    pasta_gemma_free(g);
}

int main(int argc, char **argv)
{
    pasta_blas_ensure(argv);
    bool gradients = false;
    const char *save = NULL;
    for (int i = 4; i < argc; i++)
        if (strcmp(argv[i], "--gradients") == 0)
            gradients = true;
        else if (strcmp(argv[i], "--save") == 0 && i + 1 < argc)
            save = argv[++i];
        else
            argc = 0;
    if (argc < 4) {
        fprintf(stderr, "usage: peer DIR INPUTS.json OUT.safetensors [--gradients] [--save NEW-DIR]\n");
        return 2;
    }
    struct inputs in = {.tree = read_json(argv[2])};
    must(pasta_json_array(in.tree, "prompts", argv[2], &in.prompts, &err));
    must(pasta_json_array(in.tree, "images", argv[2], &in.images, &err));
    in.n_prompts = cJSON_GetArraySize(in.prompts);
    in.n_images = cJSON_GetArraySize(in.images);

    struct pasta_params out = {0};
    const char *type;
    char *config = pasta_path_join(argv[1], "config.json");
    cJSON *tree = read_json(config);
    must(pasta_json_str(tree, "model_type", config, &type, &err));
    if (strcmp(type, "clip") == 0)
        run_clip(argv[1], &in, gradients, save, &out);
    else
        run_gemma(argv[1], &in, gradients, save, &out);
    must(pasta_params_save(&out, argv[3], PT_F32, &err));
    pasta_params_release(&out);
    cJSON_Delete(tree);
    cJSON_Delete(in.tree);
    free(config);
    return 0;
}
