/* preprocess_tensor.c: the resize that torchvision does of a tensor, antialiased bicubic in float32.
 *
 * The filter is Pillow's; weights and what is between the two passes are floats, so nothing is rounded to 8 bits, and values may leave
 * 0..1. Only what the cut keeps is computed.
 * Source: PyTorch upsample_bicubic2d_aa (aten/src/ATen/native/cpu/UpSampleKernel.cpp); torchvision Resize with antialias, CenterCrop.
 */
#include <math.h>
#include <stdlib.h>

#include "pasta/base/mem.h"
#include "preprocess_impl.h"

/* Where one place of the output is in the input: `count` weights from place `first` on. */
struct span { int first, count; float *weights; };

static double bicubic(double x)
{
    x = fabs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/* Places are kept as floats, as the original does: in a wide image that moves a weight by more than its own rounding. */
static void span_init(struct span *s, int in, int out, int place)
{
    const float scale = (float)in / (float)out, stretch = scale > 1 ? scale : 1, support = 2 * stretch;
    const float centre = (float)(scale * (place + 0.5)), narrow = 1 / stretch;
    const int first = (int)(centre - support + 0.5), last = (int)(centre + support + 0.5);
    double sum = 0;
    s->first = first > 0 ? first : 0;
    s->count = (last < in ? last : in) - s->first;
    s->weights = pasta_malloc((size_t)s->count * sizeof *s->weights);
    for (int i = 0; i < s->count; i++)
        sum += s->weights[i] = (float)bicubic((float)(((float)(i + s->first) - centre + 0.5) * narrow));
    for (int i = 0; i < s->count; i++)
        s->weights[i] /= (float)sum;
}

static struct span *spans_new(int in, int out, int from, int n)
{
    struct span *spans = pasta_malloc((size_t)n * sizeof *spans);
    for (int i = 0; i < n; i++)
        span_init(&spans[i], in, out, from + i);
    return spans;
}

static void spans_free(struct span *spans, int n)
{
    for (int i = 0; i < n; i++)
        free(spans[i].weights);
    free(spans);
}

/* (n - m) / 2 rounded to the nearest, halves to the even number, as Python's round() does. */
static int torchvision_centre(int n, int m)
{
    return (int)nearbyint((n - m) / 2.0);
}

void preprocess_tensor(const struct pasta_image *image, int width, int height, int size, float *out)
{
    struct span *columns = spans_new(image->width, width, torchvision_centre(width, size), size);
    struct span *rows = spans_new(image->height, height, torchvision_centre(height, size), size);
    const int first = rows[0].first, n = rows[size - 1].first + rows[size - 1].count - first; /* input rows that are needed */
    float *wide = pasta_malloc((size_t)n * (size_t)size * sizeof *wide);
    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < n; y++)
            for (int x = 0; x < size; x++) {
                const struct span *s = &columns[x];
                const uint8_t *from = image->pixels + 3 * ((size_t)(first + y) * (size_t)image->width + (size_t)s->first) + c;
                float sum = 0;
                for (int i = 0; i < s->count; i++)
                    sum += (float)from[3 * i] / 255 * s->weights[i];
                wide[(size_t)y * (size_t)size + (size_t)x] = sum;
            }
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++) {
                const float *from = wide + (size_t)(rows[y].first - first) * (size_t)size + (size_t)x;
                float sum = 0;
                for (int i = 0; i < rows[y].count; i++)
                    sum += from[(size_t)i * (size_t)size] * rows[y].weights[i];
                *out++ = sum;
            }
    }
    free(wide);
    spans_free(columns, size);
    spans_free(rows, size);
}
