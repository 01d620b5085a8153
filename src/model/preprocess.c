#include "pasta/model/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"
#include "preprocess_impl.h"

/* --- Pillow's resize --- */

enum { PRECISION = 32 - 8 - 2 }; /* bits behind the point of a weight */

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

/* `count` of the `out` places that `in` places become, from place `from` on: for each the first input place and how many, and their
 * weights, `window` apart. */
struct taps { int *first, *count; int32_t *weights; int window; };

static struct taps taps_new(int in, int out, int from, int count, enum pasta_resample resample)
{
    double (*filter)(double) = resample == PASTA_BICUBIC ? bicubic : bilinear;
    double scale = (double)in / out, stretch = scale < 1.0 ? 1.0 : scale;
    double support = (resample == PASTA_BICUBIC ? 2.0 : 1.0) * stretch;
    struct taps t = {.window = (int)ceil(support) * 2 + 1};
    t.first = pasta_malloc((size_t)count * sizeof *t.first);
    t.count = pasta_malloc((size_t)count * sizeof *t.count);
    t.weights = pasta_calloc((size_t)count * (size_t)t.window, sizeof *t.weights);
    double *w = pasta_malloc((size_t)t.window * sizeof *w);
    for (int place = 0; place < count; place++) {
        double centre = (from + place + 0.5) * scale, sum = 0.0;
        int first = (int)(centre - support + 0.5), last = (int)(centre + support + 0.5);
        first = first < 0 ? 0 : first;
        last = last > in ? in : last;
        for (int i = 0; i < last - first; i++)
            sum += w[i] = filter((i + first - centre + 0.5) * (1.0 / stretch));
        for (int i = 0; i < last - first; i++) {
            double exact = (sum != 0.0 ? w[i] / sum : w[i]) * (1 << PRECISION);
            t.weights[(size_t)place * (size_t)t.window + (size_t)i] = (int32_t)(exact < 0 ? exact - 0.5 : exact + 0.5);
        }
        t.first[place] = first;
        t.count[place] = last - first;
    }
    free(w);
    return t;
}

static void taps_release(struct taps *t)
{
    free(t->first);
    free(t->count);
    free(t->weights);
}

