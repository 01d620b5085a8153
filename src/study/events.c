#include "events.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/rng.h"
#include "steps.h"

static const char *const schema = "pasta.study/1";

/* --- writing --- */

static void begin(const char *event, double now, struct pasta_str *out)
{
    pasta_str_printf(out, "{\"schema\":\"%s\",\"event\":\"%s\"", schema, event);
    pasta_json_field_num(out, "at", now);
}

void event_open(const struct pasta_study_design *design, double now, struct pasta_str *out)
{
    begin("open", now, out);
    pasta_str_printf(out, ",\"design\":{\"seed\":%llu,\"arms\":[", (unsigned long long)design->seed);
    for (int i = 0; i < design->n_arms; i++) {
        pasta_str_add(out, i ? "," : "");
        pasta_json_put_str(out, design->arms[i]);
    }
    pasta_str_printf(out, "],\"places\":%lld,\"raters\":%u,\"first_rater\":%u,\"sessions_per_rater\":%d,\"horizon\":%d",
                     (long long)design->places, design->raters, design->first_rater, design->sessions_per_rater, design->horizon);
    pasta_json_field_num(out, "attention_rate", design->attention_rate);
    pasta_json_field_num(out, "repeat_rate", design->repeat_rate);
    pasta_json_field_num(out, "idle_seconds", design->idle_seconds);
    pasta_str_add(out, "}}\n");
}

void event_start(const struct pasta_session *session, uint32_t person, const char *arm, int64_t block, double now, struct pasta_str *out)
{
    begin("start", now, out);
    pasta_str_printf(out, ",\"person\":%u", person);
    pasta_json_field_str(out, "arm", arm);
    pasta_str_printf(out, ",\"block\":%lld,\"session\":", (long long)block);
    pasta_session_print(session, out);
    out->data[--out->length] = '\0'; /* its newline */
    pasta_str_add(out, "}\n");
}

void event_slate(const char *session_id, bool check, const char *step, double now, struct pasta_str *out)
{
    begin("slate", now, out);
    pasta_json_field_str(out, "session", session_id);
    pasta_str_printf(out, ",\"%s\":%s}\n", check ? "check" : "turn", step);
}

void event_answer_fields(const struct study_answer *answer, struct pasta_str *out)
{
    if (answer->choice >= 0)
        pasta_json_field_num(out, "choice", answer->choice);
    else
        pasta_str_add(out, ",\"choice\":null");
    if (answer->versus != PASTA_VERSUS_NONE)
        pasta_json_field_str(out, "vs_previous", pasta_versus_names[answer->versus]);
    pasta_json_field_num(out, "rating", answer->rating);
    if (answer->critique)
        pasta_json_field_str(out, "critique", answer->critique);
}

void event_answer(const char *session_id, const struct study_answer *answer, double now, struct pasta_str *out)
{
    begin("answer", now, out);
    pasta_json_field_str(out, "session", session_id);
    pasta_str_printf(out, ",\"step\":%d", answer->step);
    event_answer_fields(answer, out);
    pasta_json_field_num(out, "seconds", answer->seconds);
    pasta_str_add(out, "}\n");
}

/* --- reading --- */

/* What reading keeps from line to line. */
struct reader {
    struct study *study; /* NULL before the first "open" */
    int64_t opened;
    struct { const char *id; struct study_session *session; } *slots; /* open addressing: session ids are looked up for every line */
    size_t n_slots;
};

static size_t slot_of(const struct reader *r, const char *id)
{
    size_t i = pasta_hash64(id) & (r->n_slots - 1);
    while (r->slots[i].id && strcmp(r->slots[i].id, id) != 0)
        i = (i + 1) & (r->n_slots - 1);
    return i;
}

static void remember(struct reader *r, struct study_session *session)
{
    if (2 * r->study->n > r->n_slots) {
        free(r->slots);
        r->n_slots = r->n_slots ? 4 * r->n_slots : 256;
        r->slots = pasta_calloc(r->n_slots, sizeof *r->slots);
        for (size_t i = 0; i < r->study->n; i++) {
            const char *id = r->study->sessions[i]->record.session_id;
            const size_t at = slot_of(r, id);
            r->slots[at].id = id;
            r->slots[at].session = r->study->sessions[i];
        }
        return;
    }
    const size_t at = slot_of(r, session->record.session_id);
    r->slots[at].id = session->record.session_id;
    r->slots[at].session = session;
}

