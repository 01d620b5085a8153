#include <stdlib.h>
#include <string.h>

#include "image_formats.h"
#include "pasta/io/file.h"

const char *const pasta_image_endings[] = {".png", ".jpg", ".jpeg", ".webp", NULL};

void pasta_image_release(struct pasta_image *image)
{
    free(image->pixels);
    *image = (struct pasta_image){0};
}

const char *pasta_image_format(const void *bytes, size_t length)
{
    if (length >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8))
        return "PNG";
    if (length >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3))
        return "JPEG";
    if (length >= 12 && !memcmp(bytes, "RIFF", 4) && !memcmp((const char *)bytes + 8, "WEBP", 4))
        return "WebP";
    return NULL;
}

pasta_status pasta_image_decode(const void *bytes, size_t length, const char *where, struct pasta_image *out, struct pasta_err *err)
{
    const char *format = pasta_image_format(bytes, length);
    if (!format)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected a PNG, JPEG or WebP image, found %s", where,
                          length ? "something else" : "an empty file");
    return (*format == 'P' ? pasta_png_decode : *format == 'J' ? pasta_jpeg_decode : pasta_webp_decode)(bytes, length, where, out, err);
}

pasta_status pasta_image_read(const char *path, struct pasta_image *out, struct pasta_err *err)
{
    struct pasta_str bytes = {0};
    pasta_status status = pasta_file_read(path, &bytes, err);
    if (status == PASTA_OK)
        status = pasta_image_decode(bytes.data, bytes.length, path, out, err);
    pasta_str_release(&bytes);
    return status;
}
