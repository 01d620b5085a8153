#include "collected_report.h"

#include <stdio.h>

#include "pasta/agent/collected.h"

pasta_status collected_report(const struct pasta_context *context, struct pasta_err *err)
{
    struct pasta_collected found;
    struct pasta_str text = {0};
    const pasta_status status = pasta_collected_scan(context->out, NULL, &found, err);
    if (status == PASTA_OK) {
        pasta_collected_print(&found, context->json, &text);
        fputs(text.data, stdout);
    }
    pasta_str_release(&text);
    return status;
}
