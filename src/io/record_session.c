#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "pasta/io/record.h"
#include "record_slate.h"
#include "records.h"

static const char *const schema = "pasta.session/1";
static const char *const source_names[] = {"human", "sketch", "simulated"};
const char *const pasta_versus_names[PASTA_VERSUS] = {"none", "worse", "same", "better"};
const char *const pasta_category_names[PASTA_CATEGORIES] = {"rephrase", "expand", "style", "subject", "creative"};
enum { MAX_TYPES = 1 << 20 };

/* --- reading --- */

static void parse_scores(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, struct pasta_turn *turn)
{
    if (!pasta_json_has(obj, "scores"))
        return;
    if (!turn->n_candidates)
        pasta_fields_fail(f, at, "scores", "expected candidates beside them, found none");
    turn->scores = pasta_arena_alloc(f->arena, (size_t)turn->n_candidates * sizeof *turn->scores);
    pasta_fields_numbers(f, at, obj, "scores", turn->n_candidates, turn->scores);
}

static void parse_answers(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, int number, struct pasta_turn *turn)
{
    turn->choice = pasta_choice_parse(f, at, obj, turn->n_columns);
    turn->rating = pasta_fields_opt_num(f, at, obj, "rating", 1, 10);
    if (pasta_json_has(obj, "vs_previous")) {
        if (number == 1)
            pasta_fields_fail(f, at, "vs_previous", "expected nothing in the first turn, found an answer");
        turn->versus = PASTA_WORSE + pasta_fields_name(f, at, obj, "vs_previous", pasta_versus_names + PASTA_WORSE, 3);
    }
    turn->critique = pasta_fields_opt_str(f, at, obj, "critique");
    turn->seconds = pasta_fields_opt_num(f, at, obj, "seconds", 0, HUGE_VAL);
}

static void parse_turn(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, int number, struct pasta_turn *turn)
{
    pasta_fields_int(f, at, obj, "turn", number, number);
    if (pasta_json_has(obj, "candidates"))
        turn->candidates = pasta_candidates_parse(f, at, obj, &turn->n_candidates);
    parse_scores(f, at, obj, turn);
    turn->columns = pasta_slate_parse(f, at, obj, turn, &turn->n_columns);
    parse_answers(f, at, obj, number, turn);
}

pasta_status pasta_turn_parse(const cJSON *object, int number, const char *where, struct pasta_arena *arena, struct pasta_turn *out,
                              struct pasta_err *err)
{
    struct pasta_fields f = {.where = where, .arena = arena, .err = err};
    struct pasta_turn turn = {0};
    if (pasta_fields_object(&f, NULL, object))
        parse_turn(&f, NULL, object, number, &turn);
    if (f.status == PASTA_OK)
        *out = turn;
    return f.status;
}

static void parse_turns(struct pasta_fields *f, const cJSON *tree, int least, struct pasta_session *s)
{
    const cJSON *array = pasta_fields_array(f, NULL, tree, "turns", least, PASTA_MAX_HORIZON, &s->n_turns), *item;
    s->turns = pasta_arena_alloc(f->arena, (size_t)s->n_turns * sizeof *s->turns);
    struct pasta_place place = {NULL, "turns", 0};
    cJSON_ArrayForEach(item, array) {
        if (!pasta_fields_object(f, &place, item))
            return;
        parse_turn(f, &place, item, place.index + 1, &s->turns[place.index]);
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

static void parse_generator(struct pasta_fields *f, const cJSON *tree, struct pasta_session *s)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, "generator");
    const struct pasta_place place = {NULL, "generator", -1};
    if (!item || !pasta_fields_object(f, &place, item))
        return;
    s->generator = pasta_fields_str(f, &place, item, "name");
    s->template_hash = pasta_fields_opt_str(f, &place, item, "template");
}

