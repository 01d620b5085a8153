/* user_batch.c: lists of observations become the index arrays that the network reads. */
#include <stdlib.h>
#include <string.h>
#include "pasta/base/mem.h"
#include "user_data.h"

/* Sizes of a batch, before anything is written. */
static void measure(struct user_batch *b, const struct pasta_user_data *data, const struct batch_list lists[OBS_KINDS])
{
    b->n_pairs = lists[OBS_PAIR].n;
    b->n_ratings = lists[OBS_RATING].n;
    b->n_turns = lists[OBS_TURN].n;
    b->n_texts = b->n_pairs + b->n_ratings + b->n_turns;
    b->n_images = 2 * b->n_pairs + b->n_ratings;
    b->n_columns = 0;
    b->n_slots = data->max_images;
    b->n_choices = data->max_columns;
    for (int i = 0; i < b->n_turns; i++) {
        const struct obs_turn *t = &data->turns[lists[OBS_TURN].items[i]];
        for (int l = 0; l < t->count; l++)
            b->n_images += data->columns[t->first + l].count;
        b->n_columns += t->count;
        if (t->versus != PASTA_VERSUS_NONE) {
            b->n_images += data->columns[t->before].count;
            b->n_columns++;
        }
    }
}

/* Cuts the two pools into the batch's arrays. */
static void carve(struct user_batch *b)
{
    size_t N = (size_t)b->n_images, P = (size_t)b->n_texts, T = (size_t)b->n_turns, C = (size_t)b->n_columns;
    size_t ints = 2 * N + P + C * (size_t)b->n_slots + T * (size_t)b->n_choices + 4 * T;
    size_t floats = (size_t)b->n_pairs + (size_t)b->n_ratings + C + 2 * T;
    PASTA_GROW(b->ints, ints + 1, b->int_capacity);
    PASTA_GROW(b->floats, floats + 1, b->float_capacity);
    int64_t *i = b->ints;
    float *f = b->floats;
    memset(i, 0, ints * sizeof *i);
    memset(f, 0, floats * sizeof *f);
    b->image = i, i += N;
    b->text_of = i, i += N;
    b->text = i, i += P;
    b->column_image = i, i += C * (size_t)b->n_slots;
    b->turn_column = i, i += T * (size_t)b->n_choices;
    b->choice = i, i += T;
    b->now = i, i += T;
    b->before = i, i += T;
    b->versus = i;
    b->label = f, f += b->n_pairs;
    b->rating = f, f += b->n_ratings;
    b->column_count = f, f += C;
    b->turn_count = f, f += T;
    b->has_versus = f;
}

/* Appends a column's images; returns the number of the column in the batch. */
static int put_column(struct user_batch *b, const struct pasta_user_data *data, int column, int64_t text, int *image, int *columns)
{
    const struct obs_column *c = &data->columns[column];
    for (int i = 0; i < c->count; i++) {
        b->column_image[(size_t)*columns * b->n_slots + i] = *image;
        b->image[*image] = data->slots[c->first + i];
        b->text_of[(*image)++] = text;
    }
    b->column_count[*columns] = (float)c->count;
    return (*columns)++;
}

static void put_turn(struct user_batch *b, const struct pasta_user_data *data, const struct obs_turn *t, int index, int64_t text,
                     int *image, int *columns)
{
    for (int l = 0; l < t->count; l++)
        b->turn_column[(size_t)index * b->n_choices + l] = put_column(b, data, t->first + l, text, image, columns);
    b->turn_count[index] = (float)t->count;
    b->choice[index] = t->choice;
    b->versus[index] = 1;
    if (t->versus == PASTA_VERSUS_NONE)
        return;
    b->has_versus[index] = 1;
    b->versus[index] = (int64_t)t->versus - PASTA_WORSE;
    b->now[index] = b->turn_column[(size_t)index * b->n_choices + t->choice];
    b->before[index] = put_column(b, data, t->before, text, image, columns);
}

void user_batch_fill(struct user_batch *b, const struct pasta_user_data *data, const struct batch_list lists[OBS_KINDS])
{
    measure(b, data, lists);
    carve(b);
    int image = 0, text = 0, columns = 0;
    for (int i = 0; i < b->n_pairs; i++, text++) {
        const struct obs_pair *p = &data->pairs[lists[OBS_PAIR].items[i]];
        b->text[text] = p->text;
        b->label[i] = p->label;
        for (int j = 0; j < 2; j++) {
            b->image[image] = p->image[j];
            b->text_of[image++] = text;
        }
    }
    for (int i = 0; i < b->n_ratings; i++, text++) {
        const struct obs_rating *r = &data->ratings[lists[OBS_RATING].items[i]];
        b->text[text] = r->text;
        b->rating[i] = r->rating;
        b->image[image] = r->image;
        b->text_of[image++] = text;
    }
    for (int i = 0; i < b->n_turns; i++, text++) {
        const struct obs_turn *t = &data->turns[lists[OBS_TURN].items[i]];
        b->text[text] = t->text;
        put_turn(b, data, t, i, text, &image, &columns);
    }
}

void user_batch_release(struct user_batch *b)
{
    free(b->ints);
    free(b->floats);
    *b = (struct user_batch){0};
}
