/* em_types.c: is every type somebody, and somebody else than the others (em.h)? */
#include <math.h>
#include <stdlib.h>
#include "em_state.h"
#include "pasta/base/mem.h"

enum { SAMPLE = 2048, BLOCK = 256 }; /* observations of a kind that predictions are compared on, and at once */

/* Sums over observations of |P_j - P_k|. */
struct comparison { int K; double *sum /* [K,K], j < k */, n; };

/* nll [K,n] of one kind, as probabilities of the answers given: exp(-nll) * unit. */
static void compare(struct comparison *c, const float *nll, int n, const struct user_batch *batch, const float *use, double unit)
{
    double *p = pasta_malloc((size_t)c->K * sizeof *p);
    for (int i = 0; i < n; i++) {
        if (use != NULL && use[i] == 0)
            continue;
        if (batch->n_pairs > 0 && batch->label[i] == 0.5f)
            continue; /* a tie's likelihood does not tell which image a type prefers */
        for (int k = 0; k < c->K; k++)
            p[k] = exp(-(double)nll[(size_t)k * n + i]) * unit;
        for (int j = 0; j < c->K; j++)
            for (int k = j + 1; k < c->K; k++)
                c->sum[j * c->K + k] += fabs(p[j] - p[k]);
        c->n++;
    }
    free(p);
}

static void compare_part(struct comparison *c, pt nll, int n, const struct user_batch *batch, const float *use, double unit, float *buffer)
{
    if (nll == NULL)
        return;
    pt_copy_f32(nll, buffer);
    if (!pt_failed())
        compare(c, buffer, n, batch, use, unit);
}

static pasta_status compare_block(const struct pasta_em *em, enum observation_kind kind, const uint32_t *items, int n, struct user_batch *batch,
                                  float *buffer, struct comparison *c, struct pasta_err *err)
{
    double scale, temperature, tie, noise;
    struct batch_list lists[OBS_KINDS] = {{0}};
    lists[kind] = (struct batch_list){items, n};
    user_batch_fill(batch, em->data, lists);
    pt_scope_open();
    user_net_heads(&em->online, &scale, &temperature, &tie, &noise);
    struct user_nll nll = user_net_nll(&em->online, em->image_table, em->text_table, batch);
    compare_part(c, nll.pair, n, batch, NULL, 1, buffer);
    compare_part(c, nll.rating, n, batch, NULL, noise * sqrt(2 * M_PI), buffer); /* the density, as a share of its highest value */
    compare_part(c, nll.choice, n, batch, NULL, 1, buffer);
    compare_part(c, nll.versus, n, batch, batch->has_versus, 1, buffer);
    return pt_scope_close(err);
}

/* Over at most SAMPLE training observations of each kind, evenly spread over the files. */
static pasta_status compare_all(const struct pasta_em *em, struct comparison *c, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    struct user_batch batch = {0};
    uint32_t items[BLOCK];
    float *buffer = pasta_malloc((size_t)c->K * BLOCK * sizeof *buffer);
    bool grad = pt_grad_enable(false);
    for (int kind = 0; kind < OBS_KINDS; kind++) {
        const struct em_order *order = &em->order[kind];
        size_t count = order->n < SAMPLE ? order->n : SAMPLE;
        for (size_t first = 0; first < count && status == PASTA_OK; first += BLOCK) {
            int n = (int)(count - first < BLOCK ? count - first : BLOCK);
            for (int i = 0; i < n; i++)
                items[i] = order->train[(first + (size_t)i) * order->n / count];
            status = compare_block(em, (enum observation_kind)kind, items, n, &batch, buffer, c, err);
        }
    }
    pt_grad_enable(grad);
    user_batch_release(&batch);
    free(buffer);
    return status;
}

/* Shares of the groups in training, from evidence [G,K]. */
static void measure_shares(const struct pasta_em *em, const double *evidence, struct pasta_em_type *types)
{
    size_t K = (size_t)em->n_types, n = 0;
    double *gamma = pasta_malloc(K * sizeof *gamma);
    bool *counted = pasta_calloc(em->n_groups, sizeof *counted);
    for (int kind = 0; kind < OBS_KINDS; kind++)
        for (size_t i = 0; i < em->order[kind].n; i++) {
            size_t group = em_group(em, (enum observation_kind)kind, em->order[kind].train[i]);
            if (counted[group])
                continue;
            counted[group] = true;
            n++;
            em_mixture(em->prior, evidence + group * K, (int)K, gamma);
            for (size_t k = 0; k < K; k++)
                types[k].users += gamma[k];
        }
    for (size_t k = 0; k < K; k++) {
        types[k].share = n > 0 ? types[k].users / (double)n : em->prior[k];
        types[k].dead = types[k].share * (double)K < em->settings->dead;
    }
    free(counted);
    free(gamma);
}

/* Of two living types that predict alike, the one with the smaller share is the duplicate of the other. */
static void find_duplicates(const struct pasta_em *em, const struct comparison *c, struct pasta_em_type *types)
{
    for (int k = 0; k < c->K; k++) {
        for (int j = 0; j < c->K; j++) {
            double difference = j == k || c->n == 0 ? INFINITY : c->sum[j < k ? j * c->K + k : k * c->K + j] / c->n;
            bool larger = types[j].share > types[k].share || (types[j].share == types[k].share && j < k);
            if (difference < types[k].difference) {
                types[k].difference = difference;
                types[k].nearest = j;
            }
            if (difference < em->settings->duplicate && larger && !types[j].dead && !types[k].dead && types[k].duplicate_of < 0)
                types[k].duplicate_of = j;
        }
    }
}

pasta_status em_types(const struct pasta_em *em, const double *evidence, struct pasta_em_type *out, struct pasta_err *err)
{
    struct comparison c = {.K = em->n_types, .sum = pasta_calloc((size_t)em->n_types * (size_t)em->n_types, sizeof *c.sum)};
    pasta_status status = compare_all(em, &c, err);
    if (status == PASTA_OK) {
        for (int k = 0; k < em->n_types; k++)
            out[k] = (struct pasta_em_type){.nearest = -1, .duplicate_of = -1, .difference = INFINITY};
        measure_shares(em, evidence, out);
        find_duplicates(em, &c, out);
    }
    free(c.sum);
    return status;
}

pasta_status pasta_em_types(const struct pasta_em *em, struct pasta_em_type *out, struct pasta_err *err)
{
    double *evidence = pasta_malloc(em->n_groups * (size_t)em->n_types * sizeof *evidence);
    pasta_status status = em_evidence(em, &em->online, EM_FINE, false, evidence, err);
    if (status == PASTA_OK)
        status = em_types(em, evidence, out, err);
    free(evidence);
    return status;
}
