/* replay.c: runs a fuzz target on the files that are named: what has once been found stays found, without libFuzzer. */
#include <stdio.h>
#include <stdlib.h>
#include "fuzz/fuzz.h"
#include "pasta/base/str.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        struct pasta_str bytes = {0};
        char chunk[1 << 12];
        size_t n;
        while (file && (n = fread(chunk, 1, sizeof chunk, file)) > 0)
            pasta_str_addn(&bytes, chunk, n);
        if (!file || ferror(file)) {
            perror(argv[i]);
            return 1;
        }
        fclose(file);
        /* as long as the input and no longer, so that a read behind its end is seen */
        uint8_t *exact = malloc(bytes.length ? bytes.length : 1);
        for (size_t b = 0; b < bytes.length; b++)
            exact[b] = (uint8_t)bytes.data[b];
        printf("%s\n", argv[i]); /* the last line names the seed that ends the process */
        fflush(stdout);
        LLVMFuzzerTestOneInput(exact, bytes.length);
        free(exact);
        pasta_str_release(&bytes);
    }
    return 0;
}
