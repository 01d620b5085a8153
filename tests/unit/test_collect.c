/* What collect is made of: parts that resume, single-turn records, and the pass over a finished folder. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/agent/collected.h"
#include "pasta/agent/part_run.h"
#include "pasta/agent/single_turn.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/pasta-test-collect-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = pasta_asprintf("rm -rf '%s'", folder);
    const int code = system(command);
    free(command);
    return code;
}

static char *read_all(const char *name)
{
    char *path = pasta_path_join(folder, name);
    struct pasta_str text = {0};
    struct pasta_err err = {0};
    if (pasta_file_read(path, &text, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    free(path);
    return pasta_str_take(&text);
}

static void write_all(const char *name, const char *text)
{
    char *path = pasta_path_join(folder, name);
    struct pasta_err err = {0};
    assert_int_equal(pasta_file_write(path, text, strlen(text), &err), PASTA_OK);
    free(path);
}

/* --- parts --- */

struct count {
    int calls;
    int64_t fail_at;
};

static pasta_status number_line(void *ctx, int64_t item, int worker, struct pasta_str *out, struct pasta_err *err)
{
    struct count *count = ctx;
    (void)worker;
    __atomic_add_fetch(&count->calls, 1, __ATOMIC_RELAXED);
    if (item == count->fail_at)
        return pasta_fail(err, PASTA_ERR_FAILED, "item %lld", (long long)item);
    pasta_str_printf(out, "%lld\n", (long long)item);
    return PASTA_OK;
}

