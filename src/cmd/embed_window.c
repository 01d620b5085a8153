#include "embed_window.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/io/file.h"

/* --- lists --- */

pasta_status embed_list_open(struct embed_list *list, bool images, const char *path, const char *root, struct pasta_err *err)
{
    *list = (struct embed_list){.images = images, .root = root};
    return images ? pasta_lines_open(&list->prompts.lines, path, err) : pasta_prompt_lines_open(&list->prompts, path, true, err);
}

static pasta_status next_path(struct embed_list *list, const char **item, struct pasta_err *err)
{
    struct pasta_lines *lines = &list->prompts.lines;
    bool more;
    const pasta_status status = pasta_lines_next(lines, &more, err);
    if (status != PASTA_OK || !more) {
        *item = NULL;
        return status;
    }
    if (!lines->line.length || strlen(lines->line.data) != lines->line.length)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s:%lld: expected the path of an image, found %s", lines->path, (long long)lines->number,
                          lines->line.length ? "a NUL byte" : "an empty line");
    pasta_str_clear(&list->path);
    pasta_str_printf(&list->path, "%s%s%s", list->root ? list->root : "", list->root ? "/" : "", lines->line.data);
    *item = list->path.data;
    return PASTA_OK;
}

pasta_status embed_list_next(struct embed_list *list, const char **item, struct pasta_err *err)
{
    return list->images ? next_path(list, item, err) : pasta_prompt_lines_next(&list->prompts, item, err);
}

void embed_list_close(struct embed_list *list)
{
    pasta_prompt_lines_close(&list->prompts);
    pasta_str_release(&list->path);
}

/* Gemma takes no text of more tokens than its context. Only where a text may be one, by its bytes, is it cut into tokens: a piece has at
 * least one byte, and a space counts as three. */
static pasta_status check_length(const struct pasta_gemma_text *gemma, const char *text, struct pasta_err *err)
{
    int64_t *ids = NULL;
    int n;
    if (3 * strlen(text) < (size_t)pasta_gemma_text_context(gemma))
        return PASTA_OK;
    const pasta_status status = pasta_gemma_text_ids(gemma, text, &ids, &n, err);
    free(ids);
    return status;
}

static pasta_status check_item(const struct embed_encoder *e, const struct embed_list *list, const char *item, struct pasta_err *err)
{
    const struct pasta_lines *lines = &list->prompts.lines;
    struct pasta_err found = {0};
    if (list->images && !pasta_file_exists(item))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s:%lld: '%s': expected an image, found no file", lines->path, (long long)lines->number,
                          item);
    if (!list->images && e->gemma && check_length(e->gemma, item, &found) != PASTA_OK)
        return pasta_fail(err, found.status, "%s:%lld: %s", lines->path, (long long)lines->number, found.message);
    return PASTA_OK;
}

pasta_status embed_list_check(const struct embed_encoder *e, bool images, const char *path, const char *root, int64_t *n,
                              struct pasta_err *err)
{
    struct embed_list list = {0};
    const char *item;
    int64_t count = 0;
    pasta_status status = embed_list_open(&list, images, path, root, err);
    while (status == PASTA_OK && (status = embed_list_next(&list, &item, err)) == PASTA_OK && item) {
        status = check_item(e, &list, item, err);
        count++;
    }
    embed_list_close(&list);
    if (status == PASTA_OK && count == 0)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected %s, found none", path, images ? "a path a line" : "prompts");
    if (status == PASTA_OK)
        *n = count;
    return status;
}

/* --- windows --- */

pasta_status embed_window_read(struct embed_list *list, size_t most, struct embed_window *window, struct pasta_err *err)
{
    const char *item;
    pasta_status status = PASTA_OK;
    *window = (struct embed_window){.item = pasta_calloc(most, sizeof *window->item), .images = list->images};
    while (window->n < most && (status = embed_list_next(list, &item, err)) == PASTA_OK && item)
        window->item[window->n++] = names_add(&window->items, pasta_arena_strdup(&window->arena, item));
    if (status != PASTA_OK)
        embed_window_release(window);
    return status;
}

void embed_window_release(struct embed_window *window)
{
    names_release(&window->items);
    pasta_arena_release(&window->arena);
    free(window->item);
    *window = (struct embed_window){0};
}

struct place { size_t length, item; };

/* Longest first, so that the dearest batch is not the last to begin. */
static int by_length(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->length != y->length)
        return x->length > y->length ? -1 : 1;
    return x->item < y->item ? -1 : 1;
}

pasta_status embed_window_encode(struct embed_encoder *e, const struct embed_window *window, float *vectors, float *log_prob,
                                 struct pasta_err *err)
{
    const size_t n = window->items.n, dim = (size_t)embed_dim(e);
    struct place *order = pasta_calloc(n, sizeof *order);
    const char **items = pasta_calloc(n, sizeof *items);
    size_t *at = pasta_calloc(n, sizeof *at); /* where in the order an item stands */
    float *found = pasta_malloc(n * dim * sizeof *found), *found_log_prob = pasta_malloc(n * sizeof *found_log_prob);
    for (size_t i = 0; i < n; i++)
        order[i] = (struct place){window->images ? 0 : strlen(window->items.items[i]), i};
    qsort(order, n, sizeof *order, by_length);
    for (size_t i = 0; i < n; i++) {
        items[i] = window->items.items[order[i].item];
        at[order[i].item] = i;
    }
    const pasta_status status = window->images ? embed_images(e, items, n, found, err)
                                               : embed_texts(e, items, n, found, found_log_prob, err);
    for (size_t i = 0; i < window->n && status == PASTA_OK; i++) {
        const size_t from = at[window->item[i]];
        memcpy(vectors + i * dim, found + from * dim, dim * sizeof *found);
        if (log_prob)
            log_prob[i] = found_log_prob[from];
    }
    pasta_progress_add(&e->progress, (int64_t)(window->n - n)); /* the repeated ones */
    free(found_log_prob);
    free(found);
    free(at);
    free(items);
    free(order);
    return status;
}
