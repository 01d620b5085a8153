/* backends.c: see backends.h. Keys come from the environment and go into headers, nowhere else. */
#include "pasta/world/backends.h"

#include <stdlib.h>
#include <string.h>

#include "library.h"
#include "lmm.h"
#include "pasta/base/base64.h"
#include "t2i_http.h"

static const struct t2i_dialect *const dialects[] = {&t2i_dialect_openai, &t2i_dialect_automatic1111, &t2i_dialect_sdcpp};

struct pasta_backends {
    struct pasta_sketch *sketch;
    struct library *library;       /* each NULL where nothing needs it */
    struct pasta_service *service;
    struct t2i_http *t2i_http;
    struct lmm *lmm;
    struct pasta_generator generator;
    struct pasta_t2i t2i;
};

static bool is(const char *kind, const char *name)
{
    return strcmp(kind, name) == 0;
}

static const struct t2i_dialect *dialect_of(const char *kind)
{
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++)
        if (is(kind, dialects[i]->kind))
            return dialects[i];
    return NULL;
}

/* --- what does not fit together ----------------------------------------------------------------------- */

static pasta_status check_t2i(const struct pasta_config *config, struct pasta_err *err)
{
    const struct pasta_t2i_settings *set = &config->t2i;
    const bool openai = is(set->kind, "openai"), service = dialect_of(set->kind) != NULL;
    const struct { const char *key; bool given, taken; } settings[] = {
        {"t2i.url", *set->url, service}, {"t2i.model", *set->model, service}, {"t2i.quality", *set->quality, openai},
        {"t2i.steps", set->steps > 0, service && !openai}, {"t2i.guidance", set->guidance > 0, service && !openai},
        {"t2i.sampler", *set->sampler, service && !openai}, {"t2i.negative_prompt", *set->negative_prompt, service && !openai}};

    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (settings[i].given && !settings[i].taken)
            return pasta_fail(err, PASTA_ERR_USAGE, "%s: not with t2i.kind=%s, which takes no such setting", settings[i].key, set->kind);
    if (service && !openai && !*set->url)
        return pasta_fail(err, PASTA_ERR_USAGE, "t2i.url: expected the address of the service (t2i.kind=%s), as http://127.0.0.1:7860",
                          set->kind);
    if (is(set->kind, "library") && !is(config->generator.kind, "library"))
        return pasta_fail(err, PASTA_ERR_USAGE, "t2i.kind=library: expected generator.kind=library with it, for it has images of its own "
                          "prompts alone, found generator.kind=%s", config->generator.kind);
    return PASTA_OK;
}

static pasta_status check(const struct pasta_config *config, struct pasta_err *err)
{
    const struct pasta_generator_settings *set = &config->generator;
    const bool needs_library = is(set->kind, "library") || is(config->t2i.kind, "library");

    if (is(set->kind, "openai") && !*set->model)
        return pasta_fail(err, PASTA_ERR_USAGE, "generator.model: expected the service's name of a language model (generator.kind=openai)");
    if (!is(set->kind, "openai") && (*set->url || *set->model))
        return pasta_fail(err, PASTA_ERR_USAGE, "%s: not with generator.kind=%s, which asks no service", *set->url ? "generator.url" :
                          "generator.model", set->kind);
    if (needs_library && !*config->library)
        return pasta_fail(err, PASTA_ERR_USAGE, "library: expected the index of an image library (%s.kind=library)",
                          is(set->kind, "library") ? "generator" : "t2i");
    if (!needs_library && *config->library)
        return pasta_fail(err, PASTA_ERR_USAGE, "library: expected generator.kind=library or t2i.kind=library with it");
    return check_t2i(config, err);
}

/* The address without a slash at its end, in *out, which the caller frees. What stands in it is printed and kept: it must hold no key. */
static pasta_status address(const char *key, const char *url, bool openai, char **out, struct pasta_err *err)
{
    const char *base = getenv("OPENAI_BASE_URL"), *source = key;
    if (!*url && openai) {
        url = base && *base ? base : "https://api.openai.com/v1";
        source = base && *base ? "OPENAI_BASE_URL" : key;
    }
    const char *host = strstr(url, "://");
    host = host ? host + 3 : "";
    if ((!pasta_starts_with(url, "http://") && !pasta_starts_with(url, "https://")) || !*host)
        return pasta_fail(err, PASTA_ERR_USAGE, "%s: expected http://... or https://..., found \"%.200s\"", source, url);
    if (memchr(host, '@', strcspn(host, "/?#")) || strpbrk(host, "?#"))
        return pasta_fail(err, PASTA_ERR_USAGE, "%s: expected an address without a name, a key or a query in it: keys are read from "
                          "OPENAI_API_KEY and PASTA_T2I_AUTH", source);
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        n--;
    *out = pasta_strndup(url, n);
    return PASTA_OK;
}

/* The header's value; NULL: none. The caller frees. */
static char *bearer(void)
{
    const char *key = getenv("OPENAI_API_KEY");
    return key && *key ? pasta_asprintf("Bearer %s", key) : NULL;
}

static char *basic(void)
{
    const char *pair = getenv("PASTA_T2I_AUTH");
    struct pasta_str value = {0};
    if (!pair || !*pair)
        return NULL;
    pasta_str_add(&value, "Basic ");
    pasta_base64_put(&value, pair, strlen(pair));
    return pasta_str_take(&value);
}

/* --- opening ------------------------------------------------------------------------------------------ */

