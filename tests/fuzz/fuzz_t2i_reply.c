/* fuzz_t2i_reply.c: any bytes as a text-to-image service's reply, in both forms. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include "../../src/world/t2i_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum t2i_reply_form forms[] = {T2I_DATA, T2I_IMAGES};
    for (int i = 0; i < 2; i++) {
        struct pasta_image image = {0};
        struct pasta_err err = {0};
        const pasta_status status = t2i_reply_image((const char *)data, size, forms[i], &image, &err);
        assert(status == PASTA_OK ? image.pixels && image.width > 0 && image.height > 0 : status == PASTA_ERR_INPUT && err.message[0]);
        pasta_image_release(&image);
    }
    return 0;
}
