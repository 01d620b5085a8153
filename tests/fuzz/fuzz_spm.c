/* fuzz_spm.c: any bytes as tokenizer.model, and a fixed text for the tokenizer that they make. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <stdlib.h>
#include "pasta/model/spm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts[] = {"", "a white cat,  oil painting\n", "\xe6\x97\xa5 \xf0\x9f\x8d\x9d<bos>\xff"};
    struct fuzz_file file = fuzz_file_open(data, size);
    struct pasta_spm *spm;
    struct pasta_err err = {0};
    if (pasta_spm_load(file.path, &spm, &err) == PASTA_OK) {
        assert(pasta_spm_bos(spm) < pasta_spm_vocab(spm));
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            int64_t *ids;
            int n;
            struct pasta_err refused = {0};
            if (pasta_spm_encode(spm, texts[i], &ids, &n, &refused) != PASTA_OK)
                continue;
            for (int j = 0; j < n; j++)
                assert(ids[j] >= 0 && ids[j] < pasta_spm_vocab(spm));
            free(ids);
        }
        pasta_spm_free(spm);
    } else {
        assert(err.status == PASTA_ERR_INPUT && err.message[0]);
    }
    fuzz_file_close(&file);
    return 0;
}
