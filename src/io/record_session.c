#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "pasta/io/record.h"
#include "records.h"

static const char *const schema = "pasta.session/1";
static const char *const source_names[] = {"human", "sketch", "simulated"};
static const char *const versus_names[] = {"worse", "same", "better"}; /* from PASTA_WORSE on */
const char *const pasta_category_names[PASTA_CATEGORIES] = {"rephrase", "expand", "style", "subject", "creative"};
static const int64_t max_seed = ((int64_t)1 << 53) - 1;
enum { MAX_CANDIDATES = 1 << 12, MAX_IMAGES = 1 << 8, MAX_TYPES = 1 << 20 };

/* --- reading --- */

static void parse_candidates(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, struct pasta_turn *turn)
{
    if (!pasta_json_has(obj, "candidates"))
        return;
    const cJSON *array = pasta_fields_array(f, at, obj, "candidates", 1, MAX_CANDIDATES, &turn->n_candidates), *item;
    turn->candidates = pasta_arena_alloc(f->arena, (size_t)turn->n_candidates * sizeof *turn->candidates);
    struct pasta_place place = {at, "candidates", 0};
    cJSON_ArrayForEach(item, array) {
        if (!pasta_fields_object(f, &place, item))
            return;
        turn->candidates[place.index].prompt = pasta_fields_str(f, &place, item, "prompt");
        turn->candidates[place.index].category = pasta_fields_name(f, &place, item, "category", pasta_category_names, PASTA_CATEGORIES);
        place.index++;
    }
}

static void parse_scores(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, struct pasta_turn *turn)
{
    if (!pasta_json_has(obj, "scores"))
        return;
    int n;
    const cJSON *array = pasta_fields_array(f, at, obj, "scores", turn->n_candidates, turn->n_candidates, &n), *item;
    if (!n)
        return;
    turn->scores = pasta_arena_alloc(f->arena, (size_t)n * sizeof *turn->scores);
    struct pasta_place place = {at, "scores", 0};
    cJSON_ArrayForEach(item, array) {
        turn->scores[place.index] = pasta_fields_item_num(f, &place, item, -HUGE_VAL, HUGE_VAL);
        place.index++;
    }
}

static void parse_images(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, struct pasta_column *column)
{
    const cJSON *array = pasta_fields_array(f, at, obj, "images", 1, MAX_IMAGES, &column->n_images), *item;
    column->images = pasta_arena_alloc(f->arena, (size_t)column->n_images * sizeof *column->images);
    struct pasta_place place = {at, "images", 0};
    cJSON_ArrayForEach(item, array) {
        if (!pasta_fields_object(f, &place, item))
            return;
        column->images[place.index].id = pasta_fields_str(f, &place, item, "id");
        column->images[place.index].seed = (uint64_t)pasta_fields_int(f, &place, item, "seed", 0, max_seed);
        place.index++;
    }
}

/* A column's prompt is most often one of the candidates: then they share the string. */
static const char *parse_column_prompt(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj,
                                       const struct pasta_turn *turn, int candidate)
{
    const char *text = pasta_fields_text(f, at, obj, "prompt");
    if (f->status == PASTA_OK && candidate >= 0 && strcmp(turn->candidates[candidate].prompt, text) == 0)
        return turn->candidates[candidate].prompt;
    return pasta_arena_strdup(f->arena, text);
}

static void parse_slate(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, struct pasta_turn *turn)
{
    const cJSON *array = pasta_fields_array(f, at, obj, "slate", 1, PASTA_MAX_SLATE, &turn->n_columns), *item;
    turn->columns = pasta_arena_alloc(f->arena, (size_t)turn->n_columns * sizeof *turn->columns);
    struct pasta_place place = {at, "slate", 0};
    cJSON_ArrayForEach(item, array) {
        if (!pasta_fields_object(f, &place, item))
            return;
        struct pasta_column *column = &turn->columns[place.index];
        column->candidate = -1;
        if (turn->n_candidates) /* an index into a list that was not recorded says nothing */
            column->candidate = (int)pasta_fields_opt_int(f, &place, item, "candidate", 0, turn->n_candidates - 1, -1);
        column->prompt = parse_column_prompt(f, &place, item, turn, column->candidate);
        column->category = pasta_fields_name(f, &place, item, "category", pasta_category_names, PASTA_CATEGORIES);
        parse_images(f, &place, item, column);
        place.index++;
    }
}

