/* Who the learned types are: which type of another model each is, a table against the true types, and the held-out images and prompts that
 * each likes most and least relative to the others. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate_report.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "pasta/model/preprocess.h"
#include "record_files.h"

#define PERCENT "\xc2\xa0%%" /* on the line of its number */
enum { SHOWN = 8, LINES = 3, DESCRIBED = 200, MOST_LOOKS = 8000, LEAST_IMAGES = 2 /* of a prompt, for a mean of its own */ };

/* What the galleries are made from: n looks that can be shown, each with its lifts. */
struct seen {
    struct evaluate_look *looks;
    double *lift; /* [n,K] */
    int64_t n;
    int types;
};
struct ranked {
    double lift;
    int64_t item;
};

static int by_lift(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->lift != y->lift)
        return x->lift < y->lift ? 1 : -1;
    return (x->item > y->item) - (x->item < y->item);
}

/* --- pictures --- */

/* The file of an image below the image root, in the layout of the records or as a path of its own; NULL: none. Caller frees. */
static char *file_of(const char *root, const char *image)
{
    struct pasta_arena arena = {0};
    char *path = pasta_strdup(record_image_path(&arena, root, image));
    pasta_arena_release(&arena);
    if (pasta_file_exists(path))
        return path;
    free(path);
    path = pasta_path_join(root, image);
    if (pasta_file_exists(path))
        return path;
    free(path);
    return NULL;
}

static bool can_draw(const struct evaluate_results *r, const struct evaluate_look *look)
{
    char id[65];
    if (!look->seeded || !r->sketch)
        return false;
    struct pasta_t2i t2i = pasta_sketch_t2i((struct pasta_sketch *)r->sketch);
    pasta_image_id(&t2i, look->text, look->seed, id);
    return strcmp(id, look->image) == 0;
}

static bool can_show(const struct evaluate_results *r, const struct evaluate_look *look)
{
    char *path = r->image_root ? file_of(r->image_root, look->image) : NULL;
    free(path);
    return path != NULL || can_draw(r, look);
}

/* A file as a PNG of at most THUMBNAIL pixels a side, which a page can hold many of. */
static pasta_status picture_of_file(const char *path, struct pasta_str *png, struct pasta_err *err)
{
    enum { THUMBNAIL = 144 };
    struct pasta_image image = {0}, small = {0};
    pasta_status status = pasta_image_read(path, &image, err);
    if (status == PASTA_OK) {
        int longer = image.width > image.height ? image.width : image.height;
        double by = longer > THUMBNAIL ? (double)THUMBNAIL / longer : 1;
        pasta_image_resize(&image, (int)fmax(1, image.width * by), (int)fmax(1, image.height * by), PASTA_BICUBIC, &small);
        status = pasta_png_encode(&small, NULL, 0, png, err);
    }
    pasta_image_release(&image);
    pasta_image_release(&small);
    return status;
}

static pasta_status picture_of(const struct evaluate_results *r, const struct evaluate_look *look, struct pasta_str *png, struct pasta_err *err)
{
    char *path = r->image_root ? file_of(r->image_root, look->image) : NULL;
    pasta_status status = path ? picture_of_file(path, png, err) : evaluate_draw(r->sketch, look->text, look->seed, png, err);
    free(path);
    return status;
}

static struct seen look(const struct evaluate_results *r, const struct evaluate_user *u)
{
    struct seen seen = {.types = u->model->n_types};
    int64_t all = evaluate_looks(r->held_out, MOST_LOOKS, &seen.looks);
    seen.lift = pasta_malloc(((size_t)all + 1) * (size_t)seen.types * sizeof *seen.lift);
    for (int64_t i = 0; i < all; i++)
        if (evaluate_lift(r->held_out, u->model, &seen.looks[i], seen.lift + seen.n * seen.types) && can_show(r, &seen.looks[i]))
            seen.looks[seen.n++] = seen.looks[i];
    return seen;
}

