/* The byte-pair tokenizer: cutting, merging, special tokens, truncation, training, files, and what must be refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/model/bpe.h"

static const char *const corpus[] = {
    "a red fox in the snow", "the red house, at night", "a fox's house in watercolour", "watercolour of a red red fox", "Snow at night; the fox sleeps",
};
enum { CORPUS = sizeof corpus / sizeof *corpus };

static struct pasta_bpe *trained(int vocab)
{
    struct pasta_bpe *bpe;
    struct pasta_err err = {0};
    assert_int_equal(pasta_bpe_train(corpus, CORPUS, vocab, &bpe, &err), PASTA_OK);
    return bpe;
}

/* The tokens of `text`, start and end left out, joined by spaces. */
static char *tokens_of(const struct pasta_bpe *bpe, const char *text)
{
    int64_t ids[64];
    int n;
    struct pasta_err err = {0};
    struct pasta_str s = {0};
    assert_int_equal(pasta_bpe_encode(bpe, text, 64, ids, &n, &err), PASTA_OK);
    assert_int_equal(ids[0], pasta_bpe_start(bpe));
    assert_int_equal(ids[n - 1], pasta_bpe_end(bpe));
    for (int i = 1; i + 1 < n; i++) {
        if (i > 1)
            pasta_str_addc(&s, ' ');
        pasta_str_add(&s, pasta_bpe_token(bpe, ids[i]));
    }
    return pasta_str_take(&s);
}

static void test_pieces(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {" \t\n ", ""},
        {"ab", "a b</w>"},
        {"AB", "a b</w>"},
        {"a1b22", "a</w> 1</w> b</w> 2</w> 2</w>"},
        {"it's", "i t</w> ' s</w>"},
        {"!!'s", "! ! '</w> s</w>"}, /* the run of signs takes the apostrophe first */
        {"a\xc2\xa0z", "a</w> z</w>"}, /* a no-break space is white space */
        {"e\xcc\x81", "\xc3\x83 \xc2\xa9</w>"}, /* composed to e acute: bytes c3 a9 */
        {"\xc4\xb0", "i</w> \xc3\x8c \xc4\xa9</w>"}, /* I with a dot: lower case is i and a combining dot */
        {"<|startoftext|>q<|endoftext|>", "<|startoftext|> q</w> <|endoftext|>"},
        {"<|STARTOFTEXT|>", "< |</w> s t a r t o f t e x t</w> | ></w>"},
    };
    static const char *const nothing[] = {"qzq"};
    struct pasta_bpe *bpe;
    struct pasta_err err = {0};
    assert_int_equal(pasta_bpe_train(nothing, 1, 4000, &bpe, &err), PASTA_OK);
    assert_int_equal(pasta_bpe_vocab(bpe), 514); /* no pair occurs twice: bytes and special tokens */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *found = tokens_of(bpe, cases[i][0]);
        assert_string_equal(found, cases[i][1]);
        free(found);
    }
    pasta_bpe_free(bpe);
}

static void test_order_of_vocabulary(void **state)
{
    (void)state;
    struct pasta_bpe *bpe = trained(540);
    assert_string_equal(pasta_bpe_token(bpe, 0), "!");
    assert_string_equal(pasta_bpe_token(bpe, 64), "a");
    assert_string_equal(pasta_bpe_token(bpe, 256), "!</w>");
    assert_string_equal(pasta_bpe_token(bpe, 320), "a</w>");
    assert_int_equal(pasta_bpe_vocab(bpe), 540);
    assert_int_equal(pasta_bpe_start(bpe), 538);
    assert_int_equal(pasta_bpe_end(bpe), 539);
    assert_null(pasta_bpe_token(bpe, 540));
    assert_null(pasta_bpe_token(bpe, -1));
    pasta_bpe_free(bpe);
}

static void test_frequent_words_become_tokens(void **state)
{
    (void)state;
    struct pasta_bpe *bpe = trained(4000);
    assert_true(pasta_bpe_vocab(bpe) < 4000);
    char *found = tokens_of(bpe, "the RED fox's house");
    assert_string_equal(found, "the</w> red</w> fox</w> ' s</w> house</w>");
    free(found);
    pasta_bpe_free(bpe);
}

static char *temporary_folder(void)
{
    char template[] = "/tmp/pasta-bpe-XXXXXX";
    assert_non_null(mkdtemp(template));
    return pasta_strdup(template);
}

static void remove_folder(char *dir)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = pasta_path_join(dir, names[i]);
        unlink(path);
        free(path);
    }
    assert_int_equal(rmdir(dir), 0);
    free(dir);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    struct pasta_err err = {0};
    char *path = pasta_path_join(dir, name);
    assert_int_equal(pasta_file_write(path, text, strlen(text), &err), PASTA_OK);
    free(path);
}

