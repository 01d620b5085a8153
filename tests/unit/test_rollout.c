/* One session: its shape, what the parts are shown, exploration, errors, and the images it leaves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_world.h"
#include "pasta/agent/image_store.h"
#include "pasta/agent/rollout.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

static const struct pasta_agent_settings settings = {.horizon = 5, .slate = 4, .images = 3, .candidates = 25, .max_words = 62};

static struct pasta_rollout make_rollout(void)
{
    return (struct pasta_rollout){.settings = &settings, .generator = fake_generator(), .t2i = fake_t2i(NULL),
                                  .policy = pasta_policy_baseline(), .rater = fake_rater(), .seed = 11};
}

static void play(const struct pasta_rollout *rollout, struct pasta_arena *arena, struct pasta_session *session)
{
    struct pasta_err err = {0};
    if (pasta_rollout_session(rollout, 42, 7, "a red fox", arena, session, &err) != PASTA_OK)
        fail_msg("%s", err.message);
}

static void a_session_is_complete(void **state)
{
    (void)state;
    const struct pasta_rollout rollout = make_rollout();
    struct pasta_arena arena = {0};
    struct pasta_session s;
    play(&rollout, &arena, &s);

    assert_string_equal(s.session_id, "sketch-baseline-11-000042");
    assert_string_equal(s.rater_id, "sketch-000007");
    assert_string_equal(s.agent, "baseline");
    assert_string_equal(s.initial_prompt, "a red fox");
    assert_int_equal(s.source, PASTA_SOURCE_SKETCH);
    assert_int_equal(s.user_type, -1);
    assert_int_equal(s.n_turns, 5);
    assert_non_null(s.turn_utility);
    for (int t = 0; t < s.n_turns; t++) {
        const struct pasta_turn *turn = &s.turns[t];
        assert_int_equal(turn->n_candidates, 25);
        assert_int_equal(turn->n_columns, 4);
        assert_true(turn->choice >= 0 && turn->choice <= 3);
        assert_true(turn->rating >= 1 && turn->rating <= 10);
        assert_int_equal(turn->versus, t ? PASTA_SAME : PASTA_VERSUS_NONE);
        assert_true(isnan(turn->seconds));
        assert_true(fabs(1 + fmod(s.turn_utility[t], 9) - turn->rating) < 1e-12);
        bool seen[PASTA_CATEGORIES] = {false};
        for (int l = 0; l < 4; l++) {
            const struct pasta_column *column = &turn->columns[l];
            assert_string_equal(column->prompt, turn->candidates[column->candidate].prompt);
            assert_int_equal(column->category, turn->candidates[column->candidate].category);
            assert_false(seen[column->category]);
            seen[column->category] = true;
            for (int m = 0; m < 3; m++) {
                char id[65];
                assert_true(column->images[m].seed < (uint64_t)1 << 53);
                assert_int_equal(column->images[m].seed, pasta_rollout_image_seed(11, 42, (uint32_t)t + 1, (uint32_t)(l * 3 + m)));
                pasta_image_id(&rollout.t2i, column->prompt, column->images[m].seed, id);
                assert_string_equal(column->images[m].id, id);
            }
        }
        /* The generator was told what was chosen before. */
        char tail[32];
        snprintf(tail, sizeof tail, "turn %d after %d", t + 1, t ? s.turns[t - 1].choice : -1);
        assert_non_null(strstr(turn->candidates[0].prompt, tail));
    }
    pasta_arena_release(&arena);
}

static void baseline_shows_the_generators_first(void **state)
{
    (void)state;
    const struct pasta_rollout rollout = make_rollout();
    struct pasta_arena arena = {0};
    struct pasta_session s;
    play(&rollout, &arena, &s);
    int first_place = 0;
    for (int t = 0; t < s.n_turns; t++) {
        int sum = 0;
        for (int l = 0; l < 4; l++) {
            assert_int_equal(s.turns[t].columns[l].candidate % 5, 0);
            sum += s.turns[t].columns[l].candidate;
        }
        assert_int_equal(sum, 0 + 5 + 10 + 15);
        first_place += s.turns[t].columns[0].candidate == 0;
    }
    assert_true(first_place < 5); /* the best candidate is not always leftmost */
    pasta_arena_release(&arena);
}

static void exploration_is_a_share_of_turns(void **state)
{
    (void)state;
    struct pasta_agent_settings explore = settings;
    struct pasta_rollout rollout = make_rollout();
    rollout.settings = &explore;
    for (int percent = 0; percent <= 100; percent += 50) {
        int random_turns = 0;
        explore.epsilon = percent / 100.0;
        for (uint32_t index = 0; index < 100; index++) {
            struct pasta_arena arena = {0};
            struct pasta_session s;
            struct pasta_err err = {0};
            assert_int_equal(pasta_rollout_session(&rollout, index, 0, "a fox", &arena, &s, &err), PASTA_OK);
            for (int t = 0; t < s.n_turns; t++) {
                int sum = 0;
                for (int l = 0; l < 4; l++)
                    sum += s.turns[t].columns[l].candidate;
                random_turns += sum != 30;
            }
            pasta_arena_release(&arena);
        }
        /* 500 turns; a random slate is the baseline's (or has its sum) with a probability of a few percent. */
        assert_true(random_turns >= (percent == 0 ? 0 : percent == 50 ? 200 : 465));
        assert_true(random_turns <= (percent == 0 ? 0 : percent == 50 ? 290 : 500));
    }
}

