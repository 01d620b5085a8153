/* clip_openclip.c: the names of OpenCLIP's and OpenAI's own checkpoints, which HPSv2 keeps.
 *
 * The same network as Hugging Face's: other names, the three projections of attention in one tensor (rows of q, k, v), and the two last
 * projections stored for x @ W instead of W x.
 * Source: tgxs002/HPSv2 hpsv2/src/open_clip/model.py, transformer.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clip_impl.h"
#include "pasta/base/mem.h"
#include "pasta/model/weights.h"

/* One published name to another, or the beginning of one: what follows it stays. */
struct renaming { const char *name, *stored; struct clip_source as; };

static const struct renaming top[] = {
    {"text_projection.weight", "text_projection", {.transposed = true}},
    {"visual_projection.weight", "visual.proj", {.transposed = true}},
    {"text_model.embeddings.token_embedding", "token_embedding", {0}},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding", {0}},
    {"text_model.final_layer_norm", "ln_final", {0}},
    {"vision_model.embeddings.class_embedding", "visual.class_embedding", {0}},
    {"vision_model.embeddings.patch_embedding", "visual.conv1", {0}},
    {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding", {0}},
    {"vision_model.pre_layrnorm", "visual.ln_pre", {0}},
    {"vision_model.post_layernorm", "visual.ln_post", {0}},
    {"logit_scale", "logit_scale", {0}},
};
static const struct renaming in_layer[] = {
    {"self_attn.q_proj.", "attn.in_proj_", {.part = 0, .parts = 3}},
    {"self_attn.k_proj.", "attn.in_proj_", {.part = 1, .parts = 3}},
    {"self_attn.v_proj.", "attn.in_proj_", {.part = 2, .parts = 3}},
    {"self_attn.out_proj", "attn.out_proj", {0}},
    {"layer_norm1", "ln_1", {0}},
    {"layer_norm2", "ln_2", {0}},
    {"mlp.fc1", "mlp.c_fc", {0}},
    {"mlp.fc2", "mlp.c_proj", {0}},
};

static struct clip_source rename_by(const struct renaming *table, size_t n, const char *before, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (pasta_starts_with(name, table[i].name)) {
            struct clip_source source = table[i].as;
            source.name = pasta_asprintf("%s%s%s", before, table[i].stored, name + strlen(table[i].name));
            return source;
        }
    return (struct clip_source){.name = pasta_strdup(name)}; /* a name that clip_params.c has and the tables lack: it will be missed */
}

struct clip_source clip_openclip_source(const char *name)
{
    char before[80];
    int layer, length = 0;
    const bool vision = pasta_starts_with(name, "vision_model.");
    sscanf(name, vision ? "vision_model.encoder.layers.%d.%n" : "text_model.encoder.layers.%d.%n", &layer, &length);
    if (!length)
        return rename_by(top, sizeof top / sizeof *top, "", name);
    snprintf(before, sizeof before, "%stransformer.resblocks.%d.", vision ? "visual." : "", layer);
    return rename_by(in_layer, sizeof in_layer / sizeof *in_layer, before, name + length);
}

bool clip_openclip_is(const struct pasta_weights *w)
{
    return pasta_weights_has(w, "visual.conv1.weight");
}
