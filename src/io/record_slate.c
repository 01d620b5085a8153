#include "record_slate.h"

#include <math.h>
#include <string.h>

enum { MAX_IMAGES = 1 << 8, MAX_CANDIDATES = 1 << 12 };

/* --- reading --- */

static void parse_images(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, struct pasta_column *column)
{
    const cJSON *array = pasta_fields_array(f, at, obj, "images", 1, MAX_IMAGES, &column->n_images), *item;
    column->images = pasta_arena_alloc(f->arena, (size_t)column->n_images * sizeof *column->images);
    struct pasta_place place = {at, "images", 0};
    cJSON_ArrayForEach(item, array) {
        if (!pasta_fields_object(f, &place, item))
            return;
        column->images[place.index].id = pasta_fields_str(f, &place, item, "id");
        column->images[place.index].seed = (uint64_t)pasta_fields_int(f, &place, item, "seed", 0, PASTA_MAX_SEED);
        place.index++;
    }
}

struct pasta_candidate *pasta_candidates_parse(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, int *n)
{
    const cJSON *array = pasta_fields_array(f, at, obj, "candidates", 1, MAX_CANDIDATES, n), *item;
    struct pasta_candidate *candidates = pasta_arena_alloc(f->arena, (size_t)*n * sizeof *candidates);
    struct pasta_place place = {at, "candidates", 0};
    cJSON_ArrayForEach(item, array) {
        if (!pasta_fields_object(f, &place, item))
            break;
        candidates[place.index].prompt = pasta_fields_str(f, &place, item, "prompt");
        candidates[place.index].category = pasta_fields_name(f, &place, item, "category", pasta_category_names, PASTA_CATEGORIES);
        place.index++;
    }
    return candidates;
}

/* A column's prompt is most often one of the candidates: then they share the string. */
static const char *parse_column_prompt(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj,
                                       const struct pasta_turn *of, int candidate)
{
    const char *text = pasta_fields_text(f, at, obj, "prompt");
    if (f->status == PASTA_OK && candidate >= 0 && strcmp(of->candidates[candidate].prompt, text) == 0)
        return of->candidates[candidate].prompt;
    return pasta_arena_strdup(f->arena, text);
}

struct pasta_column *pasta_slate_parse(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const struct pasta_turn *of,
                                       int *n)
{
    const cJSON *array = pasta_fields_array(f, at, obj, "slate", 1, PASTA_MAX_SLATE, n), *item;
    struct pasta_column *columns = pasta_arena_alloc(f->arena, (size_t)*n * sizeof *columns);
    struct pasta_place place = {at, "slate", 0};
    cJSON_ArrayForEach(item, array) {
        if (!pasta_fields_object(f, &place, item))
            break;
        struct pasta_column *column = &columns[place.index];
        column->candidate = -1;
        if (of && of->n_candidates) /* an index into a list that was not recorded says nothing */
            column->candidate = (int)pasta_fields_opt_int(f, &place, item, "candidate", 0, of->n_candidates - 1, -1);
        column->prompt = parse_column_prompt(f, &place, item, of, column->candidate);
        column->category = pasta_fields_name(f, &place, item, "category", pasta_category_names, PASTA_CATEGORIES);
        parse_images(f, &place, item, column);
        place.index++;
    }
    return columns;
}

int pasta_choice_parse(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, int n_columns)
{
    if (!cJSON_GetObjectItemCaseSensitive(obj, "choice"))
        pasta_fields_fail(f, at, "choice", "expected a column or null, found nothing");
    return (int)pasta_fields_opt_int(f, at, obj, "choice", 0, n_columns - 1, -1);
}

/* --- writing --- */

static void put_key(struct pasta_str *out, const char *key)
{
    pasta_str_printf(out, ",\"%s\":", key);
}

void pasta_put_numbers(struct pasta_str *out, const char *key, const double *values, int n)
{
    pasta_str_printf(out, "\"%s\":[", key);
    for (int i = 0; i < n; i++) {
        if (i)
            pasta_str_addc(out, ',');
        pasta_json_put_num(out, values[i]);
    }
    pasta_str_addc(out, ']');
}

void pasta_candidates_print(const struct pasta_candidate *candidates, int n, struct pasta_str *out)
{
    pasta_str_add(out, ",\"candidates\":[");
    for (int i = 0; i < n; i++) {
        pasta_str_add(out, i ? ",{\"prompt\":" : "{\"prompt\":");
        pasta_json_put_str(out, candidates[i].prompt);
        pasta_json_field_str(out, "category", pasta_category_names[candidates[i].category]);
        pasta_str_addc(out, '}');
    }
    pasta_str_addc(out, ']');
}

static void print_column(const struct pasta_column *column, struct pasta_str *out)
{
    pasta_str_add(out, "{\"prompt\":");
    pasta_json_put_str(out, column->prompt);
    pasta_json_field_str(out, "category", pasta_category_names[column->category]);
    if (column->candidate >= 0)
        pasta_str_printf(out, ",\"candidate\":%d", column->candidate);
    pasta_str_add(out, ",\"images\":[");
    for (int i = 0; i < column->n_images; i++) {
        pasta_str_add(out, i ? ",{\"id\":" : "{\"id\":");
        pasta_json_put_str(out, column->images[i].id);
        pasta_str_printf(out, ",\"seed\":%llu}", (unsigned long long)column->images[i].seed);
    }
    pasta_str_add(out, "]}");
}

void pasta_slate_print(const struct pasta_column *columns, int n, struct pasta_str *out)
{
    pasta_str_add(out, ",\"slate\":[");
    for (int i = 0; i < n; i++) {
        if (i)
            pasta_str_addc(out, ',');
        print_column(&columns[i], out);
    }
    pasta_str_addc(out, ']');
}

void pasta_choice_print(int choice, struct pasta_str *out)
{
    put_key(out, "choice");
    if (choice >= 0)
        pasta_str_printf(out, "%d", choice);
    else
        pasta_str_add(out, "null");
}
