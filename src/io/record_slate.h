/* record_slate.h: what turns, checks and questions to a scorer have in common: candidates, a slate and the choice from it; and how fields
 * are written. */
#ifndef PASTA_IO_RECORD_SLATE_H
#define PASTA_IO_RECORD_SLATE_H
#include "fields.h"
#include "pasta/io/record.h"

#define PASTA_MAX_SEED (((int64_t)1 << 53) - 1)

/* obj.slate; *n is 0 after a failure. `of`: the turn whose candidates the columns' `candidate` counts in, NULL: none. */
struct pasta_column *pasta_slate_parse(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const struct pasta_turn *of,
                                       int *n);
/* obj.choice: a column, or -1 for null. */
int pasta_choice_parse(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, int n_columns);

/* obj.candidates, 1 or more; *n is 0 after a failure. */
struct pasta_candidate *pasta_candidates_parse(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, int *n);

/* Session-level `checks`, where there are any; after the turns. */
void pasta_checks_parse(struct pasta_fields *f, const cJSON *tree, struct pasta_session *s);
void pasta_checks_print(const struct pasta_session *s, struct pasta_str *out);

/* Each begins with a comma: `,"slate":[...]`. */
void pasta_candidates_print(const struct pasta_candidate *candidates, int n, struct pasta_str *out);
void pasta_slate_print(const struct pasta_column *columns, int n, struct pasta_str *out);
void pasta_choice_print(int choice, struct pasta_str *out);
void pasta_put_numbers(struct pasta_str *out, const char *key, const double *values, int n); /* no comma */
#endif
