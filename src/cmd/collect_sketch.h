/* collect_sketch.h: pasta-collect with sketch raters, who answer at once: sessions, single-turn pairs and ratings. */
#ifndef PASTA_CMD_COLLECT_SKETCH_H
#define PASTA_CMD_COLLECT_SKETCH_H
#include "pasta/base/options.h"

pasta_status collect_sketch(struct pasta_context *context, const char *prompts_path, const struct pasta_strings *arms,
                            struct pasta_err *err) PASTA_MUST_CHECK;
#endif
