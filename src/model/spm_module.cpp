// spm_module.cpp: the C face that spm_module.h describes, over the SentencePiece library.
#include "spm_module.h"

#include <sentencepiece_processor.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

using sentencepiece::SentencePieceProcessor;

static const SentencePieceProcessor &processor(const void *model)
{
    return *static_cast<const SentencePieceProcessor *>(model);
}

static void *load(const char *path, char *message, size_t size)
{
    try {
        auto p = std::make_unique<SentencePieceProcessor>();
        const auto status = p->Load(path);
        if (status.ok())
            return p.release();
        snprintf(message, size, "%s", status.ToString().c_str());
    } catch (const std::exception &e) {
        snprintf(message, size, "%s", e.what());
    }
    return nullptr;
}

static void unload(void *model)
{
    delete static_cast<SentencePieceProcessor *>(model);
}

static int pieces(const void *model)
{
    return processor(model).GetPieceSize();
}

static int bos(const void *model)
{
    return processor(model).bos_id();
}

static int encode(const void *model, const char *text, int64_t *ids, int room, char *message, size_t size)
{
    try {
        std::vector<int> found;
        const auto status = processor(model).Encode(text, &found);
        if (status.ok()) {
            for (int i = 0; i < room && i < static_cast<int>(found.size()); i++)
                ids[i] = found[i];
            return static_cast<int>(found.size());
        }
        snprintf(message, size, "%s", status.ToString().c_str());
    } catch (const std::exception &e) {
        snprintf(message, size, "%s", e.what());
    }
    return -1;
}

extern "C" __attribute__((visibility("default"))) const pasta_spm_module pasta_spm_functions;
const pasta_spm_module pasta_spm_functions = {load, unload, pieces, bos, encode};
