/* user_data.h: observations as indices into compact feature tables, and batches of them. */
#ifndef PASTA_USER_DATA_H
#define PASTA_USER_DATA_H
#include "pasta/user/em.h"
#include "user_net.h"

enum observation_kind { OBS_PAIR, OBS_RATING, OBS_TURN, OBS_KINDS };

struct obs_pair { int32_t user, text, image[2]; float label; };
struct obs_rating { int32_t user, text, image; float rating; };
struct obs_column { int32_t first, count; };                  /* slots first..first+count-1 of `slots` */
/* Columns first..first+count-1; before: a column, or -1. */
struct obs_turn { int32_t user, text, first, count, choice, before; enum pasta_versus versus; };

struct key_table { char **keys; uint32_t *buckets; size_t n, capacity, n_buckets; }; /* strings numbered by first appearance */

struct pasta_user_data {
    const struct pasta_features *features;
    int dim;
    struct key_table users, images, texts;
    uint64_t *seeds;                 /* [users] of their sessions, one more; 0: none known */
    bool *held_out;                  /* [users], after the split */
    double prompt_share;             /* of prompts left out, with their seed; records so passed over */
    uint64_t prompt_seed;
    int64_t left_out;
    float *image_table, *text_table; /* [images,D], [texts,D] */
    struct obs_pair *pairs;
    struct obs_rating *ratings;
    struct obs_turn *turns;
    struct obs_column *columns;
    int32_t *slots;                  /* image rows of the columns */
    size_t n_pairs, n_ratings, n_turns, n_columns, n_slots, n_versus;
    size_t pair_capacity, rating_capacity, turn_capacity, column_capacity, slot_capacity, image_capacity, text_capacity, seed_capacity;
    int max_images, max_columns;     /* largest M and L seen */
};

size_t user_data_count(const struct pasta_user_data *data, enum observation_kind kind);
int32_t user_data_owner(const struct pasta_user_data *data, enum observation_kind kind, size_t i); /* the observation's user */

/* A batch of listed observations. Zero-initialise, fill any number of times (memory is reused), release. */
struct batch_list { const uint32_t *items; int n; };
void user_batch_fill(struct user_batch *batch, const struct pasta_user_data *data, const struct batch_list lists[OBS_KINDS]);
void user_batch_release(struct user_batch *batch);
#endif
