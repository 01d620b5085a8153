/* sketch.c: opening the sketch world, and its text-to-image back end. */
#include "pasta/world/sketch.h"

#include <stdlib.h>

#include "pasta/base/paths.h"
#include "pasta/io/sha256.h"
#include "render.h"
#include "world.h"

/* A path that was set, or the embedded file. Owned by the caller. */
static char *chosen(const char *path, const char *embedded)
{
    return path != NULL && *path ? pasta_strdup(path) : pasta_data_path(embedded);
}

pasta_status pasta_sketch_open(const struct pasta_world_settings *settings, const struct pasta_agent_settings *agent,
                               struct pasta_sketch **out, struct pasta_err *err)
{
    struct pasta_sketch *s = pasta_calloc(1, sizeof *s);
    char *lexicon = chosen(settings->lexicon, "sketch/lexicon.json"), *raters = chosen(settings->raters, "sketch/raters.json");
    char *drawings = pasta_data_path("sketch/drawings.txt");
    s->settings = *settings;
    s->settings.lexicon = s->settings.raters = NULL;
    s->max_words = (int)agent->max_words;
    pasta_status status = sketch_lexicon_read(lexicon, drawings, &s->lexicon, err);
    if (status == PASTA_OK)
        status = sketch_population_read(raters, (int)settings->rater_types, &s->population, err);
    free(lexicon);
    free(drawings);
    free(raters);
    if (status != PASTA_OK) {
        pasta_sketch_close(s);
        return status;
    }
    sketch_noise_make(&s->noise);
    *out = s;
    return PASTA_OK;
}

void pasta_sketch_close(struct pasta_sketch *s)
{
    if (s == NULL)
        return;
    sketch_lexicon_release(&s->lexicon);
    sketch_population_release(&s->population);
    free(s);
}

static pasta_status draw(void *ctx, const char *prompt, uint64_t seed, struct pasta_image *out, struct pasta_err *err)
{
    const struct pasta_sketch *s = ctx;
    struct sketch_reading reading;
    struct sketch_attributes a;
    int size = (int)s->settings.image_size;
    sketch_read(&s->lexicon, prompt, &reading);
    sketch_draw(&s->lexicon, &reading, s->settings.miss_rate, seed, &a);
    uint8_t *pixels = pasta_malloc((size_t)size * (size_t)size * 3);
    pasta_status status = sketch_render(&s->lexicon.drawings, &s->noise, &a, seed, size, pixels, err);
    if (status != PASTA_OK) {
        free(pixels);
        return status;
    }
    *out = (struct pasta_image){size, size, pixels};
    return PASTA_OK;
}

struct pasta_t2i pasta_sketch_t2i(struct pasta_sketch *s)
{
    return (struct pasta_t2i){.ctx = s, .name = "sketch/1", .size = (int)s->settings.image_size, .draw = draw};
}

void pasta_sketch_labels(const struct pasta_sketch *s, const char *prompt, uint64_t image_seed, const char **subject_group, const char **style)
{
    struct sketch_reading reading;
    struct sketch_attributes a;
    sketch_read(&s->lexicon, prompt, &reading);
    sketch_draw(&s->lexicon, &reading, s->settings.miss_rate, image_seed, &a);
    *subject_group = sketch_group_names[a.group];
    *style = sketch_value_name(&s->lexicon, SKETCH_STYLE, a.value[SKETCH_STYLE]);
}

void pasta_image_id(const struct pasta_t2i *t2i, const char *prompt, uint64_t seed, char hex[65])
{
    struct pasta_str key = {0};
    pasta_str_printf(&key, "%s\n%llu\n%d\n%s", t2i->name, (unsigned long long)seed, t2i->size, prompt);
    pasta_sha256(key.data, key.length, hex);
    pasta_str_release(&key);
}
