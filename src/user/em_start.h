/* em_start.h: where the fit starts; shared by em_start.c (the parts), em_quadratics.c (users as quadratics) and em_clusters.c (their
 * mixture).
 *
 * Around a taste w0 that fits everybody, a user's log-likelihood as a function of the taste is nearly the quadratic
 *
 *     L_u(w0 + x) = g_u.x - x.H_u x / 2        (gradient and Fisher information of the user's observations at w0)
 */
#ifndef PASTA_USER_EM_START_H
#define PASTA_USER_EM_START_H
#include "em_state.h"

struct quadratics {
    const struct pasta_em *em;
    const struct pasta_user_model *start;
    int dim;                       /* d: the whitening's rank */
    size_t n;                      /* users */
    int32_t *row;                  /* [users] index among the n, or -1 */
    double *common;                /* [d] w0 */
    double *gradient, *fisher;     /* [n,d], [n,d,d] */
    double *sum_x, *sum_r, *count; /* [n,d], [n], [n]: of the ratings, for centring */
};
/* Users in training with enough observations of their own, their quadratics around the common taste fitted to them. Release also after
 * n = 0. */
void quadratics_init(struct quadratics *q, const struct pasta_em *em, const struct pasta_user_model *start);
void quadratics_release(struct quadratics *q);
/* L_u(x) - L_u(0); scratch [d]. */
double quadratic_at(const struct quadratics *q, size_t user, const double *x, double *scratch);
/* Solves (h + ridge I) x = g by Cholesky; h [d,d] is overwritten. Returns the trace of the inverse. */
double ridge_solve(double *h, const double *g, int d, double ridge, double *x);
/* taste [D]: common + x in whitened coordinates of all dimensions. */
void quadratics_lift(const struct quadratics *q, const double *x, float *taste);

/* Tastes and prior of `start` from a mixture of the users' quadratics; *found is false, and nothing done, with fewer than two users a type.
 * The result does not depend on the number of threads. */
pasta_status em_clusters(const struct pasta_em *em, int threads, struct pasta_user_model *start, bool *found,
                         struct pasta_err *err) PASTA_MUST_CHECK;
#endif
