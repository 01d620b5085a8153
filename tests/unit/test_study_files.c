/* The files beside the journal: links, which nobody else may read or mix up, and images, which raters get without what made them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <zlib.h>

#include "../../src/study/links.h"
#include "../../src/study/shown_image.h"
#include "pasta/agent/image_store.h"
#include "pasta/io/image.h"
#include "study_made.h"

/* --- links --- */

static struct study *with_links(uint32_t raters, const char *base)
{
    const struct pasta_study_design design = made_design(2, raters, 1);
    struct study *study = study_new(&design);
    struct pasta_err err = {0};
    assert_int_equal(links_open(study, folder, base, &err), PASTA_OK);
    return study;
}

static void links_last(void **state)
{
    (void)state;
    struct stat info;
    struct pasta_str text = {0};
    struct pasta_err err = {0};
    struct study *first = with_links(300, "http://127.0.0.1:8080");
    assert_int_equal(stat(path_of(STUDY_LINKS), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    for (uint32_t r = 0; r < 300; r++) {
        const char *token = first->raters[r].token;
        assert_int_equal(strlen(token), STUDY_TOKEN);
        assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), STUDY_TOKEN);
        assert_ptr_equal(links_find(first, token, STUDY_TOKEN), &first->raters[r]); /* the first with it: all are different */
    }
    assert_null(links_find(first, first->raters[0].token, STUDY_TOKEN - 1));
    assert_null(links_find(first, "", 0));
    assert_null(links_find(first, "AAAAAAAAAAAAAAAAAAAAAA", STUDY_TOKEN));
    /* served elsewhere: other links with the same tokens, whatever stands in the URL */
    struct study *again = with_links(300, "https://study.example.org/r/deeper//");
    for (uint32_t r = 0; r < 300; r++)
        assert_string_equal(again->raters[r].token, first->raters[r].token);
    assert_int_equal(pasta_file_read(path_of(STUDY_LINKS), &text, &err), PASTA_OK);
    assert_true(pasta_starts_with(text.data, "rater\turl\nhuman-000100\thttps://study.example.org/r/deeper/r/"));
    struct study *third = with_links(300, "http://127.0.0.1:8080");
    assert_string_equal(third->raters[299].token, first->raters[299].token);
    assert_int_equal(stat(path_of(STUDY_LINKS), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    study_free(first), study_free(again), study_free(third);
    pasta_str_release(&text);
}

static void wrong_links(void **state)
{
    (void)state;
#define A "human-000100\thttp://h/r/aaaaaaaaaaaaaaaaaaaaaa/\n"
#define B "human-000101\thttp://h/r/bbbbbbbbbbbbbbbbbbbbbb/\n"
    static const char *const cases[][2] = {
        {"rater\turl\n" A, "expected the links of 2 raters, found 1"}, {"", "found 0"},
        {"rater\turl\n" A B "human-000102\thttp://h/r/cccccccccccccccccccccc/\n", ":4: expected the links of 2 raters"},
        {"rater\turl\n" B A, ":2: expected the link of human-000100"}, /* sorted by hand: everyone would get another's session */
        {"rater\turl\n" A A, ":3: expected the link of human-000101"},
        {"rater\turl\n" A "human-000101\thttp://h/r/aaaaaaaaaaaaaaaaaaaaaa/\n", "found one twice"},
        {"rater\turl\n" A "human-000101\thttp://h/r/bbbbbbbbbbbbbbbbbbbbb/\n", ":3:"},
        {"rater\turl\n" A "human-000101\thttp://h/r/bbbbbbbbbbbbbbbbbbbbbbb/\n", ":3:"},
        {"rater\turl\n" A "human-000101\thttp://h/r/bbbbbbbbbbbbbbbbbbbbbb\n", ":3:"},
        {"rater\turl\n" A "human-000101\thttp://h/r/bbbbbbbbbbbbbbbbbbbbb /\n", ":3:"},
        {"rater\turl\n" A "human-000101\thttp://h/x/bbbbbbbbbbbbbbbbbbbbbb/\n", ":3:"},
        {"rater\turl\n" A "human-000101 http://h/r/bbbbbbbbbbbbbbbbbbbbbb/\n", ":3:"},
        {"rater\turl\n" A "human-000101/r/bbbbbbbbbbbbbbbbbbbbbb/\n", ":3:"}, {"rater\turl\n" A "\n" B, ":3:"}};
    const struct pasta_study_design design = made_design(2, 2, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct study *study = study_new(&design);
        struct pasta_err err = {0};
        write_text(STUDY_LINKS, cases[i][0], strlen(cases[i][0]));
        assert_int_equal(links_open(study, folder, "http://h", &err), PASTA_ERR_INPUT);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("expected %s, found %s", cases[i][1], err.message);
        study_free(study);
    }
    write_text(STUDY_LINKS, "rater\turl\r\n" A B, strlen("rater\turl\r\n" A B));
    struct study *study = with_links(2, "http://h");
    assert_string_equal(study->raters[1].token, "bbbbbbbbbbbbbbbbbbbbbb");
    study_free(study);
    struct pasta_err err = {0};
    study = study_new(&design);
    assert_int_equal(links_open(study, path_of("no folder"), "http://h", &err), PASTA_ERR_INPUT);
    study_free(study);
    unlink(path_of(STUDY_LINKS));
}

/* --- images --- */

static void add_chunk(struct pasta_str *png, const char *type, const char *bytes, uint32_t length)
{
    const uint32_t crc = (uint32_t)crc32(crc32(0, (const unsigned char *)type, 4), (const unsigned char *)bytes, length);
    const unsigned char size[4] = {(unsigned char)(length >> 24), (unsigned char)(length >> 16), (unsigned char)(length >> 8), (unsigned char)length};
    const unsigned char check[4] = {(unsigned char)(crc >> 24), (unsigned char)(crc >> 16), (unsigned char)(crc >> 8), (unsigned char)crc};
    pasta_str_addn(png, size, 4);
    pasta_str_addn(png, type, 4);
    pasta_str_addn(png, bytes, length);
    pasta_str_addn(png, check, 4);
}

/* An image with everything that tells: our own tEXt, and chunks that others write. */
static struct pasta_str telling(struct pasta_image *image)
{
    static const char *const texts[1][2] = {{"parameters", "{\"prompt\":\"secret prompt\",\"seed\":4711}"}};
    struct pasta_str png = {0}, out = {0};
    struct pasta_err err = {0};
    *image = (struct pasta_image){.width = 5, .height = 3, .pixels = pasta_malloc(5 * 3 * 3)};
    for (int i = 0; i < 5 * 3 * 3; i++)
        image->pixels[i] = (uint8_t)(17 * i);
    assert_int_equal(pasta_png_encode(image, texts, 1, &png, &err), PASTA_OK);
    const size_t head = 8 + 12 + 13, end = png.length - 12;
    assert_memory_equal(png.data + end + 4, "IEND", 4);
    pasta_str_addn(&out, png.data, head);
    add_chunk(&out, "zTXt", "secret", 6);
    add_chunk(&out, "iTXt", "secret", 6);
    add_chunk(&out, "eXIf", "secret", 6);
    add_chunk(&out, "tIME", "secret7", 7);
    add_chunk(&out, "caBX", "secret", 6); /* provenance */
    add_chunk(&out, "iCCP", "secret", 6);
    pasta_str_addn(&out, png.data + head, end - head);
    add_chunk(&out, "tEXt", "secret", 6);
    pasta_str_addn(&out, png.data + end, 12);
    pasta_str_add(&out, "secret behind the end");
    pasta_str_release(&png);
    return out;
}

static void images_tell_nothing(void **state)
{
    (void)state;
    struct pasta_image image, shown = {0};
    struct pasta_str png = telling(&image), stripped = {0};
    struct pasta_err err = {0};
    assert_non_null(memmem(png.data, png.length, "secret prompt", 13));
    assert_true(shown_image_strip(&png, &stripped));
    assert_null(memmem(stripped.data, stripped.length, "secret", 6));
    assert_null(memmem(stripped.data, stripped.length, "tEXt", 4));
    write_text("stripped.png", stripped.data, stripped.length);
    assert_int_equal(pasta_image_read(path_of("stripped.png"), &shown, &err), PASTA_OK);
    assert_int_equal(shown.width, 5);
    assert_int_equal(shown.height, 3);
    assert_memory_equal(shown.pixels, image.pixels, 5 * 3 * 3);
    pasta_str_release(&png), pasta_str_release(&stripped);
    pasta_image_release(&image), pasta_image_release(&shown);
}

static void parts_of_images_are_refused(void **state)
{
    (void)state;
    struct pasta_image image;
    struct pasta_str png = telling(&image);
    const size_t whole = png.length - strlen("secret behind the end");
    for (size_t length = 0; length < whole; length++) { /* each in memory of its own, so that a read behind it is seen */
        struct pasta_str part = {0}, out = {0};
        part.data = pasta_malloc(length);
        memcpy(part.data, png.data, length);
        part.length = length;
        assert_false(shown_image_strip(&part, &out));
        pasta_str_release(&out);
        free(part.data);
    }
    struct pasta_str out = {0};
    png.data[8] = (char)0xff; /* a chunk of 4 GB */
    assert_false(shown_image_strip(&png, &out));
    pasta_str_release(&out), pasta_str_release(&png);
    pasta_image_release(&image);
}

static void images_are_read_by_id(void **state)
{
    (void)state;
    static const char id[] = "abcdef6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct pasta_image image;
    struct pasta_str png = telling(&image), out = {0};
    struct pasta_err err = {0};
    assert_int_equal(shown_image_read(folder, id, &out, &err), PASTA_ERR_INPUT); /* not there */
    assert_int_equal(pasta_mkdirs(path_of("images/ab"), NULL), PASTA_OK);
    char *name = pasta_image_name(id);
    write_text(name, png.data, png.length);
    err = (struct pasta_err){0};
    assert_int_equal(shown_image_read(folder, id, &out, &err), PASTA_OK);
    assert_null(memmem(out.data, out.length, "secret", 6));
    pasta_str_clear(&out);
    write_text(name, png.data, 60);
    assert_int_equal(shown_image_read(folder, id, &out, &err), PASTA_ERR_INPUT);
    assert_non_null(strstr(err.message, id));
    free(name);
    pasta_str_release(&png), pasta_str_release(&out);
    pasta_image_release(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_last), cmocka_unit_test(wrong_links), cmocka_unit_test(images_tell_nothing),
        cmocka_unit_test(parts_of_images_are_refused), cmocka_unit_test(images_are_read_by_id)};
    return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
