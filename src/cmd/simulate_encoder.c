#include "simulate_encoder.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pasta/base/rng.h"

/* --- texts --- */

struct text_entry {
    char *text;
    float *embedding; /* [D] */
    struct text_entry *next;
};
enum { BUCKETS = 4096 };
struct text_memory {
    pthread_mutex_t lock;
    struct text_entry *buckets[BUCKETS]; /* entries are added, never changed */
};

struct text_memory *text_memory_new(void)
{
    struct text_memory *memory = pasta_calloc(1, sizeof *memory);
    pthread_mutex_init(&memory->lock, NULL);
    return memory;
}

void text_memory_free(struct text_memory *memory)
{
    if (!memory)
        return;
    for (int b = 0; b < BUCKETS; b++)
        for (struct text_entry *entry = memory->buckets[b], *next; entry; entry = next) {
            next = entry->next;
            free(entry->text);
            free(entry->embedding);
            free(entry);
        }
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

static const float *recall(struct text_memory *memory, uint64_t bucket, const char *text)
{
    pthread_mutex_lock(&memory->lock);
    const struct text_entry *entry = memory->buckets[bucket];
    pthread_mutex_unlock(&memory->lock);
    while (entry && strcmp(entry->text, text) != 0)
        entry = entry->next;
    return entry ? entry->embedding : NULL;
}

/* Two threads may both bring the same text: the earlier entry is then never found again, and holds the same numbers. */
static void remember(struct text_memory *memory, uint64_t bucket, const char *text, const float *embedding, size_t bytes)
{
    struct text_entry *entry = pasta_malloc(sizeof *entry);
    *entry = (struct text_entry){.text = pasta_strdup(text), .embedding = pasta_malloc(bytes)};
    memcpy(entry->embedding, embedding, bytes);
    pthread_mutex_lock(&memory->lock);
    entry->next = memory->buckets[bucket];
    memory->buckets[bucket] = entry;
    pthread_mutex_unlock(&memory->lock);
}

/* --- images --- */

/* The images of one request. */
struct view {
    int n;
    char **prompts;
    uint64_t *seeds;
    float *embeddings; /* [n,D] */
};

struct eyes {
    const struct pasta_clip *clip;
    struct pasta_t2i t2i;
    struct text_memory *texts;
    struct view last;
};

static void view_release(struct view *view)
{
    for (int i = 0; i < view->n; i++)
        free(view->prompts[i]);
    free(view->prompts);
    free(view->seeds);
    free(view->embeddings);
    *view = (struct view){0};
}

static const float *view_find(const struct view *view, const char *prompt, uint64_t seed, size_t dim)
{
    for (int i = 0; i < view->n; i++)
        if (view->seeds[i] == seed && strcmp(view->prompts[i], prompt) == 0)
            return view->embeddings + (size_t)i * dim;
    return NULL;
}

static void view_set(struct view *view, const char *const *prompts, const struct pasta_image_ref *images, int n, const float *embeddings,
                     size_t dim)
{
    view_release(view);
    *view = (struct view){.n = n, .prompts = pasta_malloc((size_t)n * sizeof *view->prompts),
                          .seeds = pasta_malloc((size_t)n * sizeof *view->seeds),
                          .embeddings = pasta_malloc((size_t)n * dim * sizeof *embeddings)};
    for (int i = 0; i < n; i++) {
        view->prompts[i] = pasta_strdup(prompts[i]);
        view->seeds[i] = images[i].seed;
    }
    memcpy(view->embeddings, embeddings, (size_t)n * dim * sizeof *embeddings);
}

/* Draws and encodes images `which[0..n-1]` of the request into their rows of out. */
static pasta_status look(const struct eyes *eyes, const char *const *prompts, const struct pasta_image_ref *refs, const int *which, int n,
                         float *out, struct pasta_err *err)
{
    const size_t dim = (size_t)pasta_clip_dim(eyes->clip);
    struct pasta_image *images = pasta_calloc((size_t)n, sizeof *images);
    float *embeddings = pasta_malloc((size_t)n * dim * sizeof *embeddings);
    pasta_status status = PASTA_OK;

    for (int i = 0; i < n && status == PASTA_OK; i++)
        status = eyes->t2i.draw(eyes->t2i.ctx, prompts[which[i]], refs[which[i]].seed, &images[i], err);
    if (status == PASTA_OK)
        status = pasta_clip_images(eyes->clip, images, n, false, embeddings, err);
    for (int i = 0; i < n; i++) {
        if (status == PASTA_OK)
            memcpy(out + (size_t)which[i] * dim, embeddings + (size_t)i * dim, dim * sizeof *out);
        pasta_image_release(&images[i]);
    }
    free(images);
    free(embeddings);
    return status;
}

static pasta_status embed_images(void *ctx, const char *const *prompts, const struct pasta_image_ref *images, int n, float *out,
                                 struct pasta_err *err)
{
    struct eyes *eyes = ctx;
    const size_t dim = (size_t)pasta_clip_dim(eyes->clip);
    int *unseen = pasta_malloc((size_t)n * sizeof *unseen), n_unseen = 0;
    pasta_status status = PASTA_OK;

    for (int i = 0; i < n; i++) {
        const float *known = view_find(&eyes->last, prompts[i], images[i].seed, dim);
        if (known)
            memcpy(out + (size_t)i * dim, known, dim * sizeof *out);
        else
            unseen[n_unseen++] = i;
    }
    if (n_unseen)
        status = look(eyes, prompts, images, unseen, n_unseen, out, err);
    if (status == PASTA_OK)
        view_set(&eyes->last, prompts, images, n, out, dim);
    free(unseen);
    return status;
}

static pasta_status embed_texts(void *ctx, const char *const *texts, int n, float *out, struct pasta_err *err)
{
    struct eyes *eyes = ctx;
    const size_t dim = (size_t)pasta_clip_dim(eyes->clip), bytes = dim * sizeof *out;

    for (int i = 0; i < n; i++) {
        float *row = out + (size_t)i * dim;
        const uint64_t bucket = pasta_hash64(texts[i]) % BUCKETS;
        const float *known = recall(eyes->texts, bucket, texts[i]);
        if (known) {
            memcpy(row, known, bytes);
            continue;
        }
        const pasta_status status = pasta_clip_texts(eyes->clip, &texts[i], 1, false, row, err);
        if (status != PASTA_OK)
            return status;
        remember(eyes->texts, bucket, texts[i], row, bytes);
    }
    return PASTA_OK;
}

struct eyes *eyes_new(const struct pasta_clip *clip, struct pasta_t2i t2i, struct text_memory *texts)
{
    struct eyes *eyes = pasta_calloc(1, sizeof *eyes);
    *eyes = (struct eyes){.clip = clip, .t2i = t2i, .texts = texts};
    return eyes;
}

void eyes_close(struct eyes *eyes)
{
    view_release(&eyes->last);
}

void eyes_free(struct eyes *eyes)
{
    if (eyes)
        view_release(&eyes->last);
    free(eyes);
}

struct pasta_user_embedder eyes_embedder(struct eyes *eyes)
{
    return (struct pasta_user_embedder){eyes, embed_images, embed_texts};
}
