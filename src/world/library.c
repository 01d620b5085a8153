#include "library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/io/sha256.h"

struct row {                     /* a line of the index */
    const char *prompt, *initial_prompt; /* the latter NULL: no candidate */
    enum pasta_category category;
};
struct ready {                   /* an image of a prompt */
    const char *prompt, *path;
    size_t number;               /* in the file */
};
struct library {
    struct pasta_arena arena;    /* strings */
    char *folder, *name;
    struct row *rows;            /* in the order of the file */
    size_t n_rows, rows_capacity;
    struct ready *images;        /* by prompt, then in the order of the file */
    size_t n_images, images_capacity;
};

/* --- reading the index -------------------------------------------------------------------------------- */

/* A relative path without "..": it stays below the index's folder. */
static bool stays_inside(const char *path)
{
    if (!*path || *path == '/')
        return false;
    for (const char *part = path; *part; ) {
        const size_t n = strcspn(part, "/");
        if (n == 2 && part[0] == '.' && part[1] == '.')
            return false;
        part += n + (part[n] == '/');
    }
    return true;
}

static pasta_status read_images(struct library *library, const cJSON *row, const char *prompt, const char *where, struct pasta_err *err)
{
    const cJSON *images, *image;
    const pasta_status status = pasta_json_array(row, "images", where, &images, err);

    if (status != PASTA_OK)
        return status;
    if (cJSON_GetArraySize(images) == 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: images: expected paths, found an empty list", where);
    cJSON_ArrayForEach(image, images) {
        if (!cJSON_IsString(image))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: images: expected strings, found %s", where, pasta_json_type_name(image));
        if (!stays_inside(image->valuestring))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: images: expected a path within the index's folder, found \"%.200s\"", where,
                              image->valuestring);
        PASTA_GROW(library->images, library->n_images + 1, library->images_capacity);
        library->images[library->n_images] = (struct ready){prompt, pasta_arena_strdup(&library->arena, image->valuestring),
                                                            library->n_images};
        library->n_images++;
    }
    return PASTA_OK;
}

/* `initial_prompt` and `category`, where they are there. */
static pasta_status read_candidate(struct library *library, const cJSON *tree, const char *where, struct row *row, struct pasta_err *err)
{
    const char *initial, *category;
    pasta_status status;

    if (!pasta_json_has(tree, "initial_prompt") && !pasta_json_has(tree, "category"))
        return PASTA_OK;
    if ((status = pasta_json_str(tree, "initial_prompt", where, &initial, err)) != PASTA_OK ||
        (status = pasta_json_str(tree, "category", where, &category, err)) != PASTA_OK)
        return status;
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        if (strcmp(category, pasta_category_names[c]) == 0) {
            row->category = (enum pasta_category)c;
            row->initial_prompt = pasta_arena_strdup(&library->arena, initial);
            return PASTA_OK;
        }
    return pasta_fail(err, PASTA_ERR_INPUT, "%s: category: expected rephrase, expand, style, subject or creative, found \"%.60s\"", where,
                      category);
}

static pasta_status read_row(struct library *library, const cJSON *tree, const char *where, struct pasta_err *err)
{
    struct row row = {0};
    const char *schema, *prompt;
    pasta_status status;

    if (!cJSON_IsObject(tree))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected an object, found %s", where, pasta_json_type_name(tree));
    if ((status = pasta_json_str(tree, "schema", where, &schema, err)) != PASTA_OK)
        return status;
    if (strcmp(schema, "pasta.library/1") != 0)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: schema: expected \"pasta.library/1\", found \"%.60s\"", where, schema);
    if ((status = pasta_json_str(tree, "prompt", where, &prompt, err)) != PASTA_OK)
        return status;
    if (!*prompt)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: prompt: expected a string, found an empty one", where);
    row.prompt = pasta_arena_strdup(&library->arena, prompt);
    if ((status = read_candidate(library, tree, where, &row, err)) != PASTA_OK ||
        (status = read_images(library, tree, row.prompt, where, err)) != PASTA_OK)
        return status;
    PASTA_GROW(library->rows, library->n_rows + 1, library->rows_capacity);
    library->rows[library->n_rows++] = row;
    return PASTA_OK;
}

