#include "shown_image.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/agent/image_store.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

enum { SIGNATURE = 8, CHUNK = 12 }; /* bytes: of the file's; of a chunk's length, type and checksum */

static uint32_t big_endian(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* What decides the pixels; whatever else a file may carry stays behind. */
static bool is_shown(const char *type)
{
    static const char *const kinds[] = {"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "cHRM", "sRGB"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (memcmp(type, kinds[i], 4) == 0)
            return true;
    return false;
}

bool shown_image_strip(const struct pasta_str *png, struct pasta_str *out)
{
    if (png->length < SIGNATURE || memcmp(png->data, "\x89PNG\r\n\x1a\n", SIGNATURE) != 0)
        return false;
    pasta_str_addn(out, png->data, SIGNATURE);
    for (size_t at = SIGNATURE; png->length - at >= CHUNK;) {
        const char *type = png->data + at + 4;
        const size_t length = CHUNK + (size_t)big_endian(png->data + at);
        if (length > png->length - at || (at == SIGNATURE && memcmp(type, "IHDR", 4) != 0))
            return false;
        if (is_shown(type))
            pasta_str_addn(out, png->data + at, length);
        if (memcmp(type, "IEND", 4) == 0)
            return true;
        at += length;
    }
    return false;
}

pasta_status shown_image_read(const char *root, const char *id, struct pasta_str *out, struct pasta_err *err)
{
    char *name = pasta_image_name(id), *path = pasta_path_join(root, name);
    struct pasta_str png = {0};
    pasta_status status = pasta_file_read(path, &png, err);
    if (status == PASTA_OK && !shown_image_strip(&png, out))
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected a PNG file, found another or a part of one", path);
    pasta_str_release(&png);
    free(path);
    free(name);
    return status;
}
