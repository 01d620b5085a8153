#include <math.h>
#include <string.h>

#include "record_slate.h"

static const char *const kind_names[] = {"attention", "repeat"};
enum { MAX_CHECKS = 1 << 8 };

static bool same_column(const struct pasta_column *a, const struct pasta_column *b)
{
    if (a->n_images != b->n_images || strcmp(a->prompt, b->prompt) != 0)
        return false;
    for (int i = 0; i < a->n_images; i++)
        if (strcmp(a->images[i].id, b->images[i].id) != 0)
            return false;
    return true;
}

int pasta_column_in(const struct pasta_turn *turn, const struct pasta_column *column)
{
    for (int l = 0; l < turn->n_columns; l++)
        if (same_column(&turn->columns[l], column))
            return l;
    return -1;
}

/* --- reading --- */

/* Does the check show each column of the turn once? Equal columns are found one after the other. */
static bool is_repeated(const struct pasta_check *check, const struct pasta_turn *turn)
{
    bool used[PASTA_MAX_SLATE] = {false};
    for (int l = 0; l < check->n_columns; l++) {
        int at = 0;
        while (at < turn->n_columns && (used[at] || !same_column(&turn->columns[at], &check->columns[l])))
            at++;
        if (at == turn->n_columns)
            return false;
        used[at] = true;
    }
    return check->n_columns == turn->n_columns;
}

/* What the right answer is: a column that is said, or the one that was chosen before. */
static void parse_answer_key(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const struct pasta_session *s,
                             struct pasta_check *check)
{
    const char *const none = check->kind == PASTA_CHECK_REPEAT ? "expected" : "repeat_of";
    if (pasta_json_has(obj, none))
        pasta_fields_fail(f, at, none, "expected nothing in a check of kind %s, found a value", kind_names[check->kind]);
    if (check->kind == PASTA_CHECK_ATTENTION) {
        check->columns = pasta_slate_parse(f, at, obj, NULL, &check->n_columns);
        check->expected = (int)pasta_fields_int(f, at, obj, "expected", 0, check->n_columns - 1);
        return;
    }
    check->repeat_of = (int)pasta_fields_int(f, at, obj, "repeat_of", 1, check->after_turn);
    if (f->status != PASTA_OK)
        return;
    const struct pasta_turn *turn = &s->turns[check->repeat_of - 1];
    check->columns = pasta_slate_parse(f, at, obj, turn, &check->n_columns);
    if (f->status == PASTA_OK && !is_repeated(check, turn))
        pasta_fields_fail(f, at, "slate", "expected the columns of turn %d in any order, found others", check->repeat_of);
}

/* `after`: it was shown after that many turns or more. */
static void parse_check(struct pasta_fields *f, const struct pasta_place *at, const cJSON *obj, const struct pasta_session *s, int after,
                        struct pasta_check *check)
{
    *check = (struct pasta_check){.expected = -1};
    check->after_turn = (int)pasta_fields_int(f, at, obj, "after_turn", after, s->n_turns);
    check->kind = (enum pasta_check_kind)pasta_fields_name(f, at, obj, "kind", kind_names, 2);
    parse_answer_key(f, at, obj, s, check);
    check->choice = pasta_choice_parse(f, at, obj, check->n_columns);
    check->seconds = pasta_fields_opt_num(f, at, obj, "seconds", 0, HUGE_VAL);
}

pasta_status pasta_check_parse(const cJSON *object, const struct pasta_session *s, const char *where, struct pasta_arena *arena,
                               struct pasta_check *out, struct pasta_err *err)
{
    struct pasta_fields f = {.where = where, .arena = arena, .err = err};
    struct pasta_check check;
    if (pasta_fields_object(&f, NULL, object))
        parse_check(&f, NULL, object, s, 0, &check);
    if (f.status == PASTA_OK)
        *out = check;
    return f.status;
}

void pasta_checks_parse(struct pasta_fields *f, const cJSON *tree, struct pasta_session *s)
{
    if (f->status != PASTA_OK || !pasta_json_has(tree, "checks"))
        return;
    const cJSON *array = pasta_fields_array(f, NULL, tree, "checks", 0, MAX_CHECKS, &s->n_checks), *item;
    s->checks = pasta_arena_alloc(f->arena, (size_t)s->n_checks * sizeof *s->checks);
    struct pasta_place place = {NULL, "checks", 0};
    int after = 0; /* they stand in the order in which they were shown */
    cJSON_ArrayForEach(item, array) {
        if (!pasta_fields_object(f, &place, item))
            return;
        parse_check(f, &place, item, s, after, &s->checks[place.index]);
        after = s->checks[place.index].after_turn;
        place.index++;
    }
}

/* --- writing --- */

void pasta_check_print(const struct pasta_check *check, struct pasta_str *out)
{
    pasta_str_printf(out, "{\"after_turn\":%d", check->after_turn);
    pasta_json_field_str(out, "kind", kind_names[check->kind]);
    pasta_slate_print(check->columns, check->n_columns, out);
    if (check->kind == PASTA_CHECK_ATTENTION)
        pasta_str_printf(out, ",\"expected\":%d", check->expected);
    else
        pasta_str_printf(out, ",\"repeat_of\":%d", check->repeat_of);
    pasta_choice_print(check->choice, out);
    pasta_json_field_num(out, "seconds", check->seconds);
    pasta_str_addc(out, '}');
}

void pasta_checks_print(const struct pasta_session *s, struct pasta_str *out)
{
    if (!s->n_checks)
        return;
    for (int i = 0; i < s->n_checks; i++) {
        pasta_str_add(out, i ? "," : ",\"checks\":[");
        pasta_check_print(&s->checks[i], out);
    }
    pasta_str_addc(out, ']');
}
