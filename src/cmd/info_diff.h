/* info_diff.h: why two runs have different numbers, and whether two sets of tables agree. */
#ifndef PASTA_CMD_INFO_DIFF_H
#define PASTA_CMD_INFO_DIFF_H
#include "common.h"

/* Prints what the manifests of two run folders say differently: code, configuration, seed, libraries, inputs, outputs. */
pasta_status info_diff(const char *a, const char *b, struct pasta_err *err) PASTA_MUST_CHECK;
/* Every table of `expected` (NAME.json) against that of the same name in `found`: rows and n as expected, each value no farther from the
 * expected one than `tolerance` times half of its interval; a value without an interval is not held against anything. Prints each cell that
 * is outside; there is one: PASTA_ERR_CHECK. */
pasta_status info_tables(const char *expected, const char *found, double tolerance, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
