/* id_set.h: a set of ids (people, prompts, sessions), to tell what is on which side of a split.
 *
 *     struct pasta_id_set set = {0};
 *     pasta_id_set_add(&set, "rater 7");
 *     pasta_id_set_sort(&set);          // before the next two
 *     pasta_id_set_has(&set, "rater 7");
 *     pasta_id_set_hash(&set, hex);
 *     pasta_id_set_release(&set);
 */
#ifndef PASTA_IO_ID_SET_H
#define PASTA_IO_ID_SET_H
#include <stdbool.h>
#include "pasta/base/mem.h"

struct pasta_id_set {
    struct pasta_arena arena;
    const char **items; /* [n], in the order of bytes once sorted */
    size_t n, capacity;
};
void pasta_id_set_add(struct pasta_id_set *set, const char *id); /* copied */
/* Sorts by bytes and drops repetitions. Returns an id that was there more than once, or NULL. */
const char *pasta_id_set_sort(struct pasta_id_set *set);
bool pasta_id_set_has(const struct pasta_id_set *set, const char *id);
/* SHA-256 of the sorted ids with a newline behind each: `LC_ALL=C sort -u | sha256sum` of a file with an id a line. */
void pasta_id_set_hash(const struct pasta_id_set *set, char hex[65]);
void pasta_id_set_release(struct pasta_id_set *set);
#endif
