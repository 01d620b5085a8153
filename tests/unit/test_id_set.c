/* Sets of ids: order, repetitions, membership, and the hash that sha256sum prints. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pasta/io/id_set.h"

static void ids_are_sorted_once_and_found(void **state)
{
    (void)state;
    struct pasta_id_set set = {0};
    assert_null(pasta_id_set_sort(&set));
    assert_false(pasta_id_set_has(&set, "b"));
    const char *const ids[] = {"b", "c", "a", "b"};
    for (int i = 0; i < 3; i++)
        pasta_id_set_add(&set, ids[i]);
    assert_null(pasta_id_set_sort(&set));
    pasta_id_set_add(&set, ids[3]);
    assert_string_equal(pasta_id_set_sort(&set), "b");
    assert_int_equal(set.n, 3);
    assert_string_equal(set.items[0], "a");
    assert_true(pasta_id_set_has(&set, "c"));
    assert_false(pasta_id_set_has(&set, "d"));
    pasta_id_set_release(&set);
}

/* printf 'a\nb\nc\n' | sha256sum; printf '' | sha256sum */
static void hash_is_of_lines(void **state)
{
    (void)state;
    struct pasta_id_set set = {0};
    char hex[65];
    pasta_id_set_hash(&set, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    pasta_id_set_add(&set, "c");
    pasta_id_set_add(&set, "a");
    pasta_id_set_add(&set, "b");
    pasta_id_set_sort(&set);
    pasta_id_set_hash(&set, hex);
    assert_string_equal(hex, "880553fca8fcea94e325ee2cfb48e5a985cc797f39a14cc6d3cedecfeb2ae4d2");
    pasta_id_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ids_are_sorted_once_and_found), cmocka_unit_test(hash_is_of_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
