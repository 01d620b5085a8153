/* slate_law.c: see slate_law.h. */
#include "pasta/agent/slate_law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/agent/slate.h"
#include "pasta/base/mem.h"

static bool repeats_a_prompt(const struct pasta_candidate *candidates, int n)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(candidates[i].prompt, candidates[j].prompt) == 0)
                return true;
    return false;
}

/* --- a part: slates at random, by noisy scores, by scores --- */

static void set_at_random(struct pasta_slate_part *part, const struct pasta_candidate *candidates, int n, int slate)
{
    int of_category[PASTA_CATEGORIES] = {0}, sets = 0;
    for (int i = 0; i < n; i++)
        of_category[candidates[i].category]++;
    for (int i = 0; i < n; i++)
        part->within[i] = 1.0 / of_category[candidates[i].category];
    for (int set = 0; set < PASTA_CATEGORY_SETS; set++) {
        bool there = __builtin_popcount((unsigned)set) == slate;
        for (int c = 0; c < PASTA_CATEGORIES && there; c++)
            there = !(set >> c & 1) || of_category[c] > 0;
        part->of_set[set] = there;
        sets += there;
    }
    for (int set = 0; set < PASTA_CATEGORY_SETS; set++)
        part->of_set[set] /= sets;
}

/* Categories one after the other, each in proportion to its weight among those that are left. */
static void draw_sets(const double *weight, int set, int left, double probability, double *of_set)
{
    double sum = 0;
    if (left == 0)
        of_set[set] += probability;
    for (int c = 0; c < PASTA_CATEGORIES; c++)
        sum += set >> c & 1 ? 0 : weight[c];
    for (int c = 0; c < PASTA_CATEGORIES && left > 0; c++)
        if (!(set >> c & 1) && weight[c] > 0)
            draw_sets(weight, set | 1 << c, left - 1, probability * weight[c] / sum, of_set);
}

static void set_noisy(struct pasta_slate_part *part, const struct pasta_candidate *candidates, const double *scores, int n, int slate,
                      double temperature)
{
    double top = -INFINITY, weight[PASTA_CATEGORIES] = {0};
    for (int i = 0; i < n; i++)
        top = fmax(top, scores[i]);
    for (int i = 0; i < n; i++) {
        /* not below the smallest number: what is possible stays possible */
        part->within[i] = fmax(exp((scores[i] - top) / temperature), 1e-300);
        weight[candidates[i].category] += part->within[i];
    }
    for (int i = 0; i < n; i++)
        part->within[i] /= weight[candidates[i].category];
    draw_sets(weight, 0, slate, 1, part->of_set);
}

/* One slate, which may be filled up with categories that are there already. */
static void set_best(struct pasta_slate_part *part, const struct pasta_candidate *candidates, const double *scores, int n, int slate)
{
    int picks[PASTA_MAX_SLATE], set = 0;
    const int taken = pasta_slate_select(candidates, scores, n, slate, picks);
    for (int i = 0; i < taken; i++) {
        set |= 1 << candidates[picks[i]].category;
        part->within[picks[i]] = 1;
    }
    part->of_set[set] = 1;
}

/* --- the law --- */

static int categories_of(const struct pasta_candidate *candidates, int n)
{
    unsigned there = 0;
    for (int i = 0; i < n; i++)
        there |= 1u << candidates[i].category;
    return __builtin_popcount(there);
}

static double shown(const struct pasta_slate_part *part, int set)
{
    double sum = 0;
    for (int s = 0; s < PASTA_CATEGORY_SETS; s++)
        sum += (s & set) == set ? part->of_set[s] : 0;
    return sum;
}

bool pasta_slate_law_init(struct pasta_slate_law *law, const struct pasta_candidate *candidates, const double *scores, int n, int slate,
                          double epsilon, double temperature)
{
    bool sound = (epsilon <= 0 && temperature <= 0) || (categories_of(candidates, n) >= slate && !repeats_a_prompt(candidates, n));
    for (int i = 0; i < n && temperature > 0 && epsilon < 1; i++)
        sound = sound && isfinite(scores[i]);
    *law = (struct pasta_slate_law){.n = n, .candidates = candidates, .parts = {{.share = epsilon}, {.share = 1 - epsilon}}};
    law->inclusion = pasta_calloc((size_t)n, sizeof *law->inclusion);
    for (int p = 0; p < 2; p++)
        law->parts[p].within = pasta_calloc((size_t)n, sizeof *law->parts[p].within);
    if (sound && epsilon > 0)
        set_at_random(&law->parts[0], candidates, n, slate);
    if (sound && epsilon < 1 && temperature > 0)
        set_noisy(&law->parts[1], candidates, scores, n, slate, temperature);
    else if (sound && epsilon < 1)
        set_best(&law->parts[1], candidates, scores, n, slate);
    for (int i = 0; i < n; i++)
        for (int p = 0; p < 2; p++)
            law->inclusion[i] += law->parts[p].share * law->parts[p].within[i] * shown(&law->parts[p], 1 << candidates[i].category);
    if (!sound)
        pasta_slate_law_release(law);
    return sound;
}

