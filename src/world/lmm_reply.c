#include "lmm_reply.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lmm_json.h"

enum {
    TRIES = 64,
    LONGEST = 1 << 20,
    WORD = 64, /* bytes that a word has at most, on average: a script, or a slip, may have no spaces to count words by */
};

/* --- the envelope: a chat completion ------------------------------------------------------------------ */

/* The content, or the text parts that it is made of. */
static const char *content_text(const cJSON *content, struct pasta_arena *arena)
{
    struct pasta_str all = {0};
    const cJSON *part;
    const char *text;

    if (cJSON_IsString(content))
        return pasta_arena_strdup(arena, content->valuestring);
    if (!cJSON_IsArray(content))
        return NULL;
    cJSON_ArrayForEach(part, content) {
        const cJSON *piece = cJSON_GetObjectItemCaseSensitive(part, "text");
        if (cJSON_IsString(piece))
            pasta_str_add(&all, piece->valuestring);
    }
    text = all.length ? pasta_arena_strdup(arena, all.data) : NULL;
    pasta_str_release(&all);
    return text;
}

static enum lmm_verdict open_message(const cJSON *tree, struct pasta_arena *arena, const char **text, const char **why)
{
    const cJSON *choice = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(tree, "choices"), 0);
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(choice, "message");
    const cJSON *refusal = cJSON_GetObjectItemCaseSensitive(message, "refusal");
    const cJSON *reason = cJSON_GetObjectItemCaseSensitive(choice, "finish_reason");

    *text = content_text(cJSON_GetObjectItemCaseSensitive(message, "content"), arena);
    if (cJSON_IsString(refusal) && refusal->valuestring[0]) {
        *text = *text ? *text : pasta_arena_strdup(arena, refusal->valuestring);
        *why = "it was a refusal";
        return LMM_REFUSED;
    }
    if (cJSON_IsString(reason) && strcmp(reason->valuestring, "content_filter") == 0) {
        *why = "a content filter took it back";
        return LMM_REFUSED;
    }
    const bool cut_off = cJSON_IsString(reason) && strcmp(reason->valuestring, "length") == 0;
    if (*text && **text) {
        *why = cut_off ? "it was cut off at generator.max_tokens before any prompt was whole" : "no JSON object with prompts was found in it";
        return LMM_READABLE;
    }
    *text = NULL;
    *why = cut_off ? "it was empty, for all of generator.max_tokens went into something else" : "it had no text";
    return LMM_UNREADABLE;
}

enum lmm_verdict lmm_reply_open(const char *bytes, size_t length, struct pasta_arena *arena, const char **text, const char **why)
{
    cJSON *tree = NULL;
    enum lmm_verdict verdict = LMM_UNREADABLE;
    struct pasta_err err = {0};

    *text = NULL;
    *why = "";
    if (pasta_json_parse(bytes, length, "reply", &tree, &err) == PASTA_OK)
        verdict = open_message(tree, arena, text, why);
    else
        *why = pasta_arena_printf(arena, "the service sent no chat completion (%s)", err.message);
    cJSON_Delete(tree);
    return verdict;
}

/* --- prompts ------------------------------------------------------------------------------------------ */

/* Behind "12. ", "3) ", "- " or "* ". */
static const char *skip_number(const char *text)
{
    const size_t digits = strspn(text, "0123456789");
    if (digits >= 1 && digits <= 3 && (text[digits] == '.' || text[digits] == ')') && isspace((unsigned char)text[digits + 1]))
        return text + digits + 2;
    return (text[0] == '-' || text[0] == '*') && isspace((unsigned char)text[1]) ? text + 2 : text;
}

/* One line with single spaces, without numbering and quotation marks around it; *words counts them. */
static char *tidy(const char *text, struct pasta_arena *arena, int *words)
{
    char *out = pasta_arena_alloc(arena, strlen(text) + 1), *to = out;
    *words = 0;
    text += strspn(text, " \t\r\n\f\v\"");
    for (const char *p = skip_number(text); *p; p++) {
        const bool space = isspace((unsigned char)*p) || iscntrl((unsigned char)*p);
        if (space && (to == out || to[-1] == ' '))
            continue;
        *words += !space && (to == out || to[-1] == ' ');
        *to++ = space ? ' ' : *p;
    }
    while (to > out && (to[-1] == ' ' || to[-1] == '"'))
        to--;
    *to = '\0';
    return out;
}

