/* The journal's lines: what is written reads back, what cannot be is refused with its line, and the state is the one that there was. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "study_made.h"

static void assert_same(const struct study *a, const struct study *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->n_ended, b->n_ended);
    assert_int_equal(study_done(a), study_done(b));
    for (size_t i = 0; i < a->n; i++) {
        const struct study_session *x = a->sessions[i], *y = b->sessions[i];
        struct pasta_str text_x = {0}, text_y = {0};
        pasta_session_print(&x->record, &text_x);
        pasta_session_print(&y->record, &text_y);
        assert_string_equal(text_x.data, text_y.data);
        pasta_str_clear(&text_x);
        pasta_str_clear(&text_y);
        assert_int_equal(x->shown, y->shown);
        if (x->shown) { /* the step on show too */
            assert_int_equal(x->check, y->check);
            if (x->check) {
                pasta_check_print(&x->record.checks[x->record.n_checks], &text_x);
                pasta_check_print(&y->record.checks[y->record.n_checks], &text_y);
            } else {
                pasta_turn_print(&x->record.turns[x->record.n_turns], 1, &text_x);
                pasta_turn_print(&y->record.turns[y->record.n_turns], 1, &text_y);
            }
            assert_string_equal(text_x.data, text_y.data);
        }
        pasta_str_release(&text_x);
        pasta_str_release(&text_y);
        assert_int_equal(x->ended, y->ended);
        assert_int_equal(x->ended_as, y->ended_as);
        assert_int_equal(x->arm, y->arm);
        assert_int_equal(x->block, y->block);
        assert_int_equal(x->person, y->person);
        assert_int_equal(x->index, y->index);
        assert_true(x->started == y->started && x->last == y->last);
    }
    for (uint32_t r = 0; r < a->design.raters; r++) {
        int64_t block_a = -1, block_b = -1;
        int arm_a = -1, arm_b = -1;
        assert_int_equal(a->raters[r].n_sessions, b->raters[r].n_sessions);
        assert_int_equal(study_deal(a, &a->raters[r], 5000, &arm_a, &block_a), study_deal(b, &b->raters[r], 5000, &arm_b, &block_b));
        assert_int_equal(arm_a, arm_b);
        assert_int_equal(block_a, block_b);
    }
}

/* Something that may happen next: a rater begins, a step is shown, a step is answered. */
static void happen(struct made *m, struct pasta_rng *rng)
{
    const uint32_t r = pasta_rng_below(rng, m->study->design.raters);
    struct study_session *session = study_current(&m->study->raters[r]);
    m->now += (double)pasta_rng_below(rng, 3000) / 1000 - 1; /* the clock is set back now and then */
    if (!session && m->study->raters[r].n_sessions < m->study->design.sessions_per_rater)
        made_begin(m, r);
    else if (session && !session->shown)
        made_show(m, session);
    else if (session)
        made_step(m, session, rng);
}

static void state_is_the_journals(void **state)
{
    (void)state;
    const struct pasta_study_design design = made_design(20, 12, 2);
    for (uint32_t seed = 0; seed < 3; seed++) {
        struct made m = made_open(&design);
        struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_TEST, 0, 0, 0);
        for (int i = 0; i < 400; i++) {
            struct study *again;
            struct pasta_err err = {0};
            int64_t restarts = -1;
            happen(&m, &rng);
            if (i % 7 && i < 390)
                continue;
            assert_int_equal(made_read(m.journal.data, m.journal.length, &again, &restarts, &err), PASTA_OK);
            assert_int_equal(restarts, 0);
            assert_same(m.study, again);
            study_free(again);
        }
        assert_true(m.study->n_ended > 5);
        made_close(&m);
    }
}

static void design_reads_back(void **state)
{
    (void)state;
    struct pasta_study_design design = made_design(20, 12, 2);
    struct study *study;
    struct pasta_err err = {0};
    struct pasta_str text = {0};
    int64_t restarts;
    design.seed = (UINT64_C(1) << 53) - 1;
    design.idle_seconds = 0.6;
    design.repeat_rate = 1. / 3;
    event_open(&design, 17.125, &text);
    event_open(&design, 18, &text);
    event_open(&design, 19, &text);
    assert_int_equal(made_read(text.data, text.length, &study, &restarts, &err), PASTA_OK);
    assert_int_equal(restarts, 2);
    assert_true(study->design.seed == design.seed && study->design.idle_seconds == 0.6 && study->design.repeat_rate == 1. / 3 &&
                study->design.attention_rate == 0.5);
    assert_int_equal(study->design.n_arms, 2);
    assert_string_equal(study->design.arms[1], "pasta \"x\"");
    assert_int_equal(study->design.places, 20);
    assert_int_equal(study->design.raters, 12);
    assert_int_equal(study->design.first_rater, 100);
    assert_int_equal(study->design.sessions_per_rater, 2);
    assert_int_equal(study->design.horizon, 4);
    study_free(study);
    pasta_str_release(&text);
}

