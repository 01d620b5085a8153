#include "folder_hash.h"

#include <stdlib.h>

#include "pasta/base/paths.h"
#include "pasta/base/str.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"

pasta_status model_folder_hash(const char *dir, const char *weights_hash, const char *const *names, char hash[65], struct pasta_err *err)
{
    struct pasta_str all = {0};
    pasta_status status = PASTA_OK;
    pasta_str_add(&all, weights_hash);
    for (int i = 0; names[i] && status == PASTA_OK; i++) {
        char file_hash[65], *path = pasta_path_join(dir, names[i]);
        if (pasta_file_exists(path) && (status = pasta_sha256_file(path, file_hash, err)) == PASTA_OK)
            pasta_str_printf(&all, "\n%s %s", names[i], file_hash);
        free(path);
    }
    if (status == PASTA_OK)
        pasta_sha256(all.data, all.length, hash);
    pasta_str_release(&all);
    return status;
}
