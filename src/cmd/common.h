/* common.h: what every binary's main does around its body.
 *
 *     static pasta_status run(struct pasta_context *context, struct pasta_err *err) { ... }
 *     int main(int argc, char **argv) { return pasta_command_main(&command, argc, argv, run); }
 */
#ifndef PASTA_CMD_COMMON_H
#define PASTA_CMD_COMMON_H
#include "pasta/base/options.h"

typedef pasta_status (*pasta_command_fn)(struct pasta_context *context, struct pasta_err *err);

/* Parses, shows help or version where asked, installs the stop handlers, runs the body, reports its error in one line on stderr
 * and returns the exit code. */
int pasta_command_main(const struct pasta_command *command, int argc, char **argv, pasta_command_fn run);
/* Rows of an option table, for commands that play sessions which others learn from. */
#define EXPLORATION_FLAGS \
    {"epsilon", PASTA_OPT_KEY, "agent.epsilon", "P", "probability of a slate at random (config key agent.epsilon)", NULL}, \
    {"temperature", PASTA_OPT_KEY, "agent.temperature", "T", "of Gumbel noise on the scores before a slate is chosen (config key agent.temperature)", NULL}
#endif
