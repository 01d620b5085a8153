/* embed_window.h: a list read and encoded some rows at a time.
 *
 *     struct embed_list list = {0};
 *     embed_list_open(&list, images, path, root, &err);
 *     while (embed_window_read(&list, 1024, &window, &err) == PASTA_OK && window.n)
 *         embed_window_encode(e, &window, vectors, log_prob, &err);
 */
#ifndef PASTA_CMD_EMBED_WINDOW_H
#define PASTA_CMD_EMBED_WINDOW_H
#include "embed_encoder.h"
#include "names.h"
#include "pasta/io/record.h"

/* Prompts, as they are, or paths of images, a line each. */
struct embed_list {
    bool images;
    const char *root;                  /* folder that the paths start from, or NULL */
    struct pasta_prompt_lines prompts;
    struct pasta_str path;
};
pasta_status embed_list_open(struct embed_list *list, bool images, const char *path, const char *root,
                             struct pasta_err *err) PASTA_MUST_CHECK;
/* *item is NULL at the end, else valid until the next call. */
pasta_status embed_list_next(struct embed_list *list, const char **item, struct pasta_err *err) PASTA_MUST_CHECK;
void embed_list_close(struct embed_list *list); /* legal on a zeroed struct */
/* Reads a list through: *n items, at least one, all of which `e` can take as far as can be told without encoding them. */
pasta_status embed_list_check(const struct embed_encoder *e, bool images, const char *path, const char *root, int64_t *n,
                              struct pasta_err *err) PASTA_MUST_CHECK;

/* Some successive rows of a list. What repeats among them is held, and encoded, once. */
struct embed_window {
    struct pasta_arena arena;
    struct names items;
    size_t *item;  /* [n], of each row */
    size_t n;
    bool images;
};
/* The next `most` rows, or what is left. */
pasta_status embed_window_read(struct embed_list *list, size_t most, struct embed_window *window, struct pasta_err *err) PASTA_MUST_CHECK;
/* Vectors [n,D] of its rows and, of texts by Gemma, log_prob [n]. Texts go into batches by length. */
pasta_status embed_window_encode(struct embed_encoder *e, const struct embed_window *window, float *vectors, float *log_prob,
                                 struct pasta_err *err) PASTA_MUST_CHECK;
void embed_window_release(struct embed_window *window); /* legal on a zeroed struct */
#endif