static void parse_answers(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, struct pasta_turn *turn)
{
    if (!cJSON_GetObjectItemCaseSensitive(obj, "choice"))
        pasta_fields_fail(f, at, "choice", "expected a column or null, found nothing");
    turn->choice = (int)pasta_fields_opt_int(f, at, obj, "choice", 0, turn->n_columns - 1, -1);
    turn->rating = pasta_fields_opt_num(f, at, obj, "rating", 1, 10);
    if (pasta_json_has(obj, "vs_previous")) {
        if (at->index == 0)
            pasta_fields_fail(f, at, "vs_previous", "expected nothing in the first turn, found an answer");
        turn->versus = PASTA_WORSE + pasta_fields_name(f, at, obj, "vs_previous", versus_names, 3);
    }
    turn->critique = pasta_fields_opt_str(f, at, obj, "critique");
    turn->seconds = pasta_fields_opt_num(f, at, obj, "seconds", 0, HUGE_VAL);
}

static void parse_turns(struct pasta_fields *f, const cJSON *tree, struct pasta_session *s)
{
    const cJSON *array = pasta_fields_array(f, NULL, tree, "turns", 1, PASTA_MAX_HORIZON, &s->n_turns), *item;
    s->turns = pasta_arena_alloc(f->arena, (size_t)s->n_turns * sizeof *s->turns);
    struct pasta_place place = {NULL, "turns", 0};
    cJSON_ArrayForEach(item, array) {
        if (!pasta_fields_object(f, &place, item))
            return;
        struct pasta_turn *turn = &s->turns[place.index];
        pasta_fields_int(f, &place, item, "turn", place.index + 1, place.index + 1);
        parse_candidates(f, &place, item, turn);
        parse_scores(f, &place, item, turn);
        parse_slate(f, &place, item, turn);
        parse_answers(f, &place, item, turn);
        place.index++;
    }
}

static struct pasta_exploration parse_exploration(struct pasta_fields *f, const cJSON *tree)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, "exploration");
    const struct pasta_place place = {NULL, "exploration", -1};
    if (!item || !pasta_fields_object(f, &place, item))
        return (struct pasta_exploration){0};
    return (struct pasta_exploration){true, pasta_fields_num(f, &place, item, "epsilon", 0, 1),
                                      pasta_fields_num(f, &place, item, "temperature", 0, HUGE_VAL)};
}

pasta_status pasta_session_parse(const char *line, size_t length, const char *where, struct pasta_arena *arena, struct pasta_session *out,
                                 struct pasta_err *err)
{
    struct pasta_fields f = {.where = where, .arena = arena, .err = err};
    cJSON *tree = pasta_fields_begin(&f, line, length, schema);
    if (!tree)
        return f.status;
    struct pasta_session s = {0};
    s.session_id = pasta_fields_str(&f, NULL, tree, "session_id");
    s.rater_id = pasta_fields_str(&f, NULL, tree, "rater_id");
    s.source = pasta_fields_name(&f, NULL, tree, "source", source_names, 3);
    s.agent = pasta_fields_str(&f, NULL, tree, "agent");
    s.seed = (uint64_t)pasta_fields_int(&f, NULL, tree, "seed", 0, max_seed);
    s.initial_prompt = pasta_fields_str(&f, NULL, tree, "initial_prompt");
    s.user_type = (int)pasta_fields_opt_int(&f, NULL, tree, "user_type", 0, MAX_TYPES, -1);
    s.exploration = parse_exploration(&f, tree);
    parse_turns(&f, tree, &s);
    cJSON_Delete(tree);
    if (f.status == PASTA_OK)
        *out = s;
    return f.status;
}

static pasta_status append(void *ctx, const char *line, size_t length, const char *where, struct pasta_err *err)
{
    struct pasta_sessions *all = ctx;
    struct pasta_session session;
    pasta_status status = pasta_session_parse(line, length, where, &all->arena, &session, err);
    if (status == PASTA_OK) {
        PASTA_GROW(all->items, all->n + 1, all->capacity);
        all->items[all->n++] = session;
    }
    return status;
}

