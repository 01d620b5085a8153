/* lexicon.c: loads lexicon.json into tables and a hash table of phrases. */
#include "lexicon.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/str.h"
#include "pasta/io/file.h"

struct sketch_phrase {
    const char *text; /* words joined by one space; NULL: free slot */
    struct sketch_meaning *meaning;
};

/* --- phrases -------------------------------------------------------------------------------------- */

static size_t slot_of(const struct sketch_lexicon *l, const char *phrase)
{
    size_t i = (size_t)pasta_hash64(phrase) & (l->table_size - 1);
    while (l->table[i].text != NULL && strcmp(l->table[i].text, phrase) != 0)
        i = (i + 1) & (l->table_size - 1);
    return i;
}

/* Words of `text` normalised and joined; PASTA_ERR_INPUT when there are none or too many. */
static pasta_status add_phrase(struct sketch_lexicon *l, const char *text, int kind, int value, const char *where, struct pasta_err *err)
{
    struct sketch_text words;
    sketch_text_split(text, &words);
    pasta_status status = PASTA_OK;
    if (words.n == 0 || words.n > SKETCH_MAX_PHRASE) {
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: phrase \"%s\": expected 1 to %d words, found %d", where, text, SKETCH_MAX_PHRASE, words.n);
    } else {
        struct pasta_str joined = {0};
        for (int i = 0; i < words.n; i++)
            pasta_str_printf(&joined, "%s%s", i ? " " : "", words.words[i].text);
        struct sketch_phrase *p = &l->table[slot_of(l, joined.data)];
        if (p->text == NULL)
            p->text = pasta_arena_strdup(&l->arena, joined.data);
        struct sketch_meaning **end = &p->meaning;
        while (*end != NULL && !((*end)->kind == kind && (*end)->value == value))
            end = &(*end)->next;
        if (*end == NULL) {
            *end = pasta_arena_alloc(&l->arena, sizeof **end);
            **end = (struct sketch_meaning){.kind = kind, .value = value};
        }
        pasta_str_release(&joined);
    }
    sketch_text_release(&words);
    return status;
}

/* obj[key], an array of strings that mean (kind, value); kept in *keep where not NULL. A missing key is an empty list. */
static pasta_status add_list(struct sketch_lexicon *l, const cJSON *obj, const char *key, int kind, int value, struct sketch_words *keep,
                             const char *where, struct pasta_err *err)
{
    const cJSON *list, *item;
    if (!pasta_json_has(obj, key))
        return PASTA_OK;
    pasta_status status = pasta_json_array(obj, key, where, &list, err);
    if (status == PASTA_OK && keep != NULL)
        *keep = (struct sketch_words){0, pasta_arena_alloc(&l->arena, ((size_t)cJSON_GetArraySize(list) + 1) * sizeof *keep->items)};
    if (status == PASTA_OK)
        cJSON_ArrayForEach(item, list) {
            if (!cJSON_IsString(item))
                return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected strings, found %s", where, key, pasta_json_type_name(item));
            if (keep != NULL)
                keep->items[keep->n++] = pasta_arena_strdup(&l->arena, item->valuestring);
            if (kind >= 0 && (status = add_phrase(l, item->valuestring, kind, value, where, err)) != PASTA_OK)
                return status;
        }
    return status;
}

/* --- entries -------------------------------------------------------------------------------------- */

static int find_value(const struct sketch_lexicon *l, int kind, const char *name)
{
    return kind == SKETCH_SUBJECT ? sketch_drawings_find(&l->drawings, name) : sketch_value_find((enum sketch_kind)kind, name);
}

const char *sketch_value_name(const struct sketch_lexicon *l, enum sketch_kind kind, int value)
{
    int n;
    if (kind == SKETCH_SUBJECT || kind == SKETCH_SECOND)
        return value < 0 ? "none" : l->drawings.items[value].name;
    return sketch_value_names(kind, &n)[value];
}

static pasta_status unknown_value(const char *where, int kind, const char *name, struct pasta_err *err)
{
    return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: the renderer knows no \"%s\"", where, sketch_kind_names[kind], name);
}

static pasta_status read_home(struct sketch_lexicon *l, const cJSON *entry, int subject, const char *where, struct pasta_err *err)
{
    const cJSON *home = cJSON_GetObjectItemCaseSensitive(entry, "home"), *item;
    cJSON_ArrayForEach(item, home) {
        int b = sketch_value_find(SKETCH_BACKGROUND, item->string);
        if (b < 0)
            return unknown_value(where, SKETCH_BACKGROUND, item->string, err);
        if (!cJSON_IsNumber(item) || !(item->valuedouble > 0))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: home: expected positive weights, found %s", where, pasta_json_type_name(item));
        l->home[subject][b] = item->valuedouble;
    }
    return PASTA_OK;
}

