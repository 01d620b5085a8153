/* shards.h: a batch of episodes dealt to shards, and the forward passes over a shard.
 *
 * Transitions of a shard are numbered through its episodes; every array [n] below is in that order.
 */
#ifndef PASTA_SRC_VALUE_SHARDS_H
#define PASTA_SRC_VALUE_SHARDS_H
#include "episodes.h"

struct pasta_rows_list { const struct pasta_row **items; int n; };
struct pasta_shard {
    struct pasta_rows_list f_rows, v_rows; /* borrowed rows */
    int n;                                /* transitions */
    int n_choices;                        /* transitions with a choice */
    int *columns, *choice;                /* [n] */
    float *reward, *next;                 /* [n]; next: 1 where a turn follows, 0 where done */
    float *q_target, *q, *v, *v_next;     /* [n] what the passes found */
    float *f_values;                      /* f of every column of every transition */
    double loss_choice;                   /* sum over choices */
};
/* Deals n episodes to n_shards by length, so that shards are equal in work and rows of a pass in length. */
void pasta_shards_init(struct pasta_shard *shards, int n_shards, struct pasta_episode *const *episodes, int n, double mean_reward);
void pasta_shard_release(struct pasta_shard *s);
/* How many rows from `first` on go through one pass of at most `tokens` padded tokens; at least 1. */
int pasta_rows_in_pass(const struct pasta_rows_list *rows, int first, enum pasta_pack_reads reads, int64_t tokens);

/* One pass: rows laid out, and how its reads become transitions. */
struct pasta_pass {
    const struct pasta_row *const *rows;
    int n_rows;
    struct pasta_pack pack;
    int n;       /* transitions */
    int columns; /* candidates in all */
};
void pasta_pass_init(struct pasta_pass *p, const struct pasta_row *const *rows, int n_rows, enum pasta_pack_reads reads);
void pasta_pass_release(struct pasta_pass *p);
/* Of what was read, `values` [B*R,...]: the rows at the forks [n,...], the values of the candidates [columns], the means over slates [n].
 * Call inside a scope. */
pt pasta_pass_forks(const struct pasta_pass *p, pt values, const char *device);
pt pasta_pass_columns(const struct pasta_pass *p, pt values, const char *device);
pt pasta_pass_slates(const struct pasta_pass *p, pt values, const char *device);
/* Mean over the transitions with a choice (at least one; choice[n], -1: none) of -log softmax over the slate at the column chosen. */
pt pasta_pass_choices(const struct pasta_pass *p, pt values, const int *choice, const char *device);
#endif
