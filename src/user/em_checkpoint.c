/* em_checkpoint.c: a fit on disk, so that a resumed one ends with the bytes of an uninterrupted one.
 *
 * One safetensors file: online and target parameters, trained towers, optimiser moments (f32), prior and evidence (f64), and `position`: steps done,
 * optimiser steps, phase of the optimiser, types started anew (i64). Batches are functions of the position, so no other random state exists.
 */
#include <stdlib.h>
#include <string.h>
#include "em_state.h"
#include "pasta/base/mem.h"
#include "pasta/io/safetensors.h"

struct tensor_list { struct pasta_st_tensor *items; int n; size_t capacity; struct pasta_arena arena; };

static struct pasta_st_tensor *list_add(struct tensor_list *list, const char *name, enum pasta_st_dtype dtype, const void *data, int64_t n)
{
    PASTA_GROW(list->items, (size_t)list->n + 1, list->capacity);
    struct pasta_st_tensor *t = &list->items[list->n++];
    *t = (struct pasta_st_tensor){.name = pasta_arena_strdup(&list->arena, name), .dtype = dtype, .rank = 1, .shape = {n}, .data = data,
                                  .bytes = (size_t)n * pasta_st_dtype_size(dtype)};
    return t;
}

static void list_params(struct tensor_list *list, const char *prefix, const struct pasta_params *params)
{
    for (int i = 0; i < params->n; i++) {
        pt tensor = params->items[i].tensor;
        float *copy = pasta_arena_alloc(&list->arena, (size_t)pt_numel(tensor) * sizeof *copy);
        pt_copy_f32(tensor, copy);
        char *name = pasta_arena_printf(&list->arena, "%s.%s", prefix, params->items[i].name);
        struct pasta_st_tensor *t = list_add(list, name, PASTA_ST_F32, copy, pt_numel(tensor));
        t->rank = pt_rank(tensor);
        for (int d = 0; d < t->rank; d++)
            t->shape[d] = pt_size(tensor, d);
    }
}

pasta_status pasta_em_save(struct pasta_em *em, const char *path, struct pasta_err *err)
{
    struct tensor_list list = {0};
    int64_t position[4] = {em->position, em->optim != NULL ? pasta_optim_steps(em->optim) : 0,
                           em->optim == NULL ? -1 : (int64_t)em->optim_phase, em->reseeded};
    pt_scope_open();
    list_params(&list, "online", &em->online.params);
    list_params(&list, "target", &em->target.params);
    if (em->towers != NULL)
        list_params(&list, "towers", em_towers_params(em->towers));
    if (em->optim != NULL)
        list_params(&list, "optim", pasta_optim_state(em->optim));
    pasta_status status = pt_scope_close(err);
    list_add(&list, "prior", PASTA_ST_F64, em->prior, em->n_types);
    list_add(&list, "evidence", PASTA_ST_F64, em->evidence, (int64_t)em->n_groups * em->n_types);
    list_add(&list, "position", PASTA_ST_I64, position, 4);
    const char *const meta[][2] = {{"schema", "pasta.user_model_checkpoint/1"}, {"encoder", pasta_features_encoder(em->data->features)}};
    if (status == PASTA_OK)
        status = pasta_safetensors_write(path, list.items, list.n, meta, 2, err);
    free(list.items);
    pasta_arena_release(&list.arena);
    return status;
}

static pasta_status load_params(const struct pasta_safetensors *file, const char *prefix, const struct pasta_params *params,
                                struct pasta_err *err)
{
    for (int i = 0; i < params->n; i++) {
        pt tensor = params->items[i].tensor;
        int64_t shape[PASTA_ST_MAX_RANK];
        int rank = pt_rank(tensor);
        for (int d = 0; d < rank; d++)
            shape[d] = pt_size(tensor, d);
        const struct pasta_st_tensor *found;
        char *name = pasta_asprintf("%s.%s", prefix, params->items[i].name);
        pasta_status status = pasta_safetensors_want(file, name, PASTA_ST_F32, rank, shape, &found, err);
        free(name);
        if (status != PASTA_OK)
            return status;
        pt_set(tensor, pt_from_f32(found->data, rank, shape));
    }
    return PASTA_OK;
}

static pasta_status load_array(const struct pasta_safetensors *file, const char *name, enum pasta_st_dtype dtype, int64_t n, void *out,
                               struct pasta_err *err)
{
    const struct pasta_st_tensor *found;
    pasta_status status = pasta_safetensors_want(file, name, dtype, 1, &n, &found, err);
    if (status == PASTA_OK)
        memcpy(out, found->data, found->bytes);
    return status;
}

static pasta_status load_all(struct pasta_em *em, const struct pasta_safetensors *file, struct pasta_err *err)
{
    int64_t position[4];
    pasta_status status = load_array(file, "position", PASTA_ST_I64, 4, position, err);
    if (status != PASTA_OK)
        return status;
    if (position[0] < 0 || position[0] > pasta_em_total(em) || position[1] < 0 || position[2] < -1 || position[2] > EM_FINE)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: position: expected a step of this run (0 to %lld), found %lld; was the checkpoint "
                          "made with other settings?",
                          pasta_safetensors_path(file), (long long)pasta_em_total(em), (long long)position[0]);
    pt_scope_open();
    status = load_params(file, "online", &em->online.params, err);
    if (status == PASTA_OK)
        status = load_params(file, "target", &em->target.params, err);
    if (status == PASTA_OK && em->towers != NULL) {
        status = load_params(file, "towers", em_towers_params(em->towers), err);
        em_towers_changed(em->towers);
    }
    if (status == PASTA_OK && position[2] >= 0) {
        em_optim_new(em, (enum em_phase)position[2]);
        status = load_params(file, "optim", pasta_optim_state(em->optim), err);
        pasta_optim_steps_set(em->optim, position[1]);
    }
    pasta_status closed = pt_scope_close(status == PASTA_OK ? err : NULL);
    if (status == PASTA_OK)
        status = closed;
    if (status == PASTA_OK)
        status = load_array(file, "prior", PASTA_ST_F64, em->n_types, em->prior, err);
    if (status == PASTA_OK)
        status = load_array(file, "evidence", PASTA_ST_F64, (int64_t)em->n_groups * em->n_types, em->evidence, err);
    if (status == PASTA_OK) {
        em->position = position[0];
        em->reseeded = position[3];
        em->started = true;
    }
    return status;
}

pasta_status pasta_em_load(struct pasta_em *em, const char *path, struct pasta_err *err)
{
    struct pasta_safetensors *file;
    pasta_status status = pasta_safetensors_open(path, &file, err);
    if (status != PASTA_OK)
        return status;
    status = load_all(em, file, err);
    if (status == PASTA_OK) {
        const char *encoder = pasta_safetensors_meta(file, "encoder");
        if (encoder == NULL || strcmp(encoder, pasta_features_encoder(em->data->features)) != 0)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected a checkpoint made with these features, found one of another encoder",
                                path);
    }
    pasta_safetensors_close(file);
    return status;
}
