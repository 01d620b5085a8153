#include "names.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

static void grow(struct names *s)
{
    free(s->slots);
    s->n_slots = s->n_slots ? 2 * s->n_slots : 1024;
    s->slots = pasta_calloc(s->n_slots, sizeof *s->slots);
    for (size_t i = 0; i < s->n; i++) {
        size_t slot = pasta_hash64(s->items[i]) & (s->n_slots - 1);
        while (s->slots[slot])
            slot = (slot + 1) & (s->n_slots - 1);
        s->slots[slot] = (uint32_t)i + 1;
    }
}

size_t names_add(struct names *s, const char *name)
{
    if (2 * s->n >= s->n_slots)
        grow(s);
    size_t slot = pasta_hash64(name) & (s->n_slots - 1);
    for (; s->slots[slot]; slot = (slot + 1) & (s->n_slots - 1))
        if (strcmp(s->items[s->slots[slot] - 1], name) == 0)
            return s->slots[slot] - 1;
    PASTA_GROW(s->items, s->n + 1, s->capacity);
    s->items[s->n++] = name;
    s->slots[slot] = (uint32_t)s->n;
    return s->n - 1;
}

void names_release(struct names *s)
{
    free(s->items);
    free(s->slots);
    *s = (struct names){0};
}

bool names_allowed(const char *name, size_t length)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return length > 0 && length <= 40 && strspn(name, allowed) >= length && name[0] != '.';
}
