/* params.c: a network's parameters, an ordered list of named tensors. */
#include "pasta/tensor/params.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "pasta/base/mem.h"

void pasta_params_add(struct pasta_params *p, const char *name, pt kept)
{
    assert(pasta_params_get(p, name) == NULL && "a second parameter of the same name");
    PASTA_GROW(p->items, (size_t)p->n + 1, p->capacity);
    p->items[p->n++] = (struct pasta_param){.name = pasta_strdup(name), .tensor = kept};
}

pt pasta_params_get(const struct pasta_params *p, const char *name)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->items[i].name, name) == 0)
            return p->items[i].tensor;
    return NULL;
}

int64_t pasta_params_count(const struct pasta_params *p)
{
    int64_t count = 0;
    for (int i = 0; i < p->n; i++)
        count += pt_numel(p->items[i].tensor);
    return count;
}

void pasta_params_requires_grad(struct pasta_params *p, bool on)
{
    for (int i = 0; i < p->n; i++)
        pt_requires_grad(p->items[i].tensor, on);
}

void pasta_params_zero_grad(struct pasta_params *p)
{
    for (int i = 0; i < p->n; i++)
        pt_zero_grad(p->items[i].tensor);
}

void pasta_params_lerp(struct pasta_params *dst, const struct pasta_params *src, double weight)
{
    assert(dst->n == src->n && "the lists differ");
    for (int i = 0; i < dst->n; i++) {
        assert(strcmp(dst->items[i].name, src->items[i].name) == 0 && "the lists differ");
        if (weight == 1)
            pt_set(dst->items[i].tensor, src->items[i].tensor);
        else
            pt_lerp_(dst->items[i].tensor, src->items[i].tensor, weight);
    }
}

void pasta_params_release(struct pasta_params *p)
{
    for (int i = 0; i < p->n; i++) {
        free(p->items[i].name);
        pt_free(p->items[i].tensor);
    }
    free(p->items);
    *p = (struct pasta_params){0};
}
