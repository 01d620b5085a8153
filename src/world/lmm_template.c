#include "lmm_template.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"

static const char *const section_names[LMM_SECTIONS] = {
    [LMM_SYSTEM] = "system", [LMM_USER] = "user", [LMM_FIRST] = "first", [LMM_TURN] = "turn", [LMM_IMAGES] = "images",
    [LMM_REPAIR] = "repair", [LMM_MISSING] = "missing"};
#define IN(section) (1u << (section))
enum { ANYWHERE = (1u << LMM_SECTIONS) - 1 };
static const struct { const char *name; unsigned sections; } placeholders[LMM_VALUES] = {
    [LMM_CANDIDATES] = {"candidates", ANYWHERE}, [LMM_EACH] = {"each", ANYWHERE}, [LMM_MAX_WORDS] = {"max_words", ANYWHERE},
    [LMM_NUMBER] = {"turn", ANYWHERE}, [LMM_HORIZON] = {"turns", ANYWHERE},
    [LMM_INITIAL_PROMPT] = {"initial_prompt", IN(LMM_USER)}, [LMM_HISTORY] = {"history", IN(LMM_USER)},
    [LMM_SHOWN] = {"shown", IN(LMM_TURN)}, [LMM_ANSWER] = {"answer", IN(LMM_TURN)},
    [LMM_PROBLEM] = {"problem", IN(LMM_REPAIR) | IN(LMM_MISSING)}, [LMM_LACKING] = {"lacking", IN(LMM_MISSING)}};

static int find_section(const char *name, size_t length)
{
    for (int s = 0; s < LMM_SECTIONS; s++)
        if (strlen(section_names[s]) == length && memcmp(section_names[s], name, length) == 0)
            return s;
    return -1;
}

/* The placeholder that begins at `open`, which points at "{{"; *end is behind its "}}". -1: not closed on its line, or no such name. */
static int find_placeholder(const char *open, const char **end)
{
    const char *name = open + 2 + strspn(open + 2, " "), *close = name + strcspn(name, "}\n");
    size_t length = (size_t)(close - name);
    *end = close + (close[0] == '}') + (close[0] == '}' && close[1] == '}');
    if (close[0] != '}' || close[1] != '}')
        return -1;
    while (length && name[length - 1] == ' ')
        length--;
    for (int v = 0; v < LMM_VALUES; v++)
        if (strlen(placeholders[v].name) == length && memcmp(placeholders[v].name, name, length) == 0)
            return v;
    return -1;
}

static pasta_status check_line(const char *line, int section, const char *path, int number, struct pasta_err *err)
{
    for (const char *open = line, *end; (open = strstr(open, "{{")); open = end) {
        const int v = find_placeholder(open, &end);
        if (v >= 0 && placeholders[v].sections & IN(section))
            continue;
        struct pasta_str known = {0};
        for (int i = 0; i < LMM_VALUES; i++)
            if (placeholders[i].sections & IN(section))
                pasta_str_printf(&known, "%s{{%s}}", known.length ? ", " : "", placeholders[i].name);
        pasta_fail(err, PASTA_ERR_INPUT, "%s:%d: [%s]: expected a placeholder of this section (%s), found \"%.*s\"", path, number,
                   section_names[section], known.data, (int)(end - open < 60 ? end - open : 60), open);
        pasta_str_release(&known);
        return PASTA_ERR_INPUT;
    }
    return PASTA_OK;
}

/* A line of the file, NUL-terminated. */
static pasta_status take_line(const char *line, int *section, struct pasta_str texts[LMM_SECTIONS], const char *path, int number,
                              struct pasta_err *err)
{
    const size_t length = strlen(line);
    if (length > 2 && line[0] == '[' && line[length - 1] == ']') {
        const int found = find_section(line + 1, length - 2);
        if (found < 0)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s:%d: expected a section ([system], [user], [first], [turn], [images], [repair] or "
                              "[missing]), found \"%.60s\"", path, number, line);
        if (texts[found].data)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s:%d: expected [%s] once, found it twice", path, number, section_names[found]);
        pasta_str_add(&texts[found], "");
        *section = found;
        return PASTA_OK;
    }
    if (*section < 0)
        return line[0] == '#' || strspn(line, " \t") == length
                   ? PASTA_OK
                   : pasta_fail(err, PASTA_ERR_INPUT, "%s:%d: expected a comment or a section, found \"%.60s\"", path, number, line);
    const pasta_status status = check_line(line, *section, path, number, err);
    pasta_str_add(&texts[*section], line);
    pasta_str_addc(&texts[*section], '\n');
    return status;
}

static pasta_status take_lines(char *text, struct pasta_str texts[LMM_SECTIONS], const char *path, struct pasta_err *err)
{
    int section = -1, number = 0;
    for (char *line = text, *next; line; line = next) {
        char *end = line + strcspn(line, "\n");
        next = *end ? end + 1 : NULL;
        *end = '\0';
        if (end > line && end[-1] == '\r')
            end[-1] = '\0';
        if (!next && !*line)
            break;
        const pasta_status status = take_line(line, &section, texts, path, ++number, err);
        if (status != PASTA_OK)
            return status;
    }
    for (int s = 0; s < LMM_SECTIONS; s++)
        if (!texts[s].data)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s:%d: expected a section [%s], found the end", path, number, section_names[s]);
    return PASTA_OK;
}

pasta_status lmm_template_read(const char *path, struct lmm_template *out, struct pasta_err *err)
{
    struct pasta_str text = {0}, texts[LMM_SECTIONS] = {{0}};
    struct lmm_template t = {0};

    pasta_status status = pasta_file_read(path, &text, err);
    if (status == PASTA_OK && (!pasta_utf8_valid(text.data, text.length) || strlen(text.data) != text.length))
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected UTF-8 text, found other bytes", path);
    if (status == PASTA_OK)
        status = take_lines(text.data, texts, path, err);
    if (status == PASTA_OK)
        status = pasta_sha256_file(path, t.hash, err);
    for (int s = 0; s < LMM_SECTIONS; s++) {
        t.text[s] = texts[s].data ? pasta_strdup(pasta_trim(texts[s].data)) : NULL;
        pasta_str_release(&texts[s]);
    }
    pasta_str_release(&text);
    if (status == PASTA_OK)
        *out = t;
    else
        lmm_template_release(&t);
    return status;
}

void lmm_template_release(struct lmm_template *t)
{
    for (int s = 0; s < LMM_SECTIONS; s++)
        free(t->text[s]);
    *t = (struct lmm_template){0};
}

void lmm_template_fill(const struct lmm_template *t, enum lmm_section section, const char *const values[LMM_VALUES], struct pasta_str *out)
{
    const char *from = t->text[section], *end;
    for (const char *open; (open = strstr(from, "{{")); from = end) {
        pasta_str_addn(out, from, (size_t)(open - from));
        pasta_str_add(out, values[find_placeholder(open, &end)]);
    }
    pasta_str_add(out, from);
}