/* Scores that lie 1/25 apart: noise much smaller changes nothing, much larger gives any slate; what is recorded stays without noise. */
static void temperature_is_noise_on_the_scores(void **state)
{
    (void)state;
    struct pasta_agent_settings explore = settings;
    struct pasta_rollout rollout = make_rollout();
    double changed[3];
    rollout.settings = &explore;
    for (int size = 0; size < 3; size++) {
        explore.temperature = (double[]){1e-5, 0.05, 100}[size];
        int other = 0;
        for (uint32_t index = 0; index < 100; index++) {
            struct pasta_arena arena = {0};
            struct pasta_session s;
            struct pasta_err err = {0};
            assert_int_equal(pasta_rollout_session(&rollout, index, 0, "a fox", &arena, &s, &err), PASTA_OK);
            for (int t = 0; t < s.n_turns; t++) {
                int sum = 0;
                for (int l = 0; l < 4; l++)
                    sum += s.turns[t].columns[l].candidate;
                other += sum != 30;
                assert_true(s.turns[t].scores[0] == 1 && s.turns[t].scores[24] == 1.0 / 25);
            }
            pasta_arena_release(&arena);
        }
        changed[size] = other / 500.0;
    }
    assert_true(changed[0] == 0 && changed[2] > 0.9);
    assert_true(changed[1] > 0.2 && changed[1] < changed[2]);
}

static pasta_status refuse_third_turn(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                                      struct pasta_answer *out, struct pasta_err *err)
{
    if (session->n_turns == 3)
        return pasta_fail(err, PASTA_ERR_INPUT, "no more answers");
    return fake_answer(ctx, session, person, seed, index, out, err);
}

static pasta_status answer_column_nine(void *ctx, const struct pasta_session *session, uint32_t person, uint64_t seed, uint32_t index,
                                       struct pasta_answer *out, struct pasta_err *err)
{
    (void)ctx, (void)session, (void)person, (void)seed, (void)index, (void)err;
    out->choice = 9;
    return PASTA_OK;
}

static void errors_say_where(void **state)
{
    (void)state;
    struct pasta_rollout rollout = make_rollout();
    struct pasta_arena arena = {0};
    struct pasta_session s = {.user_type = 99};
    struct pasta_err err = {0};

    rollout.rater.answer = refuse_third_turn;
    assert_int_equal(pasta_rollout_session(&rollout, 1, 0, "a fox", &arena, &s, &err), PASTA_ERR_INPUT);
    assert_string_equal(err.message, "session sketch-baseline-11-000001, turn 3: no more answers");
    assert_int_equal(s.user_type, 99);

    err = (struct pasta_err){0};
    rollout.rater.answer = answer_column_nine;
    assert_int_equal(pasta_rollout_session(&rollout, 1, 0, "a fox", &arena, &s, &err), PASTA_ERR_FAILED);
    assert_non_null(strstr(err.message, "expected a choice in -1..3, found 9"));

    err = (struct pasta_err){0};
    rollout.seed = (uint64_t)1 << 53;
    assert_int_equal(pasta_rollout_session(&rollout, 1, 0, "a fox", &arena, &s, &err), PASTA_ERR_USAGE);

    struct pasta_agent_settings uneven = settings;
    uneven.candidates = 7;
    rollout.seed = 11;
    rollout.settings = &uneven;
    err = (struct pasta_err){0};
    assert_int_equal(pasta_rollout_check(&rollout, &err), PASTA_ERR_USAGE);
    assert_non_null(strstr(err.message, "agent.candidates: expected a multiple of the 5 categories, found 7"));
    pasta_arena_release(&arena);
}

static void slate_is_short_where_prompts_are_few(void **state)
{
    (void)state;
    const struct pasta_agent_settings few = {.horizon = 2, .slate = 8, .images = 1, .candidates = 5};
    struct pasta_rollout rollout = make_rollout();
    struct pasta_arena arena = {0};
    struct pasta_session s;
    rollout.settings = &few;
    play(&rollout, &arena, &s);
    assert_int_equal(s.turns[0].n_columns, 5);
    pasta_arena_release(&arena);
}

static void raters_are_dealt_evenly(void **state)
{
    (void)state;
    const char *prompts[] = {"a", "b", "c"};
    int of_person[4] = {0}, of_prompt[3] = {0};
    for (uint32_t i = 0; i < 400; i++) {
        const struct pasta_rollout_job job = pasta_rollout_deal(5, i, 100, 4, prompts, 3);
        assert_int_equal(job.index, i);
        of_person[job.person - 100]++;
        of_prompt[job.prompt[0] - 'a']++;
    }
    for (int p = 0; p < 4; p++)
        assert_int_equal(of_person[p], 100);
    for (int p = 0; p < 3; p++)
        assert_true(of_prompt[p] >= 95 && of_prompt[p] <= 175);
}

