/* evaluate_report.h: the sections of report.html that have a file of their own. Each appends to the report, or nothing where there is
 * nothing to show. */
#ifndef PASTA_CMD_EVALUATE_REPORT_H
#define PASTA_CMD_EVALUATE_REPORT_H
#include "evaluate.h"
#include "pasta/eval/report.h"

void evaluate_report_agents(const struct evaluate_results *r, struct pasta_report *report);
void evaluate_report_offline(const struct evaluate_results *r, struct pasta_report *report);
void evaluate_report_raters_headlines(const struct evaluate_results *r, struct pasta_report *report);
void evaluate_report_raters(const struct evaluate_results *r, struct pasta_report *report);
void evaluate_report_curves(const struct evaluate_results *r, struct pasta_report *report);
/* What the learned types are: against the true ones, and the held-out images that each likes most above the average type. */
pasta_status evaluate_report_types(const struct evaluate_results *r, struct pasta_report *report, struct pasta_err *err) PASTA_MUST_CHECK;
/* Whole sessions as image strips. */
pasta_status evaluate_report_sessions(const struct evaluate_results *r, struct pasta_report *report,
                                      struct pasta_err *err) PASTA_MUST_CHECK;
/* An estimate at the head of the page: its value, then its interval, `rest` and n. `clusters`: what its interval resamples. */
void evaluate_headline(struct pasta_report *report, const char *label, struct pasta_estimate e, enum pasta_format format, int digits,
                       const char *unit, const char *rest, const char *clusters, bool good);
/* Draws an image as a PNG file in memory; release it. */
pasta_status evaluate_draw(const struct pasta_sketch *sketch, const char *prompt, uint64_t seed, struct pasta_str *png,
                           struct pasta_err *err) PASTA_MUST_CHECK;
#endif
