#include "t2i_http.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"

struct t2i_http {
    const struct pasta_t2i_settings *settings;
    const struct t2i_dialect *dialect;
    struct pasta_service *service;
    char *url, *authorization, *name;
    int64_t images, asked_again; /* added to by several threads */
};

/* Everything that makes another picture of the same prompt, seed and size. */
static char *make_name(const struct pasta_t2i_settings *set, const struct t2i_dialect *dialect)
{
    struct pasta_str name = {0};
    pasta_str_printf(&name, "%s/%s", dialect->kind, *set->model ? set->model : "loaded");
    if (set->steps > 0)
        pasta_str_printf(&name, " steps=%lld", (long long)set->steps);
    if (set->guidance > 0) {
        pasta_str_add(&name, " guidance=");
        pasta_json_put_num(&name, set->guidance);
    }
    if (*set->sampler)
        pasta_str_printf(&name, " sampler=%s", set->sampler);
    if (*set->quality)
        pasta_str_printf(&name, " quality=%s", set->quality);
    if (*set->negative_prompt)
        pasta_str_printf(&name, " negative=%s", set->negative_prompt);
    return pasta_str_take(&name);
}

struct t2i_http *t2i_http_open(const struct pasta_t2i_settings *settings, const struct t2i_dialect *dialect, struct pasta_service *service,
                               const char *url, const char *authorization)
{
    struct t2i_http *t = pasta_calloc(1, sizeof *t);
    *t = (struct t2i_http){.settings = settings, .dialect = dialect, .service = service, .url = pasta_asprintf("%s%s", url, dialect->path),
                           .authorization = pasta_strdup(authorization), .name = make_name(settings, dialect)};
    return t;
}

void t2i_http_close(struct t2i_http *t)
{
    if (!t)
        return;
    free(t->url);
    free(t->authorization);
    free(t->name);
    free(t);
}

static pasta_status check_size(const struct t2i_http *t, const struct pasta_image *image, struct pasta_err *err)
{
    const int size = (int)t->settings->size;
    if (image->width == size && image->height == size)
        return PASTA_OK;
    return pasta_fail(err, PASTA_ERR_FAILED, "t2i '%s': expected an image of %d x %d pixels, found %d x %d; set t2i.size to one that the "
                      "service has", t->name, size, size, image->width, image->height);
}

/* One question; a reply without an image in it is PASTA_ERR_INPUT in `cause`, and *again. */
static pasta_status ask(struct t2i_http *t, const struct pasta_question *question, struct pasta_str *reply, struct pasta_image *out,
                        bool *again, struct pasta_err *cause)
{
    pasta_status status = pasta_service_ask(t->service, question, reply, cause);
    *again = false;
    if (status != PASTA_OK)
        return status;
    status = t2i_reply_image(reply->data, reply->length, t->dialect->form, out, cause);
    *again = status != PASTA_OK;
    return status;
}

static pasta_status draw(void *ctx, const char *prompt, uint64_t seed, struct pasta_image *out, struct pasta_err *err)
{
    struct t2i_http *t = ctx;
    struct pasta_str body = {0}, reply = {0};
    struct pasta_image image = {0};
    struct pasta_err first = {0}, second = {0};
    bool again;

    t->dialect->put_body(t->settings, prompt, (uint32_t)seed, &body);
    /* Even numbers are first questions, odd ones the same asked once more. */
    struct pasta_question question = {.kind = PASTA_SERVICE_IMAGE, .url = t->url, .authorization = t->authorization, .body = body.data,
                                      .expect = "application/json", .repeat = t->dialect->seeded ? 0 : (int)(seed & 0x3fffffff) * 2};
    struct pasta_question once_more = question;
    once_more.repeat++;
    pasta_status status = ask(t, &question, &reply, &image, &again, &first);
    if (again) {
        __atomic_add_fetch(&t->asked_again, 1, __ATOMIC_RELAXED);
        status = ask(t, &once_more, &reply, &image, &again, &second);
    }
    if (status == PASTA_OK)
        status = check_size(t, &image, err);
    else if (again)
        status = pasta_fail(err, PASTA_ERR_FAILED, "t2i '%s': asked twice: %s", t->name, second.message);
    else
        pasta_fail(err, status, "%s", second.status == PASTA_OK ? first.message : second.message);
    if (status == PASTA_OK) /* the good reply answers the first question, whichever brought it */
        status = pasta_service_keep(t->service, &question, &reply, err);
    if (status == PASTA_OK) {
        *out = image;
        __atomic_add_fetch(&t->images, 1, __ATOMIC_RELAXED);
    } else {
        pasta_image_release(&image);
    }
    pasta_str_release(&body);
    pasta_str_release(&reply);
    return status;
}

struct pasta_t2i t2i_http_backend(struct t2i_http *t)
{
    return (struct pasta_t2i){.ctx = t, .name = t->name, .size = (int)t->settings->size, .draw = draw};
}

void t2i_http_counts(const struct t2i_http *t, struct pasta_str *json)
{
    pasta_str_printf(json, "{\"images\":%lld,\"asked_again\":%lld}", (long long)t->images, (long long)t->asked_again);
}
