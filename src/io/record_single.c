/* Single-turn records: preferences, ratings, rankings. */
#include <math.h>
#include <stdlib.h>

#include "fields.h"
#include "pasta/io/record.h"
#include "records.h"

enum { MAX_RANKED = 1 << 12 };

static void put_user(struct pasta_str *out, const char *user_id)
{
    if (user_id)
        pasta_json_field_str(out, "user_id", user_id);
    pasta_str_add(out, "}\n");
}

/* --- pasta.preference/1 --- */

static pasta_status append_preference(void *ctx, const char *line, size_t length, const char *where, struct pasta_err *err)
{
    struct pasta_preferences *all = ctx;
    struct pasta_fields f = {.where = where, .arena = &all->arena, .err = err};
    cJSON *tree = pasta_fields_begin(&f, line, length, "pasta.preference/1");
    if (!tree)
        return f.status;
    struct pasta_preference p = {.prompt = pasta_fields_str(&f, NULL, tree, "prompt")};
    int n;
    const cJSON *images = pasta_fields_array(&f, NULL, tree, "images", 2, 2, &n), *item;
    struct pasta_place place = {NULL, "images", 0};
    cJSON_ArrayForEach(item, images) {
        p.image[place.index] = pasta_fields_item_str(&f, &place, item);
        place.index++;
    }
    p.label = pasta_fields_num(&f, NULL, tree, "label", 0, 1);
    if (p.label != 0 && p.label != 0.5 && p.label != 1)
        pasta_fields_fail(&f, NULL, "label", "expected 0, 0.5 or 1, found %g", p.label);
    p.user_id = pasta_fields_opt_str(&f, NULL, tree, "user_id");
    cJSON_Delete(tree);
    if (f.status == PASTA_OK) {
        PASTA_GROW(all->items, all->n + 1, all->capacity);
        all->items[all->n++] = p;
    }
    return f.status;
}

pasta_status pasta_preferences_read(const char *path, int64_t skip_bad, int64_t *skipped, struct pasta_preferences *out,
                                    struct pasta_err *err)
{
    return pasta_records_read(path, skip_bad, skipped, append_preference, out, &out->n, err);
}

void pasta_preference_print(const struct pasta_preference *p, struct pasta_str *out)
{
    pasta_str_add(out, "{\"schema\":\"pasta.preference/1\"");
    pasta_json_field_str(out, "prompt", p->prompt);
    pasta_str_add(out, ",\"images\":[");
    pasta_json_put_str(out, p->image[0]);
    pasta_str_addc(out, ',');
    pasta_json_put_str(out, p->image[1]);
    pasta_str_add(out, "],\"label\":");
    pasta_json_put_num(out, p->label);
    put_user(out, p->user_id);
}

void pasta_preferences_release(struct pasta_preferences *p)
{
    free(p->items);
    pasta_arena_release(&p->arena);
    *p = (struct pasta_preferences){0};
}

/* --- pasta.rating/1 --- */

static pasta_status append_rating(void *ctx, const char *line, size_t length, const char *where, struct pasta_err *err)
{
    struct pasta_ratings *all = ctx;
    struct pasta_fields f = {.where = where, .arena = &all->arena, .err = err};
    cJSON *tree = pasta_fields_begin(&f, line, length, "pasta.rating/1");
    if (!tree)
        return f.status;
    struct pasta_rating r = {.prompt = pasta_fields_str(&f, NULL, tree, "prompt"), .image = pasta_fields_str(&f, NULL, tree, "image")};
    int n;
    const cJSON *scale = pasta_fields_array(&f, NULL, tree, "scale", 2, 2, &n);
    if (n == 2) {
        r.lo = pasta_fields_item_num(&f, &(struct pasta_place){NULL, "scale", 0}, scale->child, -HUGE_VAL, HUGE_VAL);
        r.hi = pasta_fields_item_num(&f, &(struct pasta_place){NULL, "scale", 1}, scale->child->next, -HUGE_VAL, HUGE_VAL);
    }
    if (f.status == PASTA_OK && !(r.lo < r.hi))
        pasta_fields_fail(&f, NULL, "scale", "expected a lower and a higher end, found [%g, %g]", r.lo, r.hi);
    r.rating = pasta_fields_num(&f, NULL, tree, "rating", r.lo, r.hi);
    r.user_id = pasta_fields_opt_str(&f, NULL, tree, "user_id");
    cJSON_Delete(tree);
    if (f.status == PASTA_OK) {
        PASTA_GROW(all->items, all->n + 1, all->capacity);
        all->items[all->n++] = r;
    }
    return f.status;
}

