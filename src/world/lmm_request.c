#include "lmm_request.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pasta/base/base64.h"
#include "pasta/base/json.h"

static void put_field(struct pasta_str *out, const char *key)
{
    pasta_str_printf(out, "%s\"%s\": ", out->length && out->data[out->length - 1] != '{' ? ", " : "", key);
}

/* [{"column": 1, "category": "style", "prompt": "..."}, ...], a line each */
static void put_shown(const struct pasta_turn *turn, struct pasta_str *out)
{
    for (int l = 0; l < turn->n_columns; l++) {
        pasta_str_printf(out, "%s{\"column\": %d, \"category\": \"%s\", \"prompt\": ", l ? ",\n " : "[", l + 1,
                         pasta_category_names[turn->columns[l].category]);
        pasta_json_put_str(out, turn->columns[l].prompt);
        pasta_str_addc(out, '}');
    }
    pasta_str_add(out, "]");
}

static void put_answer(const struct pasta_turn *turn, struct pasta_str *out)
{
    pasta_str_addc(out, '{');
    put_field(out, "chosen");
    if (turn->choice >= 0)
        pasta_str_printf(out, "%d", turn->choice + 1);
    else
        pasta_str_add(out, "null");
    if (!isnan(turn->rating)) {
        put_field(out, "rating");
        pasta_json_put_num(out, turn->rating);
    }
    if (turn->versus != PASTA_VERSUS_NONE) {
        put_field(out, "compared_with_turn_before");
        pasta_json_put_str(out, pasta_versus_names[turn->versus]);
    }
    if (turn->critique) {
        put_field(out, "critique");
        pasta_json_put_str(out, turn->critique);
    }
    pasta_str_addc(out, '}');
}

static void set_values(const struct lmm_turn *t, const char *values[LMM_VALUES])
{
    memset(values, 0, LMM_VALUES * sizeof *values);
    for (int v = LMM_CANDIDATES; v <= LMM_HORIZON; v++)
        values[v] = t->numbers[v];
}

static void put_history(const struct lmm_turn *t, const struct pasta_session *session, struct pasta_str *out)
{
    const char *values[LMM_VALUES];
    set_values(t, values);
    if (session->n_turns == 0) {
        lmm_template_fill(t->asking->prompt_template, LMM_FIRST, values, out);
        return;
    }
    for (int i = 0; i < session->n_turns; i++) {
        struct pasta_str shown = {0}, answer = {0};
        char number[24];
        put_shown(&session->turns[i], &shown);
        put_answer(&session->turns[i], &answer);
        snprintf(number, sizeof number, "%d", i + 1);
        values[LMM_NUMBER] = number;
        values[LMM_SHOWN] = shown.data;
        values[LMM_ANSWER] = answer.data;
        pasta_str_add(out, i ? "\n\n" : "");
        lmm_template_fill(t->asking->prompt_template, LMM_TURN, values, out);
        pasta_str_release(&shown);
        pasta_str_release(&answer);
    }
}

static void put_user_text(const struct lmm_turn *t, const struct pasta_session *session, struct pasta_str *out)
{
    const char *values[LMM_VALUES];
    struct pasta_str history = {0}, initial = {0}, text = {0};

    put_history(t, session, &history);
    pasta_json_put_str(&initial, session->initial_prompt);
    set_values(t, values);
    values[LMM_INITIAL_PROMPT] = initial.data;
    values[LMM_HISTORY] = history.data;
    lmm_template_fill(t->asking->prompt_template, LMM_USER, values, &text);
    pasta_json_put_str(out, text.data);
    pasta_str_release(&history);
    pasta_str_release(&initial);
    pasta_str_release(&text);
}

/* The image as a part of the message: a PNG without any text in it. */
static pasta_status put_image(const struct pasta_t2i *t2i, const char *prompt, uint64_t seed, struct pasta_str *out, struct pasta_err *err)
{
    struct pasta_image image = {0};
    struct pasta_str png = {0};

    pasta_status status = t2i->draw(t2i->ctx, prompt, seed, &image, err);
    if (status == PASTA_OK)
        status = pasta_png_encode(&image, NULL, 0, &png, err);
    if (status == PASTA_OK) {
        pasta_str_add(out, ",{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,");
        pasta_base64_put(out, png.data, png.length);
        pasta_str_add(out, "\"}}");
    }
    pasta_str_release(&png);
    pasta_image_release(&image);
    return status;
}

static pasta_status put_images(const struct lmm_turn *t, const struct pasta_session *session, struct pasta_str *out, struct pasta_err *err)
{
    const int most = (int)t->asking->settings->images;
    const char *values[LMM_VALUES];
    pasta_status status = PASTA_OK;

    set_values(t, values);
    for (int i = 0; i < session->n_turns && status == PASTA_OK; i++) {
        const struct pasta_turn *turn = &session->turns[i];
        struct pasta_str text = {0};
        char number[24];
        if (turn->choice < 0)
            continue;
        const struct pasta_column *column = &turn->columns[turn->choice];
        snprintf(number, sizeof number, "%d", i + 1);
        values[LMM_NUMBER] = number;
        lmm_template_fill(t->asking->prompt_template, LMM_IMAGES, values, &text);
        pasta_str_add(out, ",{\"type\":\"text\",\"text\":");
        pasta_json_put_str(out, text.data);
        pasta_str_addc(out, '}');
        for (int m = 0; m < column->n_images && m < most && status == PASTA_OK; m++)
            status = put_image(&t->asking->t2i, column->prompt, column->images[m].seed, out, err);
        pasta_str_release(&text);
    }
    return status;
}

