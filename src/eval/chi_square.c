#include "pasta/eval/chi_square.h"

#include <math.h>

/* With y = x / 2 and a = degrees / 2: Q(1/2, y) = erfc(sqrt y), Q(1, y) = exp(-y), Q(a + 1, y) = Q(a, y) + y^a exp(-y) / Gamma(a + 1). */
double pasta_chi_square_above(double x, int degrees)
{
    if (x <= 0)
        return 1;
    double y = x / 2, a = degrees % 2 ? 0.5 : 1, above = degrees % 2 ? erfc(sqrt(y)) : exp(-y);
    for (; 2 * a < degrees; a += 1)
        above += exp(a * log(y) - y - lgamma(a + 1));
    return above;
}
