#include "pasta/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/err.h"
#include "pasta/base/log.h"

_Noreturn static void out_of_memory(size_t size)
{
    pasta_error("out of memory (%zu bytes asked for)", size);
    _exit(PASTA_EXIT_FAILED);
}

static size_t product(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        out_of_memory(SIZE_MAX);
    return bytes;
}

void *pasta_malloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *pasta_calloc(size_t count, size_t size)
{
    size_t bytes = product(count, size);
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p)
        out_of_memory(bytes);
    return p;
}

void *pasta_realloc(void *ptr, size_t count, size_t size)
{
    size_t bytes = product(count, size);
    void *p = realloc(ptr, bytes ? bytes : 1);
    if (!p)
        out_of_memory(bytes);
    return p;
}

char *pasta_strndup(const char *text, size_t length)
{
    char *copy = pasta_malloc(length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *pasta_strdup(const char *text)
{
    return text ? pasta_strndup(text, strlen(text)) : NULL;
}

char *pasta_asprintf(const char *fmt, ...)
{
    va_list args;
    char *text;
    va_start(args, fmt);
    int length = vasprintf(&text, fmt, args);
    va_end(args);
    if (length < 0)
        out_of_memory(0);
    return text;
}

void *pasta_grow(void *array, size_t need, size_t *capacity, size_t size)
{
    if (need <= *capacity)
        return array;
    size_t wanted = *capacity + *capacity / 2 + 8;
    if (wanted < need)
        wanted = need;
    array = pasta_realloc(array, wanted, size);
    *capacity = wanted;
    return array;
}

/* --- arenas: blocks of growing size, filled from the front --- */

struct pasta_arena_block {
    struct pasta_arena_block *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void *pasta_arena_alloc(struct pasta_arena *arena, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct pasta_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t wanted = block ? 2 * block->size : 4096;
        if (wanted > (1u << 20))
            wanted = 1u << 20;
        if (wanted < size)
            wanted = size;
        block = pasta_malloc(sizeof *block + wanted);
        block->next = arena->blocks;
        block->used = 0;
        block->size = wanted;
        arena->blocks = block;
    }
    void *p = block->bytes + block->used;
    block->used += size;
    return memset(p, 0, size);
}

char *pasta_arena_strdup(struct pasta_arena *arena, const char *text)
{
    if (!text)
        return NULL;
    size_t length = strlen(text) + 1;
    return memcpy(pasta_arena_alloc(arena, length), text, length);
}

char *pasta_arena_printf(struct pasta_arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = pasta_arena_alloc(arena, (size_t)length + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)length + 1, fmt, args);
    va_end(args);
    return text;
}

void pasta_arena_release(struct pasta_arena *arena)
{
    while (arena->blocks) {
        struct pasta_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}
