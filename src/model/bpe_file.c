/* bpe_file.c: tokenizers in Hugging Face's files, vocab.json with merges.txt, or tokenizer.json. */
#include <stdlib.h>
#include <string.h>

#include "bpe_impl.h"
#include "pasta/base/json.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

/* Ids beyond this are a broken file, not a large vocabulary. */
enum { MAX_VOCAB = 1 << 22 };

/* Finds the largest id of a {"token": id} object. */
static pasta_status check_vocab(const cJSON *vocab, const char *where, int *n_tokens, struct pasta_err *err)
{
    int n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, vocab)
    {
        if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble >= MAX_VOCAB || item->valuedouble != item->valueint)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: '%.40s': expected an id below %d", where, item->string, (int)MAX_VOCAB);
        if (item->valueint >= n)
            n = item->valueint + 1;
    }
    if (n == 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected an object of tokens and ids, found an empty one", where);
    *n_tokens = n;
    return PASTA_OK;
}

/* The tables are as long as the largest id: a small file may not ask for large ones. */
static pasta_status check_gaps(int n_tokens, int entries, const char *where, struct pasta_err *err)
{
    if (n_tokens > 2 * entries + 1000)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: id %d: expected ids with fewer gaps, found %d tokens", where, n_tokens - 1, entries);
    return PASTA_OK;
}

static pasta_status put_token(struct pasta_bpe *bpe, const char *token, int id, const char *where, struct pasta_err *err)
{
    if (bpe->tokens[id] && strcmp(bpe->tokens[id], token) != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: id %d: given to both '%.40s' and '%.40s'", where, id, bpe->tokens[id], token);
    bpe->tokens[id] = pasta_arena_strdup(&bpe->arena, token);
    return PASTA_OK;
}

static pasta_status fill_tokens(struct pasta_bpe *bpe, const cJSON *vocab, const char *where, struct pasta_err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, vocab)
    {
        pasta_status status = put_token(bpe, item->string, item->valueint, where, err);
        if (status != PASTA_OK)
            return status;
    }
    return PASTA_OK;
}

/* Sets merge `rank` from its two symbols; they and their concatenation must be tokens. */
static pasta_status put_merge(struct pasta_bpe *bpe, int rank, const char *left, const char *right, const char *where,
                              struct pasta_err *err)
{
    char *joined = pasta_asprintf("%s%s", left, right);
    struct bpe_merge m = {bpe_find(bpe, left), bpe_find(bpe, right), bpe_find(bpe, joined)};
    const char *absent = m.left < 0 ? left : m.right < 0 ? right : m.into < 0 ? joined : NULL;
    pasta_status status = PASTA_OK;
    if (absent)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: merge %d: '%.60s' is not in the vocabulary", where, rank + 1, absent);
    bpe->merges[rank] = m;
    free(joined);
    return status;
}

/* Every token but bytes and special ones is made by a merge: where one is not, merges are missing, and texts would be cut into pieces
 * that the model has hardly seen. */
static pasta_status check_made(const struct pasta_bpe *bpe, const char *where, struct pasta_err *err)
{
    char *made = pasta_calloc((size_t)bpe->n_tokens, 1);
    const char *lost = NULL;
    for (int b = 0; b < 512; b++)
        if (bpe->byte[b / 256][b % 256] >= 0)
            made[bpe->byte[b / 256][b % 256]] = 1;
    for (int i = 0; i < bpe->n_merges; i++)
        made[bpe->merges[i].into] = 1;
    for (int i = 0; i < bpe->n_tokens && !lost; i++) {
        const char *token = bpe->tokens[i];
        if (!made[i] && token && !(pasta_starts_with(token, "<") && pasta_ends_with(token, ">")))
            lost = token;
    }
    free(made);
    if (!lost)
        return PASTA_OK;
    return pasta_fail(err, PASTA_ERR_INPUT, "%s: token '%.60s' of the vocabulary: expected a merge that makes it, found no merge", where, lost);
}

/* A merge written as "left right"; changes `text`. */
static pasta_status put_merge_text(struct pasta_bpe *bpe, int rank, char *text, const char *where, struct pasta_err *err)
{
    char *space = strchr(text, ' ');
    if (!space || space == text || !space[1] || strchr(space + 1, ' '))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: merge %d: expected two symbols and a space between them, found '%.60s'", where,
                          rank + 1, text);
    *space = '\0';
    return put_merge(bpe, rank, text, space + 1, where, err);
}

