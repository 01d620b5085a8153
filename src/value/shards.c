/* shards.c: batches to shards, shards to passes. */
#include "shards.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"

/* --- dealing ------------------------------------------------------------------------------------------------------ */

struct dealt { struct pasta_episode *episode; int length, place; };

static int by_length(const void *a, const void *b)
{
    const struct dealt *x = a, *y = b;
    return x->length != y->length ? (x->length < y->length ? 1 : -1) : x->place - y->place;
}

static void append_rows(struct pasta_rows_list *list, const struct pasta_row *rows, int n)
{
    list->items = pasta_realloc(list->items, (size_t)(list->n + n), sizeof *list->items);
    for (int r = 0; r < n; r++)
        list->items[list->n++] = &rows[r];
}

static void append_episode(struct pasta_shard *s, const struct pasta_episode *e)
{
    append_rows(&s->f_rows, e->f.items, e->f.n);
    append_rows(&s->v_rows, e->v.items, e->v.n);
    s->n += e->n;
}

static void fill_transitions(struct pasta_shard *s, struct pasta_episode *const *episodes, int n, double mean_reward)
{
    int at = 0;
    for (int i = 0; i < n; i++)
        for (int t = 0; t < episodes[i]->n; t++, at++) {
            s->reward[at] = (float)(episodes[i]->reward[t] - mean_reward);
            s->choice[at] = episodes[i]->choice[t];
            s->n_choices += s->choice[at] >= 0;
            s->next[at] = t + 1 < episodes[i]->n;
        }
    at = 0;
    for (int r = 0; r < s->f_rows.n; r++)
        for (int f = 0; f < s->f_rows.items[r]->n_forks; f++)
            s->columns[at++] = s->f_rows.items[r]->forks[f].n_candidates;
}

void pasta_shards_init(struct pasta_shard *shards, int n_shards, struct pasta_episode *const *episodes, int n, double mean_reward)
{
    struct dealt *order = pasta_malloc((size_t)n * sizeof *order);
    struct pasta_episode **mine = pasta_malloc((size_t)n * sizeof *mine);
    for (int i = 0; i < n; i++)
        order[i] = (struct dealt){episodes[i], episodes[i]->f.items[0].n_prefix, i};
    qsort(order, (size_t)n, sizeof *order, by_length);
    for (int k = 0; k < n_shards; k++) {
        struct pasta_shard *s = &shards[k];
        int n_mine = 0, columns = 0;
        *s = (struct pasta_shard){0};
        for (int i = k; i < n; i += n_shards) {
            append_episode(s, order[i].episode);
            mine[n_mine++] = order[i].episode;
        }
        s->columns = pasta_calloc((size_t)s->n, sizeof *s->columns);
        s->choice = pasta_calloc((size_t)s->n, sizeof *s->choice);
        float **const arrays[] = {&s->reward, &s->next, &s->q_target, &s->q, &s->v, &s->v_next};
        for (size_t a = 0; a < sizeof arrays / sizeof *arrays; a++)
            *arrays[a] = pasta_calloc((size_t)s->n, sizeof **arrays[a]);
        fill_transitions(s, mine, n_mine, mean_reward);
        for (int i = 0; i < s->n; i++)
            columns += s->columns[i];
        s->f_values = pasta_calloc((size_t)columns, sizeof *s->f_values);
    }
    free(mine);
    free(order);
}

void pasta_shard_release(struct pasta_shard *s)
{
    free(s->f_rows.items);
    free(s->v_rows.items);
    free(s->columns);
    free(s->choice);
    free(s->reward);
    free(s->next);
    free(s->q_target);
    free(s->q);
    free(s->v);
    free(s->v_next);
    free(s->f_values);
    *s = (struct pasta_shard){0};
}

/* --- passes ------------------------------------------------------------------------------------------------------- */

int pasta_rows_in_pass(const struct pasta_rows_list *rows, int first, enum pasta_pack_reads reads, int64_t tokens)
{
    int64_t prefix = 0, branches = 0, width = 0;
    int n = 0;
    for (int r = first; r < rows->n; r++, n++) {
        const struct pasta_row *row = rows->items[r];
        int64_t candidates = 0;
        prefix = row->n_prefix > prefix ? row->n_prefix : prefix;
        for (int f = 0; f < row->n_forks && (reads & PASTA_PACK_BRANCHES); f++) {
            candidates += row->forks[f].n_candidates;
            for (int c = 0; c < row->forks[f].n_candidates; c++)
                width = row->forks[f].candidates[c].n > width ? row->forks[f].candidates[c].n : width;
        }
        branches = candidates > branches ? candidates : branches;
        if (n > 0 && (n + 1) * (prefix + branches * width) > tokens)
            break;
    }
    return n;
}

