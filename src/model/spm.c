#include "pasta/model/spm.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "spm_module.h"

struct pasta_spm {
    void *model;
};

/* --- the module, loaded once for the life of the process --- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct pasta_spm_module *module;
static char load_error[500];

static void load_module(void)
{
    char *path = pasta_module_path("libpasta-spm.so");
    void *handle = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
    module = handle ? dlsym(handle, PASTA_SPM_SYMBOL) : NULL;
    if (!module)
        snprintf(load_error, sizeof load_error, "%s", dlerror());
    free(path);
}

pasta_status pasta_spm_load(const char *path, struct pasta_spm **out, struct pasta_err *err)
{
    pthread_once(&once, load_module);
    if (!module)
        return pasta_fail(err, PASTA_ERR_FAILED, "cannot load the SentencePiece module: %s", load_error);
    char message[500] = "";
    void *model = module->load(path, message, sizeof message);
    if (!model)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected a SentencePiece model, found none that loads (%s)", path, message);
    struct pasta_spm *spm = pasta_malloc(sizeof *spm);
    spm->model = model;
    *out = spm;
    return PASTA_OK;
}

void pasta_spm_free(struct pasta_spm *spm)
{
    if (spm)
        module->unload(spm->model);
    free(spm);
}

int pasta_spm_vocab(const struct pasta_spm *spm)
{
    return module->pieces(spm->model);
}

int pasta_spm_bos(const struct pasta_spm *spm)
{
    return module->bos(spm->model);
}

pasta_status pasta_spm_encode(const struct pasta_spm *spm, const char *text, int64_t **ids, int *n, struct pasta_err *err)
{
    /* No piece is shorter than a byte, so a text never has more pieces than bytes (plus a dummy prefix). */
    int room = (int)strlen(text) + 2;
    int64_t *found = pasta_malloc((size_t)room * sizeof *found);
    char message[500] = "";
    int count = module->encode(spm->model, text, found, room, message, sizeof message);
    if (count < 0 || count > room) {
        free(found);
        return pasta_fail(err, PASTA_ERR_FAILED, "a text could not be tokenised: %s", count < 0 ? message : "too many pieces");
    }
    *ids = found;
    *n = count;
    return PASTA_OK;
}
