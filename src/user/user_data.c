/* user_data.c: records become rows of feature tables (user_data.h). */
#include "user_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"

/* --- string numbering --------------------------------------------------------------------------------------------------------------- */

static void table_rehash(struct key_table *t)
{
    t->n_buckets = t->n_buckets == 0 ? 1024 : 2 * t->n_buckets;
    free(t->buckets);
    t->buckets = pasta_calloc(t->n_buckets, sizeof *t->buckets);
    for (size_t i = 0; i < t->n; i++) {
        if (t->keys[i] == NULL)
            continue;
        size_t b = pasta_hash64(t->keys[i]) & (t->n_buckets - 1);
        while (t->buckets[b] != 0)
            b = (b + 1) & (t->n_buckets - 1);
        t->buckets[b] = (uint32_t)i + 1;
    }
}

/* The number of `key`, a new one where it was not seen; NULL is always new. */
static int32_t table_number(struct key_table *t, const char *key, bool *fresh)
{
    if (2 * (t->n + 1) > t->n_buckets)
        table_rehash(t);
    size_t b = 0;
    if (key != NULL) {
        b = pasta_hash64(key) & (t->n_buckets - 1);
        for (; t->buckets[b] != 0; b = (b + 1) & (t->n_buckets - 1))
            if (strcmp(t->keys[t->buckets[b] - 1], key) == 0) {
                *fresh = false;
                return (int32_t)t->buckets[b] - 1;
            }
        t->buckets[b] = (uint32_t)t->n + 1;
    }
    PASTA_GROW(t->keys, t->n + 1, t->capacity);
    t->keys[t->n] = pasta_strdup(key);
    *fresh = true;
    return (int32_t)t->n++;
}

static void table_release(struct key_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->keys[i]);
    free(t->keys);
    free(t->buckets);
}

/* --- building ----------------------------------------------------------------------------------------------------------------------- */

struct pasta_user_data *pasta_user_data_new(const struct pasta_features *features)
{
    struct pasta_user_data *data = pasta_calloc(1, sizeof *data);
    data->features = features;
    data->dim = pasta_features_dim(features);
    return data;
}

void pasta_user_data_free(struct pasta_user_data *data)
{
    if (data == NULL)
        return;
    table_release(&data->users);
    table_release(&data->images);
    table_release(&data->texts);
    free(data->seeds);
    free(data->held_out);
    free(data->image_table);
    free(data->text_table);
    free(data->pairs);
    free(data->ratings);
    free(data->turns);
    free(data->columns);
    free(data->slots);
    free(data);
}

static int32_t add_user(struct pasta_user_data *data, const char *id)
{
    bool fresh;
    int32_t user = table_number(&data->users, id, &fresh);
    PASTA_GROW(data->seeds, data->users.n, data->seed_capacity);
    if (fresh)
        data->seeds[user] = 0;
    return user;
}

/* One id in the sessions of two collections. */
static pasta_status check_rater(struct pasta_user_data *data, const struct pasta_session *s, int32_t user, const char *where,
                                struct pasta_err *err)
{
    if (s->source == PASTA_SOURCE_HUMAN)
        return PASTA_OK;
    if (data->seeds[user] != 0 && data->seeds[user] != s->seed + 1)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: rater_id: expected one person for one id, found '%s' in collections of seeds %llu and "
                          "%llu; use one seed and ranges of collect.first_rater apart", where, s->rater_id,
                          (unsigned long long)data->seeds[user] - 1, (unsigned long long)s->seed);
    data->seeds[user] = s->seed + 1;
    return PASTA_OK;
}

static bool leaves_out(struct pasta_user_data *data, const char *prompt)
{
    if (!(data->prompt_share > 0))
        return false;
    uint64_t address = pasta_hash64(prompt);
    struct pasta_rng rng = pasta_rng_at(data->prompt_seed, PASTA_RNG_SPLIT, (uint32_t)address, (uint32_t)(address >> 32), 2);
    bool out = pasta_rng_uniform(&rng) < data->prompt_share;
    data->left_out += out;
    return out;
}