static pasta_status read_index(struct library *library, const char *path, struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    bool more = true;
    pasta_status status = pasta_lines_open(&lines, path, err);

    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        if (strspn(lines.line.data, " \t\r") == lines.line.length)
            continue;
        char *where = pasta_asprintf("%s:%lld", path, (long long)lines.number);
        cJSON *tree = NULL;
        status = pasta_json_parse(lines.line.data, lines.line.length, where, &tree, err);
        if (status == PASTA_OK)
            status = read_row(library, tree, where, err);
        cJSON_Delete(tree);
        free(where);
    }
    pasta_lines_close(&lines);
    if (status == PASTA_OK && !library->n_rows)
        status = pasta_fail(err, PASTA_ERR_INPUT, "library '%s': expected rows, found none", path);
    return status;
}

static int by_prompt_and_path(const void *a, const void *b)
{
    const struct ready *x = a, *y = b;
    const int prompts = strcmp(x->prompt, y->prompt), paths = strcmp(x->path, y->path);
    return prompts ? prompts : paths ? paths : (x->number > y->number) - (x->number < y->number);
}

static int by_prompt_and_number(const void *a, const void *b)
{
    const struct ready *x = a, *y = b;
    const int prompts = strcmp(x->prompt, y->prompt);
    return prompts ? prompts : (x->number > y->number) - (x->number < y->number);
}

/* Each path of a prompt once, where it stands first. */
static void sort_images(struct library *library)
{
    struct ready *all = library->images;
    size_t n = 0;
    qsort(all, library->n_images, sizeof *all, by_prompt_and_path);
    for (size_t i = 0; i < library->n_images; i++)
        if (n == 0 || strcmp(all[n - 1].prompt, all[i].prompt) != 0 || strcmp(all[n - 1].path, all[i].path) != 0)
            all[n++] = all[i];
    library->n_images = n;
    qsort(all, n, sizeof *all, by_prompt_and_number);
}

pasta_status library_open(const char *path, struct library **out, struct pasta_err *err)
{
    struct library *library = pasta_calloc(1, sizeof *library);
    const char *slash = strrchr(path, '/');
    char hex[65];

    pasta_status status = read_index(library, path, err);
    if (status == PASTA_OK)
        status = pasta_sha256_file(path, hex, err);
    if (status != PASTA_OK) {
        library_close(library);
        return status;
    }
    library->folder = slash ? pasta_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : pasta_strdup(".");
    library->name = pasta_asprintf("library/%.16s", hex);
    sort_images(library);
    *out = library;
    return PASTA_OK;
}

void library_close(struct library *library)
{
    if (!library)
        return;
    free(library->rows);
    free(library->images);
    free(library->folder);
    free(library->name);
    pasta_arena_release(&library->arena);
    free(library);
}

/* --- images ------------------------------------------------------------------------------------------- */