pasta_status lmm_turn_begin(const struct lmm_asking *asking, const struct pasta_session *session, int n, struct lmm_turn *out,
                            struct pasta_err *err)
{
    const int numbers[] = {[LMM_CANDIDATES] = n, [LMM_EACH] = n / PASTA_CATEGORIES, [LMM_MAX_WORDS] = asking->max_words,
                           [LMM_NUMBER] = session->n_turns + 1, [LMM_HORIZON] = asking->horizon};
    struct lmm_turn t = {.asking = asking};
    struct pasta_str system = {0};
    const char *values[LMM_VALUES];
    pasta_status status = PASTA_OK;

    for (int v = LMM_CANDIDATES; v <= LMM_HORIZON; v++)
        snprintf(t.numbers[v], sizeof t.numbers[v], "%d", numbers[v]);
    set_values(&t, values);
    lmm_template_fill(asking->prompt_template, LMM_SYSTEM, values, &system);
    pasta_str_add(&t.head, "{\"role\":\"system\",\"content\":");
    pasta_json_put_str(&t.head, system.data);
    pasta_str_add(&t.head, "},{\"role\":\"user\",\"content\":");
    pasta_str_release(&system);
    if (asking->settings->images > 0) {
        pasta_str_add(&t.head, "[{\"type\":\"text\",\"text\":");
        put_user_text(&t, session, &t.head);
        pasta_str_addc(&t.head, '}');
        status = put_images(&t, session, &t.head, err);
        pasta_str_addc(&t.head, ']');
    } else {
        put_user_text(&t, session, &t.head);
    }
    pasta_str_addc(&t.head, '}');
    if (status == PASTA_OK)
        *out = t;
    else
        lmm_turn_release(&t);
    return status;
}

void lmm_turn_release(struct lmm_turn *turn)
{
    pasta_str_release(&turn->head);
}

/* What OpenAI calls structured outputs: a list of strings for each category that is wanted, and their order. The lists' lengths are said, or a
 * small model may leave them empty. */
static void put_schema(const int wanted[PASTA_CATEGORIES], struct pasta_str *out)
{
    struct pasta_str names = {0};
    int categories = 0;

    pasta_str_add(out, "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"candidates\",\"strict\":true,\"schema\":"
                       "{\"type\":\"object\",\"properties\":{");
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        if (wanted[c]) {
            pasta_str_printf(out, "\"%s\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":%d,\"maxItems\":%d},",
                             pasta_category_names[c], wanted[c], wanted[c]);
            pasta_str_printf(&names, "%s\"%s\"", categories++ ? "," : "", pasta_category_names[c]);
        }
    pasta_str_printf(out, "\"order\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"enum\":[%s]},\"minItems\":%d,\"maxItems\":%d}},"
                     "\"required\":[%s,\"order\"],\"additionalProperties\":false}}}", names.data, categories, categories, names.data);
    pasta_str_release(&names);
}

static void put_follow_up(const struct lmm_turn *t, const char *said, enum lmm_section section, const char *problem,
                          const int wanted[PASTA_CATEGORIES], struct pasta_str *out)
{
    const char *values[LMM_VALUES];
    struct pasta_str lacking = {0}, text = {0};

    pasta_str_addc(&lacking, '{');
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        if (wanted[c]) {
            put_field(&lacking, pasta_category_names[c]);
            pasta_str_printf(&lacking, "%d", wanted[c]);
        }
    pasta_str_addc(&lacking, '}');
    set_values(t, values);
    values[LMM_PROBLEM] = problem;
    values[LMM_LACKING] = lacking.data;
    lmm_template_fill(t->asking->prompt_template, section, values, &text);
    pasta_str_add(out, ",{\"role\":\"assistant\",\"content\":");
    pasta_json_put_str(out, said);
    pasta_str_add(out, "},{\"role\":\"user\",\"content\":");
    pasta_json_put_str(out, text.data);
    pasta_str_addc(out, '}');
    pasta_str_release(&lacking);
    pasta_str_release(&text);
}

void lmm_request_put(const struct lmm_turn *t, const char *said, enum lmm_section section, const char *problem,
                     const int wanted[PASTA_CATEGORIES], int64_t seed, struct pasta_str *out)
{
    const struct pasta_generator_settings *set = t->asking->settings;

    pasta_str_clear(out);
    pasta_str_add(out, "{\"model\":");
    pasta_json_put_str(out, set->model);
    pasta_str_add(out, ",\"messages\":[");
    pasta_str_addn(out, t->head.data, t->head.length);
    if (said)
        put_follow_up(t, said, section, problem, wanted, out);
    pasta_str_add(out, "],\"temperature\":");
    pasta_json_put_num(out, set->temperature);
    if (set->max_tokens > 0)
        pasta_str_printf(out, ",\"max_tokens\":%lld", (long long)set->max_tokens);
    if (seed >= 0)
        pasta_str_printf(out, ",\"seed\":%lld", (long long)seed);
    if (strcmp(set->reply, "schema") == 0) {
        pasta_str_add(out, ",\"response_format\":");
        put_schema(wanted, out);
    } else if (strcmp(set->reply, "object") == 0) {
        pasta_str_add(out, ",\"response_format\":{\"type\":\"json_object\"}");
    }
    pasta_str_addc(out, '}');
}
