/* fuzz_safetensors.c: any bytes as a safetensors file; what is accepted is read through every accessor, to the last byte. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <string.h>
#include "pasta/io/safetensors.h"

static volatile unsigned sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_file file = fuzz_file_open(data, size);
    struct pasta_safetensors *st;
    struct pasta_err err = {0};
    if (pasta_safetensors_open(file.path, &st, &err) == PASTA_OK) {
        for (int i = 0; i < pasta_safetensors_count(st); i++) {
            const struct pasta_st_tensor *t = pasta_safetensors_at(st, i), *wanted;
            assert(pasta_safetensors_find(st, t->name) == t);
            assert(pasta_st_numel(t) * (int64_t)pasta_st_dtype_size(t->dtype) == (int64_t)t->bytes);
            assert((uintptr_t)t->data % pasta_st_dtype_size(t->dtype) == 0);
            assert(pasta_safetensors_want(st, t->name, t->dtype, t->rank, t->shape, &wanted, &err) == PASTA_OK && wanted == t);
            for (size_t b = 0; b < t->bytes; b++)
                sink += ((const unsigned char *)t->data)[b];
            sink += (unsigned)strlen(pasta_st_dtype_name(t->dtype));
        }
        const char *format = pasta_safetensors_meta(st, "format");
        sink += format ? (unsigned)strlen(format) : 0;
        assert(!pasta_safetensors_find(st, "no such tensor") || pasta_safetensors_count(st) > 0);
        pasta_safetensors_close(st);
    } else {
        assert(err.status == PASTA_ERR_INPUT && err.message[0]);
    }
    fuzz_file_close(&file);
    return 0;
}
