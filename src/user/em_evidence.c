/* em_evidence.c: the E-step. Observations go through the network in blocks of bounded size, in order, so the sums do not depend on
 * batches. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "em_state.h"
#include "pasta/base/mem.h"

enum { BLOCK = 1024, TURN_BLOCK = 128 }; /* observations that go through the network at once */

size_t em_group(const struct pasta_em *em, enum observation_kind kind, size_t i)
{
    if (em->per_user)
        return (size_t)user_data_owner(em->data, kind, i);
    for (int before = 0; before < (int)kind; before++)
        i += user_data_count(em->data, (enum observation_kind)before);
    return i;
}

static void subtract(const struct pasta_em *em, pt nll, enum observation_kind kind, size_t first, int n, bool by_user, float *buffer,
                     double *out)
{
    if (nll == NULL)
        return;
    int K = em->n_types;
    pt_copy_f32(nll, buffer); /* [K,n] */
    for (int i = 0; i < n; i++) {
        size_t row = by_user ? (size_t)user_data_owner(em->data, kind, first + (size_t)i) : em_group(em, kind, first + (size_t)i);
        for (int k = 0; k < K; k++)
            out[row * (size_t)K + (size_t)k] -= (double)buffer[(size_t)k * (size_t)n + (size_t)i];
    }
}

static pasta_status evidence_block(const struct pasta_em *em, const struct user_net *net, enum observation_kind kind, size_t first, int n,
                                   bool by_user, struct user_batch *batch, uint32_t *items, float *buffer, double *out,
                                   struct pasta_err *err)
{
    struct batch_list lists[OBS_KINDS] = {{0}};
    for (int i = 0; i < n; i++)
        items[i] = (uint32_t)(first + (size_t)i);
    lists[kind] = (struct batch_list){items, n};
    user_batch_fill(batch, em->data, lists);
    pt_scope_open();
    struct user_nll nll = user_net_nll(net, em->image_table, em->text_table, batch);
    if (!pt_failed()) {
        subtract(em, nll.pair, kind, first, n, by_user, buffer, out);
        subtract(em, nll.rating, kind, first, n, by_user, buffer, out);
        subtract(em, nll.choice, kind, first, n, by_user, buffer, out);
        subtract(em, nll.versus, kind, first, n, by_user, buffer, out);
    }
    return pt_scope_close(err);
}

pasta_status em_evidence(const struct pasta_em *em, const struct user_net *net, enum em_phase phase, bool by_user, double *out,
                         struct pasta_err *err)
{
    pasta_status status = em_towers_refresh(em, err);
    struct user_batch batch = {0};
    uint32_t *items = pasta_malloc(BLOCK * sizeof *items);
    float *buffer = pasta_malloc((size_t)BLOCK * (size_t)em->n_types * sizeof *buffer);
    bool grad = pt_grad_enable(false);
    memset(out, 0, (by_user ? em->data->users.n : em->n_groups) * (size_t)em->n_types * sizeof *out);
    for (int kind = 0; kind < OBS_KINDS && status == PASTA_OK; kind++) {
        if (!em_phase_has(phase, (enum observation_kind)kind))
            continue;
        size_t total = user_data_count(em->data, (enum observation_kind)kind), block = kind == OBS_TURN ? TURN_BLOCK : BLOCK;
        for (size_t first = 0; first < total && status == PASTA_OK; first += block) {
            int n = (int)(total - first < block ? total - first : block);
            status = evidence_block(em, net, (enum observation_kind)kind, first, n, by_user, &batch, items, buffer, out, err);
        }
    }
    pt_grad_enable(grad);
    user_batch_release(&batch);
    free(items);
    free(buffer);
    return status;
}

double em_mixture(const double *prior, const double *loglik, int K, double *gamma)
{
    double max = -INFINITY, sum = 0;
    for (int k = 0; k < K; k++)
        max = fmax(max, log(prior[k]) + loglik[k]);
    for (int k = 0; k < K; k++)
        sum += exp(log(prior[k]) + loglik[k] - max);
    for (int k = 0; gamma != NULL && k < K; k++)
        gamma[k] = exp(log(prior[k]) + loglik[k] - max) / sum;
    return max + log(sum);
}

void em_responsibility(const struct pasta_em *em, size_t group, double *gamma)
{
    em_mixture(em->prior, em->evidence + group * (size_t)em->n_types, em->n_types, gamma);
}

double em_mean_loglik(const struct pasta_em *em, const double *evidence, enum em_phase phase, bool held_out)
{
    const struct pasta_user_data *data = em->data;
    bool *counted = pasta_calloc(em->n_groups, sizeof *counted);
    double sum = 0;
    int64_t observations = 0;
    for (int kind = 0; kind < OBS_KINDS; kind++) {
        const size_t n = em_phase_has(phase, (enum observation_kind)kind) ? user_data_count(data, (enum observation_kind)kind) : 0;
        for (size_t i = 0; i < n; i++) {
            if (data->held_out[user_data_owner(data, (enum observation_kind)kind, i)] != held_out)
                continue;
            observations++;
            size_t group = em_group(em, (enum observation_kind)kind, i);
            if (!counted[group])
                sum += em_mixture(em->prior, evidence + group * (size_t)em->n_types, em->n_types, NULL);
            counted[group] = true;
        }
    }
    free(counted);
    return observations > 0 ? sum / (double)observations : NAN;
}

pasta_status pasta_em_loglik(const struct pasta_em *em, double *train, double *held_out, struct pasta_err *err)
{
    double *evidence = pasta_malloc(em->n_groups * (size_t)em->n_types * sizeof *evidence);
    pasta_status status = em_evidence(em, &em->online, EM_FINE, false, evidence, err);
    if (status == PASTA_OK) {
        *train = em_mean_loglik(em, evidence, EM_FINE, false);
        *held_out = em_mean_loglik(em, evidence, EM_FINE, true);
    }
    free(evidence);
    return status;
}
