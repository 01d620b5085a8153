#include "pasta/base/version.h"

const char *pasta_version(void)
{
    return PASTA_VERSION;
}

const char *pasta_commit(void)
{
    return PASTA_COMMIT;
}
