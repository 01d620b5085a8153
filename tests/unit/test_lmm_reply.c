/* What a language model replies, in the shapes that models are known for, and what is taken from it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/world/lmm_reply.h"
#include "pasta/base/json.h"

static struct pasta_arena arena;

static int clear(void **state)
{
    (void)state;
    pasta_arena_release(&arena);
    return 0;
}

static struct lmm_prompts fresh(int each)
{
    return (struct lmm_prompts){.arena = &arena, .each = each, .max_words = 6};
}

/* "style:an ink fox|subject:two foxes": categories in their order, prompts in theirs */
static const char *listed(const struct lmm_prompts *p)
{
    struct pasta_str out = {0};
    pasta_str_add(&out, "");
    for (int i = 0; i < p->n_order; i++)
        for (int k = 0; k < p->n[p->order[i]]; k++)
            pasta_str_printf(&out, "%s%s:%s", out.length ? "|" : "", pasta_category_names[p->order[i]], p->items[p->order[i]][k]);
    const char *text = pasta_arena_strdup(&arena, out.data);
    pasta_str_release(&out);
    return text;
}

/* What is taken of a text where `each` are wanted of a category. */
static const char *taken(int each, const char *text)
{
    struct lmm_prompts p = fresh(each);
    lmm_reply_read(text, &p);
    return listed(&p);
}