static pasta_status find_images(const struct library *library, const char *prompt, const struct ready **first, int *n,
                                struct pasta_err *err)
{
    size_t low = 0, high = library->n_images;
    int found = 0;
    while (low < high) { /* the first that is not before the prompt */
        const size_t middle = low + (high - low) / 2;
        if (strcmp(library->images[middle].prompt, prompt) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + (size_t)found < library->n_images && strcmp(library->images[low + (size_t)found].prompt, prompt) == 0)
        found++;
    if (!found)
        return pasta_fail(err, PASTA_ERR_INPUT, "library: expected images of the prompt \"%.200s\", found none", prompt);
    *first = &library->images[low];
    *n = found;
    return PASTA_OK;
}

static pasta_status ready(void *ctx, const char *prompt, int *n, struct pasta_err *err)
{
    const struct ready *first;
    return find_images(ctx, prompt, &first, n, err);
}

static pasta_status draw(void *ctx, const char *prompt, uint64_t seed, struct pasta_image *out, struct pasta_err *err)
{
    const struct library *library = ctx;
    const struct ready *first;
    int n;

    pasta_status status = find_images(library, prompt, &first, &n, err);
    if (status != PASTA_OK)
        return status;
    char *path = pasta_path_join(library->folder, first[seed % (uint64_t)n].path);
    status = pasta_image_read(path, out, err);
    free(path);
    return status;
}

pasta_status library_find_files(const struct library *library, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    for (size_t i = 0; i < library->n_images && status == PASTA_OK; i++) {
        char *path = pasta_path_join(library->folder, library->images[i].path);
        if (!pasta_file_exists(path))
            status = pasta_fail(err, PASTA_ERR_INPUT, "library: expected the image '%s' of the prompt \"%.200s\", found none", path,
                                library->images[i].prompt);
        free(path);
    }
    return status;
}

struct pasta_t2i library_t2i(struct library *library)
{
    return (struct pasta_t2i){.ctx = library, .name = library->name, .draw = draw, .ready = ready};
}

/* --- candidates --------------------------------------------------------------------------------------- */

static bool was_shown(const struct pasta_session *session, const char *prompt)
{
    for (int t = 0; t < session->n_turns; t++)
        for (int l = 0; l < session->turns[t].n_columns; l++)
            if (strcmp(session->turns[t].columns[l].prompt, prompt) == 0)
                return true;
    return false;
}

static bool is_taken(const struct pasta_candidate *out, int n, const char *prompt)
{
    for (int i = 0; i < n; i++)
        if (strcmp(out[i].prompt, prompt) == 0)
            return true;
    return false;
}

/* Up to `each` prompts of a category into out, those first that were not shown; returns how many. */
static int take_category(const struct library *library, const struct pasta_session *session, int category, int each,
                         struct pasta_candidate *out)
{
    int n = 0;
    for (int shown = 0; shown < 2; shown++)
        for (size_t i = 0; i < library->n_rows && n < each; i++) {
            const struct row *row = &library->rows[i];
            if (row->initial_prompt && (int)row->category == category && strcmp(row->initial_prompt, session->initial_prompt) == 0 &&
                was_shown(session, row->prompt) == (shown == 1) && !is_taken(out, n, row->prompt))
                out[n++] = (struct pasta_candidate){row->prompt, row->category};
        }
    return n;
}

/* Categories in the order in which the file has them for this initial prompt, then the others. */
static void order_categories(const struct library *library, const char *initial_prompt, int order[PASTA_CATEGORIES])
{
    bool known[PASTA_CATEGORIES] = {false};
    int n = 0;
    for (size_t i = 0; i < library->n_rows && n < PASTA_CATEGORIES; i++) {
        const struct row *row = &library->rows[i];
        if (row->initial_prompt && !known[row->category] && strcmp(row->initial_prompt, initial_prompt) == 0) {
            known[row->category] = true;
            order[n++] = (int)row->category;
        }
    }
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        if (!known[c])
            order[n++] = c;
}

static pasta_status candidates(void *ctx, const struct pasta_session *session, uint64_t seed, uint32_t index, int n,
                               struct pasta_arena *arena, struct pasta_candidate *out, struct pasta_err *err)
{
    const struct library *library = ctx;
    const int each = n / PASTA_CATEGORIES;
    int order[PASTA_CATEGORIES];
    (void)seed, (void)index;

    order_categories(library, session->initial_prompt, order);
    for (int i = 0; i < PASTA_CATEGORIES; i++) {
        const int found = take_category(library, session, order[i], each, out + i * each);
        if (found < each)
            return pasta_fail(err, PASTA_ERR_INPUT, "library: expected %d prompts of category \"%s\" for the initial prompt \"%.200s\" "
                              "(agent.candidates / %d), found %d", each, pasta_category_names[order[i]], session->initial_prompt,
                              PASTA_CATEGORIES, found);
    }
    for (int i = 0; i < n; i++)
        out[i].prompt = pasta_arena_strdup(arena, out[i].prompt);
    return PASTA_OK;
}

struct pasta_generator library_generator(struct library *library)
{
    return (struct pasta_generator){.ctx = library, .name = library->name, .candidates = candidates};
}
