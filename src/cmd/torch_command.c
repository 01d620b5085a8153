#include "torch_command.h"

#include <stdio.h>

const char *torch_libraries(void)
{
    static char text[300];
    snprintf(text, sizeof text, "libtorch %s\n%s", pt_version(), pasta_blas_describe());
    return text;
}

void torch_manifest(struct pasta_manifest *manifest)
{
    pasta_manifest_library(manifest, "libtorch", pt_version());
    pasta_manifest_library(manifest, "blas", pasta_blas_describe());
}
