#include "links.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "pasta/agent/rollout.h"
#include "pasta/base/log.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static pasta_status draw(char token[STUDY_TOKEN + 1], struct pasta_err *err)
{
    unsigned char bytes[STUDY_TOKEN];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return pasta_fail_errno(err, "cannot draw random numbers for the raters' links");
    for (int i = 0; i < STUDY_TOKEN; i++)
        token[i] = digits[bytes[i] & 63];
    token[STUDY_TOKEN] = '\0';
    return PASTA_OK;
}

/* The token of "NAME<TAB>.../r/TOKEN/", which is the line of rater `name`; NULL: it is not. */
static const char *token_of(const char *line, const char *name)
{
    static const char before[] = "/r/";
    const size_t length = strlen(line), tail = sizeof before - 1 + STUDY_TOKEN + 1, of_name = strlen(name);
    if (length < of_name + 1 + tail || memcmp(line, name, of_name) != 0 || line[of_name] != '\t' || line[length - 1] != '/')
        return NULL;
    const char *at = line + length - tail;
    const char *token = at + sizeof before - 1;
    return memcmp(at, before, sizeof before - 1) == 0 && strspn(token, digits) == STUDY_TOKEN ? token : NULL;
}

static int by_token(const void *a, const void *b)
{
    return memcmp(a, b, STUDY_TOKEN);
}

static pasta_status check_twins(const struct study *study, const char *path, struct pasta_err *err)
{
    const uint32_t n = study->design.raters;
    char (*tokens)[STUDY_TOKEN] = pasta_malloc(n * sizeof *tokens);
    pasta_status status = PASTA_OK;
    for (uint32_t r = 0; r < n; r++)
        memcpy(tokens[r], study->raters[r].token, STUDY_TOKEN);
    qsort(tokens, n, sizeof *tokens, by_token);
    for (uint32_t r = 1; r < n && status == PASTA_OK; r++)
        if (by_token(tokens[r - 1], tokens[r]) == 0)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected a link of each rater's own, found one twice", path);
    free(tokens);
    return status;
}

static pasta_status read_tokens(struct study *study, const char *path, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    struct pasta_arena arena = {0};
    bool more = true;
    uint32_t n = 0;
    pasta_status status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        if (lines.number == 1)
            continue;
        const char *name = pasta_rollout_rater_id(&arena, PASTA_SOURCE_HUMAN, study->design.first_rater + n), *token;
        if (n == study->design.raters)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s:%lld: expected the links of %u raters, found another line", path,
                                (long long)lines.number, n);
        else if (!(token = token_of(lines.line.data, name)))
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s:%lld: expected the link of %s, found another line", path, (long long)lines.number,
                                name);
        else
            memcpy(study->raters[n++].token, token, STUDY_TOKEN);
    }
    if (status == PASTA_OK && n < study->design.raters)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected the links of %u raters, found %u", path, study->design.raters, n);
    pasta_lines_close(&lines);
    pasta_arena_release(&arena);
    return status == PASTA_OK ? check_twins(study, path, err) : status;
}

static pasta_status write_links(const struct study *study, const char *path, const char *base, struct pasta_err *err)
{
    struct pasta_str text = {0};
    struct pasta_arena arena = {0};
    size_t length = strlen(base);
    while (length && base[length - 1] == '/')
        length--;
    pasta_str_add(&text, "rater\turl\n");
    for (uint32_t r = 0; r < study->design.raters; r++)
        pasta_str_printf(&text, "%s\t%.*s/r/%s/\n", pasta_rollout_rater_id(&arena, PASTA_SOURCE_HUMAN, study->design.first_rater + r),
                         (int)length, base, study->raters[r].token);
    const mode_t mask = umask(077);
    const pasta_status status = pasta_file_write(path, text.data, text.length, err);
    umask(mask);
    pasta_arena_release(&arena);
    pasta_str_release(&text);
    return status;
}

pasta_status links_open(struct study *study, const char *dir, const char *base, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, STUDY_LINKS);
    pasta_status status = PASTA_OK;
    if (pasta_file_exists(path))
        status = read_tokens(study, path, err);
    else if (study->n)
        pasta_warn("'%s' is gone: raters get new links, and those that they were given lead nowhere", path);
    if (status == PASTA_OK && !*study->raters[0].token)
        for (uint32_t r = 0; r < study->design.raters && status == PASTA_OK; r++)
            status = draw(study->raters[r].token, err);
    if (status == PASTA_OK)
        status = write_links(study, path, base, err);
    free(path);
    return status;
}

struct study_rater *links_find(const struct study *study, const char *token, size_t length)
{
    for (uint32_t r = 0; r < study->design.raters && length == STUDY_TOKEN; r++)
        if (memcmp(study->raters[r].token, token, STUDY_TOKEN) == 0)
            return &study->raters[r];
    return NULL;
}
