/* view.h: what a rater's page is told: the states of server.h's comment, as JSON. Nothing of it tells arms, seeds, scores or, unless
 * prompts are shown, prompts of columns. */
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
bool view_waits(const struct study_rater *rater);
/* The image of 64 digits, if the rater was shown it: its column, whose prompt and the image's seed made it; else NULL. Valid as long as the
 * study. */
const struct pasta_column *view_image(const struct study_rater *rater, const char *id, const struct study_session **session,
                                      const struct pasta_image_ref **image);
#endif
