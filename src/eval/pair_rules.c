/* Accuracy on pairs, by the rules for ties. */
#include "pasta/eval/measures.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "pasta/base/mem.h"

double pasta_pair_score(double first, double label, double threshold)
{
    bool tie_said = fabs(first - (1 - first)) <= threshold, tie_true = label == 0.5;
    if (tie_said || tie_true)
        return tie_said && tie_true ? 1 : 0.5;
    return (first > 0.5) == (label > 0.5) ? 1 : 0;
}

double pasta_pair_threshold(const double *first, const double *label, const uint8_t *use, int64_t n)
{
    double best = 0, best_sum = -1;
    for (int step = 0; step <= 10; step++) {
        double threshold = step / 10.0, sum = 0;
        for (int64_t i = 0; i < n; i++)
            if (!use || use[i])
                sum += pasta_pair_score(first[i], label[i], threshold);
        if (sum > best_sum) {
            best_sum = sum;
            best = threshold;
        }
    }
    return best;
}

double pasta_pair_side(double first, double label)
{
    return label == 0.5 || first == 0.5 ? 0.5 : (first > 0.5) == (label > 0.5);
}

void pasta_pair_scores(const double *first, const double *label, const int32_t *cluster, int64_t n, double *score, double threshold[2])
{
    uint8_t *use = pasta_malloc((size_t)n);
    for (int half = 0; half < 2; half++) {
        for (int64_t i = 0; i < n; i++)
            use[i] = cluster[i] % 2 != half;
        threshold[half] = pasta_pair_threshold(first, label, use, n);
        for (int64_t i = 0; i < n; i++)
            if (!use[i])
                score[i] = pasta_pair_score(first[i], label[i], threshold[half]);
    }
    free(use);
}
