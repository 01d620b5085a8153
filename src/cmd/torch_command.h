/* torch_command.h: what the commands that compute with libtorch have in common.
 *
 *     static const struct pasta_command command = {.name = ..., .options = options, TORCH_COMMAND};
 */
#ifndef PASTA_CMD_TORCH_COMMAND_H
#define PASTA_CMD_TORCH_COMMAND_H
#include "pasta/io/manifest.h"
#include "pasta/tensor/blas.h"
#include "pasta/tensor/pt.h"

#define TORCH_COMMAND .prepare = pasta_blas_ensure, .libraries = torch_libraries, .device_check = pt_device_check

/* Lines of --version: libtorch, and the matrix library it runs on. Valid until the next call. */
const char *torch_libraries(void);
void torch_manifest(struct pasta_manifest *manifest); /* the same two, in the manifest */
#endif
