#include "pasta/eval/assignment.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "pasta/base/mem.h"

/* Costs are -value, seen with at most as many rows as columns. */
struct costs {
    const double *value;
    int rows, columns, stride;
    bool turned;
};

static double cost(const struct costs *c, int row, int column)
{
    return -(c->turned ? c->value[column * c->stride + row] : c->value[row * c->stride + column]);
}

/* Gives `row` a column along the cheapest path that moves rows which have one. row_of [columns + 1] has the rows by column, -1 for none; its
 * last entry is the start of the path. Reduced costs cost - u - v stay >= 0, and 0 between a row and its column. */
static void give_column(const struct costs *c, int row, double *u, double *v, int *row_of, double *slack, int *from, bool *done)
{
    int n = c->columns, at = n;
    row_of[n] = row;
    for (int j = 0; j <= n; j++) {
        slack[j] = INFINITY;
        done[j] = false;
    }
    do {
        int here = row_of[at], next = n;
        double step = INFINITY;
        done[at] = true;
        for (int j = 0; j < n; j++) {
            if (done[j])
                continue;
            double reduced = cost(c, here, j) - u[here] - v[j];
            if (reduced < slack[j]) {
                slack[j] = reduced;
                from[j] = at;
            }
            if (slack[j] < step) {
                step = slack[j];
                next = j;
            }
        }
        for (int j = 0; j <= n; j++)
            if (done[j]) {
                u[row_of[j]] += step;
                v[j] -= step;
            } else {
                slack[j] -= step;
            }
        at = next;
    } while (row_of[at] >= 0);
    for (; at != n; at = from[at])
        row_of[at] = row_of[from[at]];
}

double pasta_assignment(const double *value, int rows, int columns, int *column_of)
{
    bool turned = rows > columns;
    struct costs c = {value, turned ? columns : rows, turned ? rows : columns, columns, turned};
    size_t n = (size_t)c.columns + 1;
    double *u = pasta_calloc((size_t)c.rows, sizeof *u), *v = pasta_calloc(n, sizeof *v), *slack = pasta_malloc(n * sizeof *slack);
    int *row_of = pasta_malloc(n * sizeof *row_of), *from = pasta_malloc(n * sizeof *from);
    bool *done = pasta_malloc(n * sizeof *done);
    for (size_t j = 0; j < n; j++)
        row_of[j] = -1;
    for (int row = 0; row < c.rows; row++)
        give_column(&c, row, u, v, row_of, slack, from, done);

    double sum = 0;
    for (int row = 0; row < rows; row++)
        column_of[row] = -1;
    for (int j = 0; j < c.columns; j++)
        if (row_of[j] >= 0) {
            column_of[turned ? j : row_of[j]] = turned ? row_of[j] : j;
            sum -= cost(&c, row_of[j], j);
        }
    free(u);
    free(v);
    free(slack);
    free(row_of);
    free(from);
    free(done);
    return sum;
}
