/* The sketch lexicon: what prompts say, and what broken files say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../src/world/lexicon.h"
#include "pasta/base/paths.h"
#include "pasta/base/str.h"
#include "pasta/io/file.h"

static struct sketch_lexicon lexicon;

static int open_lexicon(void **state)
{
    (void)state;
    struct pasta_err err = {0};
    char *path = pasta_data_path("sketch/lexicon.json"), *drawings = pasta_data_path("sketch/drawings.txt");
    pasta_status status = sketch_lexicon_read(path, drawings, &lexicon, &err);
    if (status != PASTA_OK)
        print_error("%s\n", err.message);
    free(path);
    free(drawings);
    return status;
}

static int close_lexicon(void **state)
{
    (void)state;
    sketch_lexicon_release(&lexicon);
    return 0;
}

/* "subject=dog style=oil count~two": every statement (=) or vague leaning (~) of a reading, first value only. */
static const char *say(const char *prompt)
{
    static char out[512];
    struct sketch_reading r;
    struct pasta_str s = {0};
    sketch_read(&lexicon, prompt, &r);
    for (int k = 0; k < SKETCH_KINDS; k++)
        if (r.kind[k].n > 0)
            pasta_str_printf(&s, "%s%s%s%s", s.length ? " " : "", sketch_kind_names[k], r.kind[k].vague ? "~" : "=",
                             sketch_value_name(&lexicon, (enum sketch_kind)k, r.kind[k].value[0]));
    snprintf(out, sizeof out, "%s", s.data == NULL ? "" : s.data);
    pasta_str_release(&s);
    return out;
}

static void reads_prompts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a corgi", "subject=dog"},
        {"A CORGI.", "subject=dog"},
        {"two dogs", "subject=dog count=two"},
        {"puppies", "subject=dog count~two"},
        {"the wolves", "subject=dog count~two"},
        {"a hot air balloon", "subject=balloon"},
        {"a hot dog", "subject=burger"},
        {"an orange", "subject=apple"},
        {"an orange cat", "subject=cat colour=orange"},
        {"a small red sports car", "subject=car colour=red"},
        {"a dog next to a red car", "subject=dog second=car"},
        {"a cat, oil painting, golden hour light", "subject=cat style=oil lighting=golden"},
        {"an oil painting of a cat, pixel art", "subject=cat style=pixel"},
        {"a beach", "subject=island"},
        {"a dog on the beach", "subject=dog background=beach"},
        {"in the desert, a camel", "subject=horse background=desert"},
        {"in the city", "subject=skyscraper background=city"},
        {"a metal statue", "subject=man"},
        {"a house, colored blue", "subject=house colour=blue"},
        {"a dog, three of them", "subject=dog count=three"},
        {"happiness", "subject~sun palette~vivid mood~joyful"},
        {"children\xe2\x80\x99s drawing of a boat", "subject=boat style=crayon"},
        {"a yin-yang symbol", "subject=yinyang"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(say(cases[i][0]), cases[i][1]) != 0)
            fail_msg("\"%s\": expected %s, found %s", cases[i][0], cases[i][1], say(cases[i][0]));
}

static void every_phrase_means_its_value(void **state)
{
    (void)state;
    for (int k = 0; k < SKETCH_KINDS; k++) {
        if (k == SKETCH_SECOND)
            continue;
        for (int v = 0; v < lexicon.n_values[k]; v++)
            for (int i = 0; i < lexicon.value[k][v].same.n; i++) {
                struct sketch_reading r;
                char prompt[200];
                snprintf(prompt, sizeof prompt, k == SKETCH_SUBJECT ? "%s" : "a dog, %s", lexicon.value[k][v].same.items[i]);
                sketch_read(&lexicon, prompt, &r);
                if (r.kind[k].n != 1 || r.kind[k].value[0] != v || r.accent != 0)
                    fail_msg("\"%s\" does not say %s = %s", prompt, sketch_kind_names[k], sketch_value_name(&lexicon, (enum sketch_kind)k, v));
                for (int other = SKETCH_SECOND; other < SKETCH_KINDS; other++) /* and nothing else */
                    if (other != k && r.kind[other].n > 0)
                        fail_msg("\"%s\" also says %s", prompt, sketch_kind_names[other]);
            }
    }
    for (int i = 0; i < lexicon.frames.n; i++) { /* frames add no meaning */
        char prompt[200];
        const char *frame = lexicon.frames.items[i], *at = strstr(frame, "%s");
        snprintf(prompt, sizeof prompt, "%.*sa dog%s", (int)(at - frame), frame, at + 2);
        assert_string_equal(say(prompt), "subject=dog");
    }
}