static void parts_resume_after_the_last_whole_one(void **state)
{
    (void)state;
    struct count count = {.fail_at = 7};
    struct pasta_progress progress;
    pasta_progress_init(&progress, "test", "items", 10);
    const struct pasta_part_run run = {.dir = folder, .name = "numbers", .items = 10, .part = 3, .threads = 2, .progress = &progress,
                                       .line = number_line, .ctx = &count};
    struct pasta_err err = {0};

    assert_int_equal(pasta_part_run(&run, &err), PASTA_ERR_FAILED); /* in the third part */
    assert_string_equal(err.message, "item 7");
    char *path = pasta_path_join(folder, "numbers.jsonl");
    assert_false(pasta_file_exists(path));

    count = (struct count){.fail_at = -1};
    pasta_progress_init(&progress, "test", "items", 10);
    err = (struct pasta_err){0};
    assert_int_equal(pasta_part_run(&run, &err), PASTA_OK);
    assert_int_equal(count.calls, 4); /* 6..9: the first two parts were there */
    assert_int_equal(progress.done, 10);
    assert_int_equal(progress.first, 6);
    char *text = read_all("numbers.jsonl");
    assert_string_equal(text, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");

    assert_int_equal(pasta_part_run(&run, &err), PASTA_OK); /* whole: nothing to do */
    assert_int_equal(count.calls, 4);
    free(text);
    free(path);
}

static void no_items_no_file(void **state)
{
    (void)state;
    struct count count = {.fail_at = -1};
    const struct pasta_part_run run = {.dir = folder, .name = "nothing", .part = 3, .threads = 1, .line = number_line, .ctx = &count};
    struct pasta_err err = {0};
    assert_int_equal(pasta_part_run(&run, &err), PASTA_OK);
    char *path = pasta_path_join(folder, "nothing.jsonl");
    assert_false(pasta_file_exists(path));
    free(path);
}

/* --- single-turn records --- */

struct world {
    struct pasta_config config;
    struct pasta_sketch *sketch;
    struct pasta_single_turn maker;
};

static void open_world(struct world *w)
{
    struct pasta_err err = {0};
    pasta_config_init(&w->config);
    if (pasta_sketch_open(&w->config.world, &w->config.agent, &w->sketch, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    w->maker = (struct pasta_single_turn){.sketch = w->sketch, .generator = pasta_sketch_generator(w->sketch),
                                          .t2i = pasta_sketch_t2i(w->sketch), .candidates = 25, .seed = 9};
}

static void close_world(struct world *w)
{
    pasta_sketch_close(w->sketch);
    pasta_config_release(&w->config);
}

/* Whether an image of `prompt` from the item's seed number `slot` has this id. */
static bool is_image_of(const struct world *w, uint32_t index, uint32_t slot, const char *prompt, const char *id)
{
    char hex[65];
    pasta_image_id(&w->maker.t2i, prompt, pasta_rollout_image_seed(9, index, 0, slot), hex);
    return strcmp(hex, id) == 0;
}

static void pairs_are_of_two_kinds(void **state)
{
    (void)state;
    struct world w;
    int same_prompt = 0, first = 0;
    enum { N = 400 };
    open_world(&w);
    for (uint32_t i = 0; i < N; i++) {
        struct pasta_arena arena = {0};
        struct pasta_preference pair, again;
        struct pasta_err err = {0};
        const struct pasta_rollout_job job = {PASTA_PAIR_INDEX + i, 3, "a fox in the snow"};
        assert_int_equal(pasta_single_pair(&w.maker, job, &arena, &pair, &err), PASTA_OK);
        assert_int_equal(pasta_single_pair(&w.maker, job, &arena, &again, &err), PASTA_OK);
        assert_string_equal(pair.prompt, "a fox in the snow");
        assert_string_equal(pair.user_id, "sketch-000003");
        assert_string_not_equal(pair.image[0], pair.image[1]);
        assert_true(pair.label == 0 || pair.label == 0.5 || pair.label == 1);
        assert_true(pair.label == again.label && strcmp(pair.image[0], again.image[0]) == 0 && strcmp(pair.image[1], again.image[1]) == 0);
        const bool own = is_image_of(&w, job.index, 0, job.prompt, pair.image[0]);
        assert_int_equal(own, is_image_of(&w, job.index, 1, job.prompt, pair.image[1]));
        same_prompt += own;
        first += pair.label == 1;
        pasta_arena_release(&arena);
    }
    /* Half of 400 with a standard deviation of 10; four of them either way. */
    assert_true(same_prompt >= 160 && same_prompt <= 240);
    assert_true(first >= 120 && first <= 240); /* neither side is favoured; some are ties */
    close_world(&w);
}

static void ratings_name_the_prompt_that_was_drawn(void **state)
{
    (void)state;
    struct world w;
    int own = 0;
    open_world(&w);
    for (uint32_t i = 0; i < 200; i++) {
        struct pasta_arena arena = {0};
        struct pasta_rating rating;
        struct pasta_err err = {0};
        const struct pasta_rollout_job job = {PASTA_RATING_INDEX + i, 12, "a castle above the clouds"};
        assert_int_equal(pasta_single_rating(&w.maker, job, &arena, &rating, &err), PASTA_OK);
        assert_true(rating.rating >= 1 && rating.rating <= 10);
        assert_true(rating.lo == 1 && rating.hi == 10);
        assert_string_equal(rating.user_id, "sketch-000012");
        assert_true(is_image_of(&w, job.index, 0, rating.prompt, rating.image));
        own += strcmp(rating.prompt, job.prompt) == 0;
        pasta_arena_release(&arena);
    }
    assert_true(own >= 70 && own <= 130);
    close_world(&w);
}

/* --- the pass over a folder --- */

static void a_folder_is_counted(void **state)
{
    (void)state;
    static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct pasta_image_ref image = {id, 5};
    struct pasta_column column = {.prompt = "b, red", .candidate = -1, .n_images = 1, .images = &image};
    struct pasta_turn turns[3];
    struct pasta_session session = {.session_id = "s", .rater_id = "r", .agent = "baseline", .initial_prompt = "b", .user_type = -1,
                                    .n_turns = 3, .turns = turns};
    const struct pasta_preference pair = {.prompt = "c", .image = {id, id}, .user_id = "r", .label = 1};
    const struct pasta_rating rating = {.prompt = "a", .image = id, .user_id = "r", .rating = 4, .lo = 1, .hi = 10};
    struct pasta_str text = {0};
    struct pasta_collected found;
    struct pasta_err err = {0};

    for (int t = 0; t < 3; t++)
        turns[t] = (struct pasta_turn){.n_columns = 1, .columns = &column, .rating = 4 + t, .seconds = NAN, .versus = t ? PASTA_BETTER : PASTA_VERSUS_NONE};
    pasta_session_print(&session, &text);
    turns[1].rating = NAN;
    turns[1].choice = -1;
    turns[2].rating = 8;
    turns[2].versus = PASTA_WORSE;
    pasta_session_print(&session, &text);
    write_all("sessions.jsonl", text.data);
    pasta_str_clear(&text);
    pasta_preference_print(&pair, &text);
    write_all("preferences.jsonl", text.data);
    pasta_str_clear(&text);
    pasta_rating_print(&rating, &text);
    write_all("ratings.jsonl", text.data);

    if (pasta_collected_scan(folder, "prompts.txt", &found, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    char *prompts = read_all("prompts.txt");
    assert_string_equal(prompts, "a\nb\nc\n");
    pasta_str_clear(&text);
    pasta_collected_print(&found, true, &text);
    assert_string_equal(text.data, "{\"sessions\":2,\"turns\":6,\"pairs\":1,\"ratings\":1,\"images\":9,\"prompts\":3,\"no_choice\":1,\"worse\":1,\"same\":0,"
                                   "\"better\":3,\"mean_rating_by_turn\":[4,5,7],\"mean_single_rating\":4}\n");
    free(prompts);
    pasta_str_release(&text);

    write_all("sessions.jsonl", "{\"schema\":\"pasta.session/1\"}\n");
    assert_int_equal(pasta_collected_scan(folder, NULL, &found, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "sessions.jsonl:1: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parts_resume_after_the_last_whole_one, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(no_items_no_file, make_folder, remove_folder),
        cmocka_unit_test(pairs_are_of_two_kinds),
        cmocka_unit_test(ratings_name_the_prompt_that_was_drawn),
        cmocka_unit_test_setup_teardown(a_folder_is_counted, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
