#include "exchange.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "pasta/base/base64.h"
#include "pasta/io/sha256.h"

const char *const pasta_service_kind_names[PASTA_SERVICE_KINDS] = {"chat", "image"};
static const char *const methods[] = {"GET", "POST"};

static const char *method_of(const struct exchange *e)
{
    return methods[e->body[0] != '\0'];
}

static void make_key(const struct exchange *e, char key[65])
{
    struct pasta_str text = {0};
    pasta_str_printf(&text, "%s\n%s\n%s\n%s\n%d\n", pasta_service_kind_names[e->kind], method_of(e), e->path,
                     e->body[0] ? e->body : "-", e->repeat);
    pasta_sha256(text.data, text.length, key);
    pasta_str_release(&text);
}

void exchange_init(struct exchange *e, const struct pasta_question *q, char *path)
{
    *e = (struct exchange){.kind = q->kind, .repeat = q->repeat, .path = path};
    if (q->body)
        pasta_sha256(q->body, strlen(q->body), e->body);
    make_key(e, e->key);
}

void exchange_release(struct exchange *e)
{
    free(e->path);
    e->path = NULL;
}

void exchange_print(const struct exchange *e, const struct pasta_str *reply, struct pasta_str *line)
{
    const bool text = !reply->length || (!memchr(reply->data, '\0', reply->length) && pasta_utf8_valid(reply->data, reply->length));
    pasta_str_printf(line, "{\"schema\":\"" EXCHANGE_SCHEMA "\",\"key\":\"%s\",\"kind\":\"%s\",\"method\":\"%s\",\"path\":", e->key,
                     pasta_service_kind_names[e->kind], method_of(e));
    pasta_json_put_str(line, e->path);
    pasta_str_add(line, ",\"body\":");
    pasta_json_put_str(line, e->body[0] ? e->body : NULL);
    pasta_str_printf(line, ",\"repeat\":%d,", e->repeat);
    if (text) {
        pasta_str_add(line, "\"reply\":");
        pasta_json_put_str(line, reply->length ? reply->data : "");
    } else {
        pasta_str_add(line, "\"reply_base64\":\"");
        pasta_base64_put(line, reply->data, reply->length);
        pasta_str_addc(line, '"');
    }
    pasta_str_add(line, "}\n");
}

/* A digest; "" where the field is null and may be. */
static void parse_hash(struct pasta_fields *f, const cJSON *tree, const char *key, bool optional, char out[65])
{
    const char *text = optional && !pasta_json_has(tree, key) ? "" : pasta_fields_text(f, NULL, tree, key);
    if (f->status == PASTA_OK && *text && (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64))
        pasta_fields_fail(f, NULL, key, "expected 64 hexadecimal digits, found '%.80s'", text);
    if (f->status == PASTA_OK)
        strcpy(out, text);
}

static void parse_reply(struct pasta_fields *f, const cJSON *tree, struct pasta_str *reply)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "reply"));
    const char *binary = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "reply_base64"));
    pasta_str_add(reply, text ? text : "");
    if (!text == !binary)
        pasta_fields_fail(f, NULL, "reply", "expected a string in it or in reply_base64, found %s", text ? "both" : "neither");
    else if (binary && !pasta_base64_read(reply, binary, strlen(binary)))
        pasta_fields_fail(f, NULL, "reply_base64", "expected base64, found other characters");
}

pasta_status exchange_parse(const char *line, size_t length, const char *where, struct exchange *e, struct pasta_str *reply,
                            struct pasta_err *err)
{
    struct pasta_arena arena = {0};
    struct pasta_fields f = {.where = where, .arena = &arena, .err = err};
    struct exchange found = {0};
    struct pasta_str text = {0};
    char key[65];
    cJSON *tree = pasta_fields_begin(&f, line, length, EXCHANGE_SCHEMA);
    parse_hash(&f, tree, "key", false, found.key);
    found.kind = (enum pasta_service_kind)pasta_fields_name(&f, NULL, tree, "kind", pasta_service_kind_names, PASTA_SERVICE_KINDS);
    const int method = pasta_fields_name(&f, NULL, tree, "method", methods, 2);
    found.path = pasta_strdup(pasta_fields_text(&f, NULL, tree, "path"));
    parse_hash(&f, tree, "body", method == 0, found.body);
    found.repeat = (int)pasta_fields_int(&f, NULL, tree, "repeat", 0, INT_MAX);
    if (f.status == PASTA_OK)
        parse_reply(&f, tree, &text);
    if (f.status == PASTA_OK && method != (found.body[0] != '\0'))
        pasta_fields_fail(&f, NULL, "body", "expected null with GET, found a digest");
    if (f.status == PASTA_OK)
        make_key(&found, key);
    if (f.status == PASTA_OK && strcmp(key, found.key) != 0)
        pasta_fields_fail(&f, NULL, "key", "expected %.12s..., which the other fields make, found %.12s...", key, found.key);
    cJSON_Delete(tree);
    pasta_arena_release(&arena);
    if (f.status != PASTA_OK) {
        exchange_release(&found);
        pasta_str_release(&text);
        return f.status;
    }
    *e = found;
    pasta_str_release(reply);
    *reply = text;
    return PASTA_OK;
}
