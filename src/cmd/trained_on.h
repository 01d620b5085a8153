/* trained_on.h: whom and what a user model was trained on, so that an evaluation can leave them out.
 *
 * A run folder of pasta-train-user-model names its people in responsibilities.jsonl (`user_id`, `held_out`) and its prompts in
 * trained_prompts.jsonl; its manifest has the hash of each side.
 */
#ifndef PASTA_CMD_TRAINED_ON_H
#define PASTA_CMD_TRAINED_ON_H
#include "pasta/io/id_set.h"
#include "pasta/io/manifest.h"

struct pasta_user_data;
#define TRAINED_PEOPLE "responsibilities.jsonl"
#define TRAINED_PROMPTS "trained_prompts.jsonl"

/* Writes DIR/trained_prompts.jsonl and enters it and the hashes of the split's sides into the manifest. */
pasta_status trained_on_write(const char *dir, const struct pasta_user_data *data, struct pasta_manifest *manifest,
                              struct pasta_err *err) PASTA_MUST_CHECK;
/* Adds the people and prompts that the model in DIR was trained on, and sorts. *known is false, and nothing is added, where the folder does
 * not say. */
pasta_status trained_on_read(const char *dir, struct pasta_id_set *people, struct pasta_id_set *prompts, bool *known,
                             struct pasta_err *err) PASTA_MUST_CHECK;
#endif
