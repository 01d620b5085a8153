#include "lmm_json.h"

#include <ctype.h>
#include <string.h>

enum { DEPTH = 64 };

struct cut {
    struct pasta_str out;
    char open[DEPTH];       /* the brackets that are open */
    int depth;
    bool in_string, escaped;
    bool value;             /* behind a colon: what comes is a value, not a key */
    size_t whole;           /* length of `out` behind the last whole value */
    int whole_depth;        /* and what was open there */
};

static void drop_comma(struct pasta_str *s)
{
    size_t n = s->length;
    while (n && isspace((unsigned char)s->data[n - 1]))
        n--;
    if (n && s->data[n - 1] == ',') {
        s->length = n - 1;
        s->data[s->length] = '\0';
    }
}

static void value_ended(struct cut *c)
{
    c->whole = c->out.length;
    c->whole_depth = c->depth;
    c->value = false;
}

static void take_in_string(struct cut *c, char ch)
{
    pasta_str_addc(&c->out, ch);
    if (c->escaped) {
        c->escaped = false;
    } else if (ch == '\\') {
        c->escaped = true;
    } else if (ch == '"') {
        c->in_string = false;
        if (c->open[c->depth - 1] == '[' || c->value)
            value_ended(c);
    }
}

/* False: this is no JSON. */
static bool take(struct cut *c, char ch)
{
    if (ch == '{' || ch == '[') {
        if (c->depth == DEPTH)
            return false;
        c->open[c->depth++] = ch;
        c->value = false;
    } else if (ch == '}' || ch == ']') {
        if (c->open[c->depth - 1] != (ch == '}' ? '{' : '['))
            return false;
        drop_comma(&c->out);
        pasta_str_addc(&c->out, ch);
        c->depth--;
        value_ended(c);
        return true;
    } else if (ch == ':' || ch == ',') {
        c->value = ch == ':';
    } else if (ch == '"') {
        c->in_string = true;
    }
    pasta_str_addc(&c->out, ch);
    return true;
}

/* The text ended within the value. */
static bool close_open(struct cut *c)
{
    if (!c->whole)
        return false;
    c->out.length = c->whole;
    c->out.data[c->whole] = '\0';
    while (c->whole_depth > 0)
        pasta_str_addc(&c->out, c->open[--c->whole_depth] == '{' ? '}' : ']');
    return true;
}

/* The value that begins with the bracket at `from`, put right; *end is behind it. False: it is none. */
static bool cut_value(const char *text, size_t from, struct cut *c, size_t *end)
{
    size_t i = from;
    c->out.length = c->whole = 0;
    c->depth = 0;
    c->in_string = c->escaped = c->value = false;
    do {
        if (!text[i]) {
            *end = i;
            return close_open(c);
        }
        if (c->in_string)
            take_in_string(c, text[i]);
        else if (!take(c, text[i]))
            return false;
        i++;
    } while (c->depth > 0);
    *end = i;
    return true;
}

/* Does what comes behind the bracket look like JSON? Prose has brackets of its own. */
static bool begins_value(const char *text)
{
    const char *next = text + 1 + strspn(text + 1, " \t\r\n");
    return *next && strchr(*text == '{' ? "\"}" : "\"{[]", *next);
}

cJSON *lmm_json_next(const char *text, size_t *at, int *tries)
{
    struct cut c = {.depth = 0};
    cJSON *tree = NULL;

    for (size_t end; !tree && *tries > 0; ) {
        *at += strcspn(text + *at, "{[");
        if (!text[*at])
            break;
        if (begins_value(text + *at) && (*tries)-- > 0 && cut_value(text, *at, &c, &end) &&
            (tree = cJSON_ParseWithLength(c.out.data, c.out.length)))
            *at = end;
        else
            ++*at;
    }
    pasta_str_release(&c.out);
    return tree;
}
