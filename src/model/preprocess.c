#include "pasta/model/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/paths.h"
#include "pasta/io/file.h"

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

/* For each of `out` places: the first input place and how many, and their weights, `window` apart. */
struct taps { int *first, *count; int32_t *weights; int window; };

static struct taps taps_new(int in, int out, enum pasta_resample resample)
{
    double (*filter)(double) = resample == PASTA_BICUBIC ? bicubic : bilinear;
    double scale = (double)in / out, stretch = scale < 1.0 ? 1.0 : scale;
    double support = (resample == PASTA_BICUBIC ? 2.0 : 1.0) * stretch;
    struct taps t = {pasta_malloc((size_t)out * sizeof(int)), pasta_malloc((size_t)out * sizeof(int)), NULL, (int)ceil(support) * 2 + 1};
    t.weights = pasta_calloc((size_t)out * (size_t)t.window, sizeof *t.weights);
    double *w = pasta_malloc((size_t)t.window * sizeof *w);
    for (int place = 0; place < out; place++) {
        double centre = (place + 0.5) * scale, sum = 0.0;
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

/* Changes the width, or the height, and leaves the other side as it is. */
static void resample_pass(const struct pasta_image *in, bool vertical, enum pasta_resample resample, struct pasta_image *out)
{
    struct taps t = vertical ? taps_new(in->height, out->height, resample) : taps_new(in->width, out->width, resample);
    size_t in_row = 3 * (size_t)in->width, step = vertical ? in_row : 3;
    out->pixels = pasta_malloc(3 * (size_t)out->width * (size_t)out->height);
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++) {
            int place = vertical ? y : x;
            const uint8_t *from = vertical ? in->pixels + (size_t)t.first[place] * in_row + 3 * (size_t)x
                                           : in->pixels + (size_t)y * in_row + 3 * (size_t)t.first[place];
            resample_pixel(from, step, t.weights + (size_t)place * (size_t)t.window, t.count[place],
                           out->pixels + 3 * ((size_t)y * (size_t)out->width + (size_t)x));
        }
    taps_release(&t);
}

void pasta_image_resize(const struct pasta_image *image, int width, int height, enum pasta_resample resample, struct pasta_image *out)
{
    struct pasta_image wide = {width, image->height, NULL};
    const struct pasta_image *from = image;
    if (width != image->width) {
        resample_pass(image, false, resample, &wide);
        from = &wide;
    }
    *out = (struct pasta_image){width, height, NULL};
    if (height != image->height) {
        resample_pass(from, true, resample, out);
        free(wide.pixels);
    } else if (from == &wide) {
        *out = wide;
    } else {
        size_t bytes = 3 * (size_t)width * (size_t)height;
        out->pixels = memcpy(pasta_malloc(bytes), image->pixels, bytes);
    }
}

/* --- the image processor --- */

enum { MAX_SIDE = 1 << 14, MAX_PIXELS = 1 << 28 };

/* Size after the resize: the longer side is cut off, not rounded. */
static void resized(const struct pasta_preprocess *p, const struct pasta_image *image, int64_t *width, int64_t *height)
{
    int64_t s = p->shortest, w = image->width, h = image->height;
    *width = s == 0 ? p->resize_width : w <= h ? s : s * w / h;
    *height = s == 0 ? p->resize_height : w <= h ? s * h / w : s;
}

/* (n - m) / 2 rounded down, also below 0: where the cut begins, outside the image if it is smaller than the cut. */
static int centre(int n, int m)
{
    int d = n - m;
    return d >= 0 ? d / 2 : -((1 - d) / 2);
}

/* Copies the window that begins at (left, top) into out [3,size,size], black outside the image, with a table for each channel. */
static void to_planes(const struct pasta_image *image, int left, int top, int size, float table[3][256], float *out)
{
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++) {
                int from_x = x + left, from_y = y + top;
                bool inside = from_x >= 0 && from_y >= 0 && from_x < image->width && from_y < image->height;
                uint8_t value = inside ? image->pixels[3 * ((size_t)from_y * (size_t)image->width + (size_t)from_x) + (size_t)c] : 0;
                *out++ = table[c][value];
            }
}

pasta_status pasta_preprocess_image(const struct pasta_preprocess *p, const struct pasta_image *image, int size, float *out,
                                    struct pasta_err *err)
{
    struct pasta_image scaled = {0};
    const struct pasta_image *from = image;
    if (p->do_resize) {
        int64_t width, height;
        resized(p, image, &width, &height);
        if (width * height > MAX_PIXELS)
            return pasta_fail(err, PASTA_ERR_INPUT,
                              "image of %d x %d pixels: expected sides less unequal, a shorter side of %d would make it %lld x %lld",
                              image->width, image->height, p->shortest, (long long)width, (long long)height);
        if (width != image->width || height != image->height) {
            pasta_image_resize(image, (int)width, (int)height, p->resample, &scaled);
            from = &scaled;
        }
    }
    int width = p->do_crop ? p->crop_width : from->width, height = p->do_crop ? p->crop_height : from->height;
    pasta_status status = PASTA_OK;
    if (width != size || height != size) {
        status = pasta_fail(err, PASTA_ERR_INPUT, "image of %d x %d pixels: expected %d x %d after preprocessing, found %d x %d",
                            image->width, image->height, size, size, width, height);
    } else {
        float table[3][256];
        for (int c = 0; c < 3; c++)
            for (int value = 0; value < 256; value++) {
                float v = (float)(p->do_rescale ? value * p->rescale : value);
                table[c][value] = p->do_normalize ? (v - (float)p->mean[c]) / (float)p->std[c] : v;
            }
        to_planes(from, p->do_crop ? centre(from->width, size) : 0, p->do_crop ? centre(from->height, size) : 0, size, table, out);
    }
    pasta_image_release(&scaled);
    return status;
}

/* --- preprocessor_config.json --- */

struct pasta_preprocess pasta_preprocess_clip(int size)
{
    return (struct pasta_preprocess){
        .do_resize = true, .do_crop = true, .do_rescale = true, .do_normalize = true,
        .resample = PASTA_BICUBIC, .shortest = size, .crop_width = size, .crop_height = size, .rescale = 1.0 / 255.0,
        .mean = {0.48145466, 0.4578275, 0.40821073}, .std = {0.26862954, 0.26130258, 0.27577711}};
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