static bool says_something(const char *text)
{
    for (; *text; text++)
        if (isalnum((unsigned char)*text) || (unsigned char)*text >= 0x80)
            return true;
    return false;
}

static bool is_refusal(const char *text)
{
    static const char *const beginnings[] = {
        "i'm sorry", "i’m sorry", "i am sorry", "sorry, ", "i can't", "i can’t", "i cannot", "i won't", "i won’t",
        "i'm unable", "i’m unable", "i am unable", "i'm not able", "i’m not able", "as an ai "};
    text += strspn(text, " \t\r\n");
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncasecmp(text, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

static bool is_there(const struct lmm_prompts *p, const char *prompt)
{
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        for (int i = 0; i < p->n[c]; i++)
            if (strcasecmp(p->items[c][i], prompt) == 0)
                return true;
    for (int t = 0; p->session && t < p->session->n_turns; t++)
        for (int l = 0; l < p->session->turns[t].n_columns; l++)
            if (strcasecmp(p->session->turns[t].columns[l].prompt, prompt) == 0)
                return true;
    return false;
}

static void rank_category(struct lmm_prompts *p, int category)
{
    for (int i = 0; i < p->n_order; i++)
        if (p->order[i] == category)
            return;
    p->order[p->n_order++] = category;
}

static void take_prompt(struct lmm_prompts *p, int category, const char *text)
{
    int words;
    if (p->n[category] == p->each)
        return;
    const char *prompt = tidy(text, p->arena, &words);
    if (!says_something(prompt)) {
        p->refused.empty++;
    } else if (is_refusal(prompt)) {
        p->refused.refusals++;
    } else if (words > p->max_words || strlen(prompt) > (size_t)p->max_words * WORD) {
        p->refused.too_long++;
    } else if (is_there(p, prompt)) {
        p->refused.duplicates++;
    } else {
        if (!p->items[category])
            p->items[category] = pasta_arena_alloc(p->arena, (size_t)p->each * sizeof *p->items[category]);
        p->items[category][p->n[category]++] = prompt;
    }
}

/* --- what a JSON value holds -------------------------------------------------------------------------- */

struct offer { int category; const char *text; }; /* -1: of none; the text is the tree's */
struct found {
    cJSON *tree;
    struct offer *offers;
    size_t n, capacity;
    int placed;                     /* offers with a category */
    int order[PASTA_CATEGORIES], n_order;
};

static int category_of(const char *name)
{
    static const char *const stems[PASTA_CATEGORIES] = {
        [PASTA_REPHRASE] = "rephras", [PASTA_EXPAND] = "expan", [PASTA_STYLE] = "styl", [PASTA_SUBJECT] = "subject",
        [PASTA_CREATIVE] = "creativ"};
    while (*name && !isalpha((unsigned char)*name))
        name++;
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        if (strncasecmp(name, stems[c], strlen(stems[c])) == 0)
            return c;
    return -1;
}

static const char *first_string(const cJSON *object, const char *const *names)
{
    for (; *names; names++) {
        const cJSON *value = cJSON_GetObjectItem(object, *names);
        if (cJSON_IsString(value))
            return value->valuestring;
    }
    return NULL;
}

static void offer(struct found *f, int category, const char *text)
{
    PASTA_GROW(f->offers, f->n + 1, f->capacity);
    f->offers[f->n++] = (struct offer){category, text};
    f->placed += category >= 0;
}

/* "order": ["style", ...] */
static void take_order(struct found *f, const cJSON *names)
{
    const cJSON *name;
    cJSON_ArrayForEach(name, names) {
        const int category = cJSON_IsString(name) ? category_of(name->valuestring) : -1;
        bool known = category < 0;
        for (int i = 0; i < f->n_order; i++)
            known = known || f->order[i] == category;
        if (!known)
            f->order[f->n_order++] = category;
    }
}

static void look_through(struct found *f, const cJSON *value, int category)
{
    static const char *const prompts[] = {"prompt", "text", "description", NULL}, *const kinds[] = {"category", "type", NULL};
    const cJSON *child;

    if (cJSON_IsString(value)) {
        offer(f, category, value->valuestring);
    } else if (cJSON_IsArray(value)) {
        cJSON_ArrayForEach(child, value)
            look_through(f, child, category);
    } else if (cJSON_IsObject(value)) {
        const char *prompt = first_string(value, prompts), *kind = first_string(value, kinds);
        const int own = kind && category_of(kind) >= 0 ? category_of(kind) : category;
        if (prompt) {
            offer(f, own, prompt);
            return;
        }
        cJSON_ArrayForEach(child, value) {
            if (strcasecmp(child->string, "order") == 0)
                take_order(f, child);
            else if (!cJSON_IsString(child) || own >= 0 || category_of(child->string) >= 0) /* other strings are remarks */
                look_through(f, child, category_of(child->string) >= 0 ? category_of(child->string) : own);
        }
    }
}

/* As many strings as were asked for, and nothing said of categories: they stand in the order in which they were asked for. */
static void place_plain_list(struct found *f, int each)
{
    if (f->placed || f->n != (size_t)(PASTA_CATEGORIES * each))
        return;
    for (size_t i = 0; i < f->n; i++)
        f->offers[i].category = (int)i / each;
    f->placed = (int)f->n;
}

static void take_found(struct lmm_prompts *p, const struct found *f, const bool wanted[PASTA_CATEGORIES])
{
    for (int i = 0; i < f->n_order; i++)
        rank_category(p, f->order[i]);
    for (size_t i = 0; i < f->n; i++) {
        const int category = f->offers[i].category;
        if (category < 0) {
            p->refused.unplaced++;
        } else if (wanted[category]) {
            take_prompt(p, category, f->offers[i].text);
            rank_category(p, category);
        }
    }
}

/* --- a reply ------------------------------------------------------------------------------------------ */

/* Models that reason show drafts first. */
static const char *behind_thoughts(const char *text)
{
    const char *end = NULL;
    for (const char *p = text; (p = strstr(p, "</think>")); p += strlen("</think>"))
        end = p + strlen("</think>");
    return end ? end : text;
}

/* The values of the text that hold prompts, into all[TRIES]; returns how many, and which has most, the last of these if several have. */
static int find_values(const char *text, int each, struct found all[TRIES], int *best)
{
    int n = 0, tries = TRIES;
    size_t at = 0;

    *best = 0;
    for (cJSON *tree; (tree = lmm_json_next(text, &at, &tries)); ) {
        struct found *f = &all[n];
        *f = (struct found){.tree = tree};
        look_through(f, tree, -1);
        place_plain_list(f, each);
        if (f->placed >= all[*best].placed)
            *best = n;
        n++;
    }
    return n;
}

enum lmm_verdict lmm_reply_read(const char *text, struct lmm_prompts *p)
{
    struct found *all = pasta_calloc(TRIES, sizeof *all);
    bool wanted[PASTA_CATEGORIES] = {true, true, true, true, true};
    int best = 0, n = 0;

    text = behind_thoughts(text);
    if (strlen(text) <= LONGEST)
        n = find_values(text, p->each, all, &best);
    const bool any = n && all[best].placed;
    if (n)
        take_found(p, &all[best], wanted);
    for (size_t o = 0; o < all[best].n; o++) /* another piece may bring what this one has nothing of */
        if (all[best].offers[o].category >= 0)
            wanted[all[best].offers[o].category] = false;
    for (int i = 0; i < n; i++) {
        if (i != best)
            take_found(p, &all[i], wanted);
    }
    for (int i = 0; i < n; i++) {
        cJSON_Delete(all[i].tree);
        free(all[i].offers);
    }
    free(all);
    return any ? LMM_READABLE : is_refusal(text) ? LMM_REFUSED : LMM_UNREADABLE;
}

bool lmm_prompts_whole(const struct lmm_prompts *p)
{
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        if (p->n[c] < p->each)
            return false;
    return true;
}

void lmm_prompts_list(const struct lmm_prompts *p, struct pasta_candidate *out)
{
    for (int i = 0; i < PASTA_CATEGORIES; i++)
        for (int k = 0; k < p->each; k++)
            *out++ = (struct pasta_candidate){p->items[p->order[i]][k], (enum pasta_category)p->order[i]};
}
