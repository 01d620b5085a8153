/* policy_process.h: a policy that asks another program, in whatever language, so that agent/ needs no value network.
 *
 *     const struct pasta_policy_process_settings settings = {
 *         .name = "mine", .command = "exec python3 agent.py", .workers = 2, .timeout = 120};
 *     pasta_policy_process_open(&settings, &process, &err);
 *     rollout.policy = pasta_policy_process(process);
 *     pasta_policy_process_free(process);       // when nobody asks any more
 *
 * The program speaks as io/scorer.h says. What it writes to its standard error is not shown, but for the last line before a failure. It
 * is to end when its input does; one that does not is ended by signals, with all of its process group.
 */
#ifndef PASTA_AGENT_POLICY_PROCESS_H
#define PASTA_AGENT_POLICY_PROCESS_H
#include "pasta/agent/policy.h"

#define PASTA_POLICY_PROCESS_TIMEOUT 120.0 /* seconds: a model may take long to load */

struct pasta_policy_process_settings {
    const char *name;          /* of the policy */
    const char *command;       /* for `sh -c`, or NULL: */
    const char *const *argv;   /* a program and its arguments, NULL-terminated; without a '/' it is looked for in PATH */
    int workers;               /* processes at most, so questions answered at once; >= 1. All but the first start when they are needed */
    double timeout;            /* seconds, until it is ready and for each answer */
};
struct pasta_policy_process;

/* Starts the program and waits until it is ready, so that one that cannot work is known before anybody is shown anything. Copies the
 * settings. PASTA_ERR_FAILED as below. */
pasta_status pasta_policy_process_open(const struct pasta_policy_process_settings *settings, struct pasta_policy_process **out,
                                       struct pasta_err *err) PASTA_MUST_CHECK;
/* Valid until pasta_policy_process_free. PASTA_ERR_FAILED, as "agent 'NAME': reason": the program says that it failed, ended, gave no
 * answer in time, or one that is not n finite numbers; but for the first, a new process answers the next question. A process that ended
 * between questions is replaced in silence. PASTA_ERR_STOPPED: a stop was asked for (base/progress.h) while it was at work. */
struct pasta_policy pasta_policy_process(struct pasta_policy_process *p);
void pasta_policy_process_free(struct pasta_policy_process *p); /* ends the processes; NULL is legal */
#endif
