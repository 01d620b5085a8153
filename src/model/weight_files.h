/* weight_files.h: a tensor's place in the weight files of a model folder. */
#ifndef PASTA_SRC_WEIGHT_FILES_H
#define PASTA_SRC_WEIGHT_FILES_H
#include "pasta/io/safetensors.h"
#include "pasta/model/weights.h"

/* The tensor and its file; NULL, and *file stays, where there is none. */
const struct pasta_st_tensor *weight_files_find(const struct pasta_weights *w, const char *name, struct pasta_safetensors **file);
/* What an error names: the file, or where it is NULL, what would have named it: the folder's one file, or its index. */
const char *weight_files_where(const struct pasta_weights *w, const struct pasta_safetensors *file);
#endif
