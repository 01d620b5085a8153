#include "t2i_reply.h"

#include <ctype.h>
#include <string.h>

#include "pasta/base/base64.h"
#include "pasta/base/json.h"

/* The first image's text; NULL: there is none. */
static const char *image_text(const cJSON *tree, enum t2i_reply_form form)
{
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(tree, form == T2I_DATA ? "data" : "images"), 0);
    if (form == T2I_DATA)
        first = cJSON_GetObjectItemCaseSensitive(first, "b64_json");
    return cJSON_IsString(first) ? first->valuestring : NULL;
}

static pasta_status decode_text(const char *text, struct pasta_image *out, struct pasta_err *err)
{
    struct pasta_str plain = {0}, bytes = {0};
    pasta_status status;

    if (pasta_starts_with(text, "data:")) {
        const char *comma = strchr(text, ',');
        text = comma ? comma + 1 : text;
    }
    pasta_str_add(&plain, "");
    for (const char *p = text; *p; p += strspn(p, " \t\r\n")) { /* some break it into lines */
        const size_t n = strcspn(p, " \t\r\n");
        pasta_str_addn(&plain, p, n);
        p += n;
    }
    if (pasta_base64_read(&bytes, plain.data, plain.length))
        status = pasta_image_decode(bytes.data, bytes.length, "the service's image", out, err);
    else
        status = pasta_fail(err, PASTA_ERR_INPUT, "expected an image as base64, found \"%.40s\"", text);
    pasta_str_release(&plain);
    pasta_str_release(&bytes);
    return status;
}

pasta_status t2i_reply_image(const char *bytes, size_t length, enum t2i_reply_form form, struct pasta_image *out, struct pasta_err *err)
{
    cJSON *tree;
    pasta_status status = pasta_json_parse(bytes, length, "the service's reply", &tree, err);

    if (status != PASTA_OK)
        return status;
    const char *text = image_text(tree, form);
    status = text ? decode_text(text, out, err)
                  : pasta_fail(err, PASTA_ERR_INPUT, "expected an image in %s of the reply, found none",
                               form == T2I_DATA ? "data[0].b64_json" : "images[0]");
    cJSON_Delete(tree);
    return status;
}
