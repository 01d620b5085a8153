/* fuzz_image.c: any bytes as an image file; what decodes is preprocessed as for a small vision tower. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <math.h>
#include "pasta/model/preprocess.h"

enum { SIDE = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float pixels[3 * SIDE * SIDE];
    struct pasta_image image;
    struct pasta_err err = {0};
    if (pasta_png_decode(data, size, "input", &image, &err) != PASTA_OK) {
        assert(err.status == PASTA_ERR_INPUT && err.message[0]);
        return 0;
    }
    assert(image.width > 0 && image.height > 0);
    const struct pasta_preprocess clip = pasta_preprocess_clip(SIDE);
    if (pasta_preprocess_image(&clip, &image, SIDE, pixels, &err) == PASTA_OK)
        for (int i = 0; i < 3 * SIDE * SIDE; i++)
            assert(isfinite(pixels[i]));
    else
        assert(err.status == PASTA_ERR_INPUT);
    pasta_image_release(&image);
    return 0;
}