static void answers_read_back(void **state)
{
    (void)state;
    const struct study_answer answers[] = {
        {.choice = -1, .rating = NAN, .seconds = NAN},
        {.choice = 3, .versus = PASTA_WORSE, .rating = 1, .seconds = 0},
        {.choice = 0, .versus = PASTA_BETTER, .rating = 9.5, .seconds = 12.345, .critique = "\"\\\n\x01 \xc3\xa9 \xf0\x9f\x8c\x99"}};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct pasta_str line = {0};
        struct pasta_arena arena = {0};
        struct pasta_err err = {0};
        struct study_answer found;
        event_answer("s", &answers[i], 5, &line);
        assert_int_equal(event_answer_read(line.data, "a:1", &arena, &found, &err), PASTA_OK);
        assert_int_equal(found.choice, answers[i].choice);
        assert_int_equal(found.versus, answers[i].versus);
        assert_true(isnan(found.rating) ? isnan(answers[i].rating) : found.rating == answers[i].rating);
        assert_true(isnan(found.seconds) ? isnan(answers[i].seconds) : found.seconds == answers[i].seconds);
        assert_string_equal(found.critique ? found.critique : "", answers[i].critique ? answers[i].critique : "");
        pasta_str_release(&line);
        pasta_arena_release(&arena);
    }
}

/* A last line without its newline may be one that is being written. */
static void torn_end_is_passed_over(void **state)
{
    (void)state;
    const struct pasta_study_design design = made_design(2, 2, 1);
    struct made m = made_open(&design);
    struct pasta_rng rng = pasta_rng_at(1, PASTA_RNG_TEST, 0, 0, 0);
    made_step(&m, made_begin(&m, 0), &rng);
    const size_t first = (size_t)(strchr(m.journal.data, '\n') + 1 - m.journal.data);
    for (size_t length = 0; length <= m.journal.length; length++) {
        struct study *study;
        struct pasta_err err = {0};
        const pasta_status status = made_read(m.journal.data, length, &study, NULL, &err);
        assert_int_equal(status, length < first ? PASTA_ERR_INPUT : PASTA_OK);
        if (status == PASTA_OK)
            study_free(study);
    }
    made_close(&m);
}

/* --- bad lines --- */

static struct pasta_str good;  /* open, start, turn 1, answer, check after it */
static int good_lines;

static int make_good(void **state)
{
    struct pasta_study_design design = made_design(4, 2, 2);
    design.attention_rate = 1;
    struct made m;
    if (made_setup(state) != 0)
        return -1;
    m = made_open(&design);
    struct study_session *session = made_begin(&m, 0);
    made_show(&m, session);
    made_say(&m, session, &(struct study_answer){.step = 1, .choice = 2, .rating = 7, .seconds = 1});
    made_show(&m, session);
    good = m.journal;
    m.journal = (struct pasta_str){0};
    made_close(&m);
    for (const char *p = good.data; *p; p++)
        good_lines += *p == '\n';
    return 0;
}

static int drop_good(void **state)
{
    pasta_str_release(&good);
    return made_teardown(state);
}

/* `text` is refused at this line, in words that hold `word`. */
static void assert_refused(const char *text, int line, const char *word)
{
    struct study *study = NULL;
    struct pasta_err err = {0};
    char place[300];
    snprintf(place, sizeof place, "%s/journal.jsonl:%d: ", folder, line);
    if (made_read(text, strlen(text), &study, NULL, &err) != PASTA_ERR_INPUT)
        fail_msg("taken, not refused for '%s': %s", word, text);
    if (!pasta_starts_with(err.message, place) || !strstr(err.message, word))
        fail_msg("expected '%s...%s', found '%s'", place, word, err.message);
    assert_null(study);
}

