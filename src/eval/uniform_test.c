/* Are options chosen evenly? Exactly where the ways to spread the choices can be counted through. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "pasta/base/dims.h"
#include "pasta/base/mem.h"
#include "pasta/base/rng.h"
#include "pasta/eval/chance.h"
#include "pasta/eval/chi_square.h"

enum { MOST_WAYS = 100000, DRAWS = 100000, LEAST_EXPECTED = 5, WIDTHS = PASTA_MAX_SLATE + 1 };

/* Choices by the number of options that there were. */
struct spread {
    int64_t n[WIDTHS];
    int64_t count[WIDTHS][PASTA_MAX_SLATE];
};

static double statistic_of(const struct spread *s)
{
    double sum = 0;
    for (int w = 2; w < WIDTHS; w++) {
        const double expected = (double)s->n[w] / w;
        for (int v = 0; v < w && s->n[w]; v++)
            sum += ((double)s->count[w][v] - expected) * ((double)s->count[w][v] - expected) / expected;
    }
    return sum;
}

/* --- one width: every way to spread the choices --- */

struct ways {
    const double *log_factorial; /* [n + 1] */
    int64_t squares;             /* least sum of squared counts that is as uneven */
    double sum;
};

/* Gives 0..left choices to each of `options` options. log_p: so far. With n and width given, chi-square rises with the sum of squares. */
static void count_through(struct ways *w, int options, int64_t left, int64_t squares, double log_p)
{
    if (options == 1) {
        if (squares + left * left >= w->squares)
            w->sum += exp(log_p - w->log_factorial[left]);
        return;
    }
    for (int64_t c = 0; c <= left; c++)
        count_through(w, options - 1, left - c, squares + c * c, log_p - w->log_factorial[c]);
}

static double exact_p(const int64_t *count, int width, int64_t n)
{
    double *log_factorial = pasta_calloc((size_t)n + 1, sizeof *log_factorial);
    struct ways w = {log_factorial, 0, 0};
    for (int64_t i = 2; i <= n; i++)
        log_factorial[i] = log_factorial[i - 1] + log((double)i);
    for (int v = 0; v < width; v++)
        w.squares += count[v] * count[v];
    count_through(&w, width, n, 0, log_factorial[n] - (double)n * log(width));
    free(log_factorial);
    return fmin(1, w.sum);
}

/* C(n + width - 1, width - 1) */
static double ways_to_spread(int64_t n, int width)
{
    double ways = 1;
    for (int i = 1; i < width; i++)
        ways = ways * (double)(n + i) / i;
    return ways;
}

/* --- several widths --- */

static double drawn_p(const struct spread *s, double statistic, uint64_t seed)
{
    struct pasta_rng rng = pasta_rng_at(seed, PASTA_RNG_BOOTSTRAP, 0, 1, 0);
    int64_t as_uneven = 0;
    for (int b = 0; b < DRAWS; b++) {
        struct spread drawn = {.n = {0}};
        for (int w = 2; w < WIDTHS; w++) {
            drawn.n[w] = s->n[w];
            for (int64_t i = 0; i < s->n[w]; i++)
                drawn.count[w][pasta_rng_below(&rng, (uint32_t)w)]++;
        }
        as_uneven += statistic_of(&drawn) >= statistic * (1 - 1e-12);
    }
    return (1 + (double)as_uneven) / (1 + DRAWS);
}

static void summarise(const struct spread *s, struct pasta_uniform_test *test)
{
    double beyond = 0;
    for (int v = 0; v < PASTA_MAX_SLATE; v++) {
        int64_t found = 0;
        double expected = 0;
        for (int w = 2; w < WIDTHS; w++) {
            found += s->count[w][v];
            expected += v < w ? (double)s->n[w] / w : 0;
        }
        beyond += fmax(0, (double)found - expected);
        if (found > test->commonest_n) {
            test->commonest = v;
            test->commonest_n = found;
        }
    }
    test->excess = beyond / (double)test->n;
}

struct pasta_uniform_test pasta_uniform_test_of(const int *choice, const int *width, int64_t n, uint64_t seed)
{
    struct pasta_uniform_test test = {.p = NAN, .statistic = NAN, .commonest = -1, .excess = NAN};
    struct spread s = {.n = {0}};
    int widths = 0, one = 0;
    bool enough = true;
    for (int64_t i = 0; i < n; i++)
        if (choice[i] >= 0 && width[i] > 1) {
            s.n[width[i]]++;
            s.count[width[i]][choice[i]]++;
            test.n++;
        }
    for (int w = 2; w < WIDTHS; w++)
        if (s.n[w]) {
            widths++;
            one = w;
            test.degrees += w - 1;
            enough = enough && s.n[w] >= (int64_t)LEAST_EXPECTED * w;
        }
    if (test.n == 0)
        return test;
    summarise(&s, &test);
    test.statistic = statistic_of(&s);
    if (widths == 1 && ways_to_spread(test.n, one) <= MOST_WAYS) {
        test.method = PASTA_UNIFORM_EXACT;
        test.p = exact_p(s.count[one], one, test.n);
    } else if (enough) {
        test.method = PASTA_UNIFORM_CHI_SQUARE;
        test.p = pasta_chi_square_above(test.statistic, test.degrees);
    } else {
        test.method = PASTA_UNIFORM_DRAWN;
        test.p = drawn_p(&s, test.statistic, seed);
    }
    return test;
}
