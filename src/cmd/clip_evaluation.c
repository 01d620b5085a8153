/* clip_evaluation.c: what a saved encoder is worth on pairs that it was not trained on. */
#include "clip_evaluation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/base/progress.h"
#include "pasta/io/file.h"
#include "pasta/model/clip_train.h"

enum { GROUP = 100 }; /* pairs that a retrieval chooses from */

struct held_out {
    float *images, *texts;          /* [CLIP_HELD_OUT,D] */
    int *labels[2];                 /* subject group, style: [CLIP_HELD_OUT] */
    int n_classes[2];
};

/* Index of a label among those seen so far. */
static int class_of(const char *label, const char **seen, int *n)
{
    for (int i = 0; i < *n; i++)
        if (strcmp(seen[i], label) == 0)
            return i;
    seen[*n] = label;
    return (*n)++;
}

static pasta_status embed_held_out(const struct pasta_clip *clip, const struct clip_pairs *w, struct held_out *h, struct pasta_err *err)
{
    enum { MAX_CLASSES = 256 };
    const char *seen[2][MAX_CLASSES], *labels[2];
    int dim = pasta_clip_dim(clip);
    struct pasta_str caption = {0};
    pasta_status status = PASTA_OK;
    for (int i = 0; i < CLIP_HELD_OUT && status == PASTA_OK; i++) {
        struct pasta_image image = {0};
        pasta_str_clear(&caption);
        status = clip_pair_draw(w, CLIP_HELD_OUT_FIRST + i, &caption, &image, err);
        if (status == PASTA_OK)
            status = pasta_clip_images(clip, &image, 1, false, h->images + (size_t)i * (size_t)dim, err);
        if (status == PASTA_OK)
            status = pasta_clip_texts(clip, (const char *const *)&caption.data, 1, false, h->texts + (size_t)i * (size_t)dim, err);
        pasta_image_release(&image);
        pasta_sketch_labels(w->sketch, caption.data, clip_pair_seed(w, CLIP_HELD_OUT_FIRST + i), &labels[0], &labels[1]);
        for (int k = 0; k < 2 && status == PASTA_OK; k++) {
            h->labels[k][i] = class_of(labels[k], seen[k], &h->n_classes[k]);
            if (h->n_classes[k] == MAX_CLASSES)
                status = pasta_fail(err, PASTA_ERR_INPUT, "held-out images: expected fewer than %d labels", MAX_CLASSES);
        }
        if (pasta_stop_asked() && status == PASTA_OK)
            status = pasta_fail(err, PASTA_ERR_STOPPED, "stopped during the evaluation; --resume does it again");
    }
    pasta_str_release(&caption);
    return status;
}

struct share { double value, low, high; }; /* with its 95 % interval */

/* Mean over groups, interval from their spread. */
static struct share share_of_groups(const double *values, int n)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += values[i];
    for (int i = 0; i < n; i++)
        squares += (values[i] - sum / n) * (values[i] - sum / n);
    double half = 1.96 * sqrt(squares / (n - 1) / n);
    return (struct share){sum / n, sum / n - half, sum / n + half};
}

/* Wilson's interval of a share of n. */
static struct share share_of_count(double p, int n)
{
    const double z = 1.96;
    double centre = (p + z * z / (2 * n)) / (1 + z * z / n), half = z * sqrt(p * (1 - p) / n + z * z / (4.0 * n * n)) / (1 + z * z / n);
    return (struct share){p, centre - half, centre + half};
}

static void put_share(struct pasta_str *out, const char *name, struct share s)
{
    const double values[] = {s.value, s.low, s.high};
    static const char *const keys[] = {"value", "low", "high"};
    pasta_str_printf(out, "  \"%s\": {", name);
    for (int i = 0; i < 3; i++) {
        pasta_str_printf(out, "%s\"%s\": ", i ? ", " : "", keys[i]);
        pasta_json_put_num(out, round(values[i] * 1e6) / 1e6);
    }
    pasta_str_add(out, "},\n");
}