/* --- one type --- */

/* The most frequent of n labels and its share. Labels are the lexicon's own strings. */
static const char *most_frequent(const char **labels, int n, double *share)
{
    const char *best = "";
    int most = 0;
    for (int i = 0; i < n; i++) {
        int count = 0;
        for (int j = 0; j < n; j++)
            count += strcmp(labels[i], labels[j]) == 0;
        if (count > most) {
            most = count;
            best = labels[i];
        }
    }
    *share = n ? (double)most / n : 0;
    return best;
}

static void describe_drawn(const struct evaluate_results *r, const struct seen *seen, const struct ranked *ranked, struct pasta_str *out)
{
    const char *groups[DESCRIBED], *styles[DESCRIBED];
    double group_share, style_share;
    int used = 0;
    for (int64_t i = 0; i < seen->n && used < DESCRIBED; i++) {
        const struct evaluate_look *look = &seen->looks[ranked[i].item];
        if (!can_draw(r, look))
            continue;
        pasta_sketch_labels(r->sketch, look->text, look->seed, &groups[used], &styles[used]);
        used++;
    }
    if (used == 0)
        return;
    const char *style = most_frequent(styles, used, &style_share), *group = most_frequent(groups, used, &group_share);
    pasta_str_printf(out, "; of its top %d images %.0f" PERCENT " %s, %.0f" PERCENT " %s", used, 100 * style_share, style, 100 * group_share, group);
}

static int64_t people_of(const struct evaluate_results *r, const struct evaluate_user *u, int type)
{
    int64_t people = 0;
    for (int64_t p = 0; p < r->held_out->n_people; p++)
        people += u->type[p] == type;
    return people;
}

static char *describe(const struct evaluate_results *r, const struct evaluate_user *u, int type, const struct seen *seen,
                      const struct ranked *ranked)
{
    const int64_t people = people_of(r, u, type);
    struct pasta_str out = {0};
    pasta_str_printf(&out, "prior %.0f" PERCENT ", %lld %s", 100 * u->model->prior[type], (long long)people, people == 1 ? "person" : "people");
    describe_drawn(r, seen, ranked, &out);
    for (int i = 0; i < r->n_alignments; i++) {
        const struct evaluate_alignment *al = &r->alignments[i];
        for (int k = 0; al->to == u && k < al->from->model->n_types; k++)
            if (al->match[k] == type)
                pasta_str_printf(&out, "; type %d of %s, similarity %.2f", k, al->from->name, al->similarity[k]);
    }
    return pasta_str_take(&out);
}

struct said { /* a prompt */
    const char *text;
    double sum;
    int64_t n;
};

static int by_text(const void *a, const void *b)
{
    const struct said *x = a, *y = b;
    return strcmp(x->text, y->text);
}

static int by_mean(const void *a, const void *b)
{
    const struct said *x = a, *y = b;
    double mean_x = x->sum / (double)x->n, mean_y = y->sum / (double)y->n;
    if (mean_x != mean_y)
        return mean_x < mean_y ? 1 : -1;
    return strcmp(x->text, y->text);
}

/* Prompts with the mean lift of their images, best first; *n of them. Those with fewer than LEAST_IMAGES images are left out unless that
 * leaves none. Caller frees. */
static struct said *prompts_of(const struct seen *seen, int type, int64_t *n)
{
    struct said *all = pasta_malloc(((size_t)seen->n + 1) * sizeof *all);
    int64_t texts = 0, kept = 0;
    for (int64_t i = 0; i < seen->n; i++)
        all[i] = (struct said){seen->looks[i].text, seen->lift[i * seen->types + type], 1};
    qsort(all, (size_t)seen->n, sizeof *all, by_text);
    for (int64_t i = 0; i < seen->n; i++)
        if (texts && strcmp(all[texts - 1].text, all[i].text) == 0) {
            all[texts - 1].sum += all[i].sum;
            all[texts - 1].n++;
        } else {
            all[texts++] = all[i];
        }
    for (int64_t i = 0; i < texts; i++)
        if (all[i].n >= LEAST_IMAGES) {
            struct said swap = all[kept];
            all[kept++] = all[i];
            all[i] = swap;
        }
    *n = kept ? kept : texts;
    qsort(all, (size_t)*n, sizeof *all, by_mean);
    return all;
}

