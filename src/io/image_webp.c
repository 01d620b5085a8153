#include <string.h>

#include <webp/demux.h>

#include "image_formats.h"
#include "pasta/base/mem.h"

/* Through the decoder of animations, as Pillow does: what a first frame smaller than the canvas leaves free is black. */
pasta_status pasta_webp_decode(const void *bytes, size_t length, const char *where, struct pasta_image *out, struct pasta_err *err)
{
    int width, height, time;
    uint8_t *rgba;
    if (!WebPGetInfo(bytes, length, &width, &height))
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': broken WebP image: the header is damaged or truncated", where);
    if (!pasta_image_fits((size_t)width, (size_t)height))
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': broken WebP image: %s", where, PASTA_IMAGE_TOO_LARGE);
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&(WebPData){bytes, length}, NULL);
    if (!decoder || !WebPAnimDecoderGetNext(decoder, &rgba, &time)) {
        WebPAnimDecoderDelete(decoder);
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': broken WebP image: the file is damaged or truncated", where);
    }
    const size_t pixels = (size_t)width * (size_t)height;
    *out = (struct pasta_image){width, height, pasta_malloc(pixels * 3)};
    for (size_t i = 0; i < pixels; i++)
        memcpy(out->pixels + 3 * i, rgba + 4 * i, 3);
    WebPAnimDecoderDelete(decoder);
    return PASTA_OK;
}
