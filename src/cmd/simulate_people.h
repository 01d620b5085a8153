/* simulate_people.h: the posteriors of real people, whom simulated users follow.
 *
 * Read from what pasta-train-user-model writes: `{"schema":"pasta.responsibility/1","user_id":ID,"gamma":[K numbers]}` a line.
 */
#ifndef PASTA_CMD_SIMULATE_PEOPLE_H
#define PASTA_CMD_SIMULATE_PEOPLE_H
#include "pasta/user/simulated_user.h"

/* The row of each line, or with `user` of that one alone; *weights [n,K] is the caller's to free. A row that is no distribution over the
 * model's types is PASTA_ERR_INPUT with FILE:LINE, an unknown user PASTA_ERR_USAGE. */
pasta_status simulate_people_read(const char *path, const char *user, int n_types, double **weights, int64_t *n,
                                  struct pasta_err *err) PASTA_MUST_CHECK;
#endif
