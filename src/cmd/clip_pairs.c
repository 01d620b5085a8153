/* clip_pairs.c: captions of the sketch world and the images that are drawn for them. */
#include "clip_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/rng.h"

static const double EASY_UNTIL = 0.1, VARIED_FROM = 0.5; /* of all pairs */

uint64_t clip_pair_seed(const struct clip_pairs *w, int64_t index)
{
    struct pasta_rng rng = pasta_rng_at(w->seed, PASTA_RNG_IMAGE, (uint32_t)index, UINT32_MAX, 0);
    return pasta_rng_u64(&rng) >> 11; /* below 2^53 */
}

pasta_status clip_pair_draw(const struct clip_pairs *w, int64_t index, struct pasta_str *caption, struct pasta_image *image, struct pasta_err *err)
{
    pasta_sketch_caption(w->sketch, w->seed, (uint32_t)index, caption);
    return w->t2i.draw(w->t2i.ctx, caption->data, clip_pair_seed(w, index), image, err);
}

/* Keeps the first phrase, which names the subject, and each other one with probability `keep`. */
static void shorten(struct pasta_str *caption, double keep, struct pasta_rng *rng)
{
    char *all = pasta_str_take(caption), *phrase = all, *comma;
    for (bool first = true; phrase; first = false) {
        comma = strstr(phrase, ", ");
        if (comma)
            *comma = '\0';
        if (first || pasta_rng_uniform(rng) < keep)
            pasta_str_printf(caption, "%s%s", first ? "" : ", ", phrase);
        phrase = comma ? comma + 2 : NULL;
    }
    free(all);
}

/* The share of easy pairs, by how many pairs came before. */
static double easy_share(const struct clip_pairs *w, int64_t index)
{
    double done = ((double)index / (double)w->total - EASY_UNTIL) / (VARIED_FROM - EASY_UNTIL);
    return 0.95 - 0.85 * (done < 0 ? 0 : done > 1 ? 1 : done);
}

/* Phrases that make the subject of a caption easy to see: large, in the middle, mostly on nothing, often in flat colours. What they state is left out of
 * the caption; a style that the first phrase names ("ink drawing of a cat") stays. */
static void put_easy(const struct pasta_str *caption, struct pasta_rng *rng, struct pasta_str *prompt)
{
    bool plain = pasta_rng_uniform(rng) < 0.75, flat = pasta_rng_uniform(rng) < 0.5 && !strstr(caption->data, " of ");
    pasta_str_printf(prompt, "%s, centered%s%s", caption->data, plain ? ", on a simple empty background" : "", flat ? ", flat vector art" : "");
}

pasta_status clip_pair_train(void *ctx, int64_t index, struct pasta_str *caption, struct pasta_image *image, struct pasta_err *err)
{
    const struct clip_pairs *w = ctx;
    struct pasta_rng rng = pasta_rng_at(w->seed, PASTA_RNG_CAPTION, (uint32_t)index, 1, 0);
    struct pasta_str prompt = {0};
    pasta_sketch_caption(w->sketch, w->seed, (uint32_t)index, caption);
    if (pasta_rng_uniform(&rng) < easy_share(w, index)) {
        shorten(caption, 0, &rng);
        put_easy(caption, &rng, &prompt);
    } else {
        pasta_str_add(&prompt, caption->data);
        if (pasta_rng_below(&rng, 2) == 0)
            shorten(caption, 1.0 / 3, &rng);
    }
    pasta_status status = w->t2i.draw(w->t2i.ctx, prompt.data, clip_pair_seed(w, index), image, err);
    pasta_str_release(&prompt);
    return status;
}
