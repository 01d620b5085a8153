/* services.h: what commands that play sessions have in common where candidates or images come from services or from a library: two flags,
 * where replies are kept, and what the run's settings, manifest and summary say of it.
 *
 * Replies are kept in http.cache, or in OUT/cache. --force leaves them there, for they were paid for: a run that is made again from them is
 * the same run. Whoever wants others takes another seed, or removes the folder.
 */
#ifndef PASTA_CMD_SERVICES_H
#define PASTA_CMD_SERVICES_H
#include "pasta/base/options.h"
#include "pasta/io/manifest.h"
#include "pasta/world/backends.h"
#include "run_stamp.h"

struct services {
    const char *record, *replay; /* cassettes: the flags' values */
};
extern struct services services;
/* Rows of an option table. */
#define SERVICES_RECORD \
    {"record", PASTA_OPT_STRING, &services.record, "FILE", "keep what services replied in this cassette, for --replay", NULL}
#define SERVICES_REPLAY \
    {"replay", PASTA_OPT_STRING, &services.replay, "FILE", "take services' replies from this cassette: nothing goes over the network", NULL}

/* Are candidates, images, either of them asked for over HTTP? */
bool services_chat(const struct pasta_config *config);
bool services_images(const struct pasta_config *config);
bool services_used(const struct pasta_config *config);
/* Opens the back ends that the configuration names, without a file: to check the settings, and for what needs no reply. PASTA_ERR_USAGE for
 * a cassette without a service. */
pasta_status services_open(const struct pasta_context *context, struct pasta_backends **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Once the run's folder is ours: opens them anew with cache and cassettes, in place of *b. What was taken from *b is to be taken again. */
pasta_status services_begin(const struct pasta_context *context, struct pasta_backends **b, struct pasta_err *err) PASTA_MUST_CHECK;
/* PASTA_ERR_USAGE where sketch raters would judge images that are not the sketch world's: they see what it would draw, whatever is shown.
 */
pasta_status services_check_sketch_raters(const struct pasta_config *config, struct pasta_err *err) PASTA_MUST_CHECK;

enum { SERVICES_INPUTS = 3 };
/* The template, the library's index and the cassette, known by their bytes. */
void services_stamp(const struct pasta_config *config, struct pasta_stamp_input out[SERVICES_INPUTS]);
/* A note "services" with the counts of this process. */
void services_note(const struct pasta_backends *b, struct pasta_manifest *manifest);
/* What the finished run's manifest notes of its services, appended: a line to read, or, within an object, ,"services":{...}. Nothing where
 * there were none. */
pasta_status services_report(const char *dir, bool json, struct pasta_str *out, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
