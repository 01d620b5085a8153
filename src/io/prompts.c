#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/io/file.h"
#include "pasta/io/record.h"

enum format { FORMAT_TXT, FORMAT_TSV, FORMAT_JSONL };

/* By the extension before an optional ".gz". */
static pasta_status detect(const char *path, enum format *format, struct pasta_err *err)
{
    static const char *const extensions[] = {".txt", ".tsv", ".jsonl"};
    char *name = pasta_strdup(path);
    if (pasta_ends_with(name, ".gz"))
        name[strlen(name) - 3] = '\0';
    int found = -1;
    for (int i = 0; i < 3; i++)
        if (pasta_ends_with(name, extensions[i]))
            found = i;
    free(name);
    if (found < 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "prompts '%s': expected a name in .txt, .tsv or .jsonl (or these with .gz)", path);
    *format = (enum format)found;
    return PASTA_OK;
}

/* Cuts field number `column` out of a tab-separated line, in place; NULL where the line has fewer. */
static char *tsv_field(char *line, int column)
{
    for (; column > 0; column--) {
        line = strchr(line, '\t');
        if (!line)
            return NULL;
        line++;
    }
    line[strcspn(line, "\t")] = '\0';
    return line;
}

/* Which column of the header holds the prompts; -1 if none. */
static int tsv_column(const char *header)
{
    static const char *const names[] = {"Prompt", "prompt", "text"};
    int column = 0;
    for (const char *p = header;; column++) {
        size_t n = strcspn(p, "\t");
        for (int i = 0; i < 3; i++)
            if (n == strlen(names[i]) && memcmp(p, names[i], n) == 0)
                return column;
        if (!p[n])
            return -1;
        p += n + 1;
    }
}

/* The prompt of a JSON line: its `text` or `prompt`. */
static pasta_status json_prompt(const struct pasta_str *line, const char *where, struct pasta_arena *arena, const char **out,
                                struct pasta_err *err)
{
    cJSON *tree;
    pasta_status status = pasta_json_parse(line->data, line->length, where, &tree, err);
    if (status != PASTA_OK)
        return status;
    const char *text = NULL;
    if (!cJSON_IsObject(tree))
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected an object, found %s", where, pasta_json_type_name(tree));
    else
        status = pasta_json_str(tree, pasta_json_has(tree, "text") ? "text" : "prompt", where, &text, err);
    if (status == PASTA_OK)
        *out = pasta_arena_strdup(arena, text);
    cJSON_Delete(tree);
    return status;
}

/* Keeps the prompt unless it is blank. */
static void add(struct pasta_prompts *out, const char *text)
{
    char *copy = pasta_arena_strdup(&out->arena, text);
    for (char *p = copy; *p; p++) /* a prompt is one line of text, also where JSON says "\n" */
        if ((unsigned char)*p < ' ')
            *p = ' ';
    char *trimmed = pasta_trim(copy);
    if (!*trimmed)
        return;
    PASTA_GROW(out->items, out->n + 1, out->capacity);
    out->items[out->n++] = trimmed;
}

static pasta_status one_line(struct pasta_prompts *out, struct pasta_lines *lines, enum format format, int *column, struct pasta_err *err)
{
    char where[600];
    snprintf(where, sizeof where, "%.500s:%lld", lines->path, (long long)lines->number);
    struct pasta_str *line = &lines->line;
    if (lines->number == 1 && pasta_starts_with(line->data, "\xEF\xBB\xBF")) { /* a byte order mark is no text */
        memmove(line->data, line->data + 3, line->length - 2);
        line->length -= 3;
    }
    if (memchr(line->data, '\0', line->length) || !pasta_utf8_valid(line->data, line->length))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected UTF-8 text, found other bytes", where);
    if (strspn(line->data, " \t\r") == line->length)
        return PASTA_OK;
    if (format == FORMAT_TSV && *column < 0) {
        *column = tsv_column(line->data);
        return *column >= 0 ? PASTA_OK
                            : pasta_fail(err, PASTA_ERR_INPUT,
                                         "%s: expected a header with a column Prompt, prompt or text, found \"%.60s\"",
                                         where, line->data);
    }
    const char *text = line->data;
    if (format == FORMAT_TSV && !(text = tsv_field(line->data, *column)))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected at least %d columns, found fewer", where, *column + 1);
    if (format == FORMAT_JSONL) {
        pasta_status status = json_prompt(line, where, &out->arena, &text, err);
        if (status != PASTA_OK)
            return status;
    }
    add(out, text);
    return PASTA_OK;
}

pasta_status pasta_prompts_read(const char *path, struct pasta_prompts *out, struct pasta_err *err)
{
    enum format format = FORMAT_TXT;
    pasta_status status = detect(path, &format, err);
    if (status != PASTA_OK)
        return status;
    struct pasta_lines lines = {0};
    size_t before = out->n;
    int column = -1;
    bool more = true;
    status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more)
        status = one_line(out, &lines, format, &column, err);
    pasta_lines_close(&lines);
    if (status == PASTA_OK && out->n == before)
        status = pasta_fail(err, PASTA_ERR_INPUT, "prompts '%s': expected prompts, found none", path);
    if (status != PASTA_OK)
        out->n = before;
    return status;
}

void pasta_prompts_release(struct pasta_prompts *p)
{
    free(p->items);
    pasta_arena_release(&p->arena);
    *p = (struct pasta_prompts){0};
}