static pasta_status open_t2i(struct pasta_backends *b, const struct pasta_config *config, struct pasta_err *err)
{
    const struct t2i_dialect *dialect = dialect_of(config->t2i.kind);
    char *url, *key;

    if (!dialect) {
        b->t2i = is(config->t2i.kind, "library") ? library_t2i(b->library) : pasta_sketch_t2i(b->sketch);
        return PASTA_OK;
    }
    const pasta_status status = address("t2i.url", config->t2i.url, dialect == &t2i_dialect_openai, &url, err);
    if (status != PASTA_OK)
        return status;
    key = dialect == &t2i_dialect_openai ? bearer() : basic();
    b->t2i_http = t2i_http_open(&config->t2i, dialect, b->service, url, key);
    b->t2i = t2i_http_backend(b->t2i_http);
    free(url);
    free(key);
    return PASTA_OK;
}

static pasta_status open_generator(struct pasta_backends *b, const struct pasta_config *config, struct pasta_err *err)
{
    char *url, *key;

    if (!is(config->generator.kind, "openai")) {
        b->generator = is(config->generator.kind, "library") ? library_generator(b->library) : pasta_sketch_generator(b->sketch);
        return PASTA_OK;
    }
    pasta_status status = address("generator.url", config->generator.url, true, &url, err);
    if (status != PASTA_OK)
        return status;
    key = bearer();
    status = lmm_open(config, b->service, url, key, b->t2i, &b->lmm, err);
    if (status == PASTA_OK)
        b->generator = lmm_generator(b->lmm);
    free(url);
    free(key);
    return status;
}

pasta_status pasta_backends_open(const struct pasta_config *config, const struct pasta_service_files *files, struct pasta_backends **out,
                                 struct pasta_err *err)
{
    struct pasta_backends *b = pasta_calloc(1, sizeof *b);
    const bool service = is(config->generator.kind, "openai") || dialect_of(config->t2i.kind) != NULL;

    pasta_status status = check(config, err);
    if (status == PASTA_OK)
        status = pasta_sketch_open(&config->world, &config->agent, &b->sketch, err);
    if (status == PASTA_OK && *config->library)
        status = library_open(config->library, &b->library, err);
    if (status == PASTA_OK && service)
        status = pasta_service_open(&config->http, files, &b->service, err);
    if (status == PASTA_OK)
        status = open_t2i(b, config, err);
    if (status == PASTA_OK)
        status = open_generator(b, config, err);
    if (status == PASTA_OK)
        *out = b;
    else
        pasta_backends_close(b);
    return status;
}

void pasta_backends_close(struct pasta_backends *b)
{
    if (!b)
        return;
    lmm_close(b->lmm);
    t2i_http_close(b->t2i_http);
    pasta_service_free(b->service);
    library_close(b->library);
    pasta_sketch_close(b->sketch);
    free(b);
}

/* As many ready images of each candidate as a column shows, where they have to be ready. */
static pasta_status check_images(const struct pasta_t2i *t2i, const struct pasta_candidate *candidates, int n, int images, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (int i = 0; t2i->ready && i < n && status == PASTA_OK; i++) {
        int found = 0;
        status = t2i->ready(t2i->ctx, candidates[i].prompt, &found, err);
        if (status == PASTA_OK && found < images)
            status = pasta_fail(err, PASTA_ERR_INPUT, "library: expected %d images of the prompt \"%.200s\" (agent.images), found %d", images,
                                candidates[i].prompt, found);
    }
    return status;
}

pasta_status pasta_backends_check(const struct pasta_backends *b, const char *const *prompts, size_t n, const struct pasta_agent_settings *agent,
                                  struct pasta_err *err)
{
    const struct pasta_generator generator = pasta_backends_generator(b);
    const struct pasta_t2i t2i = pasta_backends_t2i(b);
    pasta_status status = b->library ? library_find_files(b->library, err) : PASTA_OK;
    for (size_t i = 0; b->library && i < n && status == PASTA_OK; i++) {
        const struct pasta_session blank = {.initial_prompt = prompts[i], .user_type = -1};
        struct pasta_arena arena = {0};
        struct pasta_candidate *candidates = pasta_arena_alloc(&arena, (size_t)agent->candidates * sizeof *candidates);
        status = generator.candidates(generator.ctx, &blank, 0, 0, (int)agent->candidates, &arena, candidates, err);
        if (status == PASTA_OK)
            status = check_images(&t2i, candidates, (int)agent->candidates, (int)agent->images, err);
        pasta_arena_release(&arena);
    }
    return status;
}

struct pasta_generator pasta_backends_generator(const struct pasta_backends *b)
{
    return b->generator;
}

struct pasta_t2i pasta_backends_t2i(const struct pasta_backends *b)
{
    return b->t2i;
}

struct pasta_sketch *pasta_backends_sketch(const struct pasta_backends *b)
{
    return b->sketch;
}

void pasta_backends_counts(const struct pasta_backends *b, struct pasta_str *json)
{
    if (!b->service)
        return;
    const struct pasta_service_counts c = pasta_service_counts(b->service);
    pasta_str_printf(json, "{\"asked\":%lld,\"attempts\":%lld,\"from_cassette\":%lld,\"from_cache\":%lld,\"limited\":%lld,\"retried\":%lld",
                     (long long)c.asked, (long long)c.attempts, (long long)c.from_cassette, (long long)c.from_cache, (long long)c.limited,
                     (long long)c.retried);
    if (b->lmm) {
        pasta_str_add(json, ",\"generator\":");
        lmm_counts(b->lmm, json);
    }
    if (b->t2i_http) {
        pasta_str_add(json, ",\"t2i\":");
        t2i_http_counts(b->t2i_http, json);
    }
    pasta_str_addc(json, '}');
}

pasta_status pasta_backends_finish(struct pasta_backends *b, struct pasta_err *err)
{
    return b->service ? pasta_service_finish(b->service, err) : PASTA_OK;
}