/* The lines of merges.txt after its "#version" line; *lines points into `text`. */
static char **merge_lines(struct pasta_str *text, int *n)
{
    char **lines = NULL, *save = NULL;
    size_t count = 0, capacity = 0;
    bool first = true;
    for (char *line = strtok_r(text->data, "\n", &save); line; line = strtok_r(NULL, "\n", &save), first = false) {
        line[strcspn(line, "\r")] = '\0';
        if (!*line || (first && pasta_starts_with(line, "#version")))
            continue;
        PASTA_GROW(lines, count + 1, capacity);
        lines[count++] = line;
    }
    *n = (int)count;
    return lines;
}

static pasta_status load_pair(const char *vocab_path, const char *merges_path, struct pasta_bpe **out, struct pasta_err *err)
{
    cJSON *vocab = NULL;
    struct pasta_str text = {0};
    struct pasta_bpe *bpe = NULL;
    char **lines = NULL;
    int n_tokens = 0, n_merges = 0;
    pasta_status status = pasta_json_read(vocab_path, &vocab, err);
    if (status == PASTA_OK)
        status = check_vocab(vocab, vocab_path, &n_tokens, err);
    if (status == PASTA_OK)
        status = check_gaps(n_tokens, cJSON_GetArraySize(vocab), vocab_path, err);
    if (status == PASTA_OK)
        status = pasta_file_read(merges_path, &text, err);
    if (status != PASTA_OK)
        goto out;
    if (text.length)
        lines = merge_lines(&text, &n_merges);
    bpe = bpe_new(n_tokens, n_merges);
    status = fill_tokens(bpe, vocab, vocab_path, err);
    if (status != PASTA_OK)
        goto out;
    bpe_index_tokens(bpe);
    status = bpe_index_special(bpe, vocab_path, err);
    for (int i = 0; i < n_merges && status == PASTA_OK; i++)
        status = put_merge_text(bpe, i, lines[i], merges_path, err);
    if (status == PASTA_OK)
        status = check_made(bpe, merges_path, err);
    if (status == PASTA_OK)
        bpe_index_merges(bpe);
out:
    cJSON_Delete(vocab);
    pasta_str_release(&text);
    free(lines);
    if (status == PASTA_OK)
        *out = bpe;
    else
        pasta_bpe_free(bpe);
    return status;
}

/* merges of tokenizer.json: "left right" or ["left", "right"]. */
static pasta_status fill_merges(struct pasta_bpe *bpe, const cJSON *merges, const char *path, struct pasta_err *err)
{
    int rank = 0;
    const cJSON *item;
    pasta_status status = PASTA_OK;
    cJSON_ArrayForEach(item, merges)
    {
        const cJSON *left = cJSON_GetArrayItem(item, 0), *right = cJSON_GetArrayItem(item, 1);
        if (cJSON_IsString(item))
            status = put_merge_text(bpe, rank, item->valuestring, path, err);
        else if (cJSON_IsArray(item) && cJSON_GetArraySize(item) == 2 && cJSON_IsString(left) && cJSON_IsString(right))
            status = put_merge(bpe, rank, left->valuestring, right->valuestring, path, err);
        else
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: merge %d: expected two symbols, found %s", path, rank + 1,
                                pasta_json_type_name(item));
        if (status != PASTA_OK)
            break;
        rank++;
    }
    return status;
}

static pasta_status add_special(struct pasta_bpe *bpe, const cJSON *added, const char *path, struct pasta_err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, added)
    {
        const char *content;
        int64_t id;
        pasta_status status = pasta_json_str(item, "content", path, &content, err);
        if (status == PASTA_OK)
            status = pasta_json_int(item, "id", path, 0, bpe->n_tokens - 1, &id, err);
        if (status == PASTA_OK)
            status = put_token(bpe, content, (int)id, path, err);
        if (status != PASTA_OK)
            return status;
    }
    return PASTA_OK;
}

/* tokenizer.json keeps the special tokens in added_tokens, and often in the vocabulary as well. */
static int highest_added(const cJSON *added)
{
    int n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, added)
    {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(item, "id");
        if (cJSON_IsNumber(id) && id->valuedouble < MAX_VOCAB && id->valueint >= n)
            n = id->valueint + 1;
    }
    return n;
}