static pasta_status add_vector(struct pasta_user_data *data, bool image, const char *key, const char *where, int32_t *row,
                               struct pasta_err *err)
{
    const float *vector = image ? pasta_features_image(data->features, key) : pasta_features_text(data->features, key);
    if (vector == NULL)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected one that the feature pack has, found '%.200s'; embed it with pasta-embed",
                          where, image ? "image" : "prompt", key);
    size_t D = (size_t)data->dim;
    double square = 0;
    for (size_t d = 0; d < D; d++)
        square += (double)vector[d] * vector[d];
    if (!(square > 1e-12 && square < 1e12))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected a feature vector of length about 1, found length %g for '%.200s'", where,
                          image ? "image" : "prompt", sqrt(square), key);
    bool fresh;
    struct key_table *table = image ? &data->images : &data->texts;
    *row = table_number(table, key, &fresh);
    if (!fresh)
        return PASTA_OK;
    float **rows = image ? &data->image_table : &data->text_table;
    size_t *capacity = image ? &data->image_capacity : &data->text_capacity;
    PASTA_GROW(*rows, table->n * D, *capacity);
    memcpy(*rows + (size_t)*row * D, vector, D * sizeof(float));
    return PASTA_OK;
}

pasta_status pasta_user_data_add_preferences(struct pasta_user_data *data, const char *path, const struct pasta_preferences *preferences,
                                             struct pasta_err *err)
{
    for (size_t i = 0; i < preferences->n; i++) {
        const struct pasta_preference *p = &preferences->items[i];
        char where[600];
        snprintf(where, sizeof where, "%.500s: record %zu", path, i + 1);
        if (leaves_out(data, p->prompt))
            continue;
        struct obs_pair o = {.label = (float)p->label};
        pasta_status status = add_vector(data, false, p->prompt, where, &o.text, err);
        for (int j = 0; j < 2 && status == PASTA_OK; j++)
            status = add_vector(data, true, p->image[j], where, &o.image[j], err);
        if (status != PASTA_OK)
            return status;
        o.user = add_user(data, p->user_id);
        PASTA_GROW(data->pairs, data->n_pairs + 1, data->pair_capacity);
        data->pairs[data->n_pairs++] = o;
    }
    return PASTA_OK;
}

pasta_status pasta_user_data_add_ratings(struct pasta_user_data *data, const char *path, const struct pasta_ratings *ratings,
                                         struct pasta_err *err)
{
    for (size_t i = 0; i < ratings->n; i++) {
        const struct pasta_rating *r = &ratings->items[i];
        char where[600];
        snprintf(where, sizeof where, "%.500s: record %zu", path, i + 1);
        if (leaves_out(data, r->prompt))
            continue;
        struct obs_rating o = {.rating = (float)pasta_user_rating01(r->rating, r->lo, r->hi)};
        pasta_status status = add_vector(data, false, r->prompt, where, &o.text, err);
        if (status == PASTA_OK)
            status = add_vector(data, true, r->image, where, &o.image, err);
        if (status != PASTA_OK)
            return status;
        o.user = add_user(data, r->user_id);
        PASTA_GROW(data->ratings, data->n_ratings + 1, data->rating_capacity);
        data->ratings[data->n_ratings++] = o;
    }
    return PASTA_OK;
}

static pasta_status add_column(struct pasta_user_data *data, const struct pasta_column *column, const char *where, struct pasta_err *err)
{
    struct obs_column c = {.first = (int32_t)data->n_slots, .count = column->n_images};
    if (c.count < 1)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: images: expected at least one image in a column, found none", where);
    PASTA_GROW(data->slots, data->n_slots + (size_t)c.count, data->slot_capacity);
    for (int i = 0; i < c.count; i++) {
        pasta_status status = add_vector(data, true, column->images[i].id, where, &data->slots[data->n_slots], err);
        if (status != PASTA_OK)
            return status;
        data->n_slots++;
    }
    PASTA_GROW(data->columns, data->n_columns + 1, data->column_capacity);
    data->columns[data->n_columns++] = c;
    if (c.count > data->max_images)
        data->max_images = c.count;
    return PASTA_OK;
}

static pasta_status add_session(struct pasta_user_data *data, const struct pasta_session *s, const char *where, struct pasta_err *err)
{
    int32_t text, user, before = -1;
    if (leaves_out(data, s->initial_prompt))
        return PASTA_OK;
    pasta_status status = add_vector(data, false, s->initial_prompt, where, &text, err);
    if (status != PASTA_OK)
        return status;
    user = add_user(data, s->rater_id);
    if ((status = check_rater(data, s, user, where, err)) != PASTA_OK)
        return status;
    for (int t = 0; t < s->n_turns; t++) {
        const struct pasta_turn *turn = &s->turns[t];
        if (turn->choice < 0) {
            before = -1;
            continue;
        }
        struct obs_turn o = {.user = user, .text = text, .first = (int32_t)data->n_columns, .count = turn->n_columns,
                             .choice = turn->choice, .before = before, .versus = before < 0 ? PASTA_VERSUS_NONE : turn->versus};
        for (int l = 0; l < turn->n_columns; l++)
            if ((status = add_column(data, &turn->columns[l], where, err)) != PASTA_OK)
                return status;
        before = o.first + o.choice;
        data->n_versus += o.versus != PASTA_VERSUS_NONE;
        if (o.count > data->max_columns)
            data->max_columns = o.count;
        PASTA_GROW(data->turns, data->n_turns + 1, data->turn_capacity);
        data->turns[data->n_turns++] = o;
    }
    return PASTA_OK;
}

