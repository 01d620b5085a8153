/* arms.h: the agents that a collection compares, or collects under: --arm NAME=SPEC.
 *
 *     baseline, random       the two that learn nothing (agent/policy.h)
 *     DIR                    an agent that pasta-train-pasta trained: pasta-score, beside this executable, plays it, so that its
 *                            libraries are loaded there and not here; on one thread a process, so that no score depends on threads
 *     command:COMMAND LINE   any program that speaks as io/scorer.h says, run by sh
 *
 * NAME is how records call the agent. Without any --arm there is one, the configuration's collect.agent under its own name.
 */
#ifndef PASTA_CMD_ARMS_H
#define PASTA_CMD_ARMS_H
#include "pasta/agent/policy.h"
#include "pasta/base/options.h"
#include "run_stamp.h"

/* The flag's row in a command's table. */
#define ARM_FLAG(strings) \
    {"arm", PASTA_OPT_STRINGS, (strings), "NAME=SPEC", \
     "an agent under a name: baseline, random, the folder of a trained one, or command:COMMAND LINE", NULL}

struct arms;
/* Starts what has to be started and waits until it is ready; up to `workers` processes of each arm work at once (agent/policy_process.h).
 * PASTA_ERR_USAGE: an arm that cannot be read; PASTA_ERR_INPUT: not the folder of an agent; PASTA_ERR_FAILED: a program that does not
 * work. */
pasta_status arms_open(const struct pasta_context *context, const struct pasta_strings *specs, int workers, struct arms **out,
                       struct pasta_err *err) PASTA_MUST_CHECK;
int arms_count(const struct arms *a); /* >= 1 */
/* Of arm i, in the order given; its name is NAME. Valid until arms_close; safe from several threads. */
struct pasta_policy arms_policy(const struct arms *a, int i);
/* What decides the slates besides the configuration, for pasta_run_stamp: writes up to ARMS_STAMPS of each arm, returns how many. A path
 * that does not begin with PASTA_STAMP_HASH is a file that a manifest may name. Strings are valid until arms_close. */
enum { ARMS_STAMPS = 4 };
int arms_stamp(struct arms *a, struct pasta_stamp_input *inputs);
void arms_close(struct arms *a); /* ends the processes; NULL is legal */
#endif
