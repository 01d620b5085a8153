/* fuzz_bpe.c: CLIP's tokenizer files, and a text for the tokenizer that they make. An input is vocab.json, merges.txt and a text, or
 * tokenizer.json and a text, with a NUL between them. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "pasta/base/mem.h"
#include "pasta/model/bpe.h"

enum { CONTEXT = 77 };

static void encode(const struct pasta_bpe *bpe, struct fuzz_part part)
{
    int64_t ids[CONTEXT];
    char *text = pasta_strndup(part.bytes, part.length);
    for (int max = 2; max <= CONTEXT; max += CONTEXT - 2) {
        int n = 0;
        struct pasta_err err = {0};
        if (pasta_bpe_encode(bpe, text, max, ids, &n, &err) != PASTA_OK) {
            assert(err.status == PASTA_ERR_INPUT);
            continue;
        }
        assert(n >= 2 && n <= max && ids[0] == pasta_bpe_start(bpe) && ids[n - 1] == pasta_bpe_end(bpe));
        for (int i = 0; i < n; i++)
            assert(pasta_bpe_token(bpe, ids[i]));
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part first = fuzz_cut(&data, &size), second = fuzz_cut(&data, &size);
    const bool pair = size > 0;
    fuzz_folder_put("vocab.json", pair ? first.bytes : NULL, first.length);
    fuzz_folder_put("merges.txt", pair ? second.bytes : NULL, second.length);
    fuzz_folder_put("tokenizer.json", pair ? NULL : first.bytes, first.length);
    struct pasta_bpe *bpe;
    struct pasta_err err = {0};
    if (pasta_bpe_load(fuzz_folder(), &bpe, &err) != PASTA_OK) {
        assert(err.status == PASTA_ERR_INPUT && err.message[0]);
        return 0;
    }
    assert(pasta_bpe_start(bpe) < pasta_bpe_vocab(bpe) && pasta_bpe_end(bpe) < pasta_bpe_vocab(bpe));
    encode(bpe, pair ? (struct fuzz_part){(const char *)data, size} : second);
    pasta_bpe_free(bpe);
    return 0;
}