/* --- images --- */

static char *temporary_folder(void)
{
    char *folder = pasta_strdup("/tmp/pasta-test-rollout-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static void images_are_saved_once(void **state)
{
    (void)state;
    char *root = temporary_folder();
    const char *prompt = "caf\xC3\xA9 \xF0\x9F\x8D\x9D \"noir\"";
    static const char chunk[] =
        "parameters\0" "{\"generator\":\"fake/1\",\"prompt\":\"caf\\u00e9 \\ud83c\\udf5d \\\"noir\\\"\",\"seed\":3,\"size\":8}";
    int drawn = 0;
    const struct pasta_t2i t2i = fake_t2i(&drawn);
    struct pasta_err err = {0};
    struct pasta_str first = {0}, again = {0};
    struct pasta_image image = {0}, original = {0};
    char id[65];

    pasta_image_id(&t2i, prompt, 3, id);
    char *name = pasta_image_name(id), *path = pasta_path_join(root, name);
    assert_int_equal(pasta_image_save(&t2i, prompt, 3, id, root, &err), PASTA_OK);
    assert_int_equal(pasta_file_read(path, &first, &err), PASTA_OK);
    assert_non_null(memmem(first.data, first.length, chunk, sizeof chunk - 1));

    assert_int_equal(pasta_image_read(path, &image, &err), PASTA_OK);
    assert_int_equal(fake_draw(NULL, prompt, 3, &original, &err), PASTA_OK);
    assert_memory_equal(image.pixels, original.pixels, 8 * 8 * 3);

    assert_int_equal(pasta_image_save(&t2i, prompt, 3, id, root, &err), PASTA_OK);
    assert_int_equal(drawn, 1); /* it was there */

    assert_int_equal(truncate(path, (off_t)first.length / 2), 0);
    assert_int_equal(pasta_image_save(&t2i, prompt, 3, id, root, &err), PASTA_OK);
    assert_int_equal(drawn, 2); /* it was broken */
    assert_int_equal(pasta_file_read(path, &again, &err), PASTA_OK);
    assert_int_equal(first.length, again.length);
    assert_memory_equal(first.data, again.data, first.length);

    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    assert_int_equal(rmdir(root), 0); /* nothing else was left behind */
    pasta_image_release(&image);
    pasta_image_release(&original);
    pasta_str_release(&first);
    pasta_str_release(&again);
    free(name);
    free(path);
    free(root);
}

/* A slow t2i: the images of a slate are drawn while others are. */
static int drawing, most_at_once;

static pasta_status slow_draw(void *ctx, const char *prompt, uint64_t seed, struct pasta_image *out, struct pasta_err *err)
{
    const int now = __atomic_add_fetch(&drawing, 1, __ATOMIC_SEQ_CST);
    (void)ctx;
    for (int most = most_at_once; now > most && !__atomic_compare_exchange_n(&most_at_once, &most, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); )
        ;
    for (int i = 0; i < 1000 && __atomic_load_n(&drawing, __ATOMIC_SEQ_CST) < 2 && most_at_once < 2; i++)
        usleep(1000); /* until another comes */
    const pasta_status status = fake_draw(NULL, prompt, seed, out, err);
    __atomic_sub_fetch(&drawing, 1, __ATOMIC_SEQ_CST);
    return status;
}

static void images_of_a_slate_are_drawn_at_once(void **state)
{
    (void)state;
    struct pasta_rollout rollout = make_rollout();
    char *root = temporary_folder(), *command = pasta_asprintf("rm -r '%s'", root);
    struct pasta_arena arena = {0};
    struct pasta_session s;

    rollout.t2i.draw = slow_draw;
    rollout.image_root = root;
    rollout.at_once = 4;
    play(&rollout, &arena, &s);
    assert_in_range(most_at_once, 2, 4);
    for (int t = 0; t < s.n_turns; t++)
        for (int l = 0; l < 4; l++)
            for (int m = 0; m < 3; m++) {
                char *name = pasta_image_name(s.turns[t].columns[l].images[m].id), *path = pasta_path_join(root, name);
                assert_true(pasta_file_exists(path));
                free(name);
                free(path);
            }
    assert_int_equal(system(command), 0);
    pasta_arena_release(&arena);
    free(command);
    free(root);
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    const struct pasta_t2i t2i = fake_t2i(NULL);
    struct pasta_err err = {0};
    char id[65];
    pasta_image_id(&t2i, "a fox", 3, id);
    assert_int_not_equal(pasta_image_save(&t2i, "a fox", 3, id, "/dev/null", &err), PASTA_OK);
    assert_non_null(strstr(err.message, "/dev/null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_complete),
        cmocka_unit_test(baseline_shows_the_generators_first),
        cmocka_unit_test(exploration_is_a_share_of_turns),
        cmocka_unit_test(temperature_is_noise_on_the_scores),
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test(slate_is_short_where_prompts_are_few),
        cmocka_unit_test(raters_are_dealt_evenly),
        cmocka_unit_test(images_are_saved_once),
        cmocka_unit_test(images_of_a_slate_are_drawn_at_once),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
