/* clip_config.c: config.json of CLIP folders. Keys that are absent have transformers' defaults, which it leaves out when it saves. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clip_impl.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

enum { MAX_SIZE = 1 << 20, MAX_LAYERS = 1 << 10 }; /* larger is a broken file */

static pasta_status read_int(const cJSON *section, const char *key, const char *where, int64_t min, int64_t *out, struct pasta_err *err)
{
    const int64_t max = strcmp(key, "num_hidden_layers") == 0 ? MAX_LAYERS : MAX_SIZE;
    return pasta_json_has(section, key) ? pasta_json_int(section, key, where, min, max, out, err) : PASTA_OK;
}

static pasta_status read_tower(const cJSON *section, const char *where, struct pasta_clip_tower *out, struct pasta_err *err)
{
    const char *act = "quick_gelu";
    pasta_status status = read_int(section, "hidden_size", where, 1, &out->width, err);
    if (status == PASTA_OK)
        status = read_int(section, "intermediate_size", where, 1, &out->mlp, err);
    if (status == PASTA_OK)
        status = read_int(section, "num_hidden_layers", where, 1, &out->layers, err);
    if (status == PASTA_OK)
        status = read_int(section, "num_attention_heads", where, 1, &out->heads, err);
    if (status == PASTA_OK && pasta_json_has(section, "layer_norm_eps"))
        status = pasta_json_num(section, "layer_norm_eps", where, 0, 1, &out->eps, err);
    if (status == PASTA_OK && pasta_json_has(section, "hidden_act"))
        status = pasta_json_str(section, "hidden_act", where, &act, err);
    if (status != PASTA_OK)
        return status;
    if (strcmp(act, "quick_gelu") != 0 && strcmp(act, "gelu") != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: hidden_act: expected quick_gelu or gelu, found '%.40s'", where, act);
    out->quick_gelu = strcmp(act, "quick_gelu") == 0;
    return PASTA_OK;
}

static pasta_status read_text(const cJSON *section, const char *where, struct pasta_clip_shape *s, struct pasta_err *err)
{
    int64_t end = 49407;
    pasta_status status = read_tower(section, where, &s->text, err);
    if (status == PASTA_OK)
        status = read_int(section, "vocab_size", where, 1, &s->vocab, err);
    if (status == PASTA_OK)
        status = read_int(section, "max_position_embeddings", where, 2, &s->context, err);
    if (status == PASTA_OK)
        status = read_int(section, "eos_token_id", where, 0, &end, err);
    /* Published configs carry 2, which is wrong for their vocabulary; the reference pools such texts at the highest id, the true end
     * token. */
    s->end = end == 2 && s->vocab > 49407 ? 49407 : end;
    return status;
}

static pasta_status read_vision(const cJSON *section, const char *where, struct pasta_clip_shape *s, struct pasta_err *err)
{
    int64_t channels = 3;
    pasta_status status = read_tower(section, where, &s->vision, err);
    if (status == PASTA_OK)
        status = read_int(section, "image_size", where, 1, &s->image_size, err);
    if (status == PASTA_OK)
        status = read_int(section, "patch_size", where, 1, &s->patch, err);
    if (status == PASTA_OK)
        status = read_int(section, "num_channels", where, 1, &channels, err);
    if (status == PASTA_OK && channels != 3)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: num_channels: expected 3, found %lld", where, (long long)channels);
    return status;
}

pasta_status clip_shape_check(const struct pasta_clip_shape *s, const char *where, pasta_status kind, struct pasta_err *err)
{
    const struct pasta_clip_tower *towers[] = {&s->text, &s->vision};
    static const char *const names[] = {"text", "vision"};
    for (int i = 0; i < 2; i++)
        if (towers[i]->width % towers[i]->heads != 0)
            return pasta_fail(err, kind, "%s: %s tower: expected a width that the heads divide, found width %lld and %lld heads", where,
                              names[i], (long long)towers[i]->width, (long long)towers[i]->heads);
    if (s->patch > s->image_size)
        return pasta_fail(err, kind, "%s: patch size: expected at most the image size %lld, found %lld", where, (long long)s->image_size,
                          (long long)s->patch);
    if (s->end >= s->vocab)
        return pasta_fail(err, kind, "%s: eos_token_id: expected an id below vocab_size %lld, found %lld", where, (long long)s->vocab,
                          (long long)s->end);
    return PASTA_OK;
}

/* architectures, where it is given, names the whole network, not one of its towers or a classifier. */
static pasta_status check_architecture(const cJSON *root, const char *path, struct pasta_err *err)
{
    const char *name = "CLIPModel";
    if (pasta_json_has(root, "architectures")) {
        const cJSON *list;
        pasta_status status = pasta_json_array(root, "architectures", path, &list, err);
        if (status != PASTA_OK)
            return status;
        name = cJSON_GetStringValue(cJSON_GetArrayItem(list, 0));
    }
    if (!name || strcmp(name, "CLIPModel") != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: architectures: expected CLIPModel, found '%.60s'", path, name ? name : "nothing");
    return PASTA_OK;
}

static pasta_status parse(const cJSON *root, const char *path, struct pasta_clip_shape *s, struct pasta_err *err)
{
    const char *type;
    const cJSON *text, *vision;
    char *where = NULL;
    pasta_status status = pasta_json_str(root, "model_type", path, &type, err);
    if (status == PASTA_OK && strcmp(type, "clip") != 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: model_type: expected 'clip', found '%.40s'", path, type);
    if (status == PASTA_OK)
        status = check_architecture(root, path, err);
    if (status == PASTA_OK)
        status = pasta_json_object(root, "text_config", path, &text, err);
    if (status == PASTA_OK)
        status = pasta_json_object(root, "vision_config", path, &vision, err);
    if (status == PASTA_OK)
        status = read_int(root, "projection_dim", path, 1, &s->projection, err);
    if (status == PASTA_OK && pasta_json_has(root, "logit_scale_init_value"))
        status = pasta_json_num(root, "logit_scale_init_value", path, -100, 100, &s->logit_scale_init, err);
    if (status == PASTA_OK) {
        where = pasta_asprintf("%s: text_config", path);
        status = read_text(text, where, s, err);
        free(where);
    }
    if (status == PASTA_OK) {
        where = pasta_asprintf("%s: vision_config", path);
        status = read_vision(vision, where, s, err);
        free(where);
    }
    return status == PASTA_OK ? clip_shape_check(s, path, PASTA_ERR_INPUT, err) : status;
}

pasta_status clip_config_read(const char *dir, struct pasta_clip_shape *out, struct pasta_err *err)
{
    struct pasta_clip_shape s = {
        .text = {512, 2048, 12, 8, true, 1e-5}, .vision = {768, 3072, 12, 12, true, 1e-5}, .vocab = 49408, .context = 77,
        .image_size = 224, .patch = 32, .projection = 512, .logit_scale_init = 2.6592};
    char *path = pasta_path_join(dir, "config.json");
    cJSON *root = NULL;
    pasta_status status = pasta_json_read(path, &root, err);
    if (status == PASTA_OK)
        status = parse(root, path, &s, err);
    if (status == PASTA_OK)
        *out = s;
    cJSON_Delete(root);
    free(path);
    return status;
}

static void print_tower(struct pasta_str *out, const char *kind, const struct pasta_clip_tower *t, int64_t projection)
{
    pasta_str_printf(out, ",\n  \"%s_config\": {\n    \"model_type\": \"clip_%s_model\",\n    \"hidden_size\": %lld,\n"
                          "    \"intermediate_size\": %lld,\n"
                          "    \"num_hidden_layers\": %lld,\n    \"num_attention_heads\": %lld,\n    \"hidden_act\": \"%s\",\n"
                          "    \"layer_norm_eps\": ",
                     kind, kind, (long long)t->width, (long long)t->mlp, (long long)t->layers, (long long)t->heads,
                     t->quick_gelu ? "quick_gelu" : "gelu");
    pasta_json_put_num(out, t->eps);
    pasta_str_printf(out, ",\n    \"projection_dim\": %lld", (long long)projection);
}

void clip_config_print(const struct pasta_clip *clip, struct pasta_str *out)
{
    const struct pasta_clip_shape *s = &clip->shape;
    pasta_str_printf(out, "{\n  \"architectures\": [\"CLIPModel\"],\n  \"model_type\": \"clip\",\n  \"projection_dim\": %lld,\n"
                          "  \"logit_scale_init_value\": ",
                     (long long)s->projection);
    pasta_json_put_num(out, s->logit_scale_init);
    print_tower(out, "text", &s->text, s->projection);
    pasta_str_printf(out, ",\n    \"vocab_size\": %lld,\n    \"max_position_embeddings\": %lld,\n    \"bos_token_id\": %lld,\n"
                          "    \"eos_token_id\": %lld,\n"
                          "    \"pad_token_id\": %lld\n  }",
                     (long long)s->vocab, (long long)s->context, (long long)pasta_bpe_start(clip->bpe), (long long)s->end,
                     (long long)s->end);
    print_tower(out, "vision", &s->vision, s->projection);
    pasta_str_printf(out, ",\n    \"num_channels\": 3,\n    \"image_size\": %lld,\n    \"patch_size\": %lld\n  }\n}\n",
                     (long long)s->image_size, (long long)s->patch);
}
