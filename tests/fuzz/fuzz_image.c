/* fuzz_image.c: any bytes as an image file; what decodes is preprocessed for a small vision tower in both ways. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "pasta/model/preprocess.h"

enum { SIDE = 32 };

static void read_image(const uint8_t *data, size_t size)
{
    static float pixels[3 * SIDE * SIDE];
    struct pasta_image image;
    struct pasta_err err = {0};
    if (pasta_image_decode(data, size, "input", &image, &err) != PASTA_OK) {
        assert(err.status == PASTA_ERR_INPUT && err.message[0]);
        return;
    }
    assert(image.width > 0 && image.height > 0);
    const struct pasta_preprocess ways[] = {pasta_preprocess_clip(SIDE), pasta_preprocess_hpsv2(SIDE)};
    for (int way = 0; way < 2; way++)
        if (pasta_preprocess_image(&ways[way], &image, SIDE, pixels, &err) == PASTA_OK)
            for (int i = 0; i < 3 * SIDE * SIDE; i++)
                assert(isfinite(pixels[i]));
        else
            assert(err.status == PASTA_ERR_INPUT);
    pasta_image_release(&image);
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A chance change breaks a chunk's checksum, and libpng looks no further: mend them. */
static void mend_checksums(uint8_t *png, size_t size)
{
    for (size_t at = 8, length; at + 12 <= size && (length = big_endian(png + at)) <= size - at - 12; at += 12 + length) {
        uLong sum = crc32(0, png + at + 4, (uInt)length + 4);
        for (int i = 0; i < 4; i++)
            png[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *format = pasta_image_format(data, size);
    read_image(data, size);
    if (format && strcmp(format, "PNG") == 0) {
        uint8_t *copy = malloc(size);
        memcpy(copy, data, size);
        mend_checksums(copy, size);
        if (memcmp(copy, data, size) != 0)
            read_image(copy, size);
        free(copy);
    }
    return 0;
}
