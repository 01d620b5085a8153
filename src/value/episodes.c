/* episodes.c: from sessions to rows of tokens. */
#include "episodes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/mem.h"
#include "pasta/value/reward.h"

/* The turns of a session that showed a slate, with the tokens of that slate. */
struct slates {
    int n, longest;             /* longest candidate of all */
    int *turn;                  /* [n] */
    struct pasta_fork *forks;   /* [n], lengths not set yet */
};

static void slates_release(struct slates *s)
{
    for (int i = 0; i < s->n; i++) {
        for (int c = 0; c < s->forks[i].n_candidates; c++)
            pasta_tokens_release(&s->forks[i].candidates[c]);
        free(s->forks[i].candidates);
    }
    free(s->forks);
    free(s->turn);
}

static pasta_status slates_init(struct slates *s, const struct pasta_value_model *m, const struct pasta_session *session,
                                struct pasta_err *err)
{
    *s = (struct slates){.turn = pasta_calloc((size_t)session->n_turns, sizeof *s->turn),
                         .forks = pasta_calloc((size_t)session->n_turns, sizeof *s->forks)};
    for (int t = 0; t < session->n_turns; t++) {
        const struct pasta_turn *turn = &session->turns[t];
        if (turn->n_columns == 0)
            continue;
        struct pasta_fork *fork = &s->forks[s->n];
        s->turn[s->n++] = t;
        fork->candidates = pasta_calloc((size_t)turn->n_columns, sizeof *fork->candidates);
        for (int l = 0; l < turn->n_columns; l++) {
            const struct pasta_candidate candidate = {turn->columns[l].prompt, turn->columns[l].category};
            const pasta_status st = pasta_history_candidate(m->spm, session, t, &candidate, pasta_candidate_limit(m), &fork->candidates[l],
                                                            err);
            if (st != PASTA_OK)
                return st;
            fork->n_candidates++;
            s->longest = fork->candidates[l].n > s->longest ? fork->candidates[l].n : s->longest;
        }
    }
    return PASTA_OK;
}

/* Rows whose forks are the histories before the given turns. `slates` gives up its candidates to the forks unless NULL. */
static struct pasta_rows make_rows(const struct pasta_history *h, const int *turns, int n, int room, struct pasta_fork *slates)
{
    const bool one = n > 1 && pasta_history_first(h, turns[n - 1], room) == 0;
    struct pasta_rows rows = {.n = one ? 1 : n};
    rows.items = pasta_calloc((size_t)rows.n, sizeof *rows.items);
    for (int r = 0; r < rows.n; r++) {
        struct pasta_row *row = &rows.items[r];
        row->n_forks = one ? n : 1;
        row->forks = pasta_calloc((size_t)row->n_forks, sizeof *row->forks);
        row->prefix = pasta_value_prefix(h, one ? turns[n - 1] : turns[r], room, &row->n_prefix);
        for (int f = 0; f < row->n_forks; f++) {
            const int i = one ? f : r;
            if (slates) {
                row->forks[f] = slates[i];
                slates[i] = (struct pasta_fork){0};
            }
            row->forks[f].length = row->n_prefix;
            if (one) { /* a shorter history ends inside the row */
                row->forks[f].length = 1 + h->prompt.n;
                for (int t = 0; t < turns[i]; t++)
                    row->forks[f].length += h->turns[t].n;
            }
        }
    }
    return rows;
}

static pasta_status make_episode(struct pasta_episode *e, const struct pasta_value_model *m, const struct pasta_session *session, bool versus,
                                 struct pasta_err *err)
{
    struct slates slates;
    struct pasta_history h = {0};
    pasta_status st = slates_init(&slates, m, session, err);
    if (st == PASTA_OK && slates.n > 0)
        st = pasta_history_init(&h, m->spm, session, session->n_turns, err);
    if (st == PASTA_OK && slates.n > 0) {
        e->n = slates.n;
        e->reward = pasta_malloc((size_t)slates.n * sizeof *e->reward);
        e->choice = pasta_malloc((size_t)slates.n * sizeof *e->choice);
        for (int i = 0; i < slates.n; i++) {
            e->reward[i] = pasta_turn_reward(&session->turns[slates.turn[i]], versus);
            e->choice[i] = session->turns[slates.turn[i]].choice;
        }
        e->f = make_rows(&h, slates.turn, slates.n, m->max_tokens_q - slates.longest, slates.forks);
        e->v = make_rows(&h, slates.turn, slates.n, m->max_tokens_v, NULL);
    }
    pasta_history_release(&h);
    slates_release(&slates);
    return st;
}

pasta_status pasta_episodes_init(struct pasta_episodes *e, const struct pasta_value_model *m, const struct pasta_session *const *sessions,
                                 int n, bool versus, struct pasta_err *err)
{
    struct pasta_episodes made = {.items = pasta_calloc((size_t)n, sizeof *made.items)};
    pasta_status st = PASTA_OK;
    for (int i = 0; i < n && st == PASTA_OK; i++) {
        struct pasta_episode *episode = &made.items[made.n];
        st = make_episode(episode, m, sessions[i], versus, err);
        if (st == PASTA_OK && episode->n > 0) {
            made.transitions += episode->n;
            made.n++;
        }
    }
    if (st == PASTA_OK)
        *e = made;
    else
        pasta_episodes_release(&made);
    return st;
}

static void rows_release(struct pasta_rows *rows)
{
    for (int r = 0; r < rows->n; r++)
        pasta_row_release(&rows->items[r]);
    free(rows->items);
}

void pasta_episodes_release(struct pasta_episodes *e)
{
    for (int i = 0; i < e->n; i++) {
        free(e->items[i].reward);
        free(e->items[i].choice);
        rows_release(&e->items[i].f);
        rows_release(&e->items[i].v);
    }
    free(e->items);
    *e = (struct pasta_episodes){0};
}
