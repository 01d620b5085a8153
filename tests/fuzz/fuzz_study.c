/* fuzz_study.c: what the server of the rater's page reads, from strangers and from its journal. The first byte says what the rest is:
 *
 *     P   a path; behind a NUL each, Origin, Host, Sec-Fetch-Site, the public URL and Content-Type
 *     B   a body, of a start and of an answer
 *     J   a journal; what is accepted is shown as pages, and its sessions are written so that they read back as themselves
 *     I   a PNG file to be shown; what is accepted loses nothing the second time, and holds no text
 */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../src/study/events.h"
#include "../../src/study/request.h"
#include "../../src/study/shown_image.h"
#include "../../src/study/steps.h"
#include "../../src/study/view.h"
#include "pasta/base/config.h"

enum { HEADERS = 6, RATERS = 20 };

static void ask(const uint8_t *data, size_t size)
{
    char *texts[HEADERS];
    for (int i = 0; i < HEADERS; i++) {
        const struct fuzz_part part = fuzz_cut(&data, &size);
        texts[i] = pasta_strndup(part.length ? part.bytes : "", part.length);
    }
    const struct request r = request_route(texts[0]);
    const size_t length = strlen(texts[0]);
    assert(!r.token || (r.token >= texts[0] && r.token + r.token_length <= texts[0] + length && !memchr(r.token, '/', r.token_length)));
    assert(!r.name || (r.name >= texts[0] && r.name + r.name_length <= texts[0] + length));
    if (r.route == ROUTE_IMAGE)
        assert(r.name_length == 64 && strspn(r.name, "0123456789abcdef") == 64);
    if (request_same_origin(texts[1], texts[2], texts[3], texts[4]))
        assert(strcasecmp(texts[3], "same-origin") == 0 && strstr(texts[1], "://"));
    request_is_json(texts[5]);
    for (int i = 0; i < HEADERS; i++)
        free(texts[i]);
}

static void post(const uint8_t *data, size_t size)
{
    struct pasta_arena arena = {0};
    struct study_answer answer;
    const char *problem = NULL;
    assert(request_start((const char *)data, size, &problem) == !problem);
    problem = NULL;
    if (request_answer((const char *)data, size, &arena, &answer, &problem)) {
        struct pasta_str line = {0};
        struct study_answer again;
        struct pasta_err err = {0};
        assert(!problem && answer.step >= 1 && answer.choice >= -1 && answer.choice < PASTA_MAX_SLATE);
        assert(!answer.critique || (*answer.critique && strlen(answer.critique) <= CRITIQUE_MAX));
        event_answer("s", &answer, 1, &line); /* what is taken, the journal keeps */
        assert(event_answer_read(line.data, "written", &arena, &again, &err) == PASTA_OK);
        assert(again.choice == answer.choice && again.versus == answer.versus);
        assert(strcmp(again.critique ? again.critique : "", answer.critique ? answer.critique : "") == 0);
        pasta_str_release(&line);
    } else {
        assert(problem);
    }
    pasta_arena_release(&arena);
}

static void read_journal(const uint8_t *data, size_t size)
{
    static const struct pasta_study_settings settings = {.completion = "done", .show_prompts = true, .rating = true};
    static const struct view_settings view = {&settings, "consent"};
    struct fuzz_file file = fuzz_file_open(data, size);
    struct study *study = NULL;
    struct pasta_err err = {0};
    int64_t restarts;
    const pasta_status status = study_read(file.path, &study, &restarts, &err);
    assert(status == PASTA_OK || (status == PASTA_ERR_INPUT && err.message[0] && !study));
    for (size_t i = 0; study && i < study->n; i++)
        if (study->sessions[i]->record.n_turns)
            fuzz_session_reads_back(&study->sessions[i]->record);
    for (uint32_t r = 0; study && r < study->design.raters && r < RATERS; r++) {
        struct pasta_str text = {0};
        view_state(study, &study->raters[r], &view, 1e9, &text);
        assert(text.data[0] == '{' && text.data[text.length - 1] == '}');
        pasta_str_release(&text);
    }
    study_free(study);
    fuzz_file_close(&file);
}

static void show(const uint8_t *data, size_t size)
{
    const struct pasta_str png = {.data = (char *)(uintptr_t)data, .length = size};
    struct pasta_str once = {0}, twice = {0};
    if (shown_image_strip(&png, &once)) {
        assert(shown_image_strip(&once, &twice) && once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
        for (size_t at = 8; at + 8 <= once.length;) {
            const unsigned char *b = (const unsigned char *)once.data + at;
            assert(memcmp(b + 4, "tEXt", 4) != 0);
            at += 12 + ((size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3]);
        }
    }
    pasta_str_release(&once);
    pasta_str_release(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    switch (size ? data[0] : 0) {
    case 'P': ask(data + 1, size - 1); break;
    case 'B': post(data + 1, size - 1); break;
    case 'J': read_journal(data + 1, size - 1); break;
    case 'I': show(data + 1, size - 1); break;
    }
    return 0;
}
