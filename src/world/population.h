/* population.h: the people of the sketch world: hidden types and their tastes, read from data/sketch/raters.json.
 *
 * Utility is a function of drawn attributes and of fidelity to the initial prompt, never of pixels or features.
 */
#ifndef PASTA_SRC_WORLD_POPULATION_H
#define PASTA_SRC_WORLD_POPULATION_H
#include "attributes.h"
#include "pasta/base/err.h"
#include "pasta/base/mem.h"

enum { SKETCH_MAX_TYPES = 64, SKETCH_TASTE_VALUES = 16 };

struct sketch_taste {
    double group[GROUPS];
    double value[SKETCH_KINDS][SKETCH_TASTE_VALUES]; /* kinds from SKETCH_FIRST_OPEN on */
};
struct sketch_population {
    struct pasta_arena arena;
    int n;
    double prior[SKETCH_MAX_TYPES];
    const char *name[SKETCH_MAX_TYPES], *about[SKETCH_MAX_TYPES];
    struct sketch_taste type[SKETCH_MAX_TYPES];
    double group_importance, importance[SKETCH_KINDS];
};
/* The first `types` types (1..64): those described in the file, then generated ones. */
pasta_status sketch_population_read(const char *path, int types, struct sketch_population *out, struct pasta_err *err) PASTA_MUST_CHECK;
void sketch_population_release(struct sketch_population *p);
/* Utility of a drawn image for a taste, given what the session's initial prompt says. */
double sketch_utility(const struct sketch_population *p, const struct sketch_taste *taste, const struct sketch_reading *initial,
                      const struct sketch_attributes *drawn, int initial_group);
#endif
