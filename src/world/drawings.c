/* drawings.c: reads drawings.txt. */
#include "drawings.h"

#include <stdlib.h>
#include <string.h>

#include "colour.h"
#include "pasta/base/str.h"
#include "pasta/io/file.h"

enum { MAX_SHAPES = 128, MAX_NUMBERS = 64 };

struct reader {
    struct sketch_drawings *out;
    struct sketch_shape shapes[MAX_SHAPES]; /* of the drawing being read */
    int n, colour, own, shade;
};

static const char *const shape_ops = "eraps" "lk";

/* Least and greatest number of numbers, and whether they come in pairs after the first `lead`. */
static bool count_fits(char op, int n)
{
    switch (op) {
    case 'e': return n == 4 || n == 5;
    case 'r': return n == 4 || n == 5;
    case 'a': return n == 5;
    case 'p': case 's': return n >= 6 && n % 2 == 0;
    default: return n >= 5 && n % 2 == 1; /* width, then points */
    }
}

static void finish(struct reader *r)
{
    if (r->out->n == 0)
        return;
    struct sketch_drawing *d = &r->out->items[r->out->n - 1];
    struct sketch_shape *copy = pasta_arena_alloc(&r->out->arena, (size_t)r->n * sizeof *copy);
    memcpy(copy, r->shapes, (size_t)r->n * sizeof *copy);
    d->shapes = copy;
    d->n = r->n;
}

static pasta_status start(struct reader *r, char *line, const char *where, struct pasta_err *err)
{
    char *save = NULL, *name = strtok_r(line, " \t", &save), *group = strtok_r(NULL, " \t", &save);
    if (group == NULL || sketch_group_find(group) < 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: group: expected one of animals, food, people, ..., found \"%s\"", where,
                          group == NULL ? "" : group);
    if (sketch_drawings_find(r->out, name) >= 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: drawing \"%s\" is defined twice", where, name);
    finish(r);
    if (r->out->n == SKETCH_MAX_SUBJECTS)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: more than %d drawings", where, SKETCH_MAX_SUBJECTS);
    r->out->items[r->out->n++] =
        (struct sketch_drawing){.name = pasta_arena_strdup(&r->out->arena, name), .group = sketch_group_find(group)};
    r->n = 0;
    r->colour = r->own = -1;
    return PASTA_OK;
}

static pasta_status set_colour(struct reader *r, char *name, const char *where, struct pasta_err *err)
{
    size_t length = name == NULL ? 0 : strlen(name);
    r->shade = length == 0 ? 0 : name[length - 1] == '-' ? -1 : name[length - 1] == '+' ? 1 : 0;
    if (r->shade != 0)
        name[length - 1] = 0;
    r->colour = length == 0 ? -1 : sketch_natural_find(name);
    if (r->colour < 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: colour: expected a colour such as \"tan\", found \"%s\"", where,
                          length == 0 ? "" : name);
    if (r->own < 0)
        r->own = r->colour;
    return PASTA_OK;
}

static pasta_status add_shape(struct reader *r, char *text, const char *where, struct pasta_err *err)
{
    text = pasta_trim(text);
    if (*text == 0)
        return PASTA_OK;
    char *save = NULL, *op = strtok_r(text, " \t", &save);
    if (strcmp(op, "c") == 0)
        return set_colour(r, strtok_r(NULL, " \t", &save), where, err);
    struct sketch_shape shape = {.mirror = op[0] == '2'};
    shape.op = op[shape.mirror];
    if (shape.op == 0 || strchr(shape_ops, shape.op) == NULL || op[shape.mirror + 1] != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: shape: expected one of c e r a p s l k, found \"%s\"", where, op);
    if (r->colour < 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: shape \"%s\" has no colour before it", where, op);
    if (r->n == MAX_SHAPES)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: more than %d shapes in a drawing", where, MAX_SHAPES);
    float numbers[MAX_NUMBERS + 1];
    int n = 0;
    for (char *word; (word = strtok_r(NULL, " \t", &save)) != NULL; n++) {
        char *end;
        float value = strtof(word, &end);
        if (*end != 0 || !(value > -1000 && value < 1000) || n == MAX_NUMBERS)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: shape \"%s\": expected at most %d numbers, found \"%s\"", where, op,
                              MAX_NUMBERS, word);
        numbers[n] = value;
    }
    if (!count_fits(shape.op, n))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: shape \"%s\" cannot have %d numbers", where, op, n);
    if ((shape.op == 'e' || shape.op == 'r') && n == 4)
        numbers[n++] = 0; /* no turn, square corners */
    float *copy = pasta_arena_alloc(&r->out->arena, (size_t)n * sizeof *copy);
    memcpy(copy, numbers, (size_t)n * sizeof *copy);
    shape.x = copy;
    shape.n = (int16_t)n;
    shape.colour = (int16_t)r->colour;
    shape.shade = (int8_t)r->shade;
    shape.own = r->colour == r->own;
    r->shapes[r->n++] = shape;
    return PASTA_OK;
}

pasta_status sketch_drawings_read(const char *path, struct sketch_drawings *out, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    struct reader *r = pasta_calloc(1, sizeof *r);
    r->out = out;
    out->n = 0;
    pasta_status status = pasta_lines_open(&lines, path, err);
    bool more = true;
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        char *where = pasta_asprintf("%s:%lld", path, (long long)lines.number);
        char *line = lines.line.data;
        if (*line == '#' || *pasta_trim(line) == 0)
            ;
        else if (*line != ' ' && *line != '\t')
            status = start(r, line, where, err);
        else if (out->n == 0)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: shapes before the first drawing", where);
        else {
            char *save = NULL;
            for (char *part = strtok_r(line, ";", &save); part != NULL && status == PASTA_OK; part = strtok_r(NULL, ";", &save))
                status = add_shape(r, part, where, err);
        }
        free(where);
    }
    pasta_lines_close(&lines);
    if (status == PASTA_OK && out->n == 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: no drawings", path);
    if (status == PASTA_OK)
        finish(r);
    else
        sketch_drawings_release(out);
    free(r);
    return status;
}

void sketch_drawings_release(struct sketch_drawings *d)
{
    pasta_arena_release(&d->arena);
    d->n = 0;
}

int sketch_drawings_find(const struct sketch_drawings *d, const char *name)
{
    for (int i = 0; i < d->n; i++)
        if (strcmp(d->items[i].name, name) == 0)
            return i;
    return -1;
}