void pasta_slate_law_release(struct pasta_slate_law *law)
{
    free(law->inclusion);
    free(law->parts[0].within);
    free(law->parts[1].within);
    *law = (struct pasta_slate_law){0};
}

double pasta_slate_law_probability(const struct pasta_slate_law *law, const int *picks, int slate)
{
    double sum = 0;
    for (int p = 0; p < 2; p++) {
        double product = law->parts[p].share;
        int set = 0;
        for (int i = 0; i < slate; i++) {
            product *= law->parts[p].within[picks[i]];
            set |= 1 << law->candidates[picks[i]].category;
        }
        sum += product * law->parts[p].of_set[set];
    }
    return sum;
}

/* --- weights where slates are sums --- */

/* Probabilities that two candidates are shown together, [n,n]; on the diagonal, that one is. */
static double *together(const struct pasta_slate_law *law)
{
    const int n = law->n;
    double *gamma = pasta_calloc((size_t)n * (size_t)n, sizeof *gamma);
    for (int p = 0; p < 2; p++) {
        const struct pasta_slate_part *part = &law->parts[p];
        double pair[PASTA_CATEGORIES][PASTA_CATEGORIES];
        for (int a = 0; a < PASTA_CATEGORIES; a++)
            for (int b = 0; b < PASTA_CATEGORIES; b++)
                pair[a][b] = part->share * shown(part, 1 << a | 1 << b);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                const int a = law->candidates[i].category, b = law->candidates[j].category;
                const bool both = a != b || (part->within[i] >= 1 && part->within[j] >= 1); /* a slate that is filled up */
                if (i == j || both)
                    gamma[i * n + j] += pair[a][b] * part->within[i] * (i == j ? 1 : part->within[j]);
            }
    }
    return gamma;
}

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* A solution of gamma x = b by conjugate gradients, which stay in gamma's range: gamma is singular where every category is always shown. Rows are
 * scaled to a unit diagonal. False where there is none. */
static bool solve(const double *gamma, const double *b, int n, double *x)
{
    double *memory = pasta_calloc((size_t)n * 4, sizeof *memory), *r = memory, *d = r + n, *g = d + n, *scale = g + n;
    for (int i = 0; i < n; i++) {
        scale[i] = gamma[i * n + i] > 0 ? 1 / sqrt(gamma[i * n + i]) : 0;
        r[i] = d[i] = scale[i] * b[i];
        x[i] = 0;
    }
    const double enough = 1e-18 * dot(r, r, n);
    double rr = dot(r, r, n);
    for (int k = 0; k < 4 * n && rr > enough; k++) {
        for (int i = 0; i < n; i++) {
            g[i] = 0;
            for (int j = 0; j < n; j++)
                g[i] += scale[i] * gamma[i * n + j] * scale[j] * d[j];
        }
        const double curvature = dot(d, g, n);
        if (!(curvature > 0))
            break;
        for (int i = 0; i < n; i++) {
            x[i] += rr / curvature * d[i];
            r[i] -= rr / curvature * g[i];
        }
        const double last = rr;
        rr = dot(r, r, n);
        for (int i = 0; i < n; i++)
            d[i] = r[i] + rr / last * d[i];
    }
    bool solved = rr <= 1e-10;
    for (int i = 0; i < n; i++) {
        x[i] *= scale[i];
        solved = solved && (scale[i] > 0 || b[i] <= 0);
    }
    free(memory);
    return solved;
}

double pasta_slate_item_weight(const struct pasta_slate_law *logging, const double *inclusion, const int *picks, int slate)
{
    double *gamma = together(logging), *x = pasta_malloc((size_t)logging->n * sizeof *x), weight = 0;
    const bool solved = solve(gamma, inclusion, logging->n, x);
    for (int i = 0; i < slate; i++)
        weight += x[picks[i]];
    free(gamma);
    free(x);
    return solved ? weight : NAN;
}
