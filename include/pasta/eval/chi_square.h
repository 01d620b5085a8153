/* chi_square.h: how surprising a sum of squares is.
 *
 *     double p = pasta_chi_square_above(7.81, 3);   // 0.05
 *
 * Source: Abramowitz & Stegun, "Handbook of mathematical functions", 26.4.
 */
#ifndef PASTA_EVAL_CHI_SQUARE_H
#define PASTA_EVAL_CHI_SQUARE_H
/* P(X >= x) of a chi-square variable with `degrees` >= 1 of freedom; 1 for x <= 0, NAN for NAN. */
double pasta_chi_square_above(double x, int degrees);
#endif
