/* user_likelihood.c: what an observation says about the type, and what the types say about the next observation.
 *
 * All in log space. Log P(same) uses sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), which does not cancel.
 */
#include <math.h>
#include "pasta/user/user_model.h"

static double log_sigmoid(double x)
{
    return fmin(x, 0) - log1p(exp(-fabs(x)));
}

static double log_sum_exp(const double *x, int n, double factor)
{
    double max = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        max = fmax(max, factor * x[i]);
    for (int i = 0; i < n; i++)
        sum += exp(factor * x[i] - max);
    return max + log(sum);
}

static double log_versus(const struct pasta_user_model *m, double difference, enum pasta_versus versus)
{
    double better = log_sigmoid(difference - m->tie), worse = log_sigmoid(-difference - m->tie);
    if (versus == PASTA_BETTER)
        return better;
    if (versus == PASTA_WORSE)
        return worse;
    return log_sigmoid(difference + m->tie) + log_sigmoid(m->tie - difference) + log(-expm1(-2 * m->tie));
}

double pasta_user_rating01(double rating, double lo, double hi)
{
    double y = (rating - lo) / (hi - lo);
    return y < 0 ? 0 : y > 1 ? 1 : y;
}

void pasta_user_pair_loglik(const struct pasta_user_model *m, const double *first, const double *second, double label, double *loglik)
{
    for (int k = 0; k < m->n_types; k++) {
        double d = first[k] - second[k];
        loglik[k] += label * log_sigmoid(d) + (1 - label) * log_sigmoid(-d);
    }
}

void pasta_user_rating_loglik(const struct pasta_user_model *m, const double *score, double rating01, double *loglik)
{
    for (int k = 0; k < m->n_types; k++) {
        double z = (rating01 - m->rating_gain * score[k] - m->rating_offset) / m->rating_noise;
        loglik[k] += -0.5 * z * z - log(m->rating_noise) - 0.5 * log(2 * M_PI);
    }
}

void pasta_user_choice_loglik(const struct pasta_user_model *m, const double *utilities, int n_columns, int choice, double *loglik)
{
    for (int k = 0; k < m->n_types; k++) {
        const double *u = utilities + (size_t)k * n_columns;
        loglik[k] += m->temperature * u[choice] - log_sum_exp(u, n_columns, m->temperature);
    }
}

void pasta_user_versus_loglik(const struct pasta_user_model *m, const double *now, const double *before, enum pasta_versus versus,
                              double *loglik)
{
    for (int k = 0; k < m->n_types; k++)
        loglik[k] += log_versus(m, now[k] - before[k], versus);
}

double pasta_user_evidence(const struct pasta_user_model *m, const double *loglik)
{
    double max = -INFINITY, sum = 0;
    for (int k = 0; k < m->n_types; k++)
        max = fmax(max, log(m->prior[k]) + loglik[k]);
    for (int k = 0; k < m->n_types; k++)
        sum += exp(log(m->prior[k]) + loglik[k] - max);
    return max + log(sum);
}

void pasta_user_posterior(const struct pasta_user_model *m, const double *loglik, double *weights)
{
    double evidence = pasta_user_evidence(m, loglik), sum = 0;
    for (int k = 0; k < m->n_types; k++)
        sum += weights[k] = exp(log(m->prior[k]) + loglik[k] - evidence);
    for (int k = 0; k < m->n_types; k++)
        weights[k] /= sum;
}

void pasta_user_choice_probabilities(const struct pasta_user_model *m, const double *utilities, int n_columns, const double *weights,
                                     double *out)
{
    for (int l = 0; l < n_columns; l++)
        out[l] = 0;
    for (int k = 0; k < m->n_types; k++) {
        const double *u = utilities + (size_t)k * n_columns;
        double normaliser = log_sum_exp(u, n_columns, m->temperature);
        for (int l = 0; l < n_columns; l++)
            out[l] += weights[k] * exp(m->temperature * u[l] - normaliser);
    }
}

double pasta_user_pair_probability(const struct pasta_user_model *m, const double *first, const double *second, const double *weights)
{
    double p = 0;
    for (int k = 0; k < m->n_types; k++)
        p += weights[k] * exp(log_sigmoid(first[k] - second[k]));
    return p;
}

void pasta_user_versus_probabilities(const struct pasta_user_model *m, const double *now, const double *before, const double *weights,
                                     double out[3])
{
    for (int v = 0; v < 3; v++) {
        out[v] = 0;
        for (int k = 0; k < m->n_types; k++)
            out[v] += weights[k] * exp(log_versus(m, now[k] - before[k], (enum pasta_versus)(v + PASTA_WORSE)));
    }
}

double pasta_user_expected(const struct pasta_user_model *m, const double *values, const double *weights)
{
    double sum = 0;
    for (int k = 0; k < m->n_types; k++)
        sum += weights[k] * values[k];
    return sum;
}

double pasta_user_expected_rating01(const struct pasta_user_model *m, const double *score, const double *weights)
{
    double y = m->rating_gain * pasta_user_expected(m, score, weights) + m->rating_offset;
    return y < 0 ? 0 : y > 1 ? 1 : y;
}