static void bad_next_lines(void **state)
{
    (void)state;
    static const char *const cases[][2] = { /* behind the good ones */
        {"", "JSON"}, {"{}", "schema"}, {"[1]", "schema"}, {"{\"schema\":\"pasta.study/1\"", "JSON"},
        {"{\"schema\":\"pasta.study/2\",\"event\":\"open\",\"at\":1}", "expected \"pasta.study/1\", found \"pasta.study/2\""},
        {"{\"schema\":\"pasta.study/1\",\"event\":\"close\",\"at\":1}", "expected open, start, slate or answer, found \"close\""},
        {"{\"schema\":\"pasta.study/1\",\"event\":\"answer\"}", "at"},
        {"{\"schema\":\"pasta.study/1\",\"event\":\"answer\",\"at\":-1}", "at"},
        {"{\"schema\":\"pasta.study/1\",\"event\":\"answer\",\"at\":1e999}", "at"},
#define ANSWER(rest) "{\"schema\":\"pasta.study/1\",\"event\":\"answer\",\"at\":9," rest "}"
        {ANSWER("\"step\":2,\"choice\":0"), "session"},
        {ANSWER("\"session\":\"other\",\"step\":2,\"choice\":0"), "expected one that has begun, found \"other\""},
        {ANSWER("\"session\":\"ID\",\"choice\":0"), "step"},
        {ANSWER("\"session\":\"ID\",\"step\":1,\"choice\":0"), "expected one that is shown, found 1"},
        {ANSWER("\"session\":\"ID\",\"step\":3,\"choice\":0"), "expected one that is shown, found 3"},
        {ANSWER("\"session\":\"ID\",\"step\":2.5,\"choice\":0"), "step"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":4"), "no such column"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":16"), "choice"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":-1"), "choice"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":null"), "expected a column"},
        {ANSWER("\"session\":\"ID\",\"step\":2"), "expected a column"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":0,\"rating\":5"), "expected a choice only"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":0,\"rating\":11"), "rating"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":0,\"critique\":5"), "critique"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":0,\"seconds\":-1"), "seconds"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":0,\"seconds\":1e999"), "seconds"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":0,\"vs_previous\":\"more\"}"), "JSON"},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":0,\"vs_previous\":\"more\""), "expected worse, same or better, found \"more\""},
        {ANSWER("\"session\":\"ID\",\"step\":2,\"choice\":0,\"vs_previous\":\"same\""), "comparison"},
#define SLATE(rest) "{\"schema\":\"pasta.study/1\",\"event\":\"slate\",\"at\":9," rest "}"
        {SLATE("\"session\":\"ID\""), "turn"}, {SLATE("\"session\":\"ID\",\"turn\":{}"), "expected no such step"},
        {SLATE("\"session\":\"other\",\"turn\":{}"), "session"}, {SLATE("\"turn\":{}"), "session"},
#define START(rest) "{\"schema\":\"pasta.study/1\",\"event\":\"start\",\"at\":9," rest "}"
#define RECORD(id, turns) "\"session\":{\"schema\":\"pasta.session/1\",\"session_id\":\"" id "\",\"rater_id\":\"r\",\"source\":\"human\"," \
    "\"agent\":\"a\",\"seed\":1,\"initial_prompt\":\"p\",\"turns\":[" turns "]}"
        {START("\"arm\":\"baseline\",\"block\":0," RECORD("new", "")), "person"},
        {START("\"person\":99,\"arm\":\"baseline\",\"block\":0," RECORD("new", "")), "person"},
        {START("\"person\":102,\"arm\":\"baseline\",\"block\":0," RECORD("new", "")), "person"},
        {START("\"person\":100,\"arm\":\"baseline\",\"block\":0," RECORD("new", "")), "expected one who may begin a session, found 100"},
        {START("\"person\":101,\"arm\":\"baseline\",\"block\":2," RECORD("new", "")), "block"},
        {START("\"person\":101,\"arm\":\"other\",\"block\":0," RECORD("new", "")), "expected one of the design's, found \"other\""},
        {START("\"person\":101,\"block\":0," RECORD("new", "")), "arm"},
        {START("\"person\":101,\"arm\":\"baseline\",\"block\":0"), "session"},
        {START("\"person\":101,\"arm\":\"baseline\",\"block\":0," RECORD("ID", "")), "expected a new one"},
        {START("\"person\":101,\"arm\":\"baseline\",\"block\":0," RECORD("new", "{\"turn\":1,\"slate\":[{\"prompt\":\"p\",\"category\":\"style\","
               "\"images\":[{\"id\":\"i\",\"seed\":1}]}],\"choice\":0}")), "expected none yet, found 1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_str text = {0};
        pasta_str_add(&text, good.data);
        for (const char *p = cases[i][0]; *p; p++) { /* ID: the session's */
            if (pasta_starts_with(p, "\"ID\"")) {
                pasta_str_add(&text, p == cases[i][0] ? "" : "\"human-");
                const char *id = strstr(good.data, "\"session_id\":\"human-") + strlen("\"session_id\":\"human-");
                pasta_str_addn(&text, id, strcspn(id, "\""));
                pasta_str_addc(&text, '"');
                p += 3;
                continue;
            }
            pasta_str_addc(&text, *p);
        }
        pasta_str_addc(&text, '\n');
        assert_refused(text.data, good_lines + 1, cases[i][1]);
        pasta_str_release(&text);
    }
}

