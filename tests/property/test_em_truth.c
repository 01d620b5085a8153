/* EM on mixtures with known truth: K types of uneven shares, from hard to easy to tell apart, 5 to 50 observations a user.
 *
 * In every cell the full-batch objective may never fall; at the true tastes the prior that EM finds lies within its sampling error and the
 * responsibilities are calibrated; from the data alone both hold at the easy end, where the types are found as well. PASTA_EM_TABLE=SEEDS
 * prints the whole table, means over so many seeds, as Markdown; PASTA_EM_START and PASTA_EM_RESEED then set user_model.start and .reseed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pasta/eval/assignment.h"
#include "pasta/eval/measures.h"
#include "pasta/tensor/pt.h"
#include "unit/user_people.h"
#include "../../src/user/em_state.h"

enum { MAX_TYPES = 8, USERS_A_TYPE = 40, BINS = 10 };
#define TRAINED 0.5    /* share of the users who are trained on */
#define HIGHEST_Z 4.0  /* of 63 tests with a p of 3e-5 each */
#define LEAST_SPREAD 4 /* variance of the number of right types in a bin of its own */

struct cell { int types, observations; double strength; uint64_t seed; };
struct found {
    double ari, fresh_ari;              /* of the users trained on, of as many others */
    double prior_error, prior_z;        /* sum over types of |found - true|; chi-squared test of the difference, as a normal deviate */
    double ece, calibration_z;          /* of the users not trained on */
    double train_loglik, fresh_loglik;  /* an observation */
};

static const int all_types[] = {2, 4, 8}, all_observations[] = {5, 15, 50};
static const double all_strengths[] = {0.5, 1, 2};

/* --- the mixture ------------------------------------------------------------------------------------------------------------------- */

static void true_prior(int K, double *prior)
{
    for (int k = 0; k < K; k++)
        prior[k] = (K + 2.0 * k) / (K * (2.0 * K - 1)); /* the last three times as frequent as the first, nearly */
}

static void draw(struct people *p, const struct cell *c)
{
    double prior[MAX_TYPES];
    int turns = c->observations / 15 * 3, pairs = (c->observations - turns) / 2;
    true_prior(c->types, prior);
    people_make(p, 100 * c->seed + (uint64_t)c->types, (struct people_size){.dim = 8, .types = c->types, .people = (int)(USERS_A_TYPE * c->types / TRAINED),
                .pairs = pairs, .ratings = c->observations - turns - pairs, .turns = turns, .strength = c->strength, .prior = prior});
}

/* One phase over all kinds, all observations in every batch, and weights under which the loss is the objective: the sum over observations
 * of the gamma-weighted negative log-likelihood, but for a factor. */
static struct pasta_user_model_settings full_batch(const struct pasta_user_data *data, int types, const char *start, int steps, double rate)
{
    double pairs = 0, ratings = 0, turns = 0, versus = 0;
    for (size_t i = 0; i < data->n_pairs; i++)
        pairs += !data->held_out[data->pairs[i].user];
    for (size_t i = 0; i < data->n_ratings; i++)
        ratings += !data->held_out[data->ratings[i].user];
    for (size_t i = 0; i < data->n_turns; i++)
        if (!data->held_out[data->turns[i].user]) {
            turns++;
            versus += data->turns[i].versus != PASTA_VERSUS_NONE;
        }
    struct pasta_train_settings train = {.steps = steps, .batch = 1000000, .learning_rate = rate};
    struct pasta_user_model_settings s = {.types = types, .aggregate = "mean", .start = start, .temperature_max = 3, .target_every = 1,
                                          .prior_momentum = 0, .responsibilities = "user", .kappa_rating = ratings / pairs, .main = train, .fine = train};
    if (turns > 0) {
        double all = pairs + ratings + turns + versus;
        s.main.steps = 0;
        s.kappa_rehearsal = pairs / all, s.kappa_choice = turns / all, s.kappa_cross_turn = versus / all;
    }
    return s;
}

