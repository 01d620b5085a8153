#include "record_files.h"

#include <stdlib.h>
#include <string.h>

#include "pasta/base/log.h"
#include "pasta/base/mem.h"
#include "pasta/io/file.h"
#include "pasta/io/id_set.h"
#include "pasta/io/image.h"
#include "pasta/io/sha256.h"

const char *records_skip_bad;

static pasta_status allowed(int64_t *n, struct pasta_err *err)
{
    char *end = NULL;
    *n = records_skip_bad ? strtoll(records_skip_bad, &end, 10) : 0;
    if (end && (end == records_skip_bad || *end || *n < 0))
        return pasta_fail(err, PASTA_ERR_USAGE, "--skip-bad: expected a whole number from 0, found '%s'", records_skip_bad);
    return PASTA_OK;
}

/* What this process has read: record files by content, and sessions. */
static struct {
    struct { char *path, hex[65]; } *items;
    size_t n, capacity;
} files;
static struct pasta_id_set sessions_seen;

static pasta_status first_time(const char *path, struct pasta_err *err)
{
    char hex[65];
    pasta_status status = pasta_sha256_file(path, hex, err);
    if (status != PASTA_OK)
        return status;
    for (size_t i = 0; i < files.n; i++)
        if (strcmp(files.items[i].hex, hex) == 0)
            return pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected each record file once, found the bytes of '%s' again", path,
                              files.items[i].path);
    PASTA_GROW(files.items, files.n + 1, files.capacity);
    files.items[files.n].path = pasta_strdup(path);
    memcpy(files.items[files.n++].hex, hex, sizeof hex);
    return PASTA_OK;
}

/* Of the sessions from `first` on. One id may be given to several raters: collections of one seed number their sessions alike. */
static pasta_status sessions_once(const char *path, const struct pasta_sessions *sessions, size_t first, struct pasta_err *err)
{
    for (size_t i = first; i < sessions->n; i++) {
        char *key = pasta_asprintf("%s' of '%s", sessions->items[i].session_id, sessions->items[i].rater_id);
        pasta_id_set_add(&sessions_seen, key);
        free(key);
    }
    const char *twice = pasta_id_set_sort(&sessions_seen);
    return twice ? pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected each session once, found '%s' again", path, twice) : PASTA_OK;
}

#define READER(function, reader, list)                                                        \
    pasta_status function(const char *path, struct list *out, struct pasta_err *err)          \
    {                                                                                         \
        int64_t n, skipped = 0;                                                               \
        pasta_status status = allowed(&n, err);                                               \
        if (status == PASTA_OK)                                                               \
            status = reader(path, n, &skipped, out, err);                                     \
        if (status == PASTA_OK)                                                               \
            status = first_time(path, err);                                                   \
        if (status == PASTA_OK && skipped)                                                    \
            pasta_warn("%s: passed over %lld bad lines", path, (long long)skipped);           \
        return status;                                                                        \
    }
static READER(read_sessions, pasta_sessions_read, pasta_sessions)
READER(records_preferences, pasta_preferences_read, pasta_preferences)
READER(records_ratings, pasta_ratings_read, pasta_ratings)
READER(records_rankings, pasta_rankings_read, pasta_rankings)

pasta_status records_sessions(const char *path, struct pasta_sessions *out, struct pasta_err *err)
{
    size_t first = out->n;
    pasta_status status = read_sessions(path, out, err);
    return status == PASTA_OK ? sessions_once(path, out, first, err) : status;
}

const char *record_image_path(struct pasta_arena *arena, const char *root, const char *id)
{
    for (int i = 0; pasta_image_endings[i]; i++) {
        const char *path = pasta_arena_printf(arena, "%s/images/%.2s/%s%s", root, id, id, pasta_image_endings[i]);
        if (pasta_file_exists(path))
            return path;
    }
    return pasta_arena_printf(arena, "%s/images/%.2s/%s%s", root, id, id, pasta_image_endings[0]);
}