pasta_status pasta_ratings_read(const char *path, int64_t skip_bad, int64_t *skipped, struct pasta_ratings *out, struct pasta_err *err)
{
    return pasta_records_read(path, skip_bad, skipped, append_rating, out, &out->n, err);
}

void pasta_rating_print(const struct pasta_rating *r, struct pasta_str *out)
{
    pasta_str_add(out, "{\"schema\":\"pasta.rating/1\"");
    pasta_json_field_str(out, "prompt", r->prompt);
    pasta_json_field_str(out, "image", r->image);
    pasta_str_add(out, ",\"rating\":");
    pasta_json_put_num(out, r->rating);
    pasta_str_add(out, ",\"scale\":[");
    pasta_json_put_num(out, r->lo);
    pasta_str_addc(out, ',');
    pasta_json_put_num(out, r->hi);
    pasta_str_addc(out, ']');
    put_user(out, r->user_id);
}

void pasta_ratings_release(struct pasta_ratings *r)
{
    free(r->items);
    pasta_arena_release(&r->arena);
    *r = (struct pasta_ratings){0};
}

/* --- pasta.ranking/1 --- */

static pasta_status append_ranking(void *ctx, const char *line, size_t length, const char *where, struct pasta_err *err)
{
    struct pasta_rankings *all = ctx;
    struct pasta_fields f = {.where = where, .arena = &all->arena, .err = err};
    cJSON *tree = pasta_fields_begin(&f, line, length, "pasta.ranking/1");
    if (!tree)
        return f.status;
    struct pasta_ranking r = {.prompt = pasta_fields_str(&f, NULL, tree, "prompt")};
    const cJSON *images = pasta_fields_array(&f, NULL, tree, "images", 2, MAX_RANKED, &r.n), *item;
    r.images = pasta_arena_alloc(f.arena, (size_t)r.n * sizeof *r.images);
    r.ranks = pasta_arena_alloc(f.arena, (size_t)r.n * sizeof *r.ranks);
    struct pasta_place place = {NULL, "images", 0};
    cJSON_ArrayForEach(item, images) {
        r.images[place.index] = pasta_fields_item_str(&f, &place, item);
        place.index++;
    }
    int n;
    const cJSON *ranks = pasta_fields_array(&f, NULL, tree, "ranks", r.n, r.n, &n);
    place = (struct pasta_place){NULL, "ranks", 0};
    if (f.status == PASTA_OK)
        cJSON_ArrayForEach(item, ranks) {
            r.ranks[place.index] = pasta_fields_item_num(&f, &place, item, 1, HUGE_VAL);
            place.index++;
        }
    r.user_id = pasta_fields_opt_str(&f, NULL, tree, "user_id");
    cJSON_Delete(tree);
    if (f.status == PASTA_OK) {
        PASTA_GROW(all->items, all->n + 1, all->capacity);
        all->items[all->n++] = r;
    }
    return f.status;
}

pasta_status pasta_rankings_read(const char *path, int64_t skip_bad, int64_t *skipped, struct pasta_rankings *out, struct pasta_err *err)
{
    return pasta_records_read(path, skip_bad, skipped, append_ranking, out, &out->n, err);
}

void pasta_rankings_release(struct pasta_rankings *r)
{
    free(r->items);
    pasta_arena_release(&r->arena);
    *r = (struct pasta_rankings){0};
}