static void unknown_words_are_reproducible(void **state)
{
    (void)state;
    struct sketch_reading a, b, c;
    sketch_read(&lexicon, "frobnicated quuxes", &a);
    sketch_read(&lexicon, "frobnicated quuxes, watercolor painting", &b);
    sketch_read(&lexicon, "a zyzzyx", &c);
    assert_int_equal(a.known_subject, -1);
    assert_int_equal(a.kind[SKETCH_SUBJECT].n, 1);
    assert_true(a.accent != 0 && a.accent == b.accent && a.accent != c.accent);
    assert_int_equal(a.kind[SKETCH_SUBJECT].value[0], b.kind[SKETCH_SUBJECT].value[0]);
    sketch_read(&lexicon, "", &a);
    assert_int_equal(a.kind[SKETCH_SUBJECT].n, 1); /* even nothing gives a picture */
}

/* --- broken files --------------------------------------------------------------------------------- */

static void expect_refusal(const char *lexicon_text, const char *drawings_text, const char *message)
{
    struct pasta_err err = {0};
    struct sketch_lexicon l;
    char *good_lexicon = pasta_data_path("sketch/lexicon.json"), *good_drawings = pasta_data_path("sketch/drawings.txt");
    char path[] = "/tmp/pasta-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const char *text = lexicon_text ? lexicon_text : drawings_text;
    assert_int_equal(pasta_file_write(path, text, strlen(text), &err), PASTA_OK);
    pasta_status status = sketch_lexicon_read(lexicon_text ? path : good_lexicon, drawings_text ? path : good_drawings, &l, &err);
    unlink(path);
    free(good_lexicon);
    free(good_drawings);
    assert_int_equal(status, PASTA_ERR_INPUT);
    if (strstr(err.message, message) == NULL)
        fail_msg("expected \"%s\" in \"%s\"", message, err.message);
}

static void refuses_broken_files(void **state)
{
    (void)state;
    expect_refusal("{", NULL, "/tmp/pasta-test-");
    expect_refusal("{\"schema\": \"other/1\"}", NULL, "expected \"pasta.sketch-lexicon/1\"");
    expect_refusal("{\"schema\": \"pasta.sketch-lexicon/1\", \"subject\": {\"griffon\": {\"same\": [\"griffon\"]}}}", NULL,
                   "subject: the renderer knows no \"griffon\"");
    expect_refusal("{\"schema\": \"pasta.sketch-lexicon/1\", \"subject\": {\"dog\": {\"same\": [\"dog\"], \"home\": {\"meadow\": -1}}}}", NULL,
                   "positive weights");
    expect_refusal("{\"schema\": \"pasta.sketch-lexicon/1\", \"subject\": {\"dog\": {\"same\": [1]}}}", NULL, "expected strings");
    expect_refusal("{\"schema\": \"pasta.sketch-lexicon/1\", \"subject\": {\"dog\": {\"same\": [\"dog\"]}}}", NULL, "\"cat\" has no entry");
    expect_refusal(NULL, "dog animals\n  c tan; e 1 2 3\n", ":2: shape \"e\" cannot have 3 numbers");
    expect_refusal(NULL, "dog animals\n  c tann; e 1 2 3 4\n", ":2: colour: expected a colour such as \"tan\", found \"tann\"");
    expect_refusal(NULL, "dog animals\n  e 1 2 3 4\n", ":2: shape \"e\" has no colour before it");
    expect_refusal(NULL, "dog animals\n  c tan; e 1 2 3 x\n", "found \"x\"");
    expect_refusal(NULL, "dog animals\n  c tan; q 1 2\n", "found \"q\"");
    expect_refusal(NULL, "dog beasts\n", ":1: group");
    expect_refusal(NULL, "  c tan\n", ":1: shapes before the first drawing");
    expect_refusal(NULL, "dog animals\n  c tan; e 1 2 3 4\ndog animals\n", ":3: drawing \"dog\" is defined twice");
    expect_refusal(NULL, "# nothing\n", "no drawings");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_prompts),
        cmocka_unit_test(every_phrase_means_its_value),
        cmocka_unit_test(unknown_words_are_reproducible),
        cmocka_unit_test(refuses_broken_files),
    };
    return cmocka_run_group_tests(tests, open_lexicon, close_lexicon);
}
