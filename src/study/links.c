#include "links.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pasta/agent/rollout.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

static pasta_status draw(char token[STUDY_TOKEN + 1], struct pasta_err *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[STUDY_TOKEN];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return pasta_fail_errno(err, "cannot draw random numbers for the raters' links");
    for (int i = 0; i < STUDY_TOKEN; i++)
        token[i] = digits[bytes[i] & 63];
    token[STUDY_TOKEN] = '\0';
    return PASTA_OK;
}

static pasta_status read_tokens(struct study *study, const char *path, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    bool more = true;
    uint32_t n = 0;
    pasta_status status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        const char *token = strstr(lines.line.data, "/r/");
        if (lines.number == 1)
            continue;
        if (n == study->design.raters || !token || strspn(token += 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != STUDY_TOKEN)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s:%lld: expected the link of a rater, one for each of %u, found another line", path,
                                (long long)lines.number, study->design.raters);
        else
            memcpy(study->raters[n++].token, token, STUDY_TOKEN);
    }
    if (status == PASTA_OK && n < study->design.raters)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected the links of %u raters, found %u", path, study->design.raters, n);
    pasta_lines_close(&lines);
    return status;
}

static pasta_status write_links(const struct study *study, const char *path, const char *base, struct pasta_err *err)
{
    struct pasta_str text = {0};
    struct pasta_arena arena = {0};
    pasta_str_add(&text, "rater\turl\n");
    for (uint32_t r = 0; r < study->design.raters; r++)
        pasta_str_printf(&text, "%s\t%s/r/%s/\n", pasta_rollout_rater_id(&arena, PASTA_SOURCE_HUMAN, study->design.first_rater + r), base,
                         study->raters[r].token);
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
    else
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
