/* backends.h: the generator and the text-to-image model that the configuration names.
 *
 *     struct pasta_backends *b;
 *     pasta_backends_open(&config, &(struct pasta_service_files){.cache = cache}, &b, &err);
 *     rollout.generator = pasta_backends_generator(b);
 *     rollout.t2i = pasta_backends_t2i(b);
 *     pasta_backends_finish(b, &err);      // the cassette is whole
 *     pasta_backends_close(b);
 */
#ifndef PASTA_WORLD_BACKENDS_H
#define PASTA_WORLD_BACKENDS_H
#include "pasta/io/service.h"
#include "pasta/world/backend.h"
#include "pasta/world/sketch.h"

struct pasta_backends; /* safe from several threads */
/* PASTA_ERR_USAGE for settings that do not fit together or are missing (a model, a URL); PASTA_ERR_INPUT for a template or library that is
 * broken. No request is made. */
pasta_status pasta_backends_open(const struct pasta_config *config, const struct pasta_service_files *files, struct pasta_backends **out,
                                 struct pasta_err *err) PASTA_MUST_CHECK;
/* Whether a library has what sessions from these prompts start with: candidates of every category, and for each as many images as a column
 * shows. PASTA_ERR_INPUT names the prompt that lacks something. Nothing is asked of a service. */
pasta_status pasta_backends_check(const struct pasta_backends *b, const char *const *prompts, size_t n, const struct pasta_agent_settings *agent,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
struct pasta_generator pasta_backends_generator(const struct pasta_backends *b); /* valid until close, as is the next */
struct pasta_t2i pasta_backends_t2i(const struct pasta_backends *b);
struct pasta_sketch *pasta_backends_sketch(const struct pasta_backends *b); /* always there: its raters judge what it would draw */
/* Does anything come from outside: requests, hits, refused and repaired replies? One JSON object, for summary and manifest; NULL text: nothing. */
void pasta_backends_counts(const struct pasta_backends *b, struct pasta_str *json);
pasta_status pasta_backends_finish(struct pasta_backends *b, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_backends_close(struct pasta_backends *b); /* NULL is legal */
#endif
