#include "user_model_towers.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "record_files.h"

bool user_model_trains_towers(const struct pasta_context *context)
{
    return strcmp(context->config.user_model.towers, "trained") == 0;
}

static pasta_status read_image(void *ctx, const char *id, struct pasta_image *out, struct pasta_err *err)
{
    struct pasta_arena arena = {0};
    const pasta_status status = pasta_image_read(record_image_path(&arena, ctx, id), out, err);
    pasta_arena_release(&arena);
    return status;
}

static pasta_status find_images(const struct pasta_user_data *data, const char *image_root, struct pasta_err *err)
{
    const int64_t n = pasta_user_data_counts(data).images;
    struct pasta_arena arena = {0};
    pasta_status status = PASTA_OK;
    for (int64_t i = 0; i < n && status == PASTA_OK; i++) {
        const char *path = record_image_path(&arena, image_root, pasta_user_data_image(data, i));
        if (!pasta_file_exists(path))
            status = pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected an image, which trained towers look at, found no file; --image-root "
                                "says where images/ is", path);
        pasta_arena_release(&arena);
    }
    return status;
}

pasta_status user_model_towers(const struct pasta_context *context, const struct pasta_user_data *data, const char *image_root,
                               struct pasta_em_towers *out, struct pasta_err *err)
{
    const struct pasta_config *config = &context->config;
    const char *root = image_root ? image_root : ".";
    *out = (struct pasta_em_towers){.ctx = (void *)root, .image = read_image, .threads = context->threads};
    const pasta_status status = find_images(data, root, err);
    return status == PASTA_OK ? pasta_clip_load(config->embed.model, config->device, PT_F32, &out->clip, err) : status;
}

pasta_status user_model_encoder_save(const struct pasta_context *context, const struct pasta_em *em, struct pasta_user_model *model,
                                     struct pasta_manifest *manifest, struct pasta_err *err)
{
    static const char *const outputs[] = {"model.safetensors", "config.json", "preprocessor_config.json", "vocab.json", "merges.txt"};
    struct pasta_clip *saved = NULL;
    if (!pasta_em_encoder(em))
        return PASTA_OK;
    char *dir = pasta_path_join(context->out, USER_MODEL_ENCODER);
    pasta_status status = pasta_clip_save(pasta_em_encoder(em), dir, PT_F32, err);
    if (status == PASTA_OK)
        status = pasta_clip_load(dir, "cpu", PT_F32, &saved, err);
    if (status == PASTA_OK) {
        free(model->encoder);
        model->encoder = pasta_strdup(pasta_clip_hash(saved));
        pasta_manifest_library(manifest, "trained_encoder", pasta_clip_hash(saved));
    }
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs && status == PASTA_OK; i++) {
        char *name = pasta_asprintf(USER_MODEL_ENCODER "/%s", outputs[i]);
        status = pasta_manifest_output(manifest, context->out, name, err);
        free(name);
    }
    pasta_clip_free(saved);
    free(dir);
    return status;
}