static pasta_status write_evaluation(const struct pasta_context *context, const struct pasta_clip *clip, const struct held_out *h,
                                     struct pasta_err *err)
{
    double groups[CLIP_HELD_OUT / GROUP], accuracy;
    static const char *const names[] = {"probe_subject_group", "probe_style"};
    struct share shares[3];
    struct pasta_str json = {0};
    pasta_clip_retrieval(h->images, h->texts, CLIP_HELD_OUT, pasta_clip_dim(clip), GROUP, groups);
    shares[0] = share_of_groups(groups, CLIP_HELD_OUT / GROUP);
    pasta_str_printf(&json, "{\n  \"schema\": \"pasta.clip_evaluation/1\",\n  \"encoder\": \"%s\",\n  \"pairs\": %d,\n  \"group\": %d,\n",
                     pasta_clip_hash(clip), CLIP_HELD_OUT, GROUP);
    put_share(&json, "retrieval_top1", shares[0]);
    pasta_status status = PASTA_OK;
    for (int k = 0; k < 2 && status == PASTA_OK; k++) {
        status = pasta_clip_probe(h->images, h->labels[k], CLIP_HELD_OUT, CLIP_HELD_OUT / 2, pasta_clip_dim(clip), h->n_classes[k],
                                  &accuracy, err);
        shares[1 + k] = share_of_count(accuracy, CLIP_HELD_OUT - CLIP_HELD_OUT / 2);
        put_share(&json, names[k], shares[1 + k]);
        pasta_str_printf(&json, "  \"%s_classes\": %d%s", names[k], h->n_classes[k], k ? "\n}\n" : ",\n");
    }
    char *path = pasta_path_join(context->out, "evaluation.json");
    if (status == PASTA_OK)
        status = pasta_file_write(path, json.data, json.length, err);
    free(path);
    pasta_str_release(&json);
    return status;
}

static pasta_status read_share(const cJSON *json, const char *name, const char *path, struct share *out, struct pasta_err *err)
{
    const cJSON *share;
    pasta_status status = pasta_json_object(json, name, path, &share, err);
    if (status == PASTA_OK)
        status = pasta_json_num(share, "value", path, 0, 1, &out->value, err);
    if (status == PASTA_OK)
        status = pasta_json_num(share, "low", path, -1, 2, &out->low, err);
    if (status == PASTA_OK)
        status = pasta_json_num(share, "high", path, -1, 2, &out->high, err);
    return status;
}

static pasta_status print_evaluation(const cJSON *json, const char *path, struct pasta_err *err)
{
    static const char *const shares[] = {"retrieval_top1", "probe_subject_group", "probe_style"};
    static const char *const counts[] = {"pairs", "group", "probe_subject_group_classes", "probe_style_classes"};
    struct share s[3];
    int64_t n[4];
    pasta_status status = PASTA_OK;
    for (int i = 0; i < 3 && status == PASTA_OK; i++)
        status = read_share(json, shares[i], path, &s[i], err);
    for (int i = 0; i < 4 && status == PASTA_OK; i++)
        status = pasta_json_int(json, counts[i], path, 0, INT64_MAX, &n[i], err);
    if (status == PASTA_OK)
        printf("image-to-prompt retrieval, top 1 of %lld   %5.1f %%  [%.1f, %.1f]  (%lld held-out pairs)\n"
               "linear probe, subject group (%2lld)        %5.1f %%  [%.1f, %.1f]\n"
               "linear probe, style (%2lld)                %5.1f %%  [%.1f, %.1f]\n",
               (long long)n[1], 100 * s[0].value, 100 * s[0].low, 100 * s[0].high, (long long)n[0], (long long)n[2], 100 * s[1].value,
               100 * s[1].low, 100 * s[1].high, (long long)n[3], 100 * s[2].value, 100 * s[2].low, 100 * s[2].high);
    return status;
}

pasta_status clip_report(const struct pasta_context *context, struct pasta_err *err)
{
    char *path = pasta_path_join(context->out, "evaluation.json");
    struct pasta_str text = {0};
    cJSON *json = NULL;
    pasta_status status = pasta_file_read(path, &text, err);
    if (status == PASTA_OK && context->json)
        fputs(text.data, stdout);
    else if (status == PASTA_OK && (status = pasta_json_parse(text.data, text.length, path, &json, err)) == PASTA_OK)
        status = print_evaluation(json, path, err);
    cJSON_Delete(json);
    pasta_str_release(&text);
    free(path);
    return status;
}

pasta_status clip_evaluate(const struct pasta_context *context, const struct clip_pairs *w, struct pasta_err *err)
{
    struct pasta_clip *clip;
    pasta_status status = pasta_clip_load(context->out, context->config.device, PT_F32, &clip, err);
    if (status != PASTA_OK)
        return status;
    size_t values = (size_t)CLIP_HELD_OUT * (size_t)pasta_clip_dim(clip);
    struct held_out h = {.images = pasta_malloc(values * sizeof(float)), .texts = pasta_malloc(values * sizeof(float))};
    for (int k = 0; k < 2; k++)
        h.labels[k] = pasta_calloc(CLIP_HELD_OUT, sizeof(int));
    status = embed_held_out(clip, w, &h, err);
    if (status == PASTA_OK)
        status = write_evaluation(context, clip, &h, err);
    free(h.images);
    free(h.texts);
    free(h.labels[0]);
    free(h.labels[1]);
    pasta_clip_free(clip);
    return status;
}
