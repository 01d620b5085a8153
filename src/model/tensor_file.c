/* tensor_file.c: see tensor_file.h. */
#include "tensor_file.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pasta/base/mem.h"

/* --- dtypes and shapes --- */

static const struct { enum pasta_st_dtype st; pt_dtype pt; } dtype_pairs[] = {
    {PASTA_ST_F32, PT_F32}, {PASTA_ST_F64, PT_F64}, {PASTA_ST_F16, PT_F16}, {PASTA_ST_BF16, PT_BF16},
    {PASTA_ST_I64, PT_I64}, {PASTA_ST_I32, PT_I32}, {PASTA_ST_U8, PT_U8},   {PASTA_ST_BOOL, PT_BOOL},
};
enum { N_DTYPE_PAIRS = sizeof dtype_pairs / sizeof *dtype_pairs };

bool tensor_file_dtype(enum pasta_st_dtype stored, pt_dtype *out)
{
    for (int i = 0; i < N_DTYPE_PAIRS; i++)
        if (dtype_pairs[i].st == stored) {
            *out = dtype_pairs[i].pt;
            return true;
        }
    return false;
}

static enum pasta_st_dtype dtype_to_st(pt_dtype dtype)
{
    for (int i = 0; i < N_DTYPE_PAIRS; i++)
        if (dtype_pairs[i].pt == dtype)
            return dtype_pairs[i].st;
    assert(!"every dtype of pt.h is in the table");
    return PASTA_ST_F32;
}

bool tensor_file_floating(pt_dtype dtype)
{
    return dtype == PT_F32 || dtype == PT_F64 || dtype == PT_F16 || dtype == PT_BF16;
}

pt tensor_file_borrow(const struct pasta_st_tensor *t, pt_dtype dtype)
{
    return pt_borrow(t->data, dtype, t->rank, t->shape);
}

struct shape_text { char text[180]; };
static struct shape_text shape_print(int rank, const int64_t *shape)
{
    struct shape_text s = {"["};
    size_t n = 1;
    for (int i = 0; i < rank; i++)
        n += (size_t)snprintf(s.text + n, sizeof s.text - n, i ? ",%" PRId64 : "%" PRId64, shape[i]);
    snprintf(s.text + n, sizeof s.text - n, "]");
    return s;
}

pasta_status tensor_file_check(const char *where, const char *name, const struct pasta_st_tensor *found, int rank, const int64_t *shape,
                               struct pasta_err *err)
{
    if (!found)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected shape %s, found no such tensor", where, name,
                          shape_print(rank, shape).text);
    if (found->rank != rank || (rank > 0 && memcmp(found->shape, shape, (size_t)rank * sizeof *shape) != 0))
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected shape %s, found %s", where, name,
                          shape_print(rank, shape).text, shape_print(found->rank, found->shape).text);
    return PASTA_OK;
}

/* --- named tensors in one file --- */

void tensor_list_add(struct tensor_list *list, const char *prefix, const struct pasta_params *params)
{
    for (int i = 0; i < params->n; i++) {
        const char *name = params->items[i].name;
        PASTA_GROW(list->items, (size_t)list->n + 1, list->capacity);
        list->items[list->n++] = (struct tensor_item){*prefix ? pasta_asprintf("%s/%s", prefix, name) : pasta_strdup(name),
                                                      params->items[i].tensor};
    }
}

void tensor_list_release(struct tensor_list *list)
{
    for (int i = 0; i < list->n; i++)
        free(list->items[i].name);
    free(list->items);
}

pasta_status tensor_list_write(const struct tensor_list *list, const char *path, const pt_dtype *dtype, const char *const (*meta)[2],
                               int n_meta, struct pasta_err *err)
{
    struct pasta_st_tensor *out = pasta_calloc((size_t)list->n, sizeof *out);
    pt_scope_open();
    for (int i = 0; i < list->n; i++) {
        pt t = pt_detach(list->items[i].tensor);
        if (dtype && tensor_file_floating(pt_dtype_of(t)))
            t = pt_to_dtype(t, *dtype);
        t = pt_contiguous(pt_to_device(t, "cpu"));
        out[i] = (struct pasta_st_tensor){.name = list->items[i].name, .dtype = dtype_to_st(pt_dtype_of(t)), .rank = pt_rank(t)};
        for (int d = 0; d < out[i].rank; d++)
            out[i].shape[d] = pt_size(t, d);
        out[i].data = pt_data(t);
        out[i].bytes = (size_t)(pt_numel(t) * pt_dtype_size(pt_dtype_of(t)));
    }
    pasta_status status = PASTA_OK;
    if (!pt_failed())
        status = pasta_safetensors_write(path, out, list->n, meta, n_meta, err);
    const pasta_status tensors = pt_scope_close(err);
    free(out);
    return tensors != PASTA_OK ? tensors : status;
}

/* Checks one item against the file. */
static pasta_status item_check(const struct tensor_item *item, const struct pasta_safetensors *file, struct pasta_err *err)
{
    int64_t shape[PASTA_ST_MAX_RANK];
    const int rank = pt_rank(item->tensor);
    assert(rank <= PASTA_ST_MAX_RANK);
    for (int d = 0; d < rank; d++)
        shape[d] = pt_size(item->tensor, d);
    const pt_dtype want = pt_dtype_of(item->tensor);
    const char *path = pasta_safetensors_path(file);
    const struct pasta_st_tensor *t = pasta_safetensors_find(file, item->name);
    const pasta_status status = tensor_file_check(path, item->name, t, rank, shape, err);
    if (status != PASTA_OK)
        return status;
    pt_dtype stored;
    if (!tensor_file_dtype(t->dtype, &stored) || stored != want)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected %s, found %s", path, item->name, pt_dtype_name(want),
                          pasta_st_dtype_name(t->dtype));
    return PASTA_OK;
}

pasta_status tensor_list_read(const struct tensor_list *list, const struct pasta_safetensors *file, struct pasta_err *err)
{
    for (int i = 0; i < list->n; i++) {
        const pasta_status status = item_check(&list->items[i], file, err);
        if (status != PASTA_OK)
            return status;
    }
    if (pasta_safetensors_count(file) != list->n)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected %d tensors, found %d: was it made with other settings?",
                          pasta_safetensors_path(file), list->n, pasta_safetensors_count(file));
    pt_scope_open();
    for (int i = 0; i < list->n; i++) {
        const struct pasta_st_tensor *t = pasta_safetensors_find(file, list->items[i].name);
        pt_dtype stored;
        if (tensor_file_dtype(t->dtype, &stored))
            pt_set(list->items[i].tensor, tensor_file_borrow(t, stored));
    }
    return pt_scope_close(err);
}