/* `least`: how many turns there must be. */
static pasta_status parse_session(const cJSON *tree, int least, const char *where, struct pasta_arena *arena, struct pasta_session *out,
                                  struct pasta_err *err)
{
    struct pasta_fields f = {.where = where, .arena = arena, .err = err};
    struct pasta_session s = {0};
    pasta_fields_schema(&f, tree, schema);
    if (f.status != PASTA_OK)
        return f.status;
    s.session_id = pasta_fields_str(&f, NULL, tree, "session_id");
    s.rater_id = pasta_fields_str(&f, NULL, tree, "rater_id");
    s.source = pasta_fields_name(&f, NULL, tree, "source", source_names, 3);
    s.agent = pasta_fields_str(&f, NULL, tree, "agent");
    s.seed = (uint64_t)pasta_fields_int(&f, NULL, tree, "seed", 0, PASTA_MAX_SEED);
    s.initial_prompt = pasta_fields_str(&f, NULL, tree, "initial_prompt");
    s.user_type = (int)pasta_fields_opt_int(&f, NULL, tree, "user_type", 0, MAX_TYPES, -1);
    s.exploration = parse_exploration(&f, tree);
    parse_generator(&f, tree, &s);
    parse_turns(&f, tree, least, &s);
    pasta_checks_parse(&f, tree, &s);
    if (f.status == PASTA_OK)
        *out = s;
    return f.status;
}

pasta_status pasta_session_parse(const char *line, size_t length, const char *where, struct pasta_arena *arena, struct pasta_session *out,
                                 struct pasta_err *err)
{
    cJSON *tree = NULL;
    pasta_status status = pasta_json_parse(line, length, where, &tree, err);
    if (status == PASTA_OK)
        status = parse_session(tree, 1, where, arena, out, err);
    cJSON_Delete(tree);
    return status;
}

pasta_status pasta_session_parse_open(const cJSON *object, const char *where, struct pasta_arena *arena, struct pasta_session *out,
                                      struct pasta_err *err)
{
    return parse_session(object, 0, where, arena, out, err);
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

static void print_candidates(const struct pasta_turn *turn, struct pasta_str *out)
{
    if (!turn->n_candidates)
        return;
    pasta_candidates_print(turn->candidates, turn->n_candidates, out);
    if (!turn->scores)
        return;
    pasta_str_addc(out, ',');
    pasta_put_numbers(out, "scores", turn->scores, turn->n_candidates);
}

void pasta_turn_print(const struct pasta_turn *turn, int number, struct pasta_str *out)
{
    pasta_str_printf(out, "{\"turn\":%d", number);
    print_candidates(turn, out);
    pasta_slate_print(turn->columns, turn->n_columns, out);
    pasta_choice_print(turn->choice, out);
    pasta_json_field_num(out, "rating", turn->rating);
    if (turn->versus != PASTA_VERSUS_NONE)
        pasta_json_field_str(out, "vs_previous", pasta_versus_names[turn->versus]);
    if (turn->critique && turn->critique[0])
        pasta_json_field_str(out, "critique", turn->critique);
    pasta_json_field_num(out, "seconds", turn->seconds);
    pasta_str_addc(out, '}');
}

void pasta_session_print(const struct pasta_session *s, struct pasta_str *out)
{
    pasta_str_printf(out, "{\"schema\":\"%s\"", schema);
    pasta_json_field_str(out, "session_id", s->session_id);
    pasta_json_field_str(out, "rater_id", s->rater_id);
    pasta_json_field_str(out, "source", source_names[s->source]);
    pasta_json_field_str(out, "agent", s->agent);
    pasta_str_printf(out, ",\"seed\":%llu", (unsigned long long)s->seed);
    pasta_json_field_str(out, "initial_prompt", s->initial_prompt);
    if (s->user_type >= 0)
        pasta_str_printf(out, ",\"user_type\":%d", s->user_type);
    if (s->exploration.recorded) {
        pasta_str_add(out, ",\"exploration\":{\"epsilon\":");
        pasta_json_put_num(out, s->exploration.epsilon);
        pasta_json_field_num(out, "temperature", s->exploration.temperature);
        pasta_str_addc(out, '}');
    }
    if (s->generator) {
        pasta_str_add(out, ",\"generator\":{\"name\":");
        pasta_json_put_str(out, s->generator);
        if (s->template_hash)
            pasta_json_field_str(out, "template", s->template_hash);
        pasta_str_addc(out, '}');
    }
    pasta_str_add(out, ",\"turns\":[");
    for (int i = 0; i < s->n_turns; i++) {
        if (i)
            pasta_str_addc(out, ',');
        pasta_turn_print(&s->turns[i], i + 1, out);
    }
    pasta_str_addc(out, ']');
    pasta_checks_print(s, out);
    pasta_str_add(out, "}\n");
}
