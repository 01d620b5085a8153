/* tensor_file.h: tensors in safetensors files: what weights, files of parameters and checkpoints have in common. */
#ifndef PASTA_SRC_TENSOR_FILE_H
#define PASTA_SRC_TENSOR_FILE_H
#include "pasta/io/safetensors.h"
#include "pasta/tensor/params.h"

bool tensor_file_dtype(enum pasta_st_dtype stored, pt_dtype *out); /* false: pt.h has no such dtype */
bool tensor_file_floating(pt_dtype dtype);
/* A view of the file's bytes; it lives as long as the file is open. */
pt tensor_file_borrow(const struct pasta_st_tensor *t, pt_dtype dtype);
/* PASTA_ERR_INPUT naming `where`, the tensor and both shapes unless `found` (NULL: there is none) has the shape wanted. */
pasta_status tensor_file_check(const char *where, const char *name, const struct pasta_st_tensor *found, int rank, const int64_t *shape,
                               struct pasta_err *err) PASTA_MUST_CHECK;

/* Named tensors that stand, or are to stand, in one file. The names are owned, the tensors are borrowed. */
struct tensor_item { char *name; pt tensor; };
struct tensor_list { struct tensor_item *items; int n; size_t capacity; };
/* As PREFIX/NAME, or NAME where prefix is "". */
void tensor_list_add(struct tensor_list *list, const char *prefix, const struct pasta_params *params);
void tensor_list_release(struct tensor_list *list);
/* Floating-point tensors are written as *dtype, or as they are when it is NULL. */
pasta_status tensor_list_write(const struct tensor_list *list, const char *path, const pt_dtype *dtype, const char *const (*meta)[2],
                               int n_meta, struct pasta_err *err) PASTA_MUST_CHECK;
/* Overwrites the tensors' values from a file with exactly the same names, dtypes and shapes; nothing is changed unless everything
 * fits. */
pasta_status tensor_list_read(const struct tensor_list *list, const struct pasta_safetensors *file, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
