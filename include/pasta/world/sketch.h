/* sketch.h: the embedded default, a small world that draws real images from any English prompt and in which people with hidden tastes
 * look at them.
 *
 * lexicon -> attributes of a prompt -> attributes of one image (prompt + image seed) -> drawing; raters judge the drawn attributes.
 */
#ifndef PASTA_WORLD_SKETCH_H
#define PASTA_WORLD_SKETCH_H
#include "pasta/base/config.h"
#include "pasta/world/backend.h"

struct pasta_sketch; /* lexicon and settings; read-only after opening, safe from several threads */
pasta_status pasta_sketch_open(const struct pasta_world_settings *settings, const struct pasta_agent_settings *agent,
                               struct pasta_sketch **out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_sketch_close(struct pasta_sketch *s);

struct pasta_generator pasta_sketch_generator(struct pasta_sketch *s);
struct pasta_t2i pasta_sketch_t2i(struct pasta_sketch *s);
struct pasta_rater pasta_sketch_rater(struct pasta_sketch *s);

/* --- the truth, for evaluate and for the records of single-turn data only --- */
int pasta_sketch_types(const struct pasta_sketch *s);
int pasta_sketch_type_of(const struct pasta_sketch *s, uint64_t seed, uint32_t person);
/* True utility (before noise) of one image of `prompt` for a person. */
double pasta_sketch_utility(const struct pasta_sketch *s, uint64_t seed, uint32_t person, const char *initial_prompt, const char *prompt,
                            uint64_t image_seed);
/* Expected utility of a candidate prompt for a person, over image seeds (a fixed number of draws): the oracle's score. */
double pasta_sketch_expected_utility(const struct pasta_sketch *s, uint64_t seed, uint32_t person, const char *initial_prompt,
                                     const char *prompt);
/* The person's single-turn answers. */
double pasta_sketch_prefer(const struct pasta_sketch *s, uint64_t seed, uint32_t person, uint32_t item, const char *prompt,
                           const char *const prompts[2], const uint64_t image_seeds[2]); /* label 1, 0 or 0.5 */
double pasta_sketch_rate(const struct pasta_sketch *s, uint64_t seed, uint32_t person, uint32_t item, const char *prompt,
                         uint64_t image_seed); /* 1..10 */
/* Name of the subject group and style drawn in an image, for probes: static strings of the lexicon. */
void pasta_sketch_labels(const struct pasta_sketch *s, const char *prompt, uint64_t image_seed, const char **subject_group,
                         const char **style);
/* The i-th prompt of the training captions (subject, style, ... combined at random), for the encoder and the tokenizer; written into
 * `out`. */
void pasta_sketch_caption(const struct pasta_sketch *s, uint64_t seed, uint32_t i, struct pasta_str *out);
#endif
