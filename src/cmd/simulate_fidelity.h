/* simulate_fidelity.h: do simulated users answer as real ones do?
 *
 * Held-out sessions of real people are gone through one answer ahead: before each turn the person's type is known as well as the answers
 * before it tell, and what a simulated user of that posterior would answer to the very slate that the person saw is computed in expectation
 * (user/simulated_user.h), so nothing is drawn. Then the person's own choice and comparison join the evidence. Sessions of one person
 * follow each other in the order of the file. Turns without a choice say nothing, and are left out.
 *
 *   choice     calibration of the columns' probabilities: predicted against chosen, in ten equal bins, and the expected error over them
 *   rating     mean by turn, and from a session's first rated turn to its last
 *   position   share of each column, and Pearson's chi-square of the counts against the expected ones; as turns have probabilities of
 *              their own, which vary less than one common to all, the test is on the careful side
 *   versus     shares of better, same and worse by turn, of the chosen column against that chosen in the turn before
 *
 * Every number comes with n and a 95 % interval from a bootstrap over people (evaluate.clusters: or prompts). People that the user model was
 * trained on are left out (evaluate.split).
 */
#ifndef PASTA_CMD_SIMULATE_FIDELITY_H
#define PASTA_CMD_SIMULATE_FIDELITY_H
#include "pasta/base/options.h"
#include "pasta/base/str.h"
#include "pasta/io/manifest.h"

/* The report: OUT/fidelity.json and fidelity.md, tables on stdout; with --dry-run what there is to compare. */
pasta_status fidelity_run(struct pasta_context *context, const char *user_model, const char *sessions, const char *features,
                          struct pasta_err *err) PASTA_MUST_CHECK;

/* What later results of the user model say beside their own: USER_MODEL/fidelity/fidelity.json, where it is there and of these weights.
 * Appends one line to read, or with json the object of headline numbers, or null. A damaged report is PASTA_ERR_INPUT. */
pasta_status fidelity_headline(const char *user_model, bool json, struct pasta_str *out, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
