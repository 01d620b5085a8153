/* collect_study.h: pasta-collect with people: the rater's page, how a study gets on, and its end. */
#ifndef PASTA_CMD_COLLECT_STUDY_H
#define PASTA_CMD_COLLECT_STUDY_H
#include "pasta/base/options.h"

struct collect_study {
    struct pasta_context *context;
    const char *prompts_path;          /* initial prompts */
    const char *address;               /* --serve */
    const struct pasta_strings *arms;  /* --arm */
};
/* Serves until all sessions are done, then writes the manifest. */
pasta_status collect_study_serve(const struct collect_study *study, struct pasta_err *err) PASTA_MUST_CHECK;
/* Ends the study as it is: sessions.jsonl with what was answered, and the manifest. */
pasta_status collect_study_finish(const struct collect_study *study, struct pasta_err *err) PASTA_MUST_CHECK;
/* Prints how DIR, context->out, is getting on. */
pasta_status collect_study_status(const struct pasta_context *context, struct pasta_err *err) PASTA_MUST_CHECK;
#endif
