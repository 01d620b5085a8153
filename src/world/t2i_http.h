/* t2i_http.h: images by a service over HTTP: OpenAI's images, AUTOMATIC1111's and stable-diffusion.cpp's txt2img.
 *
 * An image's seed (53 bits) travels as its low 32 bits, which all of AUTOMATIC1111's samplers take. OpenAI's services take none: there the
 * seed tells the questions apart as their `repeat`, so that another seed is another picture and the same one the same, from the cache.
 * Sources: the APIs' own documents (stable-diffusion.cpp: examples/server/api.md, "Stable Diffusion WebUI API").
 */
#ifndef PASTA_SRC_WORLD_T2I_HTTP_H
#define PASTA_SRC_WORLD_T2I_HTTP_H
#include "pasta/io/service.h"
#include "pasta/world/backend.h"
#include "t2i_reply.h"

struct t2i_dialect {
    const char *kind, *path;       /* t2i.kind; what is asked below t2i.url */
    enum t2i_reply_form form;
    bool seeded;                   /* the body has the seed in it */
    void (*put_body)(const struct pasta_t2i_settings *settings, const char *prompt, uint32_t seed, struct pasta_str *out);
};
extern const struct t2i_dialect t2i_dialect_openai, t2i_dialect_automatic1111, t2i_dialect_sdcpp;

struct t2i_http;
/* The settings and the service stay the caller's, until t2i_http_close. */
struct t2i_http *t2i_http_open(const struct pasta_t2i_settings *settings, const struct t2i_dialect *dialect, struct pasta_service *service,
                               const char *url, const char *authorization);
void t2i_http_close(struct t2i_http *t); /* NULL is legal */
struct pasta_t2i t2i_http_backend(struct t2i_http *t); /* valid until then */
void t2i_http_counts(const struct t2i_http *t, struct pasta_str *json); /* appends one object */
#endif
