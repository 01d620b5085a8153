/* fuzz_lmm_reply.c: any bytes as a chat service's reply, and any text as what a model said. What is taken keeps the bounds of prompts. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <string.h>
#include <strings.h>
#include "../../src/world/lmm_reply.h"

enum { EACH = 2, WORDS = 6 };

static void check(const struct lmm_prompts *p)
{
    const char *all[PASTA_CATEGORIES * EACH];
    int n = 0;
    assert(p->n_order <= PASTA_CATEGORIES);
    for (int c = 0; c < PASTA_CATEGORIES; c++) {
        assert(p->n[c] <= EACH);
        for (int i = 0; i < p->n[c]; i++) {
            const char *prompt = p->items[c][i];
            int words = 1;
            for (const char *s = prompt; *s; s++)
                words += *s == ' ';
            assert(*prompt && words <= WORDS && !strstr(prompt, "  ") && !strpbrk(prompt, "\t\r\n"));
            for (int k = 0; k < n; k++)
                assert(strcasecmp(all[k], prompt) != 0);
            all[n++] = prompt;
        }
    }
    if (lmm_prompts_whole(p)) {
        struct pasta_candidate list[PASTA_CATEGORIES * EACH];
        lmm_prompts_list(p, list);
        for (int i = 1; i < PASTA_CATEGORIES * EACH; i++)
            assert(list[i].prompt && (i % EACH == 0 || list[i].category == list[i - 1].category));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pasta_arena arena = {0};
    struct lmm_prompts prompts = {.arena = &arena, .each = EACH, .max_words = WORDS};
    const char *text, *why;

    const enum lmm_verdict verdict = lmm_reply_open((const char *)data, size, &arena, &text, &why);
    assert(why && (verdict != LMM_READABLE || (text && *text)));
    if (verdict == LMM_READABLE)
        lmm_reply_read(text, &prompts);
    check(&prompts);
    struct pasta_str said = {0}; /* the same bytes as the text itself, up to their first NUL */
    pasta_str_addn(&said, data, size);
    lmm_reply_read(said.data, &prompts);
    check(&prompts);
    pasta_str_release(&said);
    pasta_arena_release(&arena);
    return 0;
}
