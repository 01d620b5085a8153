/* What a rater's page is told, and what not: no prompt unless shown, no arm, no seed, no score; and which images are theirs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../src/study/view.h"
#include "pasta/base/json.h"
#include "study_made.h"

static struct pasta_study_settings settings;
static const struct view_settings view = {&settings, "You agree to <b>all</b> of it.\n\nReally."};

static char *told(const struct made *m, uint32_t rater)
{
    struct pasta_str text = {0};
    cJSON *tree = NULL;
    struct pasta_err err = {0};
    view_state(m->study, &m->study->raters[rater], &view, m->now, &text);
    assert_int_equal(pasta_json_parse(text.data, text.length, "state", &tree, &err), PASTA_OK);
    cJSON_Delete(tree);
    return pasta_str_take(&text);
}

static void assert_told(const struct made *m, uint32_t rater, const char *start)
{
    char *text = told(m, rater);
    if (!pasta_starts_with(text, start))
        fail_msg("expected %s..., found %s", start, text);
    free(text);
}

static void phases(void **state)
{
    (void)state;
    struct pasta_study_design design = made_design(4, 3, 2);
    design.attention_rate = design.repeat_rate = 0;
    struct made m = made_open(&design);
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    settings = (struct pasta_study_settings){.completion = "CODE \"7\""};

    assert_told(&m, 0, "{\"phase\":\"consent\",\"text\":\"You agree to <b>all</b> of it.\\n\\nReally.\",\"sessions\":{\"done\":0,\"of\":2}}");
    struct study_session *session = made_begin(&m, 0);
    assert_true(view_waits(&m.study->raters[0]));
    assert_told(&m, 0, "{\"phase\":\"preparing\",\"step\":1,\"progress\":{\"turn\":1,\"of\":4}}");
    session->plan.failures = 1;
    assert_told(&m, 0, "{\"phase\":\"trouble\",\"step\":1,");
    session->plan.failures = 0;
    made_show(&m, session);
    assert_false(view_waits(&m.study->raters[0]));
    assert_told(&m, 0, "{\"phase\":\"slate\",\"step\":1,\"progress\":{\"turn\":1,\"of\":4},\"task\":\"a cat, drawn \xc3\xa9 \\\"so\\\"\",\"instruction\":null,"
                       "\"columns\":[{\"images\":[\"");
    while (!session->ended)
        made_step(&m, session, &rng);
    assert_false(view_waits(&m.study->raters[0]));
    assert_told(&m, 0, "{\"phase\":\"between\",\"sessions\":{\"done\":1,\"of\":2}}");
    session = made_begin(&m, 0);
    assert_told(&m, 0, "{\"phase\":\"preparing\",\"step\":5,\"progress\":{\"turn\":1,\"of\":4}}"); /* steps count on */
    while (!session->ended)
        made_step(&m, session, &rng);
    assert_told(&m, 0, "{\"phase\":\"done\",\"text\":\"CODE \\\"7\\\"\",\"sessions\":{\"done\":2,\"of\":2}}");
    for (int i = 0; i < 2; i++)
        for (session = made_begin(&m, 1); !session->ended;)
            made_step(&m, session, &rng);
    settings.completion = "";
    assert_told(&m, 1, "{\"phase\":\"done\",\"text\":null,");
    assert_told(&m, 2, "{\"phase\":\"closed\"}");
    made_close(&m);
}

/* Every state of every step of a study: what stands in it, and what must not. */
static void nothing_is_given_away(void **state)
{
    (void)state;
    const struct pasta_study_design design = made_design(40, 20, 2);
    for (int prompts = 0; prompts < 2; prompts++) {
        struct made m = made_open(&design);
        struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
        settings = (struct pasta_study_settings){.completion = "", .show_prompts = prompts, .rating = true, .critique = false, .none = true};
        int attention = 0, repeats = 0, versus = 0;
        for (uint32_t r = 0; r < 20; r++) {
            struct study_session *session = made_begin(&m, r);
            while (!session->ended) {
                if (!session->shown)
                    made_show(&m, session);
                char *text = told(&m, r);
                const struct pasta_session *s = &session->record;
                const bool repeat = session->check && s->checks[s->n_checks].kind == PASTA_CHECK_REPEAT;
                assert_int_equal(strstr(text, "secret prompt") != NULL, prompts);
                assert_null(strstr(text, "baseline"));
                assert_null(strstr(text, "pasta"));
                assert_null(strstr(text, "4711"));
                assert_null(strstr(text, "seed"));
                assert_null(strstr(text, "score"));
                assert_null(strstr(text, "style"));
                assert_null(strstr(text, "expected"));
                assert_null(strstr(text, "repeat"));
                assert_null(strstr(text, s->rater_id));
                assert_int_equal(strstr(text, "A check of attention: please choose column") != NULL, session->check && !repeat);
                assert_int_equal(strstr(text, "\"again\":true") != NULL, repeat);
                if (session->check)
                    assert_non_null(strstr(text, "\"previous\":null,\"ask\":{\"versus\":false,\"rating\":false,\"critique\":false,\"none\":false}}"));
                else
                    assert_non_null(strstr(text, study_asks_versus(session)
                                                     ? "\"ask\":{\"versus\":true,\"rating\":true,\"critique\":false,\"none\":true}}"
                                                     : "\"previous\":null,\"ask\":{\"versus\":false,\"rating\":true,\"critique\":false,\"none\":true}}"));
                attention += session->check && !repeat;
                repeats += repeat;
                versus += study_asks_versus(session);
                free(text);
                made_step(&m, session, &rng);
            }
        }
        assert_true(attention > 5 && repeats > 5 && versus > 20);
        made_close(&m);
    }
}

static bool may_see(const struct study_rater *rater, const char *id)
{
    const struct study_session *session;
    const struct pasta_image_ref *image;
    const struct pasta_column *column = view_image(rater, id, &session, &image);
    if (column) { /* and what made it is told */
        assert_string_equal(image->id, id);
        assert_true(column->images <= image && image < column->images + column->n_images);
        assert_ptr_equal(session, rater->sessions[session == rater->sessions[0] ? 0 : rater->n_sessions - 1]);
    }
    return column != NULL;
}

static void images_of_a_rater(void **state)
{
    (void)state;
    struct pasta_study_design design = made_design(4, 2, 2);
    design.attention_rate = design.repeat_rate = 0;
    struct made m = made_open(&design);
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    struct study_session *mine = made_begin(&m, 0), *other = made_begin(&m, 1);
    const struct study_rater *rater = &m.study->raters[0];
    made_show(&m, mine);
    made_show(&m, other);
    const struct pasta_column *shown = mine->record.turns[0].columns;
    for (int l = 0; l < MADE_COLUMNS; l++)
        for (int i = 0; i < MADE_IMAGES; i++) {
            assert_true(may_see(rater, shown[l].images[i].id));
            assert_false(may_see(rater, other->record.turns[0].columns[l].images[i].id));
            assert_false(may_see(&m.study->raters[1], shown[l].images[i].id));
        }
    assert_false(may_see(rater, "0000000000000000000000000000000000000000000000000000000000000000"));
    made_step(&m, mine, &rng);
    assert_true(may_see(rater, shown[0].images[0].id)); /* an earlier turn's */
    while (!mine->ended)
        made_step(&m, mine, &rng);
    made_begin(&m, 0);
    assert_true(may_see(rater, mine->record.turns[3].columns[3].images[1].id)); /* an earlier session's */
    made_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases), cmocka_unit_test(nothing_is_given_away), cmocka_unit_test(images_of_a_rater)};
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
