/* fuzz_exchanges.c: any bytes as a line of a cassette, as a whole one, plain or gzip, as one that a killed run left, and as what a service
 * says when it refuses. A line that is accepted is written so that it reads back as itself; a refusal is one short line without the key. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "../src/io/cassette.h"
#include "../src/io/refusal.h"

static void parse_line(const char *line, size_t length)
{
    struct exchange e = {0}, again = {0};
    struct pasta_str reply = {0}, same = {0}, once = {0}, twice = {0};
    struct pasta_err err = {0};
    if (exchange_parse(line, length, "line", &e, &reply, &err) == PASTA_OK) {
        exchange_print(&e, &reply, &once);
        assert(exchange_parse(once.data, once.length, "written", &again, &same, &err) == PASTA_OK);
        assert(same.length == reply.length && memcmp(same.data, reply.data, same.length) == 0);
        exchange_print(&again, &same, &twice);
        assert(strcmp(once.data, twice.data) == 0 && strchr(once.data, '\n') == once.data + once.length - 1);
    } else {
        assert(err.status == PASTA_ERR_INPUT && err.message[0]);
    }
    exchange_release(&e);
    exchange_release(&again);
    pasta_str_release(&reply);
    pasta_str_release(&same);
    pasta_str_release(&once);
    pasta_str_release(&twice);
}

/* Every line of a cassette that was accepted can be fetched and is what it was found by. */
static void check_lines(const struct exchange_lines *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct pasta_str text = {0}, reply = {0};
        struct exchange e = {0};
        const struct exchange_line *line = exchange_lines_find(l, l->items[i].key);
        assert(line == &l->items[i]);
        assert(exchange_lines_fetch(l, line, &text, NULL) == PASTA_OK);
        assert(exchange_parse(text.data, text.length, "fetched", &e, &reply, NULL) == PASTA_OK && strcmp(e.key, line->key) == 0);
        exchange_release(&e);
        pasta_str_release(&text);
        pasta_str_release(&reply);
    }
}

static void read_files(const uint8_t *data, size_t size)
{
    struct fuzz_file file = fuzz_file_open(data, size);
    struct exchange_lines whole = {0}, partial;
    struct pasta_err err[3] = {0};
    struct pasta_cache_count counts[PASTA_SERVICE_KINDS];
    int64_t damaged;
    pasta_status status[3];
    status[0] = cassette_open(file.path, &whole, &err[0]);
    status[1] = pasta_cache_count(file.path, counts, &damaged, &err[1]);
    exchange_lines_init(&partial, open(file.path, O_RDWR | O_CLOEXEC), "partial");
    status[2] = exchange_lines_resume(&partial, file.path, &err[2]);
    for (int i = 0; i < 3; i++)
        assert(status[i] == PASTA_OK || (status[i] == PASTA_ERR_INPUT && err[i].message[0]));
    check_lines(&whole);
    if (status[2] == PASTA_OK)
        check_lines(&partial);
    exchange_lines_release(&whole);
    exchange_lines_release(&partial);
    fuzz_file_close(&file);
}

static void read_refusal(const uint8_t *data, size_t size)
{
    struct pasta_str body = {0}, words = {0};
    pasta_str_addn(&body, data, size);
    pasta_str_add(&words, "");
    refusal_put(&words, &body, "Bearer sk-0123456789");
    assert(words.length <= 4 * 200 && pasta_utf8_valid(words.data, words.length) && !strstr(words.data, "sk-0123456789"));
    for (size_t i = 0; i < words.length; i++)
        assert((unsigned char)words.data[i] >= ' ');
    pasta_str_release(&body);
    pasta_str_release(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *line = (const char *)data, *end = size ? memchr(line, '\n', size) : NULL;
    parse_line(line, end ? (size_t)(end - line) : size);
    read_files(data, size);
    read_refusal(data, size);
    return 0;
}
