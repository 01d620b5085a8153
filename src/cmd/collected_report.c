#include "collected_report.h"

#include <stdio.h>
#include <string.h>

#include "pasta/agent/collected.h"
#include "services.h"

pasta_status collected_report(const struct pasta_context *context, struct pasta_err *err)
{
    struct pasta_collected found;
    struct pasta_str text = {0};
    pasta_status status = pasta_collected_scan(context->out, NULL, &found, err);
    if (status == PASTA_OK) {
        pasta_collected_print(&found, context->json, &text);
        if (context->json)
            text.data[text.length -= strlen("}\n")] = '\0'; /* reopened */
        status = services_report(context->out, context->json, &text, err);
    }
    if (status == PASTA_OK)
        printf(context->json ? "%s}\n" : "%s", text.data);
    pasta_str_release(&text);
    return status;
}