static struct pasta_em *em_of(const struct pasta_user_model_settings *settings, const struct pasta_user_data *data)
{
    struct pasta_err err = {0};
    struct pasta_em *em = NULL;
    if (pasta_em_new(settings, 7, "cpu", data, NULL, &em, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    return em;
}

/* The parameters that drew the answers. */
static void start_at_truth(struct pasta_em *em, const struct people *p)
{
    struct pasta_err err = {0};
    const struct whitening *w = &em->whitening;
    struct pasta_user_model *m = pasta_user_model_new(p->types, p->dim, 0, PASTA_AGG_MEAN, 3, "");
    for (int k = 0; k < p->types; k++)
        for (int j = 0; j < w->rank; j++) {
            double sum = 0;
            for (int d = 0; d < p->dim; d++)
                sum += w->basis[j * p->dim + d] * p->taste[k * p->dim + d];
            for (int d = 0; d < p->dim; d++)
                m->taste[k * p->dim + d] += (float)(w->basis[j * p->dim + d] * sum / w->gain[j]);
        }
    m->scale = 2;
    m->temperature = 1;
    m->tie = PEOPLE_TIE;
    m->rating_gain = m->rating_noise = PEOPLE_RATING;
    m->rating_offset = 0.5;
    if (em_begin(em, m, &err) != PASTA_OK)
        fail_msg("%s", err.message);
    pasta_user_model_free(m);
}

/* Takes all steps; fails where the objective falls by more than rounding. */
static void fit(struct pasta_em *em, const struct cell *c, double rounding)
{
    struct pasta_err err = {0};
    double before = -INFINITY;
    while (pasta_em_position(em) < pasta_em_total(em)) {
        struct pasta_em_metrics m;
        if (pasta_em_step(em, &m, &err) != PASTA_OK)
            fail_msg("%s", err.message);
        if (m.train_loglik < before - rounding)
            fail_msg("K = %d, strength %g, %d observations, seed %d: step %d: the objective fell from %.9f to %.9f", c->types, c->strength, c->observations,
                     (int)c->seed, (int)pasta_em_position(em), before, m.train_loglik);
        before = m.train_loglik;
    }
}

/* --- what was found ---------------------------------------------------------------------------------------------------------------- */

/* The true type of every found one, so that tastes lie nearest. By tastes, not by who was put where: that would make chance look like skill. */
static void align(const struct pasta_user_model *m, const struct people *p, int *true_of)
{
    int K = m->n_types;
    double near[MAX_TYPES * MAX_TYPES] = {0};
    for (int k = 0; k < K; k++)
        for (int j = 0; j < K; j++)
            for (int d = 0; d < p->dim; d++)
                near[k * K + j] -= pow(m->taste[k * p->dim + d] - p->taste[j * p->dim + d], 2);
    pasta_assignment(near, K, K, true_of);
}

/* A chi-squared value as a standard normal deviate (Wilson and Hilferty 1931). */
static double deviate(double chi, double freedom)
{
    return (cbrt(chi / freedom) - (1 - 2 / (9 * freedom))) / sqrt(2 / (9 * freedom));
}

/* Chi-squared of found less true prior under the observed information of the shares, sum over users of s s^T with s_k = gamma_k / pi_k - gamma_K / pi_K:
 * the sampling error of a multinomial where types are certain, more where they are not. */
static double prior_chi(const double *gamma, const uint8_t *use, int n, int K, const double *found, const double *truth)
{
    double chi = 0;
    for (int u = 0; u < n; u++) {
        double s = 0;
        for (int k = 0; use[u] && k < K; k++)
            s += gamma[u * K + k] / found[k] * (found[k] - truth[k]); /* the differences sum to 0, so the last type needs no place of its own */
        chi += s * s;
    }
    return chi;
}

/* Right types against the confidence in them: expected calibration error, and the sum over bins of (right - expected)^2 / variance as a deviate. */
static double calibration_z(const double *confidence, const double *right, int n, double *ece)
{
    *ece = 0;
    double expected[BINS + 1] = {0}, seen[BINS + 1] = {0}, variance[BINS + 1] = {0}, chi = 0;
    int bins = 0;
    for (int i = 0; i < n; i++) {
        int b = (int)fmin(confidence[i] * BINS, BINS - 1);
        expected[b] += confidence[i];
        variance[b] += confidence[i] * (1 - confidence[i]);
        seen[b] += right[i];
    }
    for (int b = 0; b < BINS; b++)
        *ece += fabs(seen[b] - expected[b]) / n;
    for (int b = 0; b <= BINS; b++) {
        if (b < BINS && variance[b] < LEAST_SPREAD) { /* the small ones go together */
            expected[BINS] += expected[b], variance[BINS] += variance[b], seen[BINS] += seen[b];
            continue;
        }
        if (b == BINS && variance[b] == 0)
            continue;
        double d = fmax(fabs(seen[b] - expected[b]) - (variance[b] < LEAST_SPREAD ? 1 : 0), 0);
        chi += d * d / fmax(variance[b], 1e-3);
        bins++;
    }
    return bins > 0 ? deviate(chi, bins) : 0;
}

static struct found look(const struct pasta_em *em, const struct people *p)
{
    struct pasta_err err = {0};
    int K = em->n_types, n = p->n_people, true_of[MAX_TYPES], fresh = 0, observations[2] = {0};
    double *gamma = pasta_malloc((size_t)n * K * sizeof *gamma), truth[MAX_TYPES], aligned[MAX_TYPES], evidence[2] = {0};
    double *confidence = pasta_malloc(2 * (size_t)n * sizeof *confidence), *right = confidence + n;
    int32_t *part = pasta_malloc(4 * (size_t)n * sizeof *part), *best[2] = {part, part + n}, *type[2] = {part + 2 * n, part + 3 * n};
    uint8_t *trained = pasta_malloc((size_t)n);
    int count[2] = {0};
    struct pasta_user_model *m = NULL;
    assert_int_equal(pasta_em_model(em, &m, &err), PASTA_OK);
    assert_int_equal(pasta_em_user_loglik(em, gamma, &err), PASTA_OK);
    for (int kind = 0; kind < OBS_KINDS; kind++)
        for (size_t i = 0; i < user_data_count(em->data, (enum observation_kind)kind); i++)
            observations[em->data->held_out[user_data_owner(em->data, (enum observation_kind)kind, i)]]++;
    for (int u = 0; u < n; u++) { /* users are numbered by first appearance, which is the order of the people */
        double *g = gamma + u * K;
        trained[u] = !pasta_user_data_held_out(em->data, u);
        evidence[!trained[u]] += pasta_user_evidence(m, g);
        pasta_user_posterior(m, g, g);
    }
    align(m, p, true_of);
    double prior[MAX_TYPES];
    true_prior(K, prior);
    struct found f = {.train_loglik = evidence[0] / observations[0], .fresh_loglik = evidence[1] / observations[1]};
    for (int k = 0; k < K; k++) {
        truth[k] = prior[true_of[k]];
        aligned[k] = m->prior[k];
        f.prior_error += fabs(aligned[k] - truth[k]);
    }
    f.prior_z = deviate(prior_chi(gamma, trained, n, K, aligned, truth), K - 1);
    for (int u = 0; u < n; u++) {
        int top = 0, set = !trained[u];
        for (int k = 1; k < K; k++)
            top = gamma[u * K + k] > gamma[u * K + top] ? k : top;
        best[set][count[set]] = top;
        type[set][count[set]++] = p->type[u];
        if (set == 1) {
            confidence[fresh] = gamma[u * K + top];
            right[fresh++] = true_of[top] == p->type[u];
        }
    }
    f.ari = pasta_adjusted_rand(NULL, best[0], type[0], count[0]).value;
    f.fresh_ari = pasta_adjusted_rand(NULL, best[1], type[1], count[1]).value;
    f.calibration_z = calibration_z(confidence, right, fresh, &f.ece);
    pasta_user_model_free(m);
    free(gamma);
    free(confidence);
    free(part);
    free(trained);
    return f;
}

/* --- the cells --------------------------------------------------------------------------------------------------------------------- */

/* Exact EM on the prior alone, at the true tastes. */
static struct found at_truth(const struct people *p, const struct pasta_user_data *data, const struct cell *c)
{
    struct pasta_user_model_settings s = full_batch(data, c->types, "random", 40, 0);
    struct pasta_em *em = em_of(&s, data);
    start_at_truth(em, p);
    fit(em, c, 1e-12); /* the likelihoods do not move, so nothing is rounded anew */
    struct found f = look(em, p);
    pasta_em_free(em);
    return f;
}

/* From random tastes, in small steps. */
static void climb(const struct pasta_user_data *data, const struct cell *c)
{
    struct pasta_user_model_settings s = full_batch(data, c->types, "random", 40, 1e-3);
    struct pasta_em *em = em_of(&s, data);
    fit(em, c, 0);
    pasta_em_free(em);
}

/* From the data alone, as a user would. */
static struct found learned(const struct people *p, const struct pasta_user_data *data, const struct cell *c)
{
    const char *start = getenv("PASTA_EM_START"), *reseed = getenv("PASTA_EM_RESEED");
    struct pasta_user_model_settings s = full_batch(data, c->types, start != NULL ? start : "clusters", 250, 5e-2);
    s.main.cosine_period = s.fine.cosine_period = 250;
    s.target_every = 4;
    s.dead = 0.1;
    s.duplicate = 0.05;
    s.reseed = reseed != NULL ? atoi(reseed) : 0;
    struct pasta_em *em = em_of(&s, data);
    fit(em, c, INFINITY);
    struct found f = look(em, p);
    pasta_em_free(em);
    return f;
}

static void table(int seeds)
{
    printf("| K | strength | observations | ARI | fresh | fresh, at truth | prior error | at truth | z | ECE | at truth | z | log-likelihood, fresh | at truth |\n");
    for (int i = 0; i < 27; i++) {
        struct cell c = {all_types[i / 9], all_observations[i % 3], all_strengths[i / 3 % 3], 1};
        double mean[11] = {0};
        for (; c.seed <= (uint64_t)seeds; c.seed++) {
            struct people p;
            draw(&p, &c);
            struct pasta_user_data *data = people_data(&p, 1 - TRAINED);
            struct found t = at_truth(&p, data, &c), f = learned(&p, data, &c);
            const double row[11] = {f.ari, f.fresh_ari, t.fresh_ari, f.prior_error, t.prior_error, f.prior_z, f.ece, t.ece, f.calibration_z,
                                    f.fresh_loglik, t.fresh_loglik};
            for (int j = 0; j < 11; j++)
                mean[j] += row[j] / seeds;
            pasta_user_data_free(data);
            people_free(&p);
        }
        printf("| %d | %g | %d", c.types, c.strength, c.observations);
        for (int j = 0; j < 11; j++)
            printf(" | %.3f", mean[j]);
        printf(" |\n");
        fflush(stdout);
    }
}

static void expect_found(const struct found *f, const struct cell *c, const char *how)
{
    if (!(f->prior_z < HIGHEST_Z && f->calibration_z < HIGHEST_Z))
        fail_msg("K = %d, strength %g, %d observations, %s: prior off by %.3f (z %.2f), calibration error %.3f (z %.2f)", c->types, c->strength,
                 c->observations, how, f->prior_error, f->prior_z, f->ece, f->calibration_z);
}

static void every_cell(void **state)
{
    (void)state;
    for (int i = 0; i < 27; i++) {
        struct cell c = {all_types[i / 9], all_observations[i % 3], all_strengths[i / 3 % 3], 1};
        struct people p;
        draw(&p, &c);
        struct pasta_user_data *data = people_data(&p, 1 - TRAINED);
        struct found t = at_truth(&p, data, &c);
        expect_found(&t, &c, "at truth");
        climb(data, &c);
        if (c.strength * c.strength * c.observations >= 50) { /* the easy end */
            struct found f = learned(&p, data, &c);
            expect_found(&f, &c, "learned");
            if (!(f.ari > 0.95 && f.fresh_ari > 0.95))
                fail_msg("K = %d, strength %g, %d observations: adjusted Rand index %.3f, of fresh users %.3f", c.types, c.strength, c.observations,
                         f.ari, f.fresh_ari);
        }
        pasta_user_data_free(data);
        people_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell),
    };
    const char *seeds = getenv("PASTA_EM_TABLE");
    pt_threads(1);
    if (seeds != NULL) {
        table(atoi(seeds));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