/* Merges go by rank, not from the left: bc, bcx and then ab were learned, so "abcx" is a + bcx. */
static void test_rank_decides(void **state)
{
    (void)state;
    static const char *const texts[] = {"bcx bcx bcx bcx", "abx abx", "ax ax"};
    struct pasta_bpe *bpe;
    struct pasta_err err = {0};
    assert_int_equal(pasta_bpe_train(texts, 3, 517, &bpe, &err), PASTA_OK);
    char *found = tokens_of(bpe, "abcx abx bcbcx");
    assert_string_equal(found, "a bcx</w> ab x</w> bc bcx</w>");
    free(found);
    pasta_bpe_free(bpe);
}

/* All occurrences of a pair merge before the pairs that this makes, even those of a lower rank: aaaaa is aa aa a first, then aa aaa. Words
 * of any length take n log n steps. */
static void test_rounds_and_long_words(void **state)
{
    (void)state;
    struct pasta_bpe *bpe;
    struct pasta_err err = {0};
    char *dir = temporary_folder();
    put_file(dir, "vocab.json", "{\"a\":0,\"a</w>\":1,\"aa\":2,\"aaaa\":3,\"<|startoftext|>\":4,\"<|endoftext|>\":5,\"aaa\":6,\"c</w>\":7}");
    put_file(dir, "merges.txt", "#version: 0.2\naa a\na a\naa aa\n");
    assert_int_equal(pasta_bpe_load(dir, &bpe, &err), PASTA_OK);
    char *found = tokens_of(bpe, "aaaaac aaaaaaaac");
    assert_string_equal(found, "aa aaa c</w> aaaa aaaa c</w>");
    free(found);
    enum { LONG = 1 << 20 };
    char *word = pasta_malloc(2 * LONG + 1);
    memset(word, 'a', 2 * LONG);
    word[2 * LONG] = '\0';
    int64_t ids[77];
    int n;
    alarm(60); /* rounds that look at the whole word each take days */
    assert_int_equal(pasta_bpe_encode(bpe, word, 77, ids, &n, &err), PASTA_OK);
    alarm(0);
    assert_int_equal(n, 77);
    for (int i = 1; i < 76; i++)
        assert_int_equal(ids[i], 3);
    free(word);
    pasta_bpe_free(bpe);
    remove_folder(dir);
}

static void test_truncation_keeps_the_end(void **state)
{
    (void)state;
    struct pasta_bpe *bpe = trained(520);
    int64_t ids[8];
    int n;
    struct pasta_err err = {0};
    assert_int_equal(pasta_bpe_encode(bpe, "a b c d e f g h i j", 6, ids, &n, &err), PASTA_OK);
    assert_int_equal(n, 6);
    assert_int_equal(ids[0], pasta_bpe_start(bpe));
    assert_string_equal(pasta_bpe_token(bpe, ids[4]), "d</w>");
    assert_int_equal(ids[5], pasta_bpe_end(bpe));
    pasta_bpe_free(bpe);
}