static uint8_t clip8(int32_t sum)
{
    sum >>= PRECISION;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* One output pixel from taps `step` bytes apart. */
static void resample_pixel(const uint8_t *in, size_t step, const int32_t *weights, int count, uint8_t out[3])
{
    int32_t sum[3] = {1 << (PRECISION - 1), 1 << (PRECISION - 1), 1 << (PRECISION - 1)};
    for (int i = 0; i < count; i++, in += step)
        for (int c = 0; c < 3; c++)
            sum[c] += in[c] * weights[i];
    for (int c = 0; c < 3; c++)
        out[c] = clip8(sum[c]);
}

/* What of the resized image is wanted. */
struct window { int left, top, width, height; };

/* The columns of the window, for `n` rows of the input from row `first` on. */
static void resample_columns(const struct pasta_image *in, int width, const struct window *w, int first, int n,
                             enum pasta_resample resample, uint8_t *out)
{
    struct taps t = taps_new(in->width, width, w->left, w->width, resample);
    for (int y = 0; y < n; y++)
        for (int x = 0; x < w->width; x++, out += 3)
            resample_pixel(in->pixels + 3 * ((size_t)(first + y) * (size_t)in->width + (size_t)t.first[x]), 3,
                           t.weights + (size_t)x * (size_t)t.window, t.count[x], out);
    taps_release(&t);
}

/* Rows from the taps `t`, of `width` pixels each; the input begins with row `first`. */
static void resample_rows(const uint8_t *in, int width, const struct taps *t, int first, int n, uint8_t *out)
{
    size_t row = 3 * (size_t)width;
    for (int y = 0; y < n; y++)
        for (int x = 0; x < width; x++, out += 3)
            resample_pixel(in + (size_t)(t->first[y] - first) * row + 3 * (size_t)x, row, t->weights + (size_t)y * (size_t)t->window,
                           t->count[y], out);
}

/* The window of the image resized to width x height: only what it needs is computed, so an image may be as thin as it likes. */
static void resize_window(const struct pasta_image *image, int width, int height, const struct window *w, enum pasta_resample resample,
                          struct pasta_image *out)
{
    bool rows = height != image->height;
    struct taps t = {0};
    int first = w->top, n = w->height; /* input rows that the window's rows need */
    if (rows) {
        t = taps_new(image->height, height, w->top, w->height, resample);
        first = t.first[0];
        n = t.first[w->height - 1] + t.count[w->height - 1] - first;
    }
    size_t row = 3 * (size_t)w->width;
    uint8_t *wide = pasta_malloc(row * (size_t)n);
    if (width != image->width)
        resample_columns(image, width, w, first, n, resample, wide);
    else
        for (int y = 0; y < n; y++)
            memcpy(wide + (size_t)y * row, image->pixels + 3 * ((size_t)(first + y) * (size_t)image->width + (size_t)w->left), row);
    *out = (struct pasta_image){w->width, w->height, wide};
    if (rows) {
        out->pixels = pasta_malloc(row * (size_t)w->height);
        resample_rows(wide, w->width, &t, first, w->height, out->pixels);
        free(wide);
        taps_release(&t);
    }
}

void pasta_image_resize(const struct pasta_image *image, int width, int height, enum pasta_resample resample, struct pasta_image *out)
{
    resize_window(image, width, height, &(struct window){0, 0, width, height}, resample, out);
}

/* --- the image processor --- */

enum { MAX_SIDE = 1 << 14 };

/* Size after the resize: the longer side is cut off, not rounded. */
static void resized(const struct pasta_preprocess *p, const struct pasta_image *image, int64_t *width, int64_t *height)
{
    int64_t s = p->shortest, w = image->width, h = image->height;
    *width = s == 0 ? p->resize_width : w <= h ? s : s * w / h;
    *height = s == 0 ? p->resize_height : w <= h ? s * h / w : s;
}

/* The cut of `size` places from the middle of n. Where there are fewer, all of them, and `margin` is what lies before them: the cut begins
 * at (n - size) / 2 rounded down. */
static void cut(int n, int size, int *from, int *count, int *margin)
{
    *from = n > size ? (n - size) / 2 : 0;
    *count = n > size ? size : n;
    *margin = n > size ? 0 : (size - n + 1) / 2;
}

/* Copies the image to (left, top) of out [3,size,size], which is black around it, with a table for each channel. */
static void to_planes(const struct pasta_image *image, int left, int top, int size, float table[3][256], float *out)
{
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++) {
                int from_x = x - left, from_y = y - top;
                bool inside = from_x >= 0 && from_y >= 0 && from_x < image->width && from_y < image->height;
                uint8_t value = inside ? image->pixels[3 * ((size_t)from_y * (size_t)image->width + (size_t)from_x) + (size_t)c] : 0;
                *out++ = table[c][value];
            }
}

pasta_status pasta_preprocess_image(const struct pasta_preprocess *p, const struct pasta_image *image, int size, float *out,
                                    struct pasta_err *err)
{
    int64_t width = image->width, height = image->height;
    if (p->do_resize)
        resized(p, image, &width, &height);
    if (width > INT32_MAX || height > INT32_MAX)
        return pasta_fail(err, PASTA_ERR_INPUT, "image of %d x %d pixels: expected sides less unequal", image->width, image->height);
    int64_t cut_width = p->do_crop ? p->crop_width : width, cut_height = p->do_crop ? p->crop_height : height;
    if (cut_width != size || cut_height != size)
        return pasta_fail(err, PASTA_ERR_INPUT, "image of %d x %d pixels: expected %d x %d after preprocessing, found %lld x %lld",
                          image->width, image->height, size, size, (long long)cut_width, (long long)cut_height);
    if (p->as_tensor) {
        preprocess_tensor(image, (int)width, (int)height, size, out);
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < size * size; i++, out++)
                *out = (*out - (float)p->mean[c]) / (float)p->std[c];
        return PASTA_OK;
    }
    float table[3][256];
    for (int c = 0; c < 3; c++)
        for (int value = 0; value < 256; value++) {
            float v = (float)(p->do_rescale ? value * p->rescale : value);
            table[c][value] = p->do_normalize ? (v - (float)p->mean[c]) / (float)p->std[c] : v;
        }
    struct window w;
    struct pasta_image part;
    int left, top;
    cut((int)width, size, &w.left, &w.width, &left);
    cut((int)height, size, &w.top, &w.height, &top);
    resize_window(image, (int)width, (int)height, &w, p->resample, &part);
    to_planes(&part, left, top, size, table, out);
    pasta_image_release(&part);
    return PASTA_OK;
}