/* SHOWN images from the top of `ranked`, or from its bottom, one a prompt that they were scored for, so that no prompt speaks for a type. */
static pasta_status fill_images(const struct evaluate_results *r, const struct seen *seen, const struct ranked *ranked, bool top,
                                struct pasta_str *pngs, struct pasta_gallery_image *images, int *count, struct pasta_err *err)
{
    const char *shown[SHOWN];
    pasta_status status = PASTA_OK;
    *count = 0;
    for (int64_t i = 0; i < seen->n && *count < SHOWN && status == PASTA_OK; i++) {
        const struct evaluate_look *look = &seen->looks[ranked[top ? i : seen->n - 1 - i].item];
        bool again = false;
        for (int j = 0; j < *count; j++)
            again = again || strcmp(shown[j], look->prompt) == 0;
        if (again)
            continue;
        status = picture_of(r, look, &pngs[*count], err);
        images[*count] = (struct pasta_gallery_image){&pngs[*count], look->text};
        shown[(*count)++] = look->prompt;
    }
    return status;
}

static void fill_lines(const struct said *prompts, int64_t n, bool top, struct pasta_arena *arena, const char **lines, int *count)
{
    for (*count = 0; *count < LINES && *count < n; (*count)++) {
        const struct said *p = &prompts[top ? *count : n - 1 - *count];
        double mean = p->sum / (double)p->n;
        lines[*count] = pasta_arena_printf(arena, "%s%.2f  %s", mean < 0 ? "\xe2\x88\x92" : "+", fabs(mean), p->text);
    }
}

static pasta_status put_galleries(const struct evaluate_results *r, const struct evaluate_user *u, struct pasta_report *report,
                                  struct pasta_err *err)
{
    static const char *const labels[] = {"Likes most", "Likes least"};
    struct seen seen = look(r, u);
    struct pasta_arena arena = {0};
    struct ranked *ranked = pasta_calloc((size_t)seen.n + 1, sizeof *ranked);
    struct pasta_str *pngs = pasta_calloc((size_t)seen.types * 2 * SHOWN, sizeof *pngs);
    struct pasta_gallery *galleries = pasta_arena_alloc(&arena, (size_t)seen.types * sizeof *galleries);
    pasta_status status = PASTA_OK;
    for (int k = 0; k < seen.types && seen.n > 0 && status == PASTA_OK; k++) {
        int64_t n_prompts;
        for (int64_t i = 0; i < seen.n; i++)
            ranked[i] = (struct ranked){seen.lift[i * seen.types + k], i};
        qsort(ranked, (size_t)seen.n, sizeof *ranked, by_lift);
        struct said *prompts = prompts_of(&seen, k, &n_prompts);
        struct pasta_gallery_strip *strips = pasta_arena_alloc(&arena, 2 * sizeof *strips);
        for (int s = 0; s < 2 && status == PASTA_OK; s++) {
            struct pasta_gallery_image *images = pasta_arena_alloc(&arena, SHOWN * sizeof *images);
            const char **lines = pasta_arena_alloc(&arena, LINES * sizeof *lines);
            strips[s] = (struct pasta_gallery_strip){.label = labels[s], .images = images, .lines = lines};
            status = fill_images(r, &seen, ranked, s == 0, pngs + (k * 2 + s) * SHOWN, images, &strips[s].n_images, err);
            fill_lines(prompts, n_prompts, s == 0, &arena, lines, &strips[s].n_lines);
        }
        char *detail = describe(r, u, k, &seen, ranked);
        /* a type that nobody has likes what the start gave it: that would only look like people */
        galleries[k] = (struct pasta_gallery){pasta_arena_printf(&arena, "Type %d", k), pasta_arena_strdup(&arena, detail), strips,
                                              people_of(r, u, k) > 0 ? 2 : 0};
        free(detail);
        free(prompts);
    }
    if (status == PASTA_OK && seen.n > 0)
        pasta_report_galleries(report, galleries, seen.types);
    for (int i = 0; i < seen.types * 2 * SHOWN; i++)
        pasta_str_release(&pngs[i]);
    free(pngs);
    free(ranked);
    free(seen.looks);
    free(seen.lift);
    pasta_arena_release(&arena);
    return status;
}