static pasta_status read_kind(struct sketch_lexicon *l, const cJSON *root, int kind, const char *path, struct pasta_err *err)
{
    const cJSON *values, *entry;
    int n;
    pasta_status status = pasta_json_object(root, sketch_kind_names[kind], path, &values, err);
    if (status != PASTA_OK)
        return status;
    sketch_value_names((enum sketch_kind)kind, &n);
    n = kind == SKETCH_SUBJECT ? l->drawings.n : n;
    l->n_values[kind] = n;
    l->value[kind] = pasta_arena_alloc(&l->arena, (size_t)n * sizeof *l->value[kind]);
    cJSON_ArrayForEach(entry, values) {
        char *where = pasta_asprintf("%s: %s.%s", path, sketch_kind_names[kind], entry->string);
        int v = find_value(l, kind, entry->string);
        status = v < 0 ? unknown_value(path, kind, entry->string, err) : PASTA_OK;
        if (status == PASTA_OK) {
            struct sketch_value *out = &l->value[kind][v];
            out->weight = 1;
            if (pasta_json_has(entry, "weight"))
                status = pasta_json_num(entry, "weight", where, 1e-6, 1e6, &out->weight, err);
            if (status == PASTA_OK)
                status = add_list(l, entry, kind == SKETCH_SUBJECT ? "same" : "phrases", kind, v, &out->same, where, err);
            if (status == PASTA_OK)
                status = add_list(l, entry, "words", kind, v, &out->words, where, err);
            if (status == PASTA_OK && kind == SKETCH_SUBJECT)
                status = read_home(l, entry, v, where, err);
            if (status == PASTA_OK && out->same.n == 0)
                status = pasta_fail(err, PASTA_ERR_INPUT, "%s: no words to say it", where);
        }
        free(where);
        if (status != PASTA_OK)
            return status;
    }
    for (int v = 0; v < n; v++)
        if (l->value[kind][v].same.n == 0)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: \"%s\" has no entry", path, sketch_kind_names[kind],
                              sketch_value_name(l, (enum sketch_kind)kind, v));
    return PASTA_OK;
}

static pasta_status read_vague(struct sketch_lexicon *l, const cJSON *root, const char *path, struct pasta_err *err)
{
    const cJSON *list, *entry, *item;
    pasta_status status = pasta_json_array(root, "vague", path, &list, err);
    if (status != PASTA_OK)
        return status;
    l->vague = pasta_arena_alloc(&l->arena, ((size_t)cJSON_GetArraySize(list) + 1) * sizeof *l->vague);
    cJSON_ArrayForEach(entry, list) {
        for (int kind = 0; kind < SKETCH_KINDS; kind++) {
            const cJSON *weights = cJSON_GetObjectItemCaseSensitive(entry, sketch_kind_names[kind]);
            struct sketch_likely *out = &l->vague[l->n_vague][kind];
            out->vague = true;
            cJSON_ArrayForEach(item, weights) {
                int v = find_value(l, kind, item->string);
                if (v < 0)
                    return unknown_value(path, kind, item->string, err);
                if (!cJSON_IsNumber(item) || !(item->valuedouble > 0) || out->n == SKETCH_MAX_LIKELY)
                    return pasta_fail(err, PASTA_ERR_INPUT, "%s: vague[%d].%s: expected at most %d positive weights", path, l->n_vague,
                                      sketch_kind_names[kind], SKETCH_MAX_LIKELY);
                out->value[out->n] = v;
                out->weight[out->n++] = item->valuedouble;
            }
        }
        if ((status = add_list(l, entry, "words", SKETCH_VAGUE, l->n_vague++, NULL, path, err)) != PASTA_OK)
            return status;
    }
    return PASTA_OK;
}

static size_t count_strings(const cJSON *node)
{
    size_t n = cJSON_IsString(node);
    const cJSON *child;
    cJSON_ArrayForEach(child, node) n += count_strings(child);
    return n;
}

static pasta_status read_all(struct sketch_lexicon *l, const cJSON *root, const char *path, struct pasta_err *err)
{
    const char *schema;
    pasta_status status = pasta_json_str(root, "schema", path, &schema, err);
    if (status == PASTA_OK && strcmp(schema, "pasta.sketch-lexicon/1") != 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: schema: expected \"pasta.sketch-lexicon/1\", found \"%s\"", path, schema);
    if (status != PASTA_OK)
        return status;
    for (l->table_size = 64; l->table_size < 3 * count_strings(root);)
        l->table_size *= 2;
    l->table = pasta_calloc(l->table_size, sizeof *l->table);
    l->home = pasta_arena_alloc(&l->arena, (size_t)l->drawings.n * sizeof *l->home);
    for (int kind = 0; kind < SKETCH_KINDS && status == PASTA_OK; kind++)
        if (kind != SKETCH_SECOND)
            status = read_kind(l, root, kind, path, err);
    if (status == PASTA_OK)
        status = read_vague(l, root, path, err);
    if (status == PASTA_OK)
        status = add_list(l, root, "neutral", SKETCH_NEUTRAL, 0, NULL, path, err);
    if (status == PASTA_OK)
        status = add_list(l, root, "place", -1, 0, &l->place, path, err);
    if (status == PASTA_OK)
        status = add_list(l, root, "frames", -1, 0, &l->frames, path, err);
    if (status == PASTA_OK)
        status = add_list(l, root, "quality", SKETCH_NEUTRAL, 0, &l->quality, path, err);
    for (int i = 0; i < l->frames.n && status == PASTA_OK; i++) {
        const char *at = strstr(l->frames.items[i], "%s");
        if (at == NULL || strchr(at + 1, '%') != NULL)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: frames: expected one %%s in \"%s\"", path, l->frames.items[i]);
    }
    if (status == PASTA_OK && (l->frames.n == 0 || l->quality.n == 0))
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: frames and quality: expected at least one each", path);
    return status;
}

