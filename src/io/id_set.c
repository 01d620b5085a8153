#include "pasta/io/id_set.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/str.h"
#include "pasta/io/sha256.h"

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void pasta_id_set_add(struct pasta_id_set *set, const char *id)
{
    PASTA_GROW(set->items, set->n + 1, set->capacity);
    set->items[set->n++] = pasta_arena_strdup(&set->arena, id);
}

const char *pasta_id_set_sort(struct pasta_id_set *set)
{
    const char *twice = NULL;
    size_t kept = 0;
    if (set->n)
        qsort(set->items, set->n, sizeof *set->items, by_bytes);
    for (size_t i = 0; i < set->n; i++)
        if (kept && strcmp(set->items[i], set->items[kept - 1]) == 0)
            twice = twice ? twice : set->items[i];
        else
            set->items[kept++] = set->items[i];
    set->n = kept;
    return twice;
}

bool pasta_id_set_has(const struct pasta_id_set *set, const char *id)
{
    return set->n && bsearch(&id, set->items, set->n, sizeof *set->items, by_bytes) != NULL;
}

void pasta_id_set_hash(const struct pasta_id_set *set, char hex[65])
{
    struct pasta_str text = {0};
    pasta_str_add(&text, "");
    for (size_t i = 0; i < set->n; i++) {
        pasta_str_add(&text, set->items[i]);
        pasta_str_addc(&text, '\n');
    }
    pasta_sha256(text.data, text.length, hex);
    pasta_str_release(&text);
}

void pasta_id_set_release(struct pasta_id_set *set)
{
    free(set->items);
    pasta_arena_release(&set->arena);
    *set = (struct pasta_id_set){0};
}