void pasta_pass_init(struct pasta_pass *p, const struct pasta_row *const *rows, int n_rows, enum pasta_pack_reads reads)
{
    *p = (struct pasta_pass){.rows = rows, .n_rows = n_rows};
    for (int r = 0; r < n_rows; r++) {
        p->n += rows[r]->n_forks;
        for (int f = 0; f < rows[r]->n_forks; f++)
            p->columns += rows[r]->forks[f].n_candidates;
    }
    pasta_pack_init(&p->pack, rows, n_rows, reads);
}

void pasta_pass_release(struct pasta_pass *p)
{
    pasta_pack_release(&p->pack);
}

pt pasta_pass_forks(const struct pasta_pass *p, pt values, const char *device)
{
    int64_t *index = pasta_malloc((size_t)p->n * sizeof *index), n = 0;
    for (int r = 0; r < p->n_rows; r++)
        for (int f = 0; f < p->rows[r]->n_forks; f++)
            index[n++] = r * p->pack.layout.reads + f;
    pt result = pt_index_select(values, 0, pt_to_device(pt_from_i64(index, PT_SHAPE(n)), device));
    free(index);
    return result;
}

pt pasta_pass_columns(const struct pasta_pass *p, pt values, const char *device)
{
    int64_t *index = pasta_malloc((size_t)p->columns * sizeof *index), n = 0;
    for (int r = 0; r < p->n_rows; r++) {
        int64_t read = r * p->pack.layout.reads + p->pack.reads_of_forks;
        for (int f = 0; f < p->rows[r]->n_forks; f++)
            for (int c = 0; c < p->rows[r]->forks[f].n_candidates; c++)
                index[n++] = read++;
    }
    pt result = pt_index_select(values, 0, pt_to_device(pt_from_i64(index, PT_SHAPE(n)), device));
    free(index);
    return result;
}

pt pasta_pass_slates(const struct pasta_pass *p, pt values, const char *device)
{
    const int64_t n = p->n, columns = p->columns;
    float *weights = pasta_calloc((size_t)(n * columns), sizeof *weights); /* 1/L where a column belongs to the slate */
    int64_t transition = 0, column = 0;
    for (int r = 0; r < p->n_rows; r++)
        for (int f = 0; f < p->rows[r]->n_forks; f++, transition++) {
            const int L = p->rows[r]->forks[f].n_candidates;
            for (int c = 0; c < L; c++)
                weights[transition * columns + column++] = 1.0f / (float)L;
        }
    pt mean = pt_to_device(pt_from_f32(weights, PT_SHAPE(n, columns)), device);
    free(weights);
    return pt_matmul(mean, pasta_pass_columns(p, values, device));
}

pt pasta_pass_choices(const struct pasta_pass *p, pt values, const int *choice, const char *device)
{
    int64_t widest = 1, n = 0, transition = 0, column = 0;
    for (int r = 0; r < p->n_rows; r++)
        for (int f = 0; f < p->rows[r]->n_forks; f++)
            widest = p->rows[r]->forks[f].n_candidates > widest ? p->rows[r]->forks[f].n_candidates : widest;
    int64_t *index = pasta_calloc((size_t)(p->n * widest), sizeof *index), *target = pasta_malloc((size_t)p->n * sizeof *target);
    float *absent = pasta_calloc((size_t)(p->n * widest), sizeof *absent); /* added: columns that a slate does not have */
    for (int r = 0; r < p->n_rows; r++)
        for (int f = 0; f < p->rows[r]->n_forks; f++, transition++) {
            const int64_t L = p->rows[r]->forks[f].n_candidates;
            for (int64_t c = 0; c < widest && choice[transition] >= 0; c++) {
                index[n * widest + c] = c < L ? column + c : 0;
                absent[n * widest + c] = c < L ? 0 : -1e30f;
            }
            if (choice[transition] >= 0)
                target[n++] = choice[transition];
            column += L;
        }
    pt slates = pt_reshape(pt_index_select(pasta_pass_columns(p, values, device), 0,
                                           pt_to_device(pt_from_i64(index, PT_SHAPE(n * widest)), device)), PT_SHAPE(n, widest));
    pt loss = pt_cross_entropy(pt_add(slates, pt_to_device(pt_from_f32(absent, PT_SHAPE(n, widest)), device)),
                               pt_to_device(pt_from_i64(target, PT_SHAPE(n)), device));
    free(absent);
    free(target);
    free(index);
    return loss;
}
