/* --arm NAME=SPEC: which agents are read from it, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../src/cmd/arms.h"

static struct pasta_candidate candidates[2] = {{"a cat", PASTA_REPHRASE}, {"a dog", PASTA_STYLE}};
static const struct pasta_session session = {.session_id = "s", .rater_id = "r", .agent = "x", .initial_prompt = "an animal", .user_type = -1};

static pasta_status open_arms(const char *const *specs, int n, struct arms **out, struct pasta_err *err)
{
    struct pasta_context context = {0};
    const struct pasta_strings list = {(const char **)specs, n, (size_t)n};
    pasta_config_init(&context.config);
    *err = (struct pasta_err){0};
    const pasta_status status = arms_open(&context, &list, 1, out, err);
    pasta_config_release(&context.config);
    return status;
}

static double first_score(const struct arms *a, int i)
{
    const struct pasta_policy policy = arms_policy(a, i);
    double scores[2] = {0};
    struct pasta_err err = {0};
    if (policy.score(policy.ctx, &session, 0, 1, 2, candidates, 2, scores, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return scores[0];
}

static void several_arms(void **state)
{
    (void)state;
    static const char *const own = "own-1=command:echo '{\"schema\":\"pasta.scorer/1\",\"name\":\"x\"}'; a=7; "
                                   "while read -r line; do echo \"{\\\"scores\\\":[$a,0]}\"; done";
    const char *const specs[] = {"A=baseline", own, "b.2=random", "C=baseline"};
    struct pasta_stamp_input stamps[4 * ARMS_STAMPS];
    struct arms *a;
    struct pasta_err err;
    if (open_arms(specs, 4, &a, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(arms_count(a), 4);
    const char *const names[] = {"A", "own-1", "b.2", "C"};
    for (int i = 0; i < 4; i++)
        assert_string_equal(arms_policy(a, i).name, names[i]);
    assert_true(first_score(a, 0) == 1 && first_score(a, 1) == 7 && first_score(a, 3) == 1);
    assert_true(arms_policy(a, 2).at_random && !arms_policy(a, 0).at_random && !arms_policy(a, 1).at_random);
    assert_int_equal(arms_stamp(a, stamps), 4);
    assert_string_equal(stamps[1].name, "arm/own-1");
    assert_string_equal(stamps[0].path, stamps[3].path);
    assert_string_not_equal(stamps[0].path, stamps[2].path);
    assert_null(strstr(stamps[1].path, "echo")); /* a hash: command lines may hold what is nobody's business */
    arms_close(a);
}

static void none_is_the_configured_one(void **state)
{
    (void)state;
    struct pasta_context context = {0};
    const struct pasta_strings none = {0};
    struct pasta_stamp_input stamps[ARMS_STAMPS];
    struct arms *a;
    struct pasta_err err = {0};
    pasta_config_init(&context.config);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "random" : "baseline";
        assert_int_equal(pasta_config_set(&context.config, "collect.agent", name, &err), PASTA_OK);
        assert_int_equal(arms_open(&context, &none, 1, &a, &err), PASTA_OK);
        assert_int_equal(arms_count(a), 1);
        assert_string_equal(arms_policy(a, 0).name, name);
        assert_true(arms_policy(a, 0).at_random == (i == 1));
        assert_int_equal(arms_stamp(a, stamps), 0); /* the configuration is stamped by itself */
        arms_close(a);
    }
    pasta_config_release(&context.config);
}

static void refused(void **state)
{
    (void)state;
#define LONG "0123456789012345678901234567890123456789"
    static const struct { const char *specs[2]; pasta_status status; const char *message; } cases[] = {
        {{"baseline"}, PASTA_ERR_USAGE, "--arm: expected NAME=SPEC, found 'baseline'"},
        {{"a="}, PASTA_ERR_USAGE, "--arm: expected NAME=SPEC, found 'a='"},
        {{"=baseline"}, PASTA_ERR_USAGE, "--arm: expected a name of at most 40 letters, digits, '.', '_' or '-', found ''"},
        {{"a b=baseline"}, PASTA_ERR_USAGE, "--arm: expected a name of at most 40 letters, digits, '.', '_' or '-', found 'a b'"},
        {{"../a=baseline"}, PASTA_ERR_USAGE, "--arm: expected a name of at most 40 letters, digits, '.', '_' or '-', found '../a'"},
        {{LONG "1=baseline"}, PASTA_ERR_USAGE, "--arm: expected a name of at most 40 letters, digits, '.', '_' or '-', found '" LONG "1'"},
        {{"a=baseline", "A=random"}, PASTA_ERR_USAGE, "--arm: the name 'A' is given twice"},
        {{"a=baseline", "b=/nowhere"}, PASTA_ERR_INPUT, "--arm: 'b': expected baseline, random, command:COMMAND LINE or the folder of a trained "
                                                        "agent, found no '/nowhere/f/config.json'"},
        {{"a=command:exit 3", "b=baseline"}, PASTA_ERR_FAILED, "agent 'a': the process ended with exit code 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arms *a = NULL;
        struct pasta_err err;
        assert_int_equal(open_arms(cases[i].specs, cases[i].specs[1] ? 2 : 1, &a, &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        assert_null(a);
    }
    const char *const longest[] = {LONG "=baseline"};
    struct arms *a;
    struct pasta_err err;
    assert_int_equal(open_arms(longest, 1, &a, &err), PASTA_OK);
    arms_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_arms),
        cmocka_unit_test(none_is_the_configured_one),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
