/* paths.h: where the files that come with the project are. */
#ifndef PASTA_BASE_PATHS_H
#define PASTA_BASE_PATHS_H
/* Path of `name` below the project's data folder: $PASTA_DATA, else beside the executable
 * (../../data from build/CONFIG/, ../share/pasta when installed), else ./data. Caller frees. */
char *pasta_data_path(const char *name);
/* Path of a module that is built with the binaries: beside the executable, or ../lib/pasta when installed. Caller frees. */
char *pasta_module_path(const char *name);
char *pasta_path_join(const char *dir, const char *name); /* caller frees */
#endif
