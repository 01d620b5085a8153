#include "pasta/base/paths.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/mem.h"

char *pasta_path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    return pasta_asprintf("%s%s%s", dir, n && dir[n - 1] != '/' ? "/" : "", name);
}

char *pasta_data_path(const char *name)
{
    const char *data = getenv("PASTA_DATA");
    if (data && *data)
        return pasta_path_join(data, name);
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash) {
        *slash = '\0';
        /* build/CONFIG/, an installed bin/, and tests in build/CONFIG/tests/KIND/ */
        static const char *const places[] = {"../../data", "../share/pasta", "../../../../data"};
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            char *path = pasta_asprintf("%s/%s/%s", exe, places[i], name);
            if (access(path, F_OK) == 0)
                return path;
            free(path);
        }
    }
    return pasta_path_join("data", name);
}
