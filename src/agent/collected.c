/* collected.c: see collected.h. */
#include "pasta/agent/collected.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/record.h"

struct texts {
    struct pasta_arena arena;
    const char **items;
    size_t n, capacity;
};

static void keep(struct texts *texts, const char *text)
{
    PASTA_GROW(texts->items, texts->n + 1, texts->capacity);
    texts->items[texts->n++] = pasta_arena_strdup(&texts->arena, text);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_unique(struct texts *texts)
{
    size_t n = 0;
    if (texts->n)
        qsort(texts->items, texts->n, sizeof *texts->items, by_bytes);
    for (size_t i = 0; i < texts->n; i++)
        if (n == 0 || strcmp(texts->items[n - 1], texts->items[i]) != 0)
            texts->items[n++] = texts->items[i];
    texts->n = n;
}

static void count_session(const struct pasta_session *s, struct pasta_collected *c)
{
    c->sessions++;
    c->turns += s->n_turns;
    for (int t = 0; t < s->n_turns; t++) {
        const struct pasta_turn *turn = &s->turns[t];
        for (int l = 0; l < turn->n_columns; l++)
            c->images += turn->columns[l].n_images;
        c->no_choice += turn->choice < 0;
        if (!isnan(turn->rating) && t < PASTA_MAX_HORIZON) {
            c->rated[t]++;
            c->rating_sum[t] += turn->rating;
        }
        c->worse += turn->versus == PASTA_WORSE;
        c->same += turn->versus == PASTA_SAME;
        c->better += turn->versus == PASTA_BETTER;
    }
}

/* Session by session: at the paper's sizes the file does not belong into memory. */
static pasta_status scan_sessions(const char *path, struct texts *prompts, struct pasta_collected *c, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    pasta_status status = pasta_lines_open(&lines, path, err);
    bool more = true;

    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        struct pasta_arena arena = {0};
        struct pasta_session session;
        char *where = pasta_asprintf("%s:%lld", path, (long long)lines.number);
        status = pasta_session_parse(lines.line.data, lines.line.length, where, &arena, &session, err);
        if (status == PASTA_OK) {
            count_session(&session, c);
            keep(prompts, session.initial_prompt);
        }
        free(where);
        pasta_arena_release(&arena);
    }
    pasta_lines_close(&lines);
    return status;
}

static pasta_status scan_pairs(const char *path, struct texts *prompts, struct pasta_collected *c, struct pasta_err *err)
{
    struct pasta_preferences pairs = {0};
    const pasta_status status = pasta_preferences_read(path, 0, NULL, &pairs, err);
    for (size_t i = 0; i < pairs.n; i++)
        keep(prompts, pairs.items[i].prompt);
    c->pairs = (int64_t)pairs.n;
    c->images += 2 * (int64_t)pairs.n;
    pasta_preferences_release(&pairs);
    return status;
}

static pasta_status scan_ratings(const char *path, struct texts *prompts, struct pasta_collected *c, struct pasta_err *err)
{
    struct pasta_ratings ratings = {0};
    const pasta_status status = pasta_ratings_read(path, 0, NULL, &ratings, err);
    for (size_t i = 0; i < ratings.n; i++) {
        keep(prompts, ratings.items[i].prompt);
        c->single_rating_sum += ratings.items[i].rating;
    }
    c->ratings = (int64_t)ratings.n;
    c->images += (int64_t)ratings.n;
    pasta_ratings_release(&ratings);
    return status;
}

static pasta_status write_texts(const char *path, const struct texts *texts, struct pasta_err *err)
{
    struct pasta_str all = {0};
    for (size_t i = 0; i < texts->n; i++) {
        pasta_str_add(&all, texts->items[i]);
        pasta_str_addc(&all, '\n');
    }
    const pasta_status status = pasta_file_write(path, all.data, all.length, err);
    pasta_str_release(&all);
    return status;
}

typedef pasta_status (*scan_fn)(const char *path, struct texts *prompts, struct pasta_collected *c, struct pasta_err *err);

