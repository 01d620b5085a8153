/* t2i_dialects.c: how each service is asked for one image. */
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "t2i_http.h"

static void put_text(struct pasta_str *out, const char *key, const char *text)
{
    pasta_str_printf(out, "%s\"%s\":", out->length > 1 ? "," : "", key);
    pasta_json_put_str(out, text);
}

/* POST /images/generations. gpt-image-* refuse response_format, for they send nothing but base64; all others send a URL without it. */
static void put_openai(const struct pasta_t2i_settings *set, const char *prompt, uint32_t seed, struct pasta_str *out)
{
    (void)seed;
    pasta_str_add(out, "{");
    if (*set->model)
        put_text(out, "model", set->model);
    put_text(out, "prompt", prompt);
    pasta_str_printf(out, ",\"n\":1,\"size\":\"%lldx%lld\"", (long long)set->size, (long long)set->size);
    if (*set->quality)
        put_text(out, "quality", set->quality);
    if (!pasta_starts_with(set->model, "gpt-image") && !pasta_starts_with(set->model, "chatgpt-image"))
        put_text(out, "response_format", "b64_json");
    pasta_str_add(out, "}");
}

/* What both servers know of POST /sdapi/v1/txt2img. */
static void put_txt2img(const struct pasta_t2i_settings *set, const char *prompt, uint32_t seed, struct pasta_str *out)
{
    pasta_str_add(out, "{");
    put_text(out, "prompt", prompt);
    if (*set->negative_prompt)
        put_text(out, "negative_prompt", set->negative_prompt);
    pasta_str_printf(out, ",\"seed\":%u,\"width\":%lld,\"height\":%lld,\"batch_size\":1", seed, (long long)set->size, (long long)set->size);
    if (set->steps > 0)
        pasta_str_printf(out, ",\"steps\":%lld", (long long)set->steps);
    if (set->guidance > 0) {
        pasta_str_add(out, ",\"cfg_scale\":");
        pasta_json_put_num(out, set->guidance);
    }
    if (*set->sampler)
        put_text(out, "sampler_name", set->sampler);
}

static void put_automatic1111(const struct pasta_t2i_settings *set, const char *prompt, uint32_t seed, struct pasta_str *out)
{
    put_txt2img(set, prompt, seed, out);
    if (*set->model) { /* it stays loaded: to change models back and forth would take longer than to draw */
        pasta_str_add(out, ",\"override_settings\":{\"sd_model_checkpoint\":");
        pasta_json_put_str(out, set->model);
        pasta_str_add(out, "},\"override_settings_restore_afterwards\":false");
    }
    pasta_str_add(out, "}");
}

/* The server takes settings out of <sd_cpp_extra_args> in a prompt: a prompt is words here, whoever wrote it. */
static void put_sdcpp(const struct pasta_t2i_settings *set, const char *prompt, uint32_t seed, struct pasta_str *out)
{
    char *words = pasta_strdup(prompt);
    for (char *at = words; (at = strstr(at, "<sd_cpp_extra_args>")); )
        *at = '(';
    put_txt2img(set, words, seed, out);
    pasta_str_add(out, "}");
    free(words);
}

const struct t2i_dialect t2i_dialect_openai = {"openai", "/images/generations", T2I_DATA, false, put_openai};
const struct t2i_dialect t2i_dialect_automatic1111 = {"automatic1111", "/sdapi/v1/txt2img", T2I_IMAGES, true, put_automatic1111};
const struct t2i_dialect t2i_dialect_sdcpp = {"sdcpp", "/sdapi/v1/txt2img", T2I_IMAGES, true, put_sdcpp};
