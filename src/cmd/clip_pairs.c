/* clip_pairs.c: captions of the sketch world and the images that are drawn for them. */
#include "clip_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/rng.h"

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

/* Leaves out each phrase behind the first one with probability 2/3. */
static void shorten(struct pasta_str *caption, struct pasta_rng *rng)
{
    char *all = pasta_str_take(caption), *phrase = all, *comma;
    for (bool first = true; phrase; first = false) {
        comma = strstr(phrase, ", ");
        if (comma)
            *comma = '\0';
        if (first || pasta_rng_below(rng, 3) == 0)
            pasta_str_printf(caption, "%s%s", first ? "" : ", ", phrase);
        phrase = comma ? comma + 2 : NULL;
    }
    free(all);
}

pasta_status clip_pair_train(void *ctx, int64_t index, struct pasta_str *caption, struct pasta_image *image, struct pasta_err *err)
{
    const struct clip_pairs *w = ctx;
    struct pasta_rng rng = pasta_rng_at(w->seed, PASTA_RNG_CAPTION, (uint32_t)index, 1, 0);
    pasta_status status = clip_pair_draw(w, index, caption, image, err);
    if (status == PASTA_OK && pasta_rng_below(&rng, 2) == 0)
        shorten(caption, &rng);
    return status;
}
