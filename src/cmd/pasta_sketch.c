/* pasta-sketch: what the sketch world draws for some prompts, as one contact sheet: a row for each prompt, an image for each seed. */
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "pasta/base/mem.h"
#include "pasta/base/threads.h"
#include "pasta/io/file.h"
#include "pasta/io/image.h"
#include "pasta/world/sketch.h"

enum { GAP = 4, MAX_SIDE = 20000 };
static const char *prompts_path, *each_text;
static const struct pasta_option options[] = {
    {"prompts", PASTA_OPT_STRING, &prompts_path, "FILE", "prompts: .txt, .tsv or .jsonl", "what to draw"},
    {"each", PASTA_OPT_STRING, &each_text, "N", "images of each prompt, side by side (8)", NULL},
    {0}};

static const struct pasta_command command = {
    .name = "pasta-sketch",
    .summary = "draw prompts in the sketch world, as one contact sheet",
    .examples = "  pasta-sketch --prompts prompts.txt --out sheet.png\n"
                "  pasta-sketch --prompts prompts.txt --each 12 --set world.image_size=128 --seed 7 --out sheet.png\n",
    .options = options,
    .no_dry_run = true,
    .no_json = true,
};

struct sheet {
    struct pasta_t2i t2i;
    const struct pasta_prompts *prompts;
    uint64_t seed;
    int each, step, width;
    uint8_t *pixels; /* [rows * step, width, 3] */
};

/* Draws row `item`; rows do not overlap. */
static pasta_status draw_row(void *ctx, int64_t item, int worker, struct pasta_err *err)
{
    const struct sheet *s = ctx;
    (void)worker;
    for (int i = 0; i < s->each; i++) {
        struct pasta_image image;
        pasta_status status = s->t2i.draw(s->t2i.ctx, s->prompts->items[item], s->seed * 1000 + (uint64_t)i, &image, err);
        if (status != PASTA_OK)
            return status;
        for (int y = 0; y < image.height; y++)
            memcpy(s->pixels + (((size_t)item * (size_t)s->step + (size_t)y) * (size_t)s->width + (size_t)(i * s->step)) * 3,
                   image.pixels + (size_t)y * (size_t)image.width * 3, (size_t)image.width * 3);
        pasta_image_release(&image);
    }
    return PASTA_OK;
}

static pasta_status draw_sheet(struct pasta_context *context, struct sheet *s, struct pasta_err *err)
{
    s->step = s->t2i.size + GAP;
    s->width = s->each * s->step - GAP;
    size_t rows = s->prompts->n, height = rows * (size_t)s->step - GAP;
    if (s->width > MAX_SIDE || height > MAX_SIDE)
        return pasta_fail(err, PASTA_ERR_USAGE, "a sheet of %d x %zu pixels is too large: at most %d a side; draw fewer prompts", s->width,
                          height, MAX_SIDE);
    size_t bytes = (size_t)s->width * rows * (size_t)s->step * 3;
    s->pixels = pasta_malloc(bytes);
    memset(s->pixels, 255, bytes);
    pasta_status status = pasta_parallel_for((int64_t)rows, context->threads, draw_row, s, err);
    struct pasta_image image = {s->width, (int)height, s->pixels};
    struct pasta_str png = {0};
    if (status == PASTA_OK)
        status = pasta_png_encode(&image, NULL, 0, &png, err);
    if (status == PASTA_OK)
        status = pasta_file_write(context->out, png.data, png.length, err);
    pasta_str_release(&png);
    free(s->pixels);
    return status;
}

static pasta_status run(struct pasta_context *context, struct pasta_err *err)
{
    struct pasta_prompts prompts = {0};
    struct pasta_sketch *world = NULL;
    struct sheet sheet = {.prompts = &prompts, .seed = context->config.seed, .each = 8};
    char *end = NULL;
    if (each_text != NULL)
        sheet.each = (int)strtol(each_text, &end, 10);
    if (sheet.each < 1 || sheet.each > 100 || (end != NULL && *end != '\0'))
        return pasta_fail(err, PASTA_ERR_USAGE, "--each: expected a whole number from 1 to 100, found '%s'", each_text);
    if (!context->force && pasta_file_exists(context->out))
        return pasta_fail(err, PASTA_ERR_USAGE, "'%s' is already there; --force replaces it", context->out);
    pasta_status status = pasta_prompts_read(prompts_path, &prompts, err);
    if (status == PASTA_OK)
        status = pasta_sketch_open(&context->config.world, &context->config.agent, &world, err);
    if (status == PASTA_OK) {
        sheet.t2i = pasta_sketch_t2i(world);
        status = draw_sheet(context, &sheet, err);
    }
    pasta_sketch_close(world);
    pasta_prompts_release(&prompts);
    return status;
}

int main(int argc, char **argv) { return pasta_command_main(&command, argc, argv, run); }
