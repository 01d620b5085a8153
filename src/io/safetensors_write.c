#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/str.h"
#include "pasta/io/file.h"
#include "safetensors_header.h"

static int by_alignment_then_name(const void *a, const void *b)
{
    const struct pasta_st_tensor *x = *(const struct pasta_st_tensor *const *)a, *y = *(const struct pasta_st_tensor *const *)b;
    if (x->dtype != y->dtype)
        return x->dtype > y->dtype ? -1 : 1; /* the enum is in order of alignment */
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct pasta_st_tensor *const *)a)->name, (*(const struct pasta_st_tensor *const *)b)->name);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Everything that the reader would refuse in the file. */
static pasta_status check(const char *path, const struct pasta_st_tensor **tensors, int n, struct pasta_err *err)
{
    qsort(tensors, (size_t)n, sizeof *tensors, by_name);
    for (int i = 0; i < n; i++) {
        const struct pasta_st_tensor *t = tensors[i];
        if (strcmp(t->name, "__metadata__") == 0 || (i && strcmp(t->name, tensors[i - 1]->name) == 0))
            return pasta_fail(err, PASTA_ERR_FAILED, "cannot write '%s': tensor name '%s' is %s", path, t->name,
                              i && strcmp(t->name, tensors[i - 1]->name) == 0 ? "given twice" : "reserved");
        uint64_t bytes = (uint64_t)pasta_st_numel(t) * pasta_st_dtype_size(t->dtype);
        if (bytes != t->bytes)
            return pasta_fail(err, PASTA_ERR_FAILED, "cannot write '%s': tensor '%s': expected %llu bytes for its shape, found %zu", path,
                              t->name, (unsigned long long)bytes, t->bytes);
    }
    return PASTA_OK;
}

static void put_metadata(struct pasta_str *header, const char *const (*meta)[2], int n_meta)
{
    const char *(*pairs)[2] = pasta_calloc((size_t)n_meta + 1, sizeof *pairs);
    int n = 0;
    bool format = false;
    for (int i = 0; i < n_meta; i++, n++) {
        pairs[n][0] = meta[i][0];
        pairs[n][1] = meta[i][1];
        format = format || strcmp(meta[i][0], "format") == 0;
    }
    if (!format) { /* transformers refuses a file that does not say it */
        pairs[n][0] = "format";
        pairs[n++][1] = "pt";
    }
    qsort(pairs, (size_t)n, sizeof *pairs, by_key);
    pasta_str_add(header, "{\"__metadata__\":{");
    for (int i = 0; i < n; i++) {
        if (i)
            pasta_str_addc(header, ',');
        pasta_json_put_str(header, pairs[i][0]);
        pasta_str_addc(header, ':');
        pasta_json_put_str(header, pairs[i][1]);
    }
    pasta_str_addc(header, '}');
    free(pairs);
}

static void put_entry(struct pasta_str *header, const struct pasta_st_tensor *t, uint64_t offset)
{
    pasta_str_addc(header, ',');
    pasta_json_put_str(header, t->name);
    pasta_str_printf(header, ":{\"dtype\":\"%s\",\"shape\":[", pasta_st_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++)
        pasta_str_printf(header, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    pasta_str_printf(header, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)offset, (unsigned long long)(offset + t->bytes));
}

pasta_status safetensors_header(const char *path, const struct pasta_st_tensor **tensors, int n, const char *const (*meta)[2], int n_meta,
                                struct pasta_str *out, struct pasta_err *err)
{
    struct pasta_str header = {0};
    const pasta_status status = check(path, tensors, n, err);
    if (status != PASTA_OK)
        return status;
    qsort(tensors, (size_t)n, sizeof *tensors, by_alignment_then_name);
    put_metadata(&header, meta, n_meta);
    uint64_t offset = 0;
    for (int i = 0; i < n; i++) {
        put_entry(&header, tensors[i], offset);
        offset += tensors[i]->bytes;
    }
    pasta_str_addc(&header, '}');
    while (header.length % 8) /* so that the data begin aligned */
        pasta_str_addc(&header, ' ');
    const uint64_t length = header.length;
    pasta_str_addn(out, &length, sizeof length);
    pasta_str_addn(out, header.data, header.length);
    pasta_str_release(&header);
    return PASTA_OK;
}

pasta_status pasta_safetensors_write(const char *path, const struct pasta_st_tensor *tensors, int n, const char *const (*meta)[2],
                                     int n_meta, struct pasta_err *err)
{
    const struct pasta_st_tensor **order = pasta_calloc((size_t)n, sizeof *order);
    struct pasta_str header = {0};
    struct pasta_out out = {0};
    for (int i = 0; i < n; i++)
        order[i] = &tensors[i];
    pasta_status status = safetensors_header(path, order, n, meta, n_meta, &header, err);
    if (status == PASTA_OK)
        status = pasta_out_open(&out, path, err);
    if (status == PASTA_OK)
        status = pasta_out_write(&out, header.data, header.length, err);
    for (int i = 0; i < n && status == PASTA_OK; i++)
        if (order[i]->bytes)
            status = pasta_out_write(&out, order[i]->data, order[i]->bytes, err);
    if (status == PASTA_OK)
        status = pasta_out_commit(&out, err);
    pasta_out_abort(&out);
    pasta_str_release(&header);
    free(order);
    return status;
}