/* --- preprocessor_config.json --- */

struct pasta_preprocess pasta_preprocess_clip(int size)
{
    return (struct pasta_preprocess){
        .do_resize = true, .do_crop = true, .do_rescale = true, .do_normalize = true,
        .resample = PASTA_BICUBIC, .shortest = size, .crop_width = size, .crop_height = size, .rescale = 1.0 / 255.0,
        .mean = {0.48145466, 0.4578275, 0.40821073}, .std = {0.26862954, 0.26130258, 0.27577711}};
}

struct pasta_preprocess pasta_preprocess_hpsv2(int size)
{
    struct pasta_preprocess p = pasta_preprocess_clip(size);
    p.as_tensor = true;
    return p;
}

static pasta_status read_flag(const cJSON *root, const char *key, const char *path, bool *out, struct pasta_err *err)
{
    return pasta_json_has(root, key) ? pasta_json_bool(root, key, path, out, err) : PASTA_OK;
}

/* A size as a number, {"shortest_edge"} or {"height","width"}; *shortest is NULL where only a full size makes sense. */
static pasta_status read_size(const cJSON *root, const char *key, const char *path, int *shortest, int *width, int *height,
                              struct pasta_err *err)
{
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(root, key);
    int64_t a, b;
    pasta_status status;
    if (!pasta_json_has(root, key))
        return PASTA_OK;
    if (cJSON_IsNumber(size) || (shortest && pasta_json_has(size, "shortest_edge"))) {
        status = cJSON_IsNumber(size) ? pasta_json_int(root, key, path, 1, MAX_SIDE, &a, err)
                                      : pasta_json_int(size, "shortest_edge", path, 1, MAX_SIDE, &a, err);
        if (status != PASTA_OK)
            return status;
        if (shortest)
            *shortest = (int)a;
        *width = *height = (int)a;
        return PASTA_OK;
    }
    if (!cJSON_IsObject(size))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected a number or an object, found %s", path, key, pasta_json_type_name(size));
    status = pasta_json_int(size, "height", path, 1, MAX_SIDE, &a, err);
    if (status == PASTA_OK)
        status = pasta_json_int(size, "width", path, 1, MAX_SIDE, &b, err);
    if (status != PASTA_OK)
        return status;
    if (shortest)
        *shortest = 0;
    *height = (int)a;
    *width = (int)b;
    return PASTA_OK;
}

static pasta_status read_triple(const cJSON *root, const char *key, const char *path, bool positive, double out[3], struct pasta_err *err)
{
    const cJSON *array;
    if (!pasta_json_has(root, key))
        return PASTA_OK;
    pasta_status status = pasta_json_array(root, key, path, &array, err);
    if (status != PASTA_OK)
        return status;
    for (int c = 0; c < 3; c++) {
        const cJSON *item = cJSON_GetArrayItem(array, c);
        if (cJSON_GetArraySize(array) != 3 || !cJSON_IsNumber(item) || (positive && !(item->valuedouble > 0)))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected 3 %snumbers", path, key, positive ? "positive " : "");
        out[c] = item->valuedouble;
    }
    return PASTA_OK;
}

