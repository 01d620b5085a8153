/* Observations from records: what is counted, what is missing from the features, who is held out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "user_people.h"

static struct people people;

static int make(void **state)
{
    (void)state;
    people_make(&people, 9, (struct people_size){.dim = 4, .types = 2, .people = 40, .pairs = 2, .ratings = 1, .turns = 3, .strength = 1});
    return 0;
}

static int release(void **state)
{
    (void)state;
    people_free(&people);
    return 0;
}

static void everything_is_counted(void **state)
{
    (void)state;
    struct pasta_user_data *data = people_data(&people, 0.25);
    struct pasta_user_counts c = pasta_user_data_counts(data);
    assert_int_equal(c.users, 40);
    assert_int_equal(c.held_out_users, 10);
    assert_int_equal(c.pairs, 80);
    assert_int_equal(c.ratings, 40);
    assert_int_equal(c.turns, 120);
    assert_int_equal(c.comparisons, 80);
    assert_int_equal(c.images, people.n_images);
    assert_int_equal(c.prompts, people.n_prompts);
    assert_string_equal(pasta_user_data_user(data, 3), "person 3");
    pasta_user_data_free(data);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    struct pasta_user_data *data = pasta_user_data_new(people.features);
    struct pasta_err err = {0};
    struct pasta_preference pairs[2] = {people.pairs.items[0], people.pairs.items[1]};
    pairs[1].image[1] = "no such image";
    assert_int_equal(pasta_user_data_add_preferences(data, "dir/P.jsonl", &(struct pasta_preferences){.items = pairs, .n = 2}, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "dir/P.jsonl: record 2: image: "));
    assert_non_null(strstr(err.message, "'no such image'"));

    err = (struct pasta_err){0};
    struct pasta_rating rating = people.ratings.items[0];
    rating.prompt = "no such prompt";
    assert_int_equal(pasta_user_data_add_ratings(data, "R.jsonl", &(struct pasta_ratings){.items = &rating, .n = 1}, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, "R.jsonl: record 1: prompt: "));
    assert_non_null(strstr(err.message, "'no such prompt'"));

    err = (struct pasta_err){0};
    struct pasta_session session = people.sessions.items[5];
    struct pasta_column *column = &session.turns[1].columns[0];
    const char *kept = column->images[0].id;
    column->images[0].id = "gone";
    assert_int_equal(pasta_user_data_add_sessions(data, "S.jsonl", &(struct pasta_sessions){.items = &session, .n = 1}, &err), PASTA_ERR_INPUT);
    column->images[0].id = kept;
    assert_non_null(strstr(err.message, "S.jsonl: record 1: session 'session 5': image: "));
    assert_non_null(strstr(err.message, "'gone'"));
    pasta_user_data_free(data);
}

static void vectors_without_a_direction_are_refused(void **state)
{
    (void)state;
    const float vectors[3][2] = {{0, 0}, {NAN, 1}, {0.6f, 0.8f}};
    const char *const images[3] = {"zero", "nan", "good"}, *const prompts[1] = {"p"};
    struct pasta_features *features = NULL;
    struct pasta_err err = {0};
    char *folder = pasta_asprintf("%s/odd", people.folder);
    assert_int_equal(pasta_features_write(folder, "e", 2, images, vectors[0], 3, prompts, vectors[2], 1, &err), PASTA_OK);
    if (pasta_features_open(folder, &features, &err) == PASTA_OK) {
        for (int i = 0; i < 3; i++) {
            struct pasta_rating rating = {.prompt = "p", .image = images[i], .rating = 1, .lo = 0, .hi = 2};
            struct pasta_user_data *data = pasta_user_data_new(features);
            err = (struct pasta_err){0};
            assert_int_equal(pasta_user_data_add_ratings(data, "R", &(struct pasta_ratings){.items = &rating, .n = 1}, &err), i < 2 ? PASTA_ERR_INPUT : PASTA_OK);
            if (i < 2)
                assert_non_null(strstr(err.message, images[i]));
            pasta_user_data_free(data);
        }
        pasta_features_close(features);
    } else {
        assert_int_equal(err.status, PASTA_ERR_INPUT); /* the pack itself refuses them */
    }
    free(folder);
}

/* The same people, however the files are ordered; other people for another seed. */
static void the_split_depends_on_ids_alone(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_user_data *a = people_data(&people, 0.3), *b = pasta_user_data_new(people.features);
    struct pasta_ratings reversed = {.items = pasta_malloc(40 * sizeof *reversed.items), .n = 40};
    for (int i = 0; i < 40; i++)
        reversed.items[i] = people.ratings.items[39 - i];
    assert_int_equal(pasta_user_data_add_ratings(b, "R", &reversed, &err), PASTA_OK);
    pasta_user_data_split(b, 0.3, 1);
    assert_string_equal(pasta_user_data_user(b, 0), "person 39");
    int held_out = 0, moved = 0;
    for (int u = 0; u < 40; u++) {
        assert_int_equal(pasta_user_data_held_out(a, u), pasta_user_data_held_out(b, 39 - u));
        held_out += pasta_user_data_held_out(a, u);
    }
    assert_int_equal(held_out, 12);
    pasta_user_data_split(b, 0.3, 2);
    for (int u = 0; u < 40; u++)
        moved += pasta_user_data_held_out(a, u) != pasta_user_data_held_out(b, 39 - u);
    assert_true(moved > 0);
    pasta_user_data_split(b, 0, 1);
    assert_int_equal(pasta_user_data_counts(b).held_out_users, 0);
    free(reversed.items);
    pasta_user_data_free(a);
    pasta_user_data_free(b);
}

/* A comparison needs a choice in the turn before; a turn without a choice says nothing. */
static void turns_without_a_choice_are_passed_over(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_user_data *data = pasta_user_data_new(people.features);
    struct pasta_session session = people.sessions.items[0];
    int kept = session.turns[1].choice;
    session.turns[1].choice = -1;
    assert_int_equal(pasta_user_data_add_sessions(data, "S", &(struct pasta_sessions){.items = &session, .n = 1}, &err), PASTA_OK);
    session.turns[1].choice = kept;
    assert_int_equal(pasta_user_data_counts(data).turns, 2);
    assert_int_equal(pasta_user_data_counts(data).comparisons, 0);
    pasta_user_data_free(data);
}

/* Records without a user id are users of their own. */
static void nobody_is_somebody(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    struct pasta_user_data *data = pasta_user_data_new(people.features);
    struct pasta_rating ratings[3] = {people.ratings.items[0], people.ratings.items[1], people.ratings.items[2]};
    ratings[0].user_id = ratings[1].user_id = NULL;
    assert_int_equal(pasta_user_data_add_ratings(data, "R", &(struct pasta_ratings){.items = ratings, .n = 3}, &err), PASTA_OK);
    pasta_user_data_split(data, 0.5, 1);
    assert_int_equal(pasta_user_data_counts(data).users, 3);
    assert_int_equal(pasta_user_data_counts(data).held_out_users, 2);
    assert_null(pasta_user_data_user(data, 1));
    assert_string_equal(pasta_user_data_user(data, 2), "person 2");
    pasta_user_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_counted),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(vectors_without_a_direction_are_refused),
        cmocka_unit_test(the_split_depends_on_ids_alone),
        cmocka_unit_test(turns_without_a_choice_are_passed_over),
        cmocka_unit_test(nobody_is_somebody),
    };
    return cmocka_run_group_tests(tests, make, release);
}
