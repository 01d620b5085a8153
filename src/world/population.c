/* population.c: types and their utility. */
#include "population.h"

#include <math.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/rng.h"
#include "pasta/io/file.h"

/* What disobeying the initial prompt costs, in units of utility. */
static const double wrong_group = -1.6, wrong_subject = -0.8, wrong_second = -0.3, wrong_count = -0.4, wrong_colour = -0.4,
                    wrong_stated = -0.6, wrong_vague = -0.2;
static const double stated_taste = 0.3; /* share of a taste that stays where the prompt decided */

static pasta_status read_weights(const cJSON *obj, const char *where, int n, int (*find)(int, const char *), int kind, double low,
                                 double high, double *out, struct pasta_err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, obj) {
        int v = find(kind, item->string);
        if (v < 0 || v >= n)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: \"%s\" is no attribute value", where, item->string);
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= low && item->valuedouble <= high))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected a number from %g to %g, found %s", where, item->string, low, high,
                              pasta_json_type_name(item));
        out[v] = item->valuedouble;
    }
    return PASTA_OK;
}

static int find_group(int kind, const char *name)
{
    (void)kind;
    return sketch_group_find(name);
}
static int find_in_kind(int kind, const char *name) { return sketch_value_find((enum sketch_kind)kind, name); }

static int find_kind(const char *name)
{
    for (int k = SKETCH_FIRST_OPEN; k < SKETCH_KINDS; k++)
        if (strcmp(sketch_kind_names[k], name) == 0)
            return k;
    return -1;
}

static pasta_status read_taste(const cJSON *obj, const char *where, struct sketch_taste *out, struct pasta_err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, obj) {
        int k = find_kind(item->string);
        pasta_status status;
        if (strcmp(item->string, "group") == 0)
            status = read_weights(item, where, GROUPS, find_group, 0, -1, 1, out->group, err);
        else if (k >= 0)
            status = read_weights(item, where, SKETCH_TASTE_VALUES, find_in_kind, k, -1, 1, out->value[k], err);
        else
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: taste: expected group, style, palette, ..., found \"%s\"", where, item->string);
        if (status != PASTA_OK)
            return status;
    }
    return PASTA_OK;
}

/* A type nobody described: a few likes and dislikes of each kind. */
static void generate(struct sketch_population *p, uint64_t seed, int type)
{
    struct sketch_taste *t = &p->type[type];
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_RATER, (uint32_t)type, 0, 1000);
    for (int g = 0; g < GROUPS; g++)
        t->group[g] = fmax(-1, fmin(1, 0.5 * pasta_rng_normal(&rng)));
    for (int k = SKETCH_FIRST_OPEN; k < SKETCH_KINDS; k++) {
        int n;
        sketch_value_names((enum sketch_kind)k, &n);
        for (int v = 0; v < n; v++)
            t->value[k][v] = fmax(-1, fmin(1, 0.6 * pasta_rng_normal(&rng)));
        t->value[k][pasta_rng_below(&rng, (uint32_t)n)] = 1;
    }
    p->name[type] = pasta_arena_printf(&p->arena, "generated %d", type + 1);
    p->about[type] = "tastes drawn at random";
}

