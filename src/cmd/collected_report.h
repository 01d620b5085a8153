/* collected_report.h: the summary of a run folder with sessions, pairs or ratings, on stdout. */
#ifndef PASTA_CMD_COLLECTED_REPORT_H
#define PASTA_CMD_COLLECTED_REPORT_H
#include "pasta/base/options.h"

/* Reads what lies in context->out, so that a complete run that is found again says the same words. */
pasta_status collected_report(const struct pasta_context *context, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
