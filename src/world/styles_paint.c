/* styles_paint.c: painted styles: the picture's own colours, moved about. */
#include <math.h>
#include <string.h>

#include "canvas.h"

static float clamp01(float v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

/* Rounds figures off by light from the upper left, as if photographed: edges of the coverage are slopes. */
static void photo(struct sketch_canvas *c)
{
    int s = c->size, n = s * s;
    memcpy(c->x, c->a, (size_t)n * sizeof *c->x);
    sketch_blur(c->x, c->y, s, (int)(2.6f * c->unit + 0.5f));
    for (int i = 0; i < n; i++)
        c->y[i] = 0.299f * c->r[i] + 0.587f * c->g[i] + 0.114f * c->b[i];
    memcpy(c->z, c->y, (size_t)n * sizeof *c->z);
    sketch_blur(c->z, c->y, s, (int)(1.2f * c->unit + 0.5f));
    int d = (int)(1.5f * c->unit + 0.5f);
    for (int y = 0, i = 0; y < s; y++)
        for (int x = 0; x < s; x++, i++) {
            int x0 = x > d ? x - d : 0, x1 = x + d < s ? x + d : s - 1, y0 = y > d ? y - d : 0, y1 = y + d < s ? y + d : s - 1;
            float gx = c->x[y * s + x1] - c->x[y * s + x0], gy = c->x[y1 * s + x] - c->x[y0 * s + x];
            float hx = c->z[y * s + x1] - c->z[y * s + x0], hy = c->z[y1 * s + x] - c->z[y0 * s + x];
            float slope = 0.75f * (gx * 0.55f + gy * 0.83f) + 0.35f * (hx * 0.55f + hy * 0.83f);
            float shade = 1 + c->a[i] * (slope * 1.15f) , glint = c->a[i] * clamp01(slope * 1.7f - 0.35f);
            float fx = (float)x / (float)s - 0.5f, fy = (float)y / (float)s - 0.5f, vignette = 1.04f - 0.65f * (fx * fx + fy * fy);
            float grain = 0.03f * sketch_grain_at(c, (float)x, (float)y, 2 / c->unit);
            float *p[3] = {&c->r[i], &c->g[i], &c->b[i]};
            for (int k = 0; k < 3; k++) {
                float v = *p[k] * shade;
                v += (1 - v) * glint * 0.8f;
                *p[k] = clamp01(v * vignette + grain);
            }
        }
}

/* Edges that wander, pigment that pools at edges and in the paper's grain, white borders. */
static void watercolor(struct sketch_canvas *c)
{
    int s = c->size, n = s * s;
    float *plane[3] = {c->r, c->g, c->b};
    for (int k = 0; k < 3; k++) {
        memcpy(c->x, plane[k], (size_t)n * sizeof *c->x);
        for (int y = 0, i = 0; y < s; y++)
            for (int x = 0; x < s; x++, i++) {
                float dx = 2.1f * c->unit * sketch_smooth_at(c, (float)x, (float)y, 2.2f / c->unit);
                float dy = 2.1f * c->unit * sketch_smooth_at(c, (float)y + 40, (float)x + 90, 2.2f / c->unit);
                int sx = x + (int)dx, sy = y + (int)dy;
                sx = sx < 0 ? 0 : sx >= s ? s - 1 : sx;
                sy = sy < 0 ? 0 : sy >= s ? s - 1 : sy;
                plane[k][i] = c->x[sy * s + sx];
            }
        memcpy(c->z, plane[k], (size_t)n * sizeof *c->z);
        sketch_blur(c->z, c->y, s, (int)(1.3f * c->unit + 0.5f));
        for (int i = 0; i < n; i++) { /* darker than the neighbourhood: an edge where pigment pools */
            float edge = plane[k][i] - c->z[i];
            plane[k][i] = 0.55f * plane[k][i] + 0.45f * c->z[i] + (edge < 0 ? 1.1f * edge : 0.2f * edge);
        }
    }
    for (int y = 0, i = 0; y < s; y++)
        for (int x = 0; x < s; x++, i++) {
            float pool = sketch_smooth_at(c, (float)x, (float)y, 1.4f / c->unit), paper = sketch_grain_at(c, (float)x, (float)y, 1.6f / c->unit);
            float density = 0.84f + 0.24f * c->a[i] + 0.34f * pool + 0.10f * paper;
            float ex = least((float)x, (float)(s - 1 - x)), ey = least((float)y, (float)(s - 1 - y));
            float border = clamp01((least(ex, ey) / c->unit - 2.6f - 2.4f * sketch_smooth_at(c, (float)x + 33, (float)y, 2 / c->unit)) * 0.8f);
            density = least(1.25f, most(0, density)) * border;
            for (int k = 0; k < 3; k++)
                plane[k][i] = clamp01(1 - (1 - plane[k][i]) * density) * (0.985f + 0.015f * paper);
        }
}

/* Short thick strokes, each of one colour with a lit upper edge. */
static void oil(struct sketch_canvas *c)
{
    int s = c->size, n = s * s, cells = 32;
    float cell = (float)s / (float)cells;
    memcpy(c->x, c->r, (size_t)n * sizeof *c->x);
    memcpy(c->y, c->g, (size_t)n * sizeof *c->y);
    memcpy(c->z, c->b, (size_t)n * sizeof *c->z);
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < cells * cells; k++) {
            int cx = k % cells, cy = k / cells;
            float px = ((float)cx + sketch_scatter(c, cx + 40 * pass, cy)) * cell, py = ((float)cy + sketch_scatter(c, cx, cy + 71 + pass)) * cell;
            int sx = px < (float)s ? (int)px : s - 1, sy = py < (float)s ? (int)py : s - 1, at = sy * s + sx; /* a sum of floats may round up to s */
            float angle = 1.5f * sketch_smooth_at(c, px, py, 0.7f / c->unit) + 0.5f, co = cosf(angle), si = sinf(angle);
            float small = pass == 0 ? 1.15f : 1 - 0.42f * c->a[at], length = cell * 1.35f * small, width = cell * 0.78f * small;
            float across = 1 / width, along = 1 / length;
            float vary = 1 + 0.13f * (sketch_scatter(c, cx, cy + 300) - 0.5f);
            int reach = (int)(length + 1);
            for (int y = sy - reach; y <= sy + reach; y++)
                for (int x = sx - reach; x <= sx + reach; x++) {
                    if (x < 0 || y < 0 || x >= s || y >= s)
                        continue;
                    float dx = (float)x + 0.5f - px, dy = (float)y + 0.5f - py;
                    float u = (dx * co + dy * si) * along, v = (-dx * si + dy * co) * across, d = u * u + v * v;
                    if (d >= 1)
                        continue;
                    float t = least(1, (1 - d) * 3), lit = vary * (1 - 0.10f * v);
                    int i = y * s + x;
                    c->r[i] += (c->x[at] * lit - c->r[i]) * t;
                    c->g[i] += (c->y[at] * lit - c->g[i]) * t;
                    c->b[i] += (c->z[at] * lit - c->b[i]) * t;
                }
        }
    for (int i = 0; i < n; i++) { /* the painter's fine brush on figures */
        float fine = 0.5f * c->a[i];
        c->r[i] += (c->x[i] - c->r[i]) * fine;
        c->g[i] += (c->y[i] - c->g[i]) * fine;
        c->b[i] += (c->z[i] - c->b[i]) * fine;
    }
}