static pasta_status read_types(struct sketch_population *p, const cJSON *root, const char *path, int types, struct pasta_err *err)
{
    const cJSON *list, *entry, *importance, *item;
    const char *schema;
    int64_t seed;
    pasta_status status = pasta_json_str(root, "schema", path, &schema, err);
    if (status == PASTA_OK && strcmp(schema, "pasta.sketch-raters/1") != 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: schema: expected \"pasta.sketch-raters/1\", found \"%s\"", path, schema);
    if (status == PASTA_OK)
        status = pasta_json_int(root, "population_seed", path, 0, INT32_MAX, &seed, err);
    if (status == PASTA_OK)
        status = pasta_json_object(root, "importance", path, &importance, err);
    if (status == PASTA_OK)
        status = pasta_json_array(root, "types", path, &list, err);
    if (status != PASTA_OK)
        return status;
    cJSON_ArrayForEach(item, importance) {
        int k = find_kind(item->string);
        bool group = strcmp(item->string, "group") == 0;
        if ((k < 0 && !group) || !cJSON_IsNumber(item) || !(item->valuedouble >= 0))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: importance: \"%s\" is no kind with a number of at least 0", path, item->string);
        *(group ? &p->group_importance : &p->importance[k]) = item->valuedouble;
    }
    double least = 1;
    cJSON_ArrayForEach(entry, list) {
        if (p->n == types)
            break;
        char *where = pasta_arena_printf(&p->arena, "%s: types[%d]", path, p->n);
        const char *name, *about;
        const cJSON *taste;
        if ((status = pasta_json_str(entry, "name", where, &name, err)) != PASTA_OK ||
            (status = pasta_json_str(entry, "about", where, &about, err)) != PASTA_OK ||
            (status = pasta_json_num(entry, "weight", where, 1e-6, 1e6, &p->prior[p->n], err)) != PASTA_OK ||
            (status = pasta_json_object(entry, "taste", where, &taste, err)) != PASTA_OK ||
            (status = read_taste(taste, where, &p->type[p->n], err)) != PASTA_OK)
            return status;
        p->name[p->n] = pasta_arena_strdup(&p->arena, name);
        p->about[p->n] = pasta_arena_strdup(&p->arena, about);
        least = fmin(least, p->prior[p->n++]);
    }
    for (; p->n < types; p->n++) {
        generate(p, (uint64_t)seed, p->n);
        p->prior[p->n] = least;
    }
    double sum = 0;
    for (int i = 0; i < p->n; i++)
        sum += p->prior[i];
    for (int i = 0; i < p->n; i++)
        p->prior[i] /= sum;
    return PASTA_OK;
}

pasta_status sketch_population_read(const char *path, int types, struct sketch_population *out, struct pasta_err *err)
{
    memset(out, 0, sizeof *out);
    if (types < 1 || types > SKETCH_MAX_TYPES)
        return pasta_fail(err, PASTA_ERR_USAGE, "world.rater_types: expected 1 to %d, found %d", SKETCH_MAX_TYPES, types);
    cJSON *root = NULL;
    pasta_status status = pasta_json_read(path, &root, err);
    if (status == PASTA_OK)
        status = read_types(out, root, path, types, err);
    cJSON_Delete(root);
    if (status != PASTA_OK)
        sketch_population_release(out);
    return status;
}

void sketch_population_release(struct sketch_population *p)
{
    pasta_arena_release(&p->arena);
    memset(p, 0, sizeof *p);
}

static bool among(const struct sketch_likely *said, int value)
{
    for (int i = 0; i < said->n; i++)
        if (said->value[i] == value)
            return true;
    return false;
}

double sketch_utility(const struct sketch_population *p, const struct sketch_taste *taste, const struct sketch_reading *initial,
                      const struct sketch_attributes *drawn, int initial_group)
{
    const struct sketch_likely *said = initial->kind;
    double u = p->group_importance * taste->group[drawn->group];
    if (!among(&said[SKETCH_SUBJECT], drawn->value[SKETCH_SUBJECT]))
        u += drawn->group == initial_group ? wrong_subject : wrong_group;
    if (said[SKETCH_SECOND].n > 0 && !among(&said[SKETCH_SECOND], drawn->value[SKETCH_SECOND]))
        u += wrong_second;
    if (said[SKETCH_COUNT].n > 0 && !among(&said[SKETCH_COUNT], drawn->value[SKETCH_COUNT]))
        u += wrong_count;
    if (said[SKETCH_COLOUR].n > 0 && !among(&said[SKETCH_COLOUR], drawn->value[SKETCH_COLOUR]))
        u += wrong_colour;
    for (int k = SKETCH_FIRST_OPEN; k < SKETCH_KINDS; k++) {
        double liking = p->importance[k] * taste->value[k][drawn->value[k]];
        bool decided = said[k].n > 0 && !said[k].vague;
        u += decided ? stated_taste * liking : liking;
        if (said[k].n > 0 && !among(&said[k], drawn->value[k]))
            u += decided ? wrong_stated : wrong_vague;
    }
    return u;
}