static void test_files_round_trip(void **state)
{
    (void)state;
    struct pasta_bpe *bpe = trained(700), *again;
    struct pasta_err err = {0};
    char *dir = temporary_folder();
    assert_int_equal(pasta_bpe_save(bpe, dir, 32, &err), PASTA_OK);
    assert_int_equal(pasta_bpe_load(dir, &again, &err), PASTA_OK);
    assert_int_equal(pasta_bpe_vocab(again), pasta_bpe_vocab(bpe));
    for (int i = 0; i < pasta_bpe_vocab(bpe); i++)
        assert_string_equal(pasta_bpe_token(again, i), pasta_bpe_token(bpe, i));
    for (int i = 0; i < CORPUS; i++) {
        char *a = tokens_of(bpe, corpus[i]), *b = tokens_of(again, corpus[i]);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
    pasta_bpe_free(bpe);
    pasta_bpe_free(again);
    remove_folder(dir);
}

static void test_same_texts_same_vocabulary(void **state)
{
    (void)state;
    const char *reversed[CORPUS];
    for (int i = 0; i < CORPUS; i++)
        reversed[i] = corpus[CORPUS - 1 - i];
    struct pasta_bpe *a = trained(600), *b;
    struct pasta_err err = {0};
    assert_int_equal(pasta_bpe_train(reversed, CORPUS, 600, &b, &err), PASTA_OK);
    for (int i = 0; i < 600; i++)
        assert_string_equal(pasta_bpe_token(a, i) ? pasta_bpe_token(a, i) : "", pasta_bpe_token(b, i) ? pasta_bpe_token(b, i) : "");
    pasta_bpe_free(a);
    pasta_bpe_free(b);
}

#define SPECIALS "\"<|startoftext|>\":2,\"<|endoftext|>\":3"

static void test_single_file(void **state)
{
    (void)state;
    struct pasta_bpe *bpe;
    struct pasta_err err = {0};
    char *dir = temporary_folder();
    put_file(dir, "tokenizer.json",
             "{\"added_tokens\":[{\"id\":4,\"content\":\"<|startoftext|>\"},{\"id\":5,\"content\":\"<|endoftext|>\"}],"
             "\"model\":{\"end_of_word_suffix\":\"</w>\",\"vocab\":{\"a\":0,\"b</w>\":1,\"ab</w>\":2,\"a</w>\":3},\"merges\":[[\"a\",\"b</w>\"]]}}");
    assert_int_equal(pasta_bpe_load(dir, &bpe, &err), PASTA_OK);
    assert_int_equal(pasta_bpe_vocab(bpe), 6);
    char *found = tokens_of(bpe, "ab a z"); /* z is not in the vocabulary: the unknown token */
    assert_string_equal(found, "ab</w> a</w> <|endoftext|>");
    free(found);
    pasta_bpe_free(bpe);
    remove_folder(dir);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct { const char *vocab, *merges, *expected; } cases[] = {
        {"{\"a\":0,\"b\":1," SPECIALS "}", NULL, "merges.txt"},
        {"[1]", "", "expected an object, found an array"},
        {"{}", "", "found an empty one"},
        {"{\"a\":-1," SPECIALS "}", "", "'a': expected an id below"},
        {"{\"a\":4000000," SPECIALS "}", "", "id 4000000: expected ids with fewer gaps, found 3 tokens"},
        {"{\"a\":0.5," SPECIALS "}", "", "'a': expected an id below"},
        {"{\"a\":1e300," SPECIALS "}", "", "'a': expected an id below"},
        {"{\"a\":\"b\"," SPECIALS "}", "", "'a': expected an id below"},
        {"{\"a\":0,\"b\":0," SPECIALS "}", "", "id 0: given to both 'a' and 'b'"},
        {"{\"a\":0}", "", "found no <|startoftext|>"},
        {"{\"a\":0," SPECIALS "}", "#version: 0.2\na b\n", "merge 1: 'b' is not in the vocabulary"},
        {"{\"a\":0,\"b\":1," SPECIALS "}", "#version: 0.2\na b\n", "merge 1: 'ab' is not in the vocabulary"},
        {"{\"a\":0," SPECIALS "}", "aa\n", "expected two symbols and a space between them, found 'aa'"},
        {"{\"a\":0," SPECIALS "}", "a a a\n", "expected two symbols and a space between them"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pasta_bpe *bpe = NULL;
        struct pasta_err err = {0};
        char *dir = temporary_folder();
        put_file(dir, "vocab.json", cases[i].vocab);
        if (cases[i].merges)
            put_file(dir, "merges.txt", cases[i].merges);
        assert_int_equal(pasta_bpe_load(dir, &bpe, &err), PASTA_ERR_INPUT);
        assert_null(bpe);
        assert_non_null(strstr(err.message, cases[i].expected));
        remove_folder(dir);
    }
}

static void test_refused_text(void **state)
{
    (void)state;
    struct pasta_bpe *bpe = trained(520);
    int64_t ids[8];
    int n = -1;
    struct pasta_err err = {0};
    assert_int_equal(pasta_bpe_encode(bpe, "caf\xe9", 8, ids, &n, &err), PASTA_ERR_INPUT);
    assert_int_equal(n, -1);
    struct pasta_err late = {0}; /* behind the last place as well */
    assert_int_equal(pasta_bpe_encode(bpe, "a b c d e f g h i <|endoftext|> caf\xe9", 8, ids, &n, &late), PASTA_ERR_INPUT);
    pasta_bpe_free(bpe);
    struct pasta_err usage = {0};
    assert_int_equal(pasta_bpe_train(corpus, CORPUS, 513, &bpe, &usage), PASTA_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_order_of_vocabulary),
        cmocka_unit_test(test_frequent_words_become_tokens),
        cmocka_unit_test(test_rank_decides),
        cmocka_unit_test(test_rounds_and_long_words),
        cmocka_unit_test(test_truncation_keeps_the_end),
        cmocka_unit_test(test_files_round_trip),
        cmocka_unit_test(test_same_texts_same_vocabulary),
        cmocka_unit_test(test_single_file),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