pasta_status pasta_sessions_read(const char *path, int64_t skip_bad, int64_t *skipped, struct pasta_sessions *out, struct pasta_err *err)
{
    return pasta_records_read(path, skip_bad, skipped, append, out, &out->n, err);
}

void pasta_sessions_release(struct pasta_sessions *s)
{
    free(s->items);
    pasta_arena_release(&s->arena);
    *s = (struct pasta_sessions){0};
}

/* --- writing --- */

static void put_key(struct pasta_str *out, const char *key)
{
    pasta_str_printf(out, ",\"%s\":", key);
}

static void put_text(struct pasta_str *out, const char *key, const char *text)
{
    put_key(out, key);
    pasta_json_put_str(out, text);
}

/* Nothing for NAN: an answer that was not given has no field. */
static void put_number(struct pasta_str *out, const char *key, double value)
{
    if (isnan(value))
        return;
    put_key(out, key);
    pasta_json_put_num(out, value);
}

static void print_candidates(const struct pasta_turn *turn, struct pasta_str *out)
{
    if (!turn->n_candidates)
        return;
    pasta_str_add(out, ",\"candidates\":[");
    for (int i = 0; i < turn->n_candidates; i++) {
        pasta_str_add(out, i ? ",{\"prompt\":" : "{\"prompt\":");
        pasta_json_put_str(out, turn->candidates[i].prompt);
        put_text(out, "category", pasta_category_names[turn->candidates[i].category]);
        pasta_str_addc(out, '}');
    }
    pasta_str_addc(out, ']');
    if (!turn->scores)
        return;
    pasta_str_add(out, ",\"scores\":[");
    for (int i = 0; i < turn->n_candidates; i++) {
        if (i)
            pasta_str_addc(out, ',');
        pasta_json_put_num(out, turn->scores[i]);
    }
    pasta_str_addc(out, ']');
}

static void print_column(const struct pasta_column *column, struct pasta_str *out)
{
    pasta_str_add(out, "{\"prompt\":");
    pasta_json_put_str(out, column->prompt);
    put_text(out, "category", pasta_category_names[column->category]);
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

static void print_turn(const struct pasta_turn *turn, int number, struct pasta_str *out)
{
    pasta_str_printf(out, "{\"turn\":%d", number);
    print_candidates(turn, out);
    pasta_str_add(out, ",\"slate\":[");
    for (int i = 0; i < turn->n_columns; i++) {
        if (i)
            pasta_str_addc(out, ',');
        print_column(&turn->columns[i], out);
    }
    pasta_str_add(out, "],\"choice\":");
    if (turn->choice >= 0)
        pasta_str_printf(out, "%d", turn->choice);
    else
        pasta_str_add(out, "null");
    put_number(out, "rating", turn->rating);
    if (turn->versus != PASTA_VERSUS_NONE)
        put_text(out, "vs_previous", versus_names[turn->versus - PASTA_WORSE]);
    if (turn->critique && turn->critique[0])
        put_text(out, "critique", turn->critique);
    put_number(out, "seconds", turn->seconds);
    pasta_str_addc(out, '}');
}

void pasta_session_print(const struct pasta_session *s, struct pasta_str *out)
{
    pasta_str_printf(out, "{\"schema\":\"%s\"", schema);
    put_text(out, "session_id", s->session_id);
    put_text(out, "rater_id", s->rater_id);
    put_text(out, "source", source_names[s->source]);
    put_text(out, "agent", s->agent);
    pasta_str_printf(out, ",\"seed\":%llu", (unsigned long long)s->seed);
    put_text(out, "initial_prompt", s->initial_prompt);
    if (s->user_type >= 0)
        pasta_str_printf(out, ",\"user_type\":%d", s->user_type);
    if (s->exploration.recorded) {
        pasta_str_add(out, ",\"exploration\":{\"epsilon\":");
        pasta_json_put_num(out, s->exploration.epsilon);
        put_number(out, "temperature", s->exploration.temperature);
        pasta_str_addc(out, '}');
    }
    pasta_str_add(out, ",\"turns\":[");
    for (int i = 0; i < s->n_turns; i++) {
        if (i)
            pasta_str_addc(out, ',');
        print_turn(&s->turns[i], i + 1, out);
    }
    pasta_str_add(out, "]}\n");
}