pasta_status pasta_user_data_add_sessions(struct pasta_user_data *data, const char *path, const struct pasta_sessions *sessions,
                                          struct pasta_err *err)
{
    for (size_t i = 0; i < sessions->n; i++) {
        char where[700];
        snprintf(where, sizeof where, "%.500s: record %zu: session '%.100s'", path, i + 1, sessions->items[i].session_id);
        pasta_status status = add_session(data, &sessions->items[i], where, err);
        if (status != PASTA_OK)
            return status;
    }
    return PASTA_OK;
}

/* --- the split ---------------------------------------------------------------------------------------------------------------------- */

struct split_key { uint64_t key; uint32_t user; };

static int compare_keys(const void *a, const void *b)
{
    const struct split_key *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->user < y->user ? -1 : x->user > y->user;
}

void pasta_user_data_split(struct pasta_user_data *data, double held_out, uint64_t seed)
{
    size_t n = data->users.n, out = (size_t)floor(held_out * (double)n + 0.5);
    struct split_key *keys = pasta_malloc(n * sizeof *keys);
    for (size_t u = 0; u < n; u++) {
        uint64_t address = data->users.keys[u] != NULL ? pasta_hash64(data->users.keys[u]) : u;
        struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_SPLIT, (uint32_t)address, (uint32_t)(address >> 32),
                                            data->users.keys[u] == NULL);
        keys[u] = (struct split_key){pasta_rng_u64(&rng), (uint32_t)u};
    }
    qsort(keys, n, sizeof *keys, compare_keys);
    free(data->held_out);
    data->held_out = pasta_calloc(n, sizeof *data->held_out);
    for (size_t i = 0; i < out && i + 1 < n; i++)
        data->held_out[keys[i].user] = true;
    free(keys);
}

void pasta_user_data_leave_out_prompts(struct pasta_user_data *data, double share, uint64_t seed)
{
    data->prompt_share = share;
    data->prompt_seed = seed;
}

void pasta_user_data_trained_prompts(const struct pasta_user_data *data, struct pasta_id_set *out)
{
    bool *used = pasta_calloc(data->texts.n, sizeof *used);
    for (size_t i = 0; i < data->n_pairs; i++)
        used[data->pairs[i].text] |= !pasta_user_data_held_out(data, data->pairs[i].user);
    for (size_t i = 0; i < data->n_ratings; i++)
        used[data->ratings[i].text] |= !pasta_user_data_held_out(data, data->ratings[i].user);
    for (size_t i = 0; i < data->n_turns; i++)
        used[data->turns[i].text] |= !pasta_user_data_held_out(data, data->turns[i].user);
    for (size_t t = 0; t < data->texts.n; t++)
        if (used[t])
            pasta_id_set_add(out, data->texts.keys[t]);
    free(used);
}

/* --- reading ------------------------------------------------------------------------------------------------------------------------ */

size_t user_data_count(const struct pasta_user_data *data, enum observation_kind kind)
{
    return kind == OBS_PAIR ? data->n_pairs : kind == OBS_RATING ? data->n_ratings : data->n_turns;
}

int32_t user_data_owner(const struct pasta_user_data *data, enum observation_kind kind, size_t i)
{
    return kind == OBS_PAIR ? data->pairs[i].user : kind == OBS_RATING ? data->ratings[i].user : data->turns[i].user;
}

struct pasta_user_counts pasta_user_data_counts(const struct pasta_user_data *data)
{
    struct pasta_user_counts c = {.users = (int64_t)data->users.n, .pairs = (int64_t)data->n_pairs, .ratings = (int64_t)data->n_ratings,
                                  .turns = (int64_t)data->n_turns, .comparisons = (int64_t)data->n_versus,
                                  .images = (int64_t)data->images.n, .prompts = (int64_t)data->texts.n,
                                  .left_out = data->left_out};
    for (size_t u = 0; data->held_out != NULL && u < data->users.n; u++)
        c.held_out_users += data->held_out[u];
    return c;
}

const char *pasta_user_data_user(const struct pasta_user_data *data, int user)
{
    return data->users.keys[user];
}

const char *pasta_user_data_image(const struct pasta_user_data *data, int64_t image)
{
    return data->images.keys[image];
}

bool pasta_user_data_held_out(const struct pasta_user_data *data, int user)
{
    return data->held_out != NULL && data->held_out[user];
}