static pasta_status read_arms(const cJSON *object, const char *where, struct pasta_study_design *design, struct pasta_err *err)
{
    const cJSON *array, *item;
    const pasta_status status = pasta_json_array(object, "arms", where, &array, err);
    int n = 0;
    if (status != PASTA_OK)
        return status;
    if (cJSON_GetArraySize(array) < 1 || cJSON_GetArraySize(array) > PASTA_STUDY_MAX_ARMS)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: design.arms: expected 1 to %d names, found %d", where, PASTA_STUDY_MAX_ARMS,
                          cJSON_GetArraySize(array));
    design->arms = pasta_calloc((size_t)cJSON_GetArraySize(array), sizeof *design->arms);
    cJSON_ArrayForEach(item, array) {
        if (!cJSON_IsString(item))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: design.arms: expected names, found %s", where, pasta_json_type_name(item));
        design->arms[n++] = item->valuestring;
    }
    design->n_arms = n;
    return PASTA_OK;
}

static pasta_status read_open(struct reader *r, const cJSON *line, const char *where, struct pasta_err *err)
{
    struct pasta_study_design design = {0};
    const cJSON *object;
    int64_t seed, raters, first, sessions, horizon;
    pasta_status status;

    if (r->opened++)
        return PASTA_OK;
    if ((status = pasta_json_object(line, "design", where, &object, err)) == PASTA_OK &&
        (status = read_arms(object, where, &design, err)) == PASTA_OK &&
        (status = pasta_json_int(object, "seed", where, 0, (INT64_C(1) << 53) - 1, &seed, err)) == PASTA_OK &&
        (status = pasta_json_int(object, "places", where, design.n_arms, PASTA_STUDY_MAX_PLACES, &design.places, err)) == PASTA_OK &&
        (status = pasta_json_int(object, "raters", where, 1, PASTA_STUDY_MAX_RATERS, &raters, err)) == PASTA_OK &&
        (status = pasta_json_int(object, "first_rater", where, 0, 1000000000, &first, err)) == PASTA_OK &&
        (status = pasta_json_int(object, "sessions_per_rater", where, 1, 10000, &sessions, err)) == PASTA_OK &&
        (status = pasta_json_int(object, "horizon", where, 1, PASTA_MAX_HORIZON, &horizon, err)) == PASTA_OK &&
        (status = pasta_json_num(object, "attention_rate", where, 0, 1, &design.attention_rate, err)) == PASTA_OK &&
        (status = pasta_json_num(object, "repeat_rate", where, 0, 1, &design.repeat_rate, err)) == PASTA_OK &&
        (status = pasta_json_num(object, "idle_seconds", where, 0, DBL_MAX, &design.idle_seconds, err)) == PASTA_OK &&
        design.places % design.n_arms)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: design.places: expected a multiple of the %d arms, found %lld", where, design.n_arms,
                            (long long)design.places);
    if (status == PASTA_OK) {
        design.seed = (uint64_t)seed;
        design.raters = (uint32_t)raters;
        design.first_rater = (uint32_t)first;
        design.sessions_per_rater = (int)sessions;
        design.horizon = (int)horizon;
        r->study = study_new(&design);
    }
    free(design.arms);
    return status;
}

static int arm_named(const struct pasta_study_design *design, const char *name)
{
    for (int i = 0; i < design->n_arms; i++)
        if (strcmp(design->arms[i], name) == 0)
            return i;
    return -1;
}

static pasta_status read_start(struct reader *r, const cJSON *line, double at, const char *where, struct pasta_err *err)
{
    const struct pasta_study_design *design = &r->study->design;
    struct pasta_arena arena = {0};
    struct pasta_session record;
    int64_t person, block;
    const char *name;
    const cJSON *object;
    pasta_status status;

    if ((status = pasta_json_int(line, "person", where, design->first_rater, (int64_t)design->first_rater + design->raters - 1, &person,
                                 err)) == PASTA_OK &&
        (status = pasta_json_int(line, "block", where, 0, design->places / design->n_arms - 1, &block, err)) == PASTA_OK &&
        (status = pasta_json_str(line, "arm", where, &name, err)) == PASTA_OK &&
        (status = pasta_json_object(line, "session", where, &object, err)) == PASTA_OK)
        status = pasta_session_parse_open(object, where, &arena, &record, err);
    if (status == PASTA_OK) {
        const struct study_rater *rater = &r->study->raters[person - design->first_rater];
        const int arm = arm_named(design, name);
        if (arm < 0)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: arm: expected one of the design's, found \"%s\"", where, name);
        else if (rater->n_sessions == design->sessions_per_rater || study_current(rater))
            status =
                pasta_fail(err, PASTA_ERR_INPUT, "%s: person: expected one who may begin a session, found %lld", where, (long long)person);
        else if (record.n_turns || record.n_checks)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: session.turns: expected none yet, found %d", where, record.n_turns);
        else if (r->n_slots && r->slots[slot_of(r, record.session_id)].id)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: session_id: expected a new one, found \"%s\" again", where, record.session_id);
        else
            remember(r, study_begin(r->study, &record, &arena, (uint32_t)person, arm, block, at));
    }
    pasta_arena_release(&arena);
    return status;
}