/* Large square pixels in few colours. */
static void pixel(struct sketch_canvas *c)
{
    int s = c->size;
    float block = 3 * c->unit;
    int blocks = (int)ceilf((float)s / block);
    for (int by = 0; by < blocks; by++)
        for (int bx = 0; bx < blocks; bx++) {
            int x0 = (int)((float)bx * block), x1 = (int)least((float)s, (float)(bx + 1) * block);
            int y0 = (int)((float)by * block), y1 = (int)least((float)s, (float)(by + 1) * block);
            float *plane[3] = {c->r, c->g, c->b};
            for (int k = 0; k < 3; k++) {
                float sum = 0;
                int count = 0, mx = (x0 + x1) / 2, my = (y0 + y1) / 2;
                for (int y = y0; y < y1; y++)
                    for (int x = x0; x < x1; x++, count++)
                        sum += plane[k][y * s + x];
                float v = 0.55f * sum / (float)count + 0.45f * plane[k][my * s + mx]; /* crisper than the mean */
                v = floorf(clamp01(v) * 6 + 0.5f) / 6;
                for (int y = y0; y < y1; y++)
                    for (int x = x0; x < x1; x++)
                        plane[k][y * s + x] = x == x1 - 1 || y == y1 - 1 ? v * 0.93f : v;
            }
        }
}