static void shapes(void **state)
{
    (void)state;
    static const struct { const char *text, *taken; } cases[] = {
        {"{\"style\":[\"an ink fox\"],\"subject\":[\"two foxes\"]}", "style:an ink fox|subject:two foxes"},
        {"{\"style\":\"an ink fox\"}", "style:an ink fox"},
        {"{\"candidates\":{\"Style\":[\"an ink fox\"]}}", "style:an ink fox"},
        {"[{\"category\":\"subject\",\"prompt\":\"two foxes\"},{\"category\":\"STYLE\",\"prompt\":\"an ink fox\"}]",
         "subject:two foxes|style:an ink fox"},
        {"{\"prompts\":[{\"type\":\"creative\",\"text\":\"a fox of fog\",\"why\":\"it floats\"}]}", "creative:a fox of fog"},
        {"{\"styles\":{\"1\":\"an ink fox\",\"2\":\"a neon fox\"},\"rephrased_prompts\":[{\"prompt\":\"one fox\"}]}",
         "style:an ink fox|style:a neon fox|rephrase:one fox"},
        {"{\"note\":\"as you wished\",\"style\":[\"an ink fox\"]}", "style:an ink fox"},
        {"[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\"]",
         "rephrase:a|rephrase:b|expand:c|expand:d|style:e|style:f|subject:g|subject:h|creative:i|creative:j"},
        {"[\"a\",\"b\",\"c\"]", ""},
        {"{\"style\":[\"an ink fox\"],\"subject\":[\"two foxes\"],\"order\":[\"subject\",\"nothing\",\"subject\",7]}",
         "subject:two foxes|style:an ink fox"},
        {"{\"style\":[],\"subject\":null,\"expand\":{},\"creative\":[null,3,true,[\"a fox of fog\"]]}", "creative:a fox of fog"},
        {"7", ""}, {"", ""}, {"\"style\"", ""}, {"{}", ""}, {"[[[]]]", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(taken(2, cases[i].text), cases[i].taken);
}

static void json_amid_a_text(void **state)
{
    (void)state;
    const char *fox = "style:an ink fox";
    assert_string_equal(taken(2, "Sure! [Here] {they are}:\n```json\n{\"style\": [\"an ink fox\"]}\n```\nMore?"), fox);
    assert_string_equal(taken(2, "{\"style\": [\"an ink fox\",], }"), fox);
    assert_string_equal(taken(2, "{\"style\": [\"an ink fox\", \"a neon f"), fox);
    assert_string_equal(taken(2, "{\"style\": [\"an ink fox\"], \"subject\": [\"tw"), fox);
    assert_string_equal(taken(2, "{\"style\": [\"an ink fox\"], \"subj"), fox);
    assert_string_equal(taken(2, "<think>{\"style\":[\"draft a\",\"draft b\"]}</think> {\"style\":[\"an ink fox\"]}"), fox);
    /* of several pieces the one with most prompts, the last of equals; others fill the categories that it lacks */
    assert_string_equal(taken(2, "{\"style\":[\"a\"]} {\"style\":[\"b\"],\"subject\":[\"c\"]}"), "style:b|subject:c");
    assert_string_equal(taken(2, "{\"style\":[\"a\"]} {\"style\":[\"b\"]}"), "style:b");
    assert_string_equal(taken(2, "{\"style\":[\"a\",\"b\"]}\n\n{\"subject\":[\"c\"]}"), "style:a|style:b|subject:c");
    assert_string_equal(taken(2, "{\"style\":[\"...\",\"...\"]}"), "");
    assert_string_equal(taken(2, "{\"style\":[\"a \\\"b\\\" {c} [d]\",\"e\\\\\"]}"), "style:a \"b\" {c} [d]|style:e\\");
}

/* A script without spaces, or a model that repeats a letter, has few words however long it is. */
static void long_without_spaces(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct lmm_prompts p = fresh(1);
        char text[500];
        snprintf(text, sizeof text, "{\"style\":[\"%0*d\"]}", 6 * 64 + more, 7);
        lmm_reply_read(text, &p);
        assert_int_equal(p.n[PASTA_STYLE], !more);
        assert_int_equal(p.refused.too_long, more);
    }
}

static void what_is_refused_and_counted(void **state)
{
    (void)state;
    struct lmm_prompts p = fresh(3);
    lmm_reply_read("{\"style\":[\"an ink fox\",\"  An  INK\\nfox \",\"\",\" . \",\"one two three four five six seven\","
                   "\"I'm sorry, I can't draw that\"],\"subject\":[\"an ink fox\",\"one two three four five six\"],\"colour\":[\"a red fox\"]}", &p);
    assert_string_equal(listed(&p), "style:an ink fox|subject:one two three four five six");
    assert_int_equal(p.refused.duplicates, 2);
    assert_int_equal(p.refused.empty, 2);
    assert_int_equal(p.refused.too_long, 1);
    assert_int_equal(p.refused.refusals, 1);
    assert_int_equal(p.refused.unplaced, 1);
    /* a second reply fills what is missing, and what there is too much of is no fault */
    lmm_reply_read("{\"style\":[\"AN INK FOX\",\"a neon fox\",\"a pixel fox\",\"a chalk fox\"]}", &p);
    assert_string_equal(listed(&p), "style:an ink fox|style:a neon fox|style:a pixel fox|subject:one two three four five six");
    assert_int_equal(p.refused.duplicates, 3);
    assert_false(lmm_prompts_whole(&p));
}

static void prompts_are_tidied(void **state)
{
    (void)state;
    assert_string_equal(taken(3, "{\"style\":[\"1. an ink fox\",\"12) a neon fox\",\"- a pixel fox\"]}"),
                        "style:an ink fox|style:a neon fox|style:a pixel fox");
    assert_string_equal(taken(3, "{\"style\":[\"\\\"a chalk fox\\\"\",\" a\\t b \\u00e4\\n\",\"3 foxes\"]}"),
                        "style:a chalk fox|style:a b ä|style:3 foxes");
}

static void whole_sets_come_category_by_category(void **state)
{
    (void)state;
    struct lmm_prompts p = fresh(1);
    struct pasta_candidate list[PASTA_CATEGORIES];
    lmm_reply_read("{\"expand\":[\"b\"],\"rephrase\":[\"a\"],\"creative\":[\"e\"],\"order\":[\"creative\"]}", &p);
    lmm_reply_read("{\"subject\":[\"d\"],\"style\":[\"c\"]}", &p);
    assert_true(lmm_prompts_whole(&p));
    lmm_prompts_list(&p, list);
    const char *const prompts[] = {"e", "b", "a", "d", "c"};
    const enum pasta_category categories[] = {PASTA_CREATIVE, PASTA_EXPAND, PASTA_REPHRASE, PASTA_SUBJECT, PASTA_STYLE};
    for (int i = 0; i < PASTA_CATEGORIES; i++) {
        assert_string_equal(list[i].prompt, prompts[i]);
        assert_int_equal(list[i].category, categories[i]);
    }
}

static void what_was_shown_is_not_taken_again(void **state)
{
    (void)state;
    struct pasta_column column = {.prompt = "a red fox"};
    struct pasta_turn turn = {.n_columns = 1, .columns = &column};
    const struct pasta_session session = {.n_turns = 1, .turns = &turn};
    struct lmm_prompts p = fresh(2);
    p.session = &session;
    assert_int_equal(lmm_reply_read("{\"style\":[\"A  red fox\",\"a blue fox\"]}", &p), LMM_READABLE);
    assert_int_equal(p.n[PASTA_STYLE], 1);
    assert_string_equal(p.items[PASTA_STYLE][0], "a blue fox");
    assert_int_equal(p.refused.duplicates, 1);
}

static void verdicts(void **state)
{
    (void)state;
    struct lmm_prompts p = fresh(1);
    assert_int_equal(lmm_reply_read("{\"style\":[\"a\"]}", &p), LMM_READABLE);
    assert_int_equal(lmm_reply_read("Here are no prompts.", &p), LMM_UNREADABLE);
    assert_int_equal(lmm_reply_read(" I cannot help with this.", &p), LMM_REFUSED);
    char *deep = pasta_malloc(200001);
    for (int i = 0; i < 100000; i++)
        memcpy(deep + 2 * i, i % 2 ? "[{" : "[\"", 2);
    deep[200000] = '\0';
    assert_int_equal(lmm_reply_read(deep, &p), LMM_UNREADABLE);
    free(deep);
}

static void completions(void **state)
{
    (void)state;
    static const struct { const char *bytes; enum lmm_verdict verdict; const char *text, *why; } cases[] = {
        {"{\"choices\":[{\"message\":{\"content\":\"hello\"}}]}", LMM_READABLE, "hello", ""},
        {"{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"hel\"},{\"text\":\"lo\"},7]}}]}",
         LMM_READABLE, "hello", ""},
        {"{\"choices\":[{\"message\":{\"content\":\"hel\"},\"finish_reason\":\"length\"}]}", LMM_READABLE, "hel", "cut off"},
        {"{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"No.\"}}]}", LMM_REFUSED, "No.", "refusal"},
        {"{\"choices\":[{\"message\":{\"content\":\"hel\"},\"finish_reason\":\"content_filter\"}]}", LMM_REFUSED, "hel", "content filter"},
        {"{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"length\"}]}", LMM_UNREADABLE, NULL, "max_tokens"},
        {"{\"choices\":[]}", LMM_UNREADABLE, NULL, "no text"},
        {"{\"choices\":[{\"message\":{\"content\":\"hel", LMM_UNREADABLE, NULL, "broken JSON"},
        {"", LMM_UNREADABLE, NULL, "no chat completion"},
        {"[1]", LMM_UNREADABLE, NULL, "no text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text, *why;
        assert_int_equal(lmm_reply_open(cases[i].bytes, strlen(cases[i].bytes), &arena, &text, &why), cases[i].verdict);
        if (cases[i].text)
            assert_string_equal(text, cases[i].text);
        else
            assert_null(text);
        assert_non_null(strstr(why, cases[i].why));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(json_amid_a_text),
        cmocka_unit_test(long_without_spaces),
        cmocka_unit_test(what_is_refused_and_counted),
        cmocka_unit_test(prompts_are_tidied),
        cmocka_unit_test(whole_sets_come_category_by_category),
        cmocka_unit_test(what_was_shown_is_not_taken_again),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(completions),
    };
    return cmocka_run_group_tests(tests, NULL, clear);
}
