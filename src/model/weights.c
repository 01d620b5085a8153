/* weights.c: tensors from the weight files of a model folder; parameters as one safetensors file. */
#include "pasta/model/weights.h"
#include <string.h>
#include "tensor_file.h"
#include "weight_files.h"

enum { SLICE = 1 << 22 }; /* bytes converted at a time */

static void release_file(void *file)
{
    pasta_safetensors_close(file);
}

/* In another dtype or on another device, a slice at a time, so that no more than a slice is in memory twice. t: the part that is wanted. */
static pt converted(const struct pasta_safetensors *file, const struct pasta_st_tensor *t, pt_dtype stored, pt_dtype dtype,
                    const char *device)
{
    pt from = tensor_file_borrow(t, stored);
    if (t->rank == 0 || t->bytes == 0)
        return pt_to_device(pt_to_dtype(from, dtype), device);
    pt whole = pt_to_device(pt_zeros(dtype, t->rank, t->shape), device);
    const int64_t row = (int64_t)t->bytes / t->shape[0], slice = row < SLICE ? SLICE / row : 1;
    for (int64_t i = 0; i < t->shape[0] && !pt_failed(); i += slice) {
        const int64_t n = t->shape[0] - i < slice ? t->shape[0] - i : slice;
        pt_set(pt_narrow(whole, 0, i, n), pt_narrow(from, 0, i, n));
        pasta_safetensors_forget(file, (const char *)t->data + i * row, (size_t)(n * row));
    }
    return whole;
}

pasta_status pasta_weights_load_part(struct pasta_weights *w, const char *name, int part, int parts, const char *as, int rank,
                                     const int64_t *shape, pt_dtype dtype, const char *device, struct pasta_params *params,
                                     struct pasta_err *err)
{
    struct pasta_safetensors *file = NULL;
    const struct pasta_st_tensor *found = weight_files_find(w, name, &file);
    struct pasta_st_tensor t = {.rank = rank};
    for (int i = 0; i < rank; i++)
        t.shape[i] = shape[i];
    if (parts > 1)
        t.shape[0] *= parts;
    pasta_status status = tensor_file_check(weight_files_where(w, file), name, found, rank, t.shape, err);
    if (status != PASTA_OK)
        return status;
    pt_dtype stored;
    if (!tensor_file_dtype(found->dtype, &stored) || tensor_file_floating(stored) != tensor_file_floating(dtype))
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': tensor '%s': expected a dtype that converts to %s, found %s",
                          weight_files_where(w, file), name, pt_dtype_name(dtype), pasta_st_dtype_name(found->dtype));
    t = *found;
    if (parts > 1) {
        t.shape[0] /= parts;
        t.bytes /= (size_t)parts;
        t.data = (const char *)t.data + (size_t)part * t.bytes;
    }
    pt_scope_open();
    const bool recording = pt_grad_enable(false), in_place = stored == dtype && strcmp(device, "cpu") == 0;
    pt value = pt_keep(in_place ? pt_borrow_held(t.data, stored, rank, t.shape, release_file, pasta_safetensors_hold(file))
                                : converted(file, &t, stored, dtype, device));
    pt_grad_enable(recording);
    status = pt_scope_close(err);
    if (status == PASTA_OK)
        pasta_params_add(params, as, value);
    else
        pt_free(value);
    return status;
}

pasta_status pasta_weights_load(struct pasta_weights *w, const char *name, const char *as, int rank, const int64_t *shape,
                                pt_dtype dtype, const char *device, struct pasta_params *params, struct pasta_err *err)
{
    return pasta_weights_load_part(w, name, 0, 1, as, rank, shape, dtype, device, params, err);
}

pasta_status pasta_params_save(const struct pasta_params *params, const char *path, pt_dtype dtype, struct pasta_err *err)
{
    struct tensor_list list = {0};
    tensor_list_add(&list, "", params);
    const pasta_status status = tensor_list_write(&list, path, &dtype, NULL, 0, err);
    tensor_list_release(&list);
    return status;
}