/* Irregular tiles with dark joints. */
static void mosaic(struct sketch_canvas *c)
{
    enum { CELLS = 21 };
    int s = c->size;
    float cell = (float)s / CELLS, seed[CELLS + 2][CELLS + 2][2];
    float sum[CELLS + 2][CELLS + 2][4];
    memset(sum, 0, sizeof sum);
    for (int y = 0; y < CELLS + 2; y++)
        for (int x = 0; x < CELLS + 2; x++) {
            seed[y][x][0] = ((float)x - 1 + 0.5f + 0.62f * (sketch_scatter(c, x, y) - 0.5f)) * cell;
            seed[y][x][1] = ((float)y - 1 + 0.5f + 0.62f * (sketch_scatter(c, x + 99, y) - 0.5f)) * cell;
        }
    for (int y = 0, i = 0; y < s; y++)
        for (int x = 0; x < s; x++, i++) {
            float best = 1e9f, next = 1e9f, px = (float)x + 0.5f, py = (float)y + 0.5f;
            int cx = (int)(px / cell) + 1, cy = (int)(py / cell) + 1, at = 0;
            cx = cx > CELLS ? CELLS : cx;
            cy = cy > CELLS ? CELLS : cy;
            for (int v = cy - 1; v <= cy + 1; v++)
                for (int u = cx - 1; u <= cx + 1; u++) {
                    float dx = px - seed[v][u][0], dy = py - seed[v][u][1], d = dx * dx + dy * dy;
                    if (d < best)
                        next = best, best = d, at = v * (CELLS + 2) + u;
                    else if (d < next)
                        next = d;
                }
            float *q = sum[at / (CELLS + 2)][at % (CELLS + 2)];
            q[0] += c->r[i];
            q[1] += c->g[i];
            q[2] += c->b[i];
            q[3] += 1;
            c->x[i] = (float)at;
            c->y[i] = sqrtf(next) - sqrtf(best); /* 0 at the joint */
        }
    for (int i = 0; i < s * s; i++) {
        int at = (int)c->x[i], ax = at % (CELLS + 2), ay = at / (CELLS + 2);
        const float *q = sum[ay][ax];
        float vary = 0.90f + 0.24f * sketch_scatter(c, ax, ay + 55), joint = clamp01((c->y[i] / c->unit - 0.10f) * 1.25f);
        float lit = vary * (1 + 0.10f * clamp01(c->y[i] / cell));
        float *plane[3] = {&c->r[i], &c->g[i], &c->b[i]};
        for (int k = 0; k < 3; k++) {
            float fine = 0.45f * c->a[i], tile = clamp01((q[k] / q[3] * (1 - fine) + *plane[k] * fine) * lit), grout = 0.72f * tile;
            *plane[k] = grout + (tile - grout) * joint;
        }
    }
}

/* Sheets of paper: fibres, and light that falls off from the upper left. */
static void papercut(struct sketch_canvas *c)
{
    int s = c->size;
    for (int y = 0, i = 0; y < s; y++)
        for (int x = 0; x < s; x++, i++) {
            float k = 1.05f - 0.14f * (float)(x + y) / (float)(2 * s) + 0.045f * sketch_grain_at(c, (float)x, (float)y, 1.4f / c->unit);
            c->r[i] = clamp01(c->r[i] * k);
            c->g[i] = clamp01(c->g[i] * k);
            c->b[i] = clamp01(c->b[i] * k);
        }
}

void sketch_style_paint(struct sketch_canvas *c)
{
    switch (c->style) {
    case STYLE_PHOTO: photo(c); break;
    case STYLE_WATERCOLOR: watercolor(c); break;
    case STYLE_OIL: oil(c); break;
    case STYLE_PIXEL: pixel(c); break;
    case STYLE_MOSAIC: mosaic(c); break;
    case STYLE_PAPERCUT: papercut(c); break;
    default: break;
    }
}