static pasta_status load_single(const char *path, struct pasta_bpe **out, struct pasta_err *err)
{
    cJSON *root = NULL;
    const cJSON *model, *vocab, *merges;
    const char *suffix;
    struct pasta_bpe *bpe = NULL;
    int n_tokens = 0;
    pasta_status status = pasta_json_read(path, &root, err);
    if (status == PASTA_OK)
        status = pasta_json_object(root, "model", path, &model, err);
    if (status == PASTA_OK)
        status = pasta_json_str(model, "end_of_word_suffix", path, &suffix, err);
    if (status == PASTA_OK && strcmp(suffix, "</w>") != 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: end_of_word_suffix: expected '</w>' (CLIP's tokenizer), found '%.20s'", path,
                            suffix);
    if (status == PASTA_OK)
        status = pasta_json_object(model, "vocab", path, &vocab, err);
    if (status == PASTA_OK)
        status = check_vocab(vocab, path, &n_tokens, err);
    if (status == PASTA_OK)
        status = pasta_json_array(model, "merges", path, &merges, err);
    if (status != PASTA_OK)
        goto out;
    const cJSON *added = cJSON_GetObjectItemCaseSensitive(root, "added_tokens");
    if (highest_added(added) > n_tokens)
        n_tokens = highest_added(added);
    status = check_gaps(n_tokens, cJSON_GetArraySize(vocab) + cJSON_GetArraySize(added), path, err);
    if (status != PASTA_OK)
        goto out;
    bpe = bpe_new(n_tokens, cJSON_GetArraySize(merges));
    status = fill_tokens(bpe, vocab, path, err);
    if (status == PASTA_OK)
        status = add_special(bpe, added, path, err);
    if (status != PASTA_OK)
        goto out;
    bpe_index_tokens(bpe);
    status = bpe_index_special(bpe, path, err);
    if (status == PASTA_OK)
        status = fill_merges(bpe, merges, path, err);
    if (status == PASTA_OK)
        status = check_made(bpe, path, err);
    if (status == PASTA_OK)
        bpe_index_merges(bpe);
out:
    cJSON_Delete(root);
    if (status == PASTA_OK)
        *out = bpe;
    else
        pasta_bpe_free(bpe);
    return status;
}

pasta_status pasta_bpe_load(const char *dir, struct pasta_bpe **out, struct pasta_err *err)
{
    char *vocab = pasta_path_join(dir, "vocab.json"), *merges = pasta_path_join(dir, "merges.txt");
    char *single = pasta_path_join(dir, "tokenizer.json");
    pasta_status status;
    if (!pasta_file_exists(vocab) && pasta_file_exists(single))
        status = load_single(single, out, err);
    else
        status = load_pair(vocab, merges, out, err);
    free(vocab);
    free(merges);
    free(single);
    return status;
}

static pasta_status write_text(const char *dir, const char *name, const struct pasta_str *text, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, name);
    pasta_status status = pasta_file_write(path, text->data, text->length, err);
    free(path);
    return status;
}

static pasta_status save_vocab(const struct pasta_bpe *bpe, const char *dir, struct pasta_err *err)
{
    struct pasta_str text = {0};
    for (int i = 0; i < bpe->n_tokens; i++) {
        if (!bpe->tokens[i])
            continue;
        pasta_str_add(&text, text.length ? "," : "{");
        pasta_json_put_str(&text, bpe->tokens[i]);
        pasta_str_printf(&text, ":%d", i);
    }
    pasta_str_add(&text, "}\n");
    pasta_status status = write_text(dir, "vocab.json", &text, err);
    pasta_str_release(&text);
    return status;
}

static pasta_status save_merges(const struct pasta_bpe *bpe, const char *dir, struct pasta_err *err)
{
    struct pasta_str text = {0};
    pasta_str_add(&text, "#version: 0.2\n");
    for (int i = 0; i < bpe->n_merges; i++)
        pasta_str_printf(&text, "%s %s\n", bpe->tokens[bpe->merges[i].left], bpe->tokens[bpe->merges[i].right]);
    pasta_status status = write_text(dir, "merges.txt", &text, err);
    pasta_str_release(&text);
    return status;
}

pasta_status pasta_bpe_save(const struct pasta_bpe *bpe, const char *dir, int context, struct pasta_err *err)
{
    static const char special[] = "  \"bos_token\": \"" BPE_START "\",\n  \"eos_token\": \"" BPE_END "\",\n  \"pad_token\": \"" BPE_END
                                  "\",\n  \"unk_token\": \"" BPE_END "\"";
    struct pasta_str text = {0};
    pasta_status status = save_vocab(bpe, dir, err);
    if (status == PASTA_OK)
        status = save_merges(bpe, dir, err);
    if (status == PASTA_OK) {
        pasta_str_printf(&text, "{\n  \"tokenizer_class\": \"CLIPTokenizer\",\n  \"model_max_length\": %d,\n  \"do_lower_case\": true,\n"
                                "  \"errors\": \"replace\",\n%s\n}\n",
                         context, special);
        status = write_text(dir, "tokenizer_config.json", &text, err);
    }
    if (status == PASTA_OK) {
        pasta_str_clear(&text);
        pasta_str_printf(&text, "{\n%s\n}\n", special);
        status = write_text(dir, "special_tokens_map.json", &text, err);
    }
    pasta_str_release(&text);
    return status;
}
