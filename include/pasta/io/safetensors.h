/* safetensors.h: the one binary tensor format of the project.
 *
 * Reading maps the file and validates it as the reference reader does: header of at most 100 MB that begins
 * with '{', no duplicate keys, shapes that do not overflow, offsets that leave no hole and no overlap, and a buffer that ends
 * where the file ends. Source: huggingface/safetensors, safetensors/src/tensor.rs.
 *
 *     struct pasta_safetensors *st;
 *     pasta_safetensors_open("model.safetensors", &st, &err);
 *     const struct pasta_st_tensor *w = pasta_safetensors_find(st, "weight");
 */
#ifndef PASTA_IO_SAFETENSORS_H
#define PASTA_IO_SAFETENSORS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pasta/base/err.h"
/* In the reference's order of alignment, which is the order of writing. Its C64, F8_E8M0, *FNUZ and packed F6 and F4 are refused. */
enum pasta_st_dtype {
    PASTA_ST_BOOL, PASTA_ST_U8, PASTA_ST_I8, PASTA_ST_F8_E5M2, PASTA_ST_F8_E4M3, PASTA_ST_I16, PASTA_ST_U16,
    PASTA_ST_F16, PASTA_ST_BF16, PASTA_ST_I32, PASTA_ST_U32, PASTA_ST_F32, PASTA_ST_F64, PASTA_ST_I64, PASTA_ST_U64,
};
enum { PASTA_ST_MAX_RANK = 8 };
struct pasta_st_tensor {
    const char *name;
    enum pasta_st_dtype dtype;
    int rank;
    int64_t shape[PASTA_ST_MAX_RANK];
    const void *data; /* little-endian, row-major, aligned to the dtype; borrowed: valid until the file's last holder closes it */
    size_t bytes;
};
struct pasta_safetensors; /* an open file */
pasta_status pasta_safetensors_open(const char *path, struct pasta_safetensors **out, struct pasta_err *err) PASTA_MUST_CHECK;
void pasta_safetensors_close(struct pasta_safetensors *st); /* by each holder; NULL is legal */
/* A further holder, of any thread: the file stays mapped until it, too, has closed it. The map is private: what is written to a tensor's
 * data never reaches the file. A file that another program shortens meanwhile ends this one with SIGBUS. */
struct pasta_safetensors *pasta_safetensors_hold(struct pasta_safetensors *st);
/* Gives back the memory of tensor data that was read, never written to, and is not wanted soon; it would be read from the file again. */
void pasta_safetensors_forget(const struct pasta_safetensors *st, const void *data, size_t bytes);
int pasta_safetensors_count(const struct pasta_safetensors *st);
const struct pasta_st_tensor *pasta_safetensors_at(const struct pasta_safetensors *st, int index); /* 0..count-1, in file order */
const struct pasta_st_tensor *pasta_safetensors_find(const struct pasta_safetensors *st, const char *name); /* or NULL */
const char *pasta_safetensors_meta(const struct pasta_safetensors *st, const char *key); /* or NULL */
const char *pasta_safetensors_path(const struct pasta_safetensors *st);
size_t pasta_st_dtype_size(enum pasta_st_dtype dtype);
const char *pasta_st_dtype_name(enum pasta_st_dtype dtype);
int64_t pasta_st_numel(const struct pasta_st_tensor *t);
/* Finds `name` and checks dtype and shape (rank entries; -1 = any): one message names file, tensor, expected, found. */
pasta_status pasta_safetensors_want(const struct pasta_safetensors *st, const char *name, enum pasta_st_dtype dtype,
                                    int rank, const int64_t *shape, const struct pasta_st_tensor **out,
                                    struct pasta_err *err) PASTA_MUST_CHECK;
/* Writes atomically, ordered by dtype alignment then name as the reference writer does. meta: n_meta key/value pairs;
 * {"format","pt"} is added when they have no "format". Same tensors, same bytes. */
pasta_status pasta_safetensors_write(const char *path, const struct pasta_st_tensor *tensors, int n,
                                     const char *const (*meta)[2], int n_meta, struct pasta_err *err) PASTA_MUST_CHECK;

/* A file whose tensors are known by shape and filled piece by piece, in memory that does not grow with them; a run that was killed goes on
 * with it. Until it is whole it is PATH.partial beside PATH; bytes put there count from the next mark on, also after a power cut.
 *
 *     pasta_st_partial_open(path, tensors, n, meta, n_meta, force, resume, &complete, &file, &done, &err);   // done: 0 at first
 *     pasta_st_partial_put(file, "scores", first, count, values, &err);
 *     pasta_st_partial_mark(file, first + count, &err);
 *     pasta_st_partial_commit(file, &err);
 *     pasta_st_partial_close(file);
 *
 * The header identifies the run: shapes, and `meta` with all that decides the bytes. */
struct pasta_st_partial;
/* Of tensors[i], data and bytes are not looked at. Without force or resume, a PATH or PATH.partial that is there is refused
 * (PASTA_ERR_USAGE, naming both flags); `force` begins anew, and PATH stays until commit replaces it; with `resume`, one whose header is
 * another is refused (PASTA_ERR_USAGE, naming what differs). The space is taken at once: a full disk shows here. *complete: PATH is
 * there and of this run; *out is NULL then. Else *done is what was marked last. A PATH.partial that another process has open is refused. */
pasta_status pasta_st_partial_open(const char *path, const struct pasta_st_tensor *tensors, int n, const char *const (*meta)[2], int n_meta,
                                   bool force, bool resume, bool *complete, struct pasta_st_partial **out, int64_t *done,
                                   struct pasta_err *err) PASTA_MUST_CHECK;
/* Rows first to first + count - 1 (of the first dimension) of tensor `name`. */
pasta_status pasta_st_partial_put(struct pasta_st_partial *file, const char *name, int64_t first, int64_t count, const void *rows,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
/* Everything put so far counts; `done` is the caller's own measure of it. */
pasta_status pasta_st_partial_mark(struct pasta_st_partial *file, int64_t done, struct pasta_err *err) PASTA_MUST_CHECK;
pasta_status pasta_st_partial_commit(struct pasta_st_partial *file, struct pasta_err *err) PASTA_MUST_CHECK; /* PATH appears, whole */
void pasta_st_partial_close(struct pasta_st_partial *file); /* uncommitted, PATH.partial stays; NULL is legal */
#endif
