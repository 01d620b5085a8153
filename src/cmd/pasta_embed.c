/* pasta-embed: what a CLIP or a Gemma makes of images and prompts. */
#include <string.h>

#include "common.h"
#include "embed.h"
#include "record_files.h"
#include "torch_command.h"

static struct embed_inputs in;
static const char *model_path, *dtype;
static bool raw;

static const struct pasta_option options[] = {
    {"model", PASTA_OPT_STRING, &model_path, "DIR", "CLIP or Gemma folder, in the Hugging Face layout; default: embed.model", NULL},
    {"dtype", PASTA_OPT_STRING, &dtype, "TYPE", "f32, or bf16 for half the memory; default: embed.dtype", NULL},
    {"sessions", PASTA_OPT_STRINGS, &in.sessions, "FILE", "session records", NULL},
    {"preferences", PASTA_OPT_STRINGS, &in.preferences, "FILE", "preference records", NULL},
    {"ratings", PASTA_OPT_STRINGS, &in.ratings, "FILE", "rating records", NULL},
    {"rankings", PASTA_OPT_STRINGS, &in.rankings, "FILE", "ranking records", NULL},
    {"image-root", PASTA_OPT_STRING, &in.image_root, "DIR", "records: the folder above images/; a list: what its paths start from", NULL},
    {"prompts", PASTA_OPT_STRING, &in.prompts, "FILE", "prompts: .jsonl (text), .tsv, or any other text, every line one as it is", NULL},
    {"images", PASTA_OPT_STRING, &in.images, "LIST", "PNG, JPEG or WebP files, a path a line", NULL},
    {"raw", PASTA_OPT_FLAG, &raw, NULL, "with --prompts and --images: vectors as they are, not L2-normalised", NULL},
    {"score", PASTA_OPT_STRING, &in.scorer, "NAME", "score line i of --prompts with line i of --images: clip, pickscore, hpsv2", NULL},
    RECORDS_SKIP_BAD,
    {0}};

static const struct pasta_command command = {
    .name = "pasta-embed",
    .summary = "what a CLIP or a Gemma makes of images and prompts",
    .examples = "  pasta-embed --sessions runs/c/sessions.jsonl --preferences runs/c/preferences.jsonl --ratings runs/c/ratings.jsonl "
                "--image-root runs/c --out runs/features\n"
                "  pasta-embed --sessions runs/c/sessions.jsonl --image-root runs/c --dry-run\n"
                "  pasta-embed --model CLIP --prompts prompts.txt --images images.txt --image-root DIR --out features.safetensors\n"
                "  pasta-embed --model GEMMA --prompts prompts.jsonl --out gemma.safetensors\n"
                "  pasta-embed --model PICKSCORE --score pickscore --prompts prompts.txt --images images.txt --out scores.jsonl\n",
    .options = options,
    TORCH_COMMAND,
};

static pasta_status parse_score(const char *name, enum embed_score *out, struct pasta_err *err)
{
    static const struct { const char *name; enum embed_score score; } scores[] = {
        {"clip", EMBED_SCALED_COSINE}, {"pickscore", EMBED_SCALED_COSINE}, {"hpsv2", EMBED_COSINE}};
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
        if (strcmp(name, scores[i].name) == 0) {
            *out = scores[i].score;
            return PASTA_OK;
        }
    return pasta_fail(err, PASTA_ERR_USAGE, "--score: expected clip, pickscore or hpsv2, found '%s'", name);
}

static pasta_status check_usage(const struct pasta_context *context, bool records, struct pasta_err *err)
{
    const bool lists = in.prompts || in.images;
    if (lists == records)
        return pasta_fail(err, PASTA_ERR_USAGE,
                          "expected either --prompts and --images, or --sessions, --preferences, --ratings and --rankings, found %s",
                          lists ? "both" : "neither");
    if (raw && records)
        return pasta_fail(err, PASTA_ERR_USAGE, "--raw: expected --prompts or --images; a feature pack holds normalised vectors");
    if (!in.scorer)
        return PASTA_OK;
    if (!in.prompts || !in.images || raw)
        return pasta_fail(err, PASTA_ERR_USAGE, "--score: expected --prompts and --images, line i of both a pair, and no --raw");
    if (strcmp(in.scorer, "clip") != 0 && !*context->config.embed.model)
        return pasta_fail(err, PASTA_ERR_USAGE, "--score %s: expected --model, the folder of that scorer", in.scorer);
    return parse_score(in.scorer, &in.score, err);
}

/* Gemma reads texts from lists. */
static pasta_status check_gemma(bool records, struct pasta_err *err)
{
    const char *const flag = records ? "--sessions, --preferences, --ratings and --rankings"
                             : in.score ? "--score" : in.images ? "--images" : raw ? "--raw" : NULL;
    if (!flag)
        return PASTA_OK;
    return pasta_fail(err, PASTA_ERR_USAGE, "%s: expected a CLIP folder as --model, found a Gemma, which takes --prompts alone", flag);
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    const bool records = in.sessions.count + in.preferences.count + in.ratings.count + in.rankings.count > 0;
    struct embed_encoder e = {0};
    bool gemma = false;
    if (model_path)
        context->config.embed.model = model_path;
    if (dtype && strcmp(dtype, "f32") != 0 && strcmp(dtype, "bf16") != 0)
        return pasta_fail(err, PASTA_ERR_USAGE, "--dtype: expected f32 or bf16, found '%s'", dtype);
    if (dtype)
        context->config.embed.dtype = dtype;
    pasta_status status = check_usage(context, records, err);
    if (status == PASTA_OK)
        status = embed_is_gemma(context, &gemma, err);
    if (status == PASTA_OK && gemma)
        status = check_gemma(records, err);
    if (status == PASTA_OK)
        status = embed_encoder_load(context, gemma, &e, err);
    e.raw = raw;
    if (status == PASTA_OK && in.score == EMBED_COSINE) /* HPSv2, whatever preprocessor_config.json says of the folder it was made like */
        pasta_clip_set_preprocess(e.clip, pasta_preprocess_hpsv2((int)pasta_clip_shape_of(e.clip)->image_size));
    if (status == PASTA_OK)
        status = records ? embed_records(context, &in, &e, err) : in.score ? embed_scores(context, &in, &e, err)
                                                                           : embed_lists(context, &in, &e, context->out, err);
    embed_encoder_release(&e);
    return status;
}

int main(int argc, char **argv)
{
    return pasta_command_main(&command, argc, argv, run);
}
