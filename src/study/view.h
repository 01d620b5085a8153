/* view.h: what a rater's page is told: the states of server.h's comment, as JSON. Nothing of it tells arms, seeds, scores or, unless prompts are
 * shown, prompts of columns. */
#ifndef PASTA_SRC_STUDY_VIEW_H
#define PASTA_SRC_STUDY_VIEW_H
#include "pasta/base/config.h"
#include "state.h"

struct view_settings {
    const struct pasta_study_settings *study; /* which answers are asked for, and whether prompts are shown */
    const char *consent;                      /* text */
};
/* With study->lock held. */
void view_state(const struct study *study, const struct study_rater *rater, const struct view_settings *settings, double now,
                struct pasta_str *out);
/* Whether the rater waits for a slate. */
bool view_waits(const struct study *study, const struct study_rater *rater);
/* Whether the rater was shown this image: 64 digits. */
bool view_has_image(const struct study_rater *rater, const char *id);
#endif
