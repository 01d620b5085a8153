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

/* The first of `places`, relative to the executable's folder, where `name` exists; NULL if none. */
static char *beside_executable(const char *const *places, const char *name)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(exe, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    for (; *places; places++) {
        char *path = pasta_asprintf("%s/%s/%s", exe, *places, name);
        if (access(path, F_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

/* The places are, in turn: build/CONFIG/, an installed bin/, and tests in build/CONFIG/tests/KIND/. */
char *pasta_data_path(const char *name)
{
    static const char *const places[] = {"../../data", "../share/pasta", "../../../../data", NULL};
    const char *data = getenv("PASTA_DATA");
    if (data && *data)
        return pasta_path_join(data, name);
    char *path = beside_executable(places, name);
    return path ? path : pasta_path_join("data", name);
}

char *pasta_module_path(const char *name)
{
    static const char *const places[] = {".", "../lib/pasta", "../..", NULL};
    char *path = beside_executable(places, name);
    return path ? path : pasta_strdup(name);
}
