/* image_store.c: see image_store.h. */
#include "pasta/agent/image_store.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/base/str.h"
#include "pasta/io/file.h"

char *pasta_image_name(const char *id)
{
    return pasta_asprintf("images/%.2s/%s.png", id, id);
}

/* tEXt is Latin-1: anything beyond ASCII is written as JSON's \uXXXX. `text` is valid UTF-8. */
static void put_ascii_json(struct pasta_str *out, const char *text)
{
    struct pasta_str quoted = {0};
    pasta_json_put_str(&quoted, text);
    for (const unsigned char *p = (const unsigned char *)quoted.data; *p;) {
        if (*p < 0x80) {
            pasta_str_addc(out, (char)*p++);
            continue;
        }
        const int more = *p >= 0xF0 ? 3 : *p >= 0xE0 ? 2 : 1;
        uint32_t code = *p++ & (0x3Fu >> more);
        for (int i = 0; i < more && (*p & 0xC0) == 0x80; i++)
            code = code << 6 | (*p++ & 0x3Fu);
        if (code >= 0x10000) {
            pasta_str_printf(out, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF));
        } else {
            pasta_str_printf(out, "\\u%04x", code);
        }
    }
    pasta_str_release(&quoted);
}

static bool readable(const char *path)
{
    if (!pasta_file_exists(path))
        return false;
    struct pasta_image image = {0};
    struct pasta_err ignored = {0};
    const bool ok = pasta_image_read(path, &image, &ignored) == PASTA_OK;
    pasta_image_release(&image);
    return ok;
}

static pasta_status write_new(const char *path, const void *bytes, size_t length, struct pasta_err *err)
{
    char *folder = pasta_strdup(path);
    pasta_status status = pasta_mkdirs(dirname(folder), err);
    free(folder);
    return status != PASTA_OK ? status : pasta_file_write_lazy(path, bytes, length, err);
}

/* The file: drawing and parameters. */
static pasta_status make_png(const struct pasta_t2i *t2i, const char *prompt, uint64_t seed, struct pasta_str *png, struct pasta_err *err)
{
    struct pasta_image image = {0};
    struct pasta_str parameters = {0};
    pasta_status status = t2i->draw(t2i->ctx, prompt, seed, &image, err);

    if (status == PASTA_OK) {
        pasta_str_add(&parameters, "{\"generator\":");
        put_ascii_json(&parameters, t2i->name);
        pasta_str_add(&parameters, ",\"prompt\":");
        put_ascii_json(&parameters, prompt);
        pasta_str_printf(&parameters, ",\"seed\":%llu,\"size\":%d}", (unsigned long long)seed, t2i->size);
        const char *const texts[1][2] = {{"parameters", parameters.data}};
        status = pasta_png_encode(&image, texts, 1, png, err);
    }
    pasta_str_release(&parameters);
    pasta_image_release(&image);
    return status;
}

pasta_status pasta_image_save(const struct pasta_t2i *t2i, const char *prompt, uint64_t seed, const char *id, const char *root,
                              struct pasta_err *err)
{
    char *name = pasta_image_name(id), *path = pasta_path_join(root, name);
    struct pasta_str png = {0};
    pasta_status status = PASTA_OK;

    if (!readable(path) && (status = make_png(t2i, prompt, seed, &png, err)) == PASTA_OK)
        status = write_new(path, png.data, png.length, err);
    pasta_str_release(&png);
    free(path);
    free(name);
    return status;
}

pasta_status pasta_image_bytes(const struct pasta_t2i *t2i, const char *const *prompts, int n, double *mean, struct pasta_err *err)
{
    double total = 0;
    for (int i = 0; i < n; i++) {
        struct pasta_str png = {0};
        const pasta_status status = make_png(t2i, prompts[i], 0, &png, err);
        total += (double)png.length;
        pasta_str_release(&png);
        if (status != PASTA_OK)
            return status;
    }
    *mean = total / n;
    return PASTA_OK;
}
