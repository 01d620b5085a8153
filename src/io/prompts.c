#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/io/file.h"
#include "pasta/io/record.h"

enum format { FORMAT_TXT, FORMAT_TSV, FORMAT_JSONL };

/* By the extension before an optional ".gz"; -1: none of ours. */
static int detect(const char *path)
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
    return found;
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

/* The prompt of a JSON line: its `text` or `prompt`, into `out`. */
static pasta_status json_prompt(const struct pasta_str *line, const char *where, struct pasta_str *out, struct pasta_err *err)
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
    pasta_str_clear(out);
    if (status == PASTA_OK)
        pasta_str_add(out, text);
    cJSON_Delete(tree);
    return status;
}

/* One line of text, without white space at its ends; NULL if nothing is left. */
static char *tidy(char *text)
{
    for (char *p = text; *p; p++) /* also where JSON says "\n" */
        if ((unsigned char)*p < ' ')
            *p = ' ';
    char *trimmed = pasta_trim(text);
    return *trimmed ? trimmed : NULL;
}

/* The prompt on the line just read; *text stays NULL where there is none. */
static pasta_status one_line(struct pasta_prompt_lines *p, const char **text, struct pasta_err *err)
{
    char where[600];
    snprintf(where, sizeof where, "%.500s:%lld", p->lines.path, (long long)p->lines.number);
    struct pasta_str *line = &p->lines.line;
    const bool as_is = p->exact && p->format != FORMAT_TSV;
    if (!line->data)
        pasta_str_add(line, ""); /* an empty first line */
    if (p->lines.number == 1 && pasta_starts_with(line->data, "\xEF\xBB\xBF")) { /* a byte order mark is no text */
        memmove(line->data, line->data + 3, line->length - 2);
        line->length -= 3;
    }
    if (memchr(line->data, '\0', line->length) || !pasta_utf8_valid(line->data, line->length))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected UTF-8 text, found other bytes", where);
    char *found = line->data;
    if (!(as_is && p->format == FORMAT_TXT) && strspn(line->data, " \t\r") == line->length)
        return PASTA_OK;
    if (p->format == FORMAT_TSV && p->column < 0) {
        p->column = tsv_column(line->data);
        return p->column >= 0 ? PASTA_OK
                              : pasta_fail(err, PASTA_ERR_INPUT,
                                           "%s: expected a header with a column Prompt, prompt or text, found \"%.60s\"",
                                           where, line->data);
    }
    if (p->format == FORMAT_TSV && !(found = tsv_field(line->data, p->column)))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected at least %d columns, found fewer", where, p->column + 1);
    if (p->format == FORMAT_JSONL) {
        const pasta_status status = json_prompt(line, where, &p->text, err);
        if (status != PASTA_OK)
            return status;
        found = p->text.data;
    }
    *text = as_is ? found : tidy(found);
    return PASTA_OK;
}

pasta_status pasta_prompt_lines_open(struct pasta_prompt_lines *p, const char *path, bool exact, struct pasta_err *err)
{
    int format = detect(path);
    if (format < 0 && !exact)
        return pasta_fail(err, PASTA_ERR_INPUT, "prompts '%s': expected a name in .txt, .tsv or .jsonl (or these with .gz)", path);
    *p = (struct pasta_prompt_lines){.format = format < 0 ? FORMAT_TXT : format, .column = -1, .exact = exact};
    return pasta_lines_open(&p->lines, path, err);
}

pasta_status pasta_prompt_lines_next(struct pasta_prompt_lines *p, const char **text, struct pasta_err *err)
{
    const char *found = NULL;
    bool more = true;
    pasta_status status = PASTA_OK;
    while (!found && (status = pasta_lines_next(&p->lines, &more, err)) == PASTA_OK && more)
        if ((status = one_line(p, &found, err)) != PASTA_OK)
            break;
    if (status == PASTA_OK)
        *text = found;
    return status;
}

void pasta_prompt_lines_close(struct pasta_prompt_lines *p)
{
    pasta_lines_close(&p->lines);
    pasta_str_release(&p->text);
}

pasta_status pasta_prompts_read(const char *path, struct pasta_prompts *out, struct pasta_err *err)
{
    struct pasta_prompt_lines lines = {0};
    size_t before = out->n;
    const char *text;
    pasta_status status = pasta_prompt_lines_open(&lines, path, false, err);
    while (status == PASTA_OK && (status = pasta_prompt_lines_next(&lines, &text, err)) == PASTA_OK && text) {
        PASTA_GROW(out->items, out->n + 1, out->capacity);
        out->items[out->n++] = pasta_arena_strdup(&out->arena, text);
    }
    pasta_prompt_lines_close(&lines);
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
