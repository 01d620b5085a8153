/* assignment.h: who belongs to whom, one to one, so that the sum is the largest.
 *
 * Source: Kuhn, "The Hungarian method for the assignment problem", 1955, in the form with potentials and shortest augmenting paths,
 * O(n^2 m) for n <= m.
 */
#ifndef PASTA_EVAL_ASSIGNMENT_H
#define PASTA_EVAL_ASSIGNMENT_H

#ifdef __cplusplus
extern "C" {
#endif

/* value [rows,columns], finite, rows and columns >= 1. column_of [rows]: the column of each row, every column at most once; all of the
 * fewer rows or columns are given one, the rows left over -1. Returns the sum of the values. */
double pasta_assignment(const double *value, int rows, int columns, int *column_of);

#ifdef __cplusplus
}
#endif
#endif