static pasta_status session_of(const struct reader *r, const cJSON *line, const char *where, struct study_session **out,
                               struct pasta_err *err)
{
    const char *id;
    const pasta_status status = pasta_json_str(line, "session", where, &id, err);
    if (status != PASTA_OK)
        return status;
    *out = r->n_slots ? r->slots[slot_of(r, id)].session : NULL;
    return *out ? PASTA_OK : pasta_fail(err, PASTA_ERR_INPUT, "%s: session: expected one that has begun, found \"%s\"", where, id);
}

static pasta_status show(struct study_session *session, bool check, const cJSON *object, const char *where, struct pasta_err *err)
{
    struct pasta_session *s = &session->record;
    const pasta_status status = check ? pasta_check_parse(object, s, where, &session->arena, &s->checks[s->n_checks], err)
                                      : pasta_turn_parse(object, s->n_turns + 1, where, &session->arena, &s->turns[s->n_turns], err);
    session->shown = status == PASTA_OK;
    session->check = check;
    return status;
}

pasta_status event_show(struct study_session *session, bool check, const char *step, const char *where, struct pasta_err *err)
{
    cJSON *tree = NULL;
    pasta_status status = pasta_json_parse(step, strlen(step), where, &tree, err);
    if (status == PASTA_OK)
        status = show(session, check, tree, where, err);
    cJSON_Delete(tree);
    return status;
}

/* Is it the check that is due? One that is not would be no function of the session's address. */
static bool is_due(const struct pasta_check *due, const struct pasta_check *found)
{
    struct pasta_str a = {0}, b = {0};
    pasta_check_print(due, &a);
    pasta_check_print(found, &b);
    const bool same = strcmp(a.data, b.data) == 0;
    pasta_str_release(&a);
    pasta_str_release(&b);
    return same;
}

static pasta_status read_slate(struct reader *r, const cJSON *line, const char *where, struct pasta_err *err)
{
    struct study_session *session;
    const bool check = pasta_json_has(line, "check");
    const cJSON *object;
    struct pasta_check due;
    pasta_status status = session_of(r, line, where, &session, err);
    if (status == PASTA_OK)
        status = pasta_json_object(line, check ? "check" : "turn", where, &object, err);
    if (status != PASTA_OK)
        return status;
    struct pasta_session *s = &session->record;
    const enum step_kind next = session->ended ? STEP_END : step_next(&r->study->design, s, session->index, &session->arena, &due);
    if (session->shown || next != (check ? STEP_CHECK : STEP_TURN))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected no such step of session \"%s\" here", where, s->session_id);
    status = show(session, check, object, where, err);
    if (status == PASTA_OK && check && !is_due(&due, &s->checks[s->n_checks]))
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: check: expected the one that is due in session \"%s\", found another", where,
                            s->session_id);
    return status;
}

static pasta_status opt_num(const cJSON *line, const char *key, const char *where, double min, double max, double *out,
                            struct pasta_err *err)
{
    *out = NAN;
    return pasta_json_has(line, key) ? pasta_json_num(line, key, where, min, max, out, err) : PASTA_OK;
}

static pasta_status read_versus(const cJSON *line, const char *where, enum pasta_versus *out, struct pasta_err *err)
{
    const char *name;
    if (!pasta_json_has(line, "vs_previous"))
        return PASTA_OK;
    const pasta_status status = pasta_json_str(line, "vs_previous", where, &name, err);
    for (int v = PASTA_WORSE; v <= PASTA_BETTER && status == PASTA_OK; v++)
        if (strcmp(pasta_versus_names[v], name) == 0)
            *out = (enum pasta_versus)v;
    if (status == PASTA_OK && *out == PASTA_VERSUS_NONE)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: vs_previous: expected worse, same or better, found \"%s\"", where, name);
    return status;
}