static pasta_status parse(const cJSON *root, const char *path, struct pasta_preprocess *p, struct pasta_err *err)
{
    int64_t resample = p->resample;
    pasta_status status = read_flag(root, "do_resize", path, &p->do_resize, err);
    if (status == PASTA_OK)
        status = read_flag(root, "do_center_crop", path, &p->do_crop, err);
    if (status == PASTA_OK)
        status = read_flag(root, "do_rescale", path, &p->do_rescale, err);
    if (status == PASTA_OK)
        status = read_flag(root, "do_normalize", path, &p->do_normalize, err);
    if (status == PASTA_OK && pasta_json_has(root, "resample"))
        status = pasta_json_int(root, "resample", path, PASTA_BILINEAR, PASTA_BICUBIC, &resample, err);
    if (status == PASTA_OK && pasta_json_has(root, "rescale_factor"))
        status = pasta_json_num(root, "rescale_factor", path, 1e-9, 1e9, &p->rescale, err);
    if (status == PASTA_OK)
        status = read_size(root, "size", path, &p->shortest, &p->resize_width, &p->resize_height, err);
    if (status == PASTA_OK)
        status = read_size(root, "crop_size", path, NULL, &p->crop_width, &p->crop_height, err);
    if (status == PASTA_OK)
        status = read_triple(root, "image_mean", path, false, p->mean, err);
    if (status == PASTA_OK)
        status = read_triple(root, "image_std", path, true, p->std, err);
    p->resample = (enum pasta_resample)resample;
    return status;
}

pasta_status pasta_preprocess_read(const char *dir, int size, struct pasta_preprocess *out, struct pasta_err *err)
{
    char *path = pasta_path_join(dir, "preprocessor_config.json");
    struct pasta_preprocess p = pasta_preprocess_clip(size);
    cJSON *root = NULL;
    pasta_status status = pasta_json_read(path, &root, err);
    if (status == PASTA_OK)
        status = parse(root, path, &p, err);
    if (status == PASTA_OK && p.do_crop && (p.crop_width != size || p.crop_height != size))
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: crop_size: expected the vision tower's image_size %d, found %d x %d", path, size,
                            p.crop_width, p.crop_height);
    if (status == PASTA_OK && !p.do_crop && p.do_resize && !p.shortest && (p.resize_width != size || p.resize_height != size))
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: size: expected the vision tower's image_size %d, found %d x %d, and no crop", path,
                            size, p.resize_width, p.resize_height);
    if (status == PASTA_OK)
        *out = p;
    cJSON_Delete(root);
    free(path);
    return status;
}

static void print_triple(struct pasta_str *out, const char *key, const double v[3])
{
    pasta_str_printf(out, ",\n  \"%s\": [", key);
    for (int c = 0; c < 3; c++) {
        if (c)
            pasta_str_add(out, ", ");
        pasta_json_put_num(out, v[c]);
    }
    pasta_str_add(out, "]");
}

void pasta_preprocess_print(const struct pasta_preprocess *p, struct pasta_str *out)
{
    pasta_str_printf(out, "{\n  \"image_processor_type\": \"CLIPImageProcessor\",\n  \"do_convert_rgb\": true,\n  \"do_resize\": %s,\n"
                          "  \"size\": ",
                     p->do_resize ? "true" : "false");
    if (p->shortest)
        pasta_str_printf(out, "{\"shortest_edge\": %d}", p->shortest);
    else
        pasta_str_printf(out, "{\"height\": %d, \"width\": %d}", p->resize_height, p->resize_width);
    pasta_str_printf(out, ",\n  \"resample\": %d,\n  \"do_center_crop\": %s,\n  \"crop_size\": {\"height\": %d, \"width\": %d},\n"
                          "  \"do_rescale\": %s,\n  \"rescale_factor\": ",
                     p->resample, p->do_crop ? "true" : "false", p->crop_height, p->crop_width, p->do_rescale ? "true" : "false");
    pasta_json_put_num(out, p->rescale);
    pasta_str_printf(out, ",\n  \"do_normalize\": %s", p->do_normalize ? "true" : "false");
    print_triple(out, "image_mean", p->mean);
    print_triple(out, "image_std", p->std);
    pasta_str_add(out, "\n}\n");
}