/* Learned types in the order of the true type that most of their people have, so that agreement shows as a diagonal. */
static void put_agreement(const struct evaluate_results *r, const struct evaluate_user *u, struct pasta_report *report)
{
    const struct evaluate_held_out *h = r->held_out;
    int learned = u->model->n_types, true_types = pasta_sketch_types(r->sketch);
    struct pasta_arena arena = {0};
    int64_t *counts = pasta_arena_alloc(&arena, (size_t)(learned * true_types) * sizeof *counts);
    for (int64_t p = 0; p < h->n_people; p++) {
        if (h->true_type[p] < 0) {
            pasta_arena_release(&arena);
            return;
        }
        counts[u->type[p] * true_types + h->true_type[p]]++;
    }
    int64_t *sorted = pasta_arena_alloc(&arena, (size_t)(learned * true_types) * sizeof *sorted);
    const char **rows = pasta_arena_alloc(&arena, (size_t)learned * sizeof *rows);
    const char **columns = pasta_arena_alloc(&arena, (size_t)true_types * sizeof *columns);
    for (int c = 0; c < true_types; c++)
        columns[c] = pasta_arena_printf(&arena, "%d", c);
    int n = 0;
    for (int c = 0; c <= true_types; c++) /* the last round takes types that nobody has */
        for (int k = 0; k < learned; k++) {
            int best = true_types;
            for (int j = 0; j < true_types; j++)
                if (counts[k * true_types + j] > (best < true_types ? counts[k * true_types + best] : 0))
                    best = j;
            if (best != c)
                continue;
            rows[n] = pasta_arena_printf(&arena, "type %d", k);
            memcpy(sorted + n * true_types, counts + k * true_types, (size_t)true_types * sizeof *sorted);
            n++;
        }
    char *title = pasta_arena_printf(&arena, "Learned against true types, %s", u->name);
    struct pasta_heatmap map = {.title = title, .row_title = "learned", .column_title = "true",
                                .note = "Held-out people by their most probable type after all their answers. Rows are sorted by the "
                                        "true type that most of their people have.",
                                .rows = rows, .columns = columns, .counts = sorted, .n_rows = n, .n_columns = true_types};
    pasta_report_heatmap(report, &map);
    pasta_arena_release(&arena);
}

pasta_status evaluate_report_types(const struct evaluate_results *r, struct pasta_report *report, struct pasta_err *err)
{
    const struct evaluate_user *u = NULL;
    for (int i = 0; i < r->n_users; i++)
        if (r->users[i].model->n_types > 1)
            u = &r->users[i];
    if (!u)
        return PASTA_OK;
    char *text = pasta_asprintf("Who the types of %s are: the held-out images and prompts that each scores highest, and lowest, above the mean of "
                                "all types, whatever everybody likes being taken out. One image a first prompt; a prompt's number is the mean of "
                                "its images, in logits. They were chosen by the model's numbers, not by hand.", u->name);
    pasta_report_section(report, "types", "Who are they?", text);
    free(text);
    pasta_status status = put_galleries(r, u, report, err);
    if (r->n_alignments)
        pasta_report_table(report, evaluate_table(r, "type_alignment"));
    if (r->sketch)
        put_agreement(r, u, report);
    return status;
}