static void a_step_is_shown_once(void **state)
{
    (void)state;
    struct pasta_str text = {0};
    const char *last = good.data + good.length - 1;
    while (last[-1] != '\n')
        last--;
    pasta_str_add(&text, good.data);
    pasta_str_add(&text, last);
    assert_refused(text.data, good_lines + 1, "expected no such step");
    pasta_str_release(&text);
}

/* The n-th line of the good journal changed by replacing `from` with `to`. */
static void assert_changed_refused(int line, const char *from, const char *to, const char *word)
{
    const char *p = good.data;
    for (int i = 1; i < line; i++)
        p = strchr(p, '\n') + 1;
    const char *at = strstr(p, from);
    assert_non_null(at);
    struct pasta_str text = {0};
    pasta_str_addn(&text, good.data, (size_t)(at - good.data));
    pasta_str_add(&text, to);
    pasta_str_add(&text, at + strlen(from));
    assert_refused(text.data, line, word);
    pasta_str_release(&text);
}

static void changed_lines(void **state)
{
    (void)state;
    assert_changed_refused(1, "\"event\":\"open\"", "\"event\":\"answer\"", "expected \"open\" first");
    assert_changed_refused(1, "\"seed\":7", "\"seed\":-7", "seed");
    assert_changed_refused(1, "\"seed\":7", "\"seed\":9007199254740992", "seed");
    assert_changed_refused(1, "[\"baseline\",\"pasta \\\"x\\\"\"]", "[]", "arms");
    assert_changed_refused(1, "[\"baseline\",", "[5,", "arms");
    assert_changed_refused(1, "\"places\":4", "\"places\":5", "expected a multiple of the 2 arms, found 5");
    assert_changed_refused(1, "\"places\":4", "\"places\":0", "places");
    assert_changed_refused(1, "\"places\":4", "\"places\":1000002", "places");
    assert_changed_refused(1, "\"raters\":2", "\"raters\":0", "raters");
    assert_changed_refused(1, "\"raters\":2", "\"raters\":1e7", "raters");
    assert_changed_refused(1, "\"first_rater\":100", "\"first_rater\":4294967296", "first_rater");
    assert_changed_refused(1, "\"sessions_per_rater\":2", "\"sessions_per_rater\":0", "sessions_per_rater");
    assert_changed_refused(1, "\"horizon\":4", "\"horizon\":65", "horizon");
    assert_changed_refused(1, "\"attention_rate\":1", "\"attention_rate\":1.1", "attention_rate");
    assert_changed_refused(1, "\"repeat_rate\":0.5", "\"repeat_rate\":null", "repeat_rate");
    assert_changed_refused(1, "\"idle_seconds\":60", "\"idle_seconds\":1e999", "idle_seconds");
    assert_changed_refused(1, "\"design\":{", "\"plan\":{", "design");
    assert_changed_refused(3, "\"turn\":1", "\"turn\":2", "turn");
    assert_changed_refused(3, "\"slate\":[", "\"columns\":[", "slate");
    assert_changed_refused(3, "\"event\":\"slate\"", "\"event\":\"answer\"", "step"); /* nothing is shown yet */
    assert_changed_refused(4, "\"event\":\"answer\"", "\"event\":\"slate\"", "turn");
    /* a check that is not the one which is due: it would be asked again and again */
    assert_changed_refused(5, "\"after_turn\":1", "\"after_turn\":0", "expected the one that is due");
    assert_changed_refused(5, "secret prompt 1", "secret prompt 9", "expected the one that is due");
    assert_changed_refused(5, "\"seed\":4711", "\"seed\":4712", "expected the one that is due");
    assert_changed_refused(5, "\"choice\":null", "\"choice\":0", "expected the one that is due");
    assert_changed_refused(5, "\"check\":{", "\"turn\":{", "expected no such step");
    assert_changed_refused(5, "\"choice\":null", "\"choice\":7", "choice");
}

static void no_journal(void **state)
{
    (void)state;
    struct study *study;
    struct pasta_err err = {0};
    assert_int_equal(study_read(path_of("nothing.jsonl"), &study, NULL, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "nothing.jsonl"));
    assert_int_equal(study_read(folder, &study, NULL, NULL), PASTA_ERR_INPUT);
    err = (struct pasta_err){0};
    assert_int_equal(made_read("", 0, &study, NULL, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "found no line of one"));
    assert_int_equal(made_read("a\0b\n", 4, &study, NULL, NULL), PASTA_ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_is_the_journals), cmocka_unit_test(design_reads_back), cmocka_unit_test(answers_read_back),
        cmocka_unit_test(torn_end_is_passed_over), cmocka_unit_test(bad_next_lines), cmocka_unit_test(a_step_is_shown_once), cmocka_unit_test(changed_lines),
        cmocka_unit_test(no_journal)};
    return cmocka_run_group_tests(tests, make_good, drop_good);
}