/* Its fields but for the step; the critique is the tree's. */
static pasta_status answer_fields(const cJSON *object, const char *where, struct study_answer *out, struct pasta_err *err)
{
    struct study_answer answer = {.choice = -1};
    int64_t choice = -1;
    pasta_status status = PASTA_OK;

    if (pasta_json_has(object, "choice"))
        status = pasta_json_int(object, "choice", where, 0, PASTA_MAX_SLATE - 1, &choice, err);
    if (status == PASTA_OK && (status = read_versus(object, where, &answer.versus, err)) == PASTA_OK &&
        (status = opt_num(object, "rating", where, 1, 10, &answer.rating, err)) == PASTA_OK &&
        (status = opt_num(object, "seconds", where, 0, DBL_MAX, &answer.seconds, err)) == PASTA_OK && pasta_json_has(object, "critique"))
        status = pasta_json_str(object, "critique", where, &answer.critique, err);
    answer.choice = (int)choice;
    if (status == PASTA_OK)
        *out = answer;
    return status;
}

pasta_status event_answer_read(const char *text, const char *where, struct pasta_arena *arena, struct study_answer *out,
                               struct pasta_err *err)
{
    cJSON *tree = NULL;
    pasta_status status = pasta_json_parse(text, strlen(text), where, &tree, err);
    if (status == PASTA_OK && (status = answer_fields(tree, where, out, err)) == PASTA_OK)
        out->critique = pasta_arena_strdup(arena, out->critique);
    cJSON_Delete(tree);
    return status;
}

static pasta_status read_answer(struct reader *r, const cJSON *line, double at, const char *where, struct pasta_err *err)
{
    struct study_answer answer;
    struct study_session *session;
    int64_t step;
    pasta_status status;

    if ((status = session_of(r, line, where, &session, err)) != PASTA_OK ||
        (status = pasta_json_int(line, "step", where, 1, INT32_MAX, &step, err)) != PASTA_OK ||
        (status = answer_fields(line, where, &answer, err)) != PASTA_OK)
        return status;
    answer.step = (int)step;
    if (!session->shown || answer.step != step_number(&session->record))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: step: expected one that is shown, found %d of session \"%s\"", where, answer.step,
                          session->record.session_id);
    const char *wrong = study_refuse(session, &answer, true);
    if (wrong)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: choice: %s", where, wrong);
    study_answer(r->study, session, &answer, at);
    return PASTA_OK;
}

static pasta_status read_line(struct reader *r, const char *line, size_t length, const char *where, struct pasta_err *err)
{
    cJSON *tree = NULL;
    const char *found, *event;
    double at;
    pasta_status status;

    if ((status = pasta_json_parse(line, length, where, &tree, err)) != PASTA_OK ||
        (status = pasta_json_str(tree, "schema", where, &found, err)) != PASTA_OK ||
        (status = pasta_json_str(tree, "event", where, &event, err)) != PASTA_OK ||
        (status = pasta_json_num(tree, "at", where, 0, DBL_MAX, &at, err)) != PASTA_OK)
        ;
    else if (strcmp(found, schema) != 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: schema: expected \"%s\", found \"%.60s\"", where, schema, found);
    else if (strcmp(event, "open") == 0)
        status = read_open(r, tree, where, err);
    else if (!r->study)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: event: expected \"open\" first, found \"%.60s\"", where, event);
    else if (strcmp(event, "start") == 0)
        status = read_start(r, tree, at, where, err);
    else if (strcmp(event, "slate") == 0)
        status = read_slate(r, tree, where, err);
    else if (strcmp(event, "answer") == 0)
        status = read_answer(r, tree, at, where, err);
    else
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: event: expected open, start, slate or answer, found \"%.60s\"", where, event);
    cJSON_Delete(tree);
    return status;
}

pasta_status study_read(const char *path, struct study **out, int64_t *restarts, struct pasta_err *err)
{
    struct reader r = {0};
    char *text = NULL;
    size_t capacity = 0;
    int64_t number = 0;
    ssize_t length;
    pasta_status status = PASTA_OK;
    FILE *file = fopen(path, "re");

    if (!file)
        return pasta_fail_errno(err, "cannot read '%s'", path);
    /* Not what stands behind the last newline: a server may be writing it. */
    while (status == PASTA_OK && (length = getline(&text, &capacity, file)) > 0 && text[length - 1] == '\n') {
        char *where = pasta_asprintf("%s:%lld", path, (long long)++number);
        text[--length] = '\0';
        status = read_line(&r, text, (size_t)length, where, err);
        free(where);
    }
    if (status == PASTA_OK && ferror(file))
        status = pasta_fail_errno(err, "cannot read '%s'", path);
    if (status == PASTA_OK && !r.study)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected the journal of a study, found no line of one", path);
    if (status == PASTA_OK) {
        *out = r.study;
        if (restarts)
            *restarts = r.opened - 1;
    } else {
        study_free(r.study);
    }
    free(r.slots);
    free(text);
    fclose(file);
    return status;
}
