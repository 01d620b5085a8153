/* folder_hash.h: the identity of a model folder. */
#ifndef PASTA_SRC_MODEL_FOLDER_HASH_H
#define PASTA_SRC_MODEL_FOLDER_HASH_H
#include "pasta/base/err.h"
/* SHA-256 over the digest of the weights and those of the other files that have a say in what the model computes: names, NULL-terminated;
 * a file that is not there is left out. */
pasta_status model_folder_hash(const char *dir, const char *weights_hash, const char *const *names, char hash[65],
                               struct pasta_err *err) PASTA_MUST_CHECK;
#endif