pasta_status sketch_lexicon_read(const char *lexicon_path, const char *drawings_path, struct sketch_lexicon *out, struct pasta_err *err)
{
    memset(out, 0, sizeof *out);
    cJSON *root = NULL;
    pasta_status status = sketch_drawings_read(drawings_path, &out->drawings, err);
    if (status == PASTA_OK)
        status = pasta_json_read(lexicon_path, &root, err);
    if (status == PASTA_OK)
        status = read_all(out, root, lexicon_path, err);
    cJSON_Delete(root);
    if (status != PASTA_OK)
        sketch_lexicon_release(out);
    return status;
}

void sketch_lexicon_release(struct sketch_lexicon *l)
{
    sketch_drawings_release(&l->drawings);
    pasta_arena_release(&l->arena);
    free(l->table);
    memset(l, 0, sizeof *l);
}

/* --- words ---------------------------------------------------------------------------------------- */

void sketch_text_split(const char *prompt, struct sketch_text *out)
{
    size_t length = strlen(prompt);
    out->buffer = pasta_malloc(length + 2);
    out->words = pasta_malloc((length / 2 + 1) * sizeof *out->words);
    out->n = 0;
    char *to = out->buffer;
    for (size_t i = 0; i < length;) {
        char *word = to;
        size_t start = i;
        for (; i < length; i++) {
            unsigned char c = (unsigned char)prompt[i];
            if (c == '\'')
                continue; /* "children's" reads as "childrens" */
            if (c == 0xe2 && (unsigned char)prompt[i + 1] == 0x80 && (unsigned char)prompt[i + 2] == 0x99) {
                i += 2; /* the typographic apostrophe */
                continue;
            }
            if (!isalnum(c) && c < 0x80)
                break;
            *to++ = (char)tolower(c);
        }
        if (to > word) {
            *to++ = 0;
            out->words[out->n++] = (struct sketch_word){word, (int)start, (int)i};
        }
        i++;
    }
}

void sketch_text_release(struct sketch_text *text)
{
    free(text->buffer);
    free(text->words);
    memset(text, 0, sizeof *text);
}

static const struct sketch_meaning *look_up(const struct sketch_lexicon *l, const char *phrase)
{
    return l->table[slot_of(l, phrase)].meaning;
}

/* Tries to undo a plural at the end of `phrase` (in place, restored on failure). */
static const struct sketch_meaning *look_up_singular(const struct sketch_lexicon *l, char *phrase)
{
    static const struct {
        const char *plural, *singular;
    } rule[] = {{"ies", "y"}, {"ves", "f"}, {"ves", "fe"}, {"es", ""}, {"s", ""}, {"men", "man"}, {"people", "person"}};
    size_t length = strlen(phrase);
    char saved[8];
    for (size_t i = 0; i < sizeof rule / sizeof *rule; i++) {
        size_t n = strlen(rule[i].plural);
        if (length < n + 2 || strcmp(phrase + length - n, rule[i].plural) != 0)
            continue;
        memcpy(saved, phrase + length - n, n + 1);
        strcpy(phrase + length - n, rule[i].singular);
        const struct sketch_meaning *m = look_up(l, phrase);
        if (m != NULL && sketch_meaning_of(m, SKETCH_SUBJECT) != NULL)
            return m;
        memcpy(phrase + length - n, saved, n + 1);
    }
    return NULL;
}

int sketch_match(const struct sketch_lexicon *l, const struct sketch_text *text, int i, const struct sketch_meaning **meaning, bool *plural)
{
    char phrase[256];
    int longest = text->n - i < SKETCH_MAX_PHRASE ? text->n - i : SKETCH_MAX_PHRASE;
    for (int n = longest; n > 0; n--) {
        size_t length = 0;
        for (int k = 0; k < n && length < sizeof phrase; k++) {
            size_t w = strlen(text->words[i + k].text);
            if (length + w + 2 > sizeof phrase) {
                length = sizeof phrase; /* too long to be known */
                break;
            }
            memcpy(phrase + length, text->words[i + k].text, w);
            length += w;
            phrase[length++] = k + 1 < n ? ' ' : '\0';
        }
        if (length >= sizeof phrase)
            continue;
        *plural = false;
        *meaning = look_up(l, phrase);
        if (*meaning == NULL) {
            *meaning = look_up_singular(l, phrase);
            *plural = *meaning != NULL;
        }
        if (*meaning != NULL)
            return n;
    }
    return 0;
}

const struct sketch_meaning *sketch_meaning_of(const struct sketch_meaning *m, int kind)
{
    while (m != NULL && m->kind != kind)
        m = m->next;
    return m;
}
