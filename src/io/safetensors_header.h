/* safetensors_header.h: the beginning of a safetensors file, for whoever writes one. */
#ifndef PASTA_SRC_IO_SAFETENSORS_HEADER_H
#define PASTA_SRC_IO_SAFETENSORS_HEADER_H
#include "pasta/base/str.h"
#include "pasta/io/safetensors.h"
/* Sorts `tensors` into the order of writing and makes the 8 bytes of length and the header that stand before their data; of each, name,
 * dtype, rank, shape and bytes are looked at. What the reader would refuse, and a wrong number of bytes, is PASTA_ERR_FAILED naming
 * `path`. meta as in pasta_safetensors_write. */
pasta_status safetensors_header(const char *path, const struct pasta_st_tensor **tensors, int n, const char *const (*meta)[2], int n_meta,
                                struct pasta_str *out, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
