/* checkpoint.c: training checkpoints: several lists of parameters and the states of their optimisers in one file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "pasta/base/mem.h"
#include "pasta/model/weights.h"
#include "tensor_file.h"

static struct tensor_list everything(const struct pasta_checkpoint_list *lists, int n_lists, struct pasta_optim *const *optims,
                                     int n_optims)
{
    struct tensor_list list = {0};
    for (int i = 0; i < n_lists; i++)
        tensor_list_add(&list, lists[i].prefix, lists[i].params);
    for (int i = 0; i < n_optims; i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "optim%d", i);
        tensor_list_add(&list, prefix, pasta_optim_state(optims[i]));
    }
    return list;
}

pasta_status pasta_checkpoint_save(const char *path, int64_t step, const struct pasta_checkpoint_list *lists, int n_lists,
                                   struct pasta_optim *const *optims, int n_optims, struct pasta_err *err)
{
    struct tensor_list list = everything(lists, n_lists, optims, n_optims);
    struct pasta_arena arena = {0};
    const char *(*meta)[2] = pasta_arena_alloc(&arena, (size_t)(n_optims + 1) * sizeof *meta);
    meta[0][0] = "step";
    meta[0][1] = pasta_arena_printf(&arena, "%" PRId64, step);
    for (int i = 0; i < n_optims; i++) {
        meta[i + 1][0] = pasta_arena_printf(&arena, "optim%d.steps", i);
        meta[i + 1][1] = pasta_arena_printf(&arena, "%" PRId64, pasta_optim_steps(optims[i]));
    }
    const pasta_status status = tensor_list_write(&list, path, NULL, (const char *const(*)[2])meta, n_optims + 1, err);
    pasta_arena_release(&arena);
    tensor_list_release(&list);
    return status;
}

static pasta_status read_counter(const struct pasta_safetensors *file, const char *key, int64_t *out, struct pasta_err *err)
{
    const char *text = pasta_safetensors_meta(file, key);
    char *end = NULL;
    errno = 0;
    const long long value = text ? strtoll(text, &end, 10) : -1;
    if (!text || end == text || *end || errno || value < 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "'%s': metadata '%s': expected a number of steps, found '%s'", pasta_safetensors_path(file),
                          key, text ? text : "nothing");
    *out = value;
    return PASTA_OK;
}

pasta_status pasta_checkpoint_restore(const char *path, int64_t *step, const struct pasta_checkpoint_list *lists, int n_lists,
                                      struct pasta_optim *const *optims, int n_optims, struct pasta_err *err)
{
    struct pasta_safetensors *file;
    pasta_status status = pasta_safetensors_open(path, &file, err);
    if (status != PASTA_OK)
        return status;
    struct tensor_list list = everything(lists, n_lists, optims, n_optims);
    int64_t *steps = pasta_calloc((size_t)n_optims + 1, sizeof *steps); /* the run's, then each optimiser's */
    status = read_counter(file, "step", &steps[0], err);
    for (int i = 0; i < n_optims && status == PASTA_OK; i++) {
        char key[40];
        snprintf(key, sizeof key, "optim%d.steps", i);
        status = read_counter(file, key, &steps[i + 1], err);
    }
    if (status == PASTA_OK)
        status = tensor_list_read(&list, file, err);
    if (status == PASTA_OK) {
        *step = steps[0];
        for (int i = 0; i < n_optims; i++)
            pasta_optim_steps_set(optims[i], steps[i + 1]);
    }
    free(steps);
    tensor_list_release(&list);
    pasta_safetensors_close(file);
    return status;
}
