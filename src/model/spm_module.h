/* spm_module.h: the C face of libpasta-spm.so, the one place where SentencePiece is linked.
 *
 * Why a module of its own: libsentencepiece carries a Protocol Buffers runtime that clashes with the one libtorch links, and a
 * process that holds both in one symbol namespace dies at start. spm.c loads the module with dlmopen into a namespace
 * of its own, which has its own libc as well: memory never crosses the border but by copy, and errors cross as text.
 */
#ifndef PASTA_MODEL_SPM_MODULE_H
#define PASTA_MODEL_SPM_MODULE_H
#include <stddef.h>
#include <stdint.h>

struct pasta_spm_module {
    /* NULL, with the reason in message[size], when the file does not hold a model. */
    void *(*load)(const char *path, char *message, size_t size);
    void (*unload)(void *model);
    int (*pieces)(const void *model);
    int (*bos)(const void *model); /* id of <bos>, -1 where the model has none */
    /* Writes up to `room` ids and returns how many there are; -1 with the reason in message[size] on failure. */
    int (*encode)(const void *model, const char *text, int64_t *ids, int room, char *message, size_t size);
};
/* The module's one symbol. */
#define PASTA_SPM_SYMBOL "pasta_spm_functions"
#endif
