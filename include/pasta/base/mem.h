/* mem.h: allocation that cannot fail, and arenas.
 *
 * Running out of memory is the one error that library code does not return: the process prints
 * one line and exits with PASTA_EXIT_FAILED. Outputs are temporary files until they are whole,
 * so nothing half-written stays behind.
 */
#ifndef PASTA_BASE_MEM_H
#define PASTA_BASE_MEM_H
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *pasta_malloc(size_t size);                       /* uninitialised; size 0 gives a valid pointer */
void *pasta_calloc(size_t count, size_t size);         /* zeroed; overflow of count*size ends the process */
void *pasta_realloc(void *ptr, size_t count, size_t size);
char *pasta_strdup(const char *text);                  /* NULL stays NULL */
char *pasta_strndup(const char *text, size_t length);
char *pasta_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Grows `array` (elements of `size` bytes) so that `need` elements fit; *capacity is updated.
 * PASTA_GROW(v, n + 1, cap) is the everyday form. */
void *pasta_grow(void *array, size_t need, size_t *capacity, size_t size);
#define PASTA_GROW(array, need, capacity) \
    ((array) = pasta_grow((array), (need), &(capacity), sizeof *(array)))

/* An arena: many small allocations, one release. Zero-initialise to start. Not thread-safe. */
struct pasta_arena {
    struct pasta_arena_block *blocks; /* newest first */
};
void *pasta_arena_alloc(struct pasta_arena *arena, size_t size); /* zeroed, 16-byte aligned */
char *pasta_arena_strdup(struct pasta_arena *arena, const char *text); /* NULL stays NULL */
char *pasta_arena_printf(struct pasta_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void pasta_arena_release(struct pasta_arena *arena); /* frees everything; reusable afterwards */

#ifdef __cplusplus
}
#endif
#endif
