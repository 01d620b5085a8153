/* measures_count.h: how often each cluster occurs. */
#ifndef PASTA_EVAL_MEASURES_COUNT_H
#define PASTA_EVAL_MEASURES_COUNT_H
#include <stdint.h>
int64_t *measures_items(const int32_t *cluster, int64_t n, int64_t clusters); /* [clusters]; caller frees */
int64_t measures_present(const int32_t *cluster, int64_t n, int64_t clusters); /* clusters that occur */
#endif