pasta_status pasta_collected_scan(const char *dir, const char *prompts_file, struct pasta_collected *out, struct pasta_err *err)
{
    static const struct { const char *name; scan_fn scan; } files[] = {
        {"sessions.jsonl", scan_sessions}, {"preferences.jsonl", scan_pairs}, {"ratings.jsonl", scan_ratings}};
    struct pasta_collected c = {0};
    struct texts prompts = {0};
    pasta_status status = PASTA_OK;

    for (size_t i = 0; i < sizeof files / sizeof *files && status == PASTA_OK; i++) {
        char *path = pasta_path_join(dir, files[i].name);
        if (pasta_file_exists(path))
            status = files[i].scan(path, &prompts, &c, err);
        free(path);
    }
    if (status == PASTA_OK) {
        sort_unique(&prompts);
        c.prompts = (int64_t)prompts.n;
        if (prompts_file) {
            char *path = pasta_path_join(dir, prompts_file);
            status = write_texts(path, &prompts, err);
            free(path);
        }
    }
    if (status == PASTA_OK)
        *out = c;
    free(prompts.items);
    pasta_arena_release(&prompts.arena);
    return status;
}

static int rated_turns(const struct pasta_collected *c)
{
    int n = PASTA_MAX_HORIZON;
    while (n > 0 && !c->rated[n - 1])
        n--;
    return n;
}

static void print_json(const struct pasta_collected *c, struct pasta_str *out)
{
    const struct { const char *name; int64_t value; } counts[] = {
        {"sessions", c->sessions}, {"turns", c->turns}, {"pairs", c->pairs}, {"ratings", c->ratings}, {"images", c->images},
        {"prompts", c->prompts}, {"no_choice", c->no_choice}, {"worse", c->worse}, {"same", c->same}, {"better", c->better}};

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        pasta_str_printf(out, "%s\"%s\":%lld", i ? "," : "{", counts[i].name, (long long)counts[i].value);
    pasta_str_add(out, ",\"mean_rating_by_turn\":[");
    for (int t = 0; t < rated_turns(c); t++) {
        pasta_str_add(out, t ? "," : "");
        pasta_json_put_num(out, c->rated[t] ? c->rating_sum[t] / (double)c->rated[t] : NAN);
    }
    pasta_str_add(out, "],\"mean_single_rating\":");
    pasta_json_put_num(out, c->ratings ? c->single_rating_sum / (double)c->ratings : NAN);
    pasta_str_add(out, "}\n");
}

static void print_text(const struct pasta_collected *c, struct pasta_str *out)
{
    if (c->sessions)
        pasta_str_printf(out, "sessions      %lld with %lld turns\n", (long long)c->sessions, (long long)c->turns);
    if (c->pairs)
        pasta_str_printf(out, "pairs         %lld\n", (long long)c->pairs);
    if (c->ratings)
        pasta_str_printf(out, "ratings       %lld, mean %.2f\n", (long long)c->ratings, c->single_rating_sum / (double)c->ratings);
    pasta_str_printf(out, "prompts       %lld\nimages        %lld\n", (long long)c->prompts, (long long)c->images);
    if (rated_turns(c)) {
        pasta_str_add(out, "mean rating  ");
        for (int t = 0; t < rated_turns(c); t++)
            pasta_str_printf(out, c->rated[t] ? " %.2f" : " -", c->rating_sum[t] / (double)c->rated[t]);
        pasta_str_add(out, "  by turn\n");
    }
    const int64_t compared = c->worse + c->same + c->better;
    if (compared)
        pasta_str_printf(out, "against the turn before: better %.1f %%, same %.1f %%, worse %.1f %%\n",
                         100. * (double)c->better / (double)compared, 100. * (double)c->same / (double)compared,
                         100. * (double)c->worse / (double)compared);
}

void pasta_collected_print(const struct pasta_collected *c, bool json, struct pasta_str *out)
{
    (json ? print_json : print_text)(c, out);
}
