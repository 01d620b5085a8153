/* clip_stream.c: training pairs made ahead of time.
 *
 * Workers take the pairs one at a time in order and put pair i into slot i % batch of buffer (i / batch) % BUFFERS, so what a batch holds
 * does not depend on who made it. A buffer is filled again once the batch after it has been asked for.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clip_impl.h"
#include "pasta/model/clip_train.h"

enum { BUFFERS = 3 };

struct buffer {
    float *pixels;     /* [batch,3,S,S] */
    int64_t *ids;      /* [batch,context], padded with the end token */
    int *lengths;      /* [batch] */
    int missing;       /* pairs not made yet */
};

struct pasta_clip_stream {
    const struct pasta_clip *clip;
    struct pasta_clip_source source;
    int batch, n_threads;
    pthread_t *threads;
    struct buffer buffers[BUFFERS];
    int64_t *packed;           /* [batch,T] of the batch given out */
    pthread_mutex_t lock;
    pthread_cond_t made, wanted;
    int64_t next_pair;         /* the next one to be taken by a worker */
    int64_t step;              /* the next one to be given out; buffers of step ... step + BUFFERS - 2 may be filled */
    bool stop;
    struct pasta_err failure;
};

static pasta_status make_pair(struct pasta_clip_stream *s, int64_t pair, struct pasta_str *caption, struct pasta_err *err)
{
    struct buffer *b = &s->buffers[pair / s->batch % BUFFERS];
    int64_t slot = pair % s->batch, context = s->clip->shape.context, side = s->clip->shape.image_size;
    struct pasta_image image = {0};
    pasta_str_clear(caption);
    pasta_status status = s->source.pair(s->source.ctx, pair, caption, &image, err);
    if (status == PASTA_OK)
        status = pasta_preprocess_image(&s->clip->preprocess, &image, (int)side, b->pixels + slot * 3 * side * side, err);
    if (status == PASTA_OK)
        status = pasta_bpe_encode(s->clip->bpe, caption->data ? caption->data : "", (int)context, b->ids + slot * context,
                                  &b->lengths[slot], err);
    for (int64_t j = b->lengths[slot]; status == PASTA_OK && j < context; j++)
        b->ids[slot * context + j] = s->clip->shape.end;
    pasta_image_release(&image);
    return status;
}

static void *work(void *argument)
{
    struct pasta_clip_stream *s = argument;
    struct pasta_str caption = {0};
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->stop && s->next_pair / s->batch > s->step + BUFFERS - 2)
            pthread_cond_wait(&s->wanted, &s->lock);
        if (s->stop)
            break;
        int64_t pair = s->next_pair++;
        struct pasta_err err = {0};
        pthread_mutex_unlock(&s->lock);
        pasta_status status = make_pair(s, pair, &caption, &err);
        pthread_mutex_lock(&s->lock);
        if (status != PASTA_OK) {
            s->failure = err;
            s->stop = true;
            pthread_cond_broadcast(&s->wanted);
        }
        if (--s->buffers[pair / s->batch % BUFFERS].missing == 0 || s->stop)
            pthread_cond_broadcast(&s->made);
    }
    pthread_mutex_unlock(&s->lock);
    pasta_str_release(&caption);
    return NULL;
}

struct pasta_clip_stream *pasta_clip_stream_open(const struct pasta_clip *clip, const struct pasta_clip_source *source, int batch,
                                                 int64_t first_step, int threads)
{
    struct pasta_clip_stream *s = pasta_calloc(1, sizeof *s);
    size_t n = (size_t)batch, side = (size_t)clip->shape.image_size, context = (size_t)clip->shape.context;
    s->clip = clip;
    s->source = *source;
    s->batch = batch;
    s->step = first_step;
    s->next_pair = first_step * batch;
    for (int i = 0; i < BUFFERS; i++)
        s->buffers[i] = (struct buffer){pasta_malloc(n * 3 * side * side * sizeof(float)), pasta_malloc(n * context * sizeof(int64_t)),
                                        pasta_malloc(n * sizeof(int)), batch};
    s->packed = pasta_malloc(n * context * sizeof *s->packed);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->made, NULL);
    pthread_cond_init(&s->wanted, NULL);
    s->threads = pasta_calloc((size_t)threads, sizeof *s->threads);
    for (int i = 0; i < threads && pthread_create(&s->threads[i], NULL, work, s) == 0; i++)
        s->n_threads++;
    if (s->n_threads == 0) {
        s->stop = true;
        pasta_fail(&s->failure, PASTA_ERR_FAILED, "cannot start a worker thread");
    }
    return s;
}

pasta_status pasta_clip_stream_next(struct pasta_clip_stream *s, const float **pixels, const int64_t **ids, int *n_ids,
                                    struct pasta_err *err)
{
    struct buffer *b = &s->buffers[s->step % BUFFERS];
    pthread_mutex_lock(&s->lock);
    while (!s->stop && b->missing > 0)
        pthread_cond_wait(&s->made, &s->lock);
    bool stopped = s->stop;
    if (!stopped) { /* the batch before this one is done with */
        b->missing = s->batch;
        s->step++;
        pthread_cond_broadcast(&s->wanted);
    }
    pthread_mutex_unlock(&s->lock);
    if (stopped)
        return pasta_fail(err, s->failure.status, "%s", s->failure.message);
    int longest = 0, context = (int)s->clip->shape.context;
    for (int i = 0; i < s->batch; i++)
        longest = b->lengths[i] > longest ? b->lengths[i] : longest;
    for (int i = 0; i < s->batch; i++)
        memcpy(s->packed + (size_t)i * (size_t)longest, b->ids + (size_t)i * (size_t)context, (size_t)longest * sizeof *s->packed);
    *pixels = b->pixels;
    *ids = s->packed;
    *n_ids = longest;
    return PASTA_OK;
}

void pasta_clip_stream_close(struct pasta_clip_stream *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->wanted);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->n_threads; i++)
        pthread_join(s->threads[i], NULL);
    for (int i = 0; i < BUFFERS; i++) {
        free(s->buffers[i].pixels);
        free(s->buffers[i].ids);
        free(s->buffers[i].lengths);
    }
    pthread_cond_destroy(&s->made);
    pthread_cond_destroy(&s->wanted);
    pthread_mutex_destroy(&s->lock);
    free(s->packed);
    free(s->threads);
    free(s);
}
