/* safetensors_partial.c: header and data as they will be, and behind them, until the file is whole, 8 bytes that say how far it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durable.h"
#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/str.h"
#include "pasta/io/file.h"
#include "safetensors_header.h"

struct pasta_st_partial {
    char *path, *partial;
    int fd;
    struct pasta_str header;
    int n;
    struct pasta_st_tensor *tensors; /* in the order of writing; names are copies */
    uint64_t *offset;                /* of each tensor, in the file */
    uint64_t size;                   /* of the whole file; the 8 bytes follow */
};

/* --- bytes at a place --- */

static bool write_at(int fd, const void *bytes, size_t length, uint64_t offset)
{
    for (const char *at = bytes; length;) {
        const ssize_t n = pwrite(fd, at, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return true;
}

/* The bytes that are there of `length` wanted. */
static size_t read_at(int fd, void *bytes, size_t length, uint64_t offset)
{
    size_t got = 0;
    while (got < length) {
        const ssize_t n = pread(fd, (char *)bytes + got, length - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

static uint64_t file_size(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 ? (uint64_t)info.st_size : 0;
}

/* --- what run a file is of --- */

/* The metadata of the header at the start of a file; NULL if there is none. */
static cJSON *read_metadata(int fd, const char *path)
{
    uint64_t length = 0;
    cJSON *json = NULL, *meta = NULL;
    if (read_at(fd, &length, sizeof length, 0) < sizeof length || length > 1 << 20)
        return NULL;
    char *text = pasta_malloc(length);
    if (read_at(fd, text, length, sizeof length) == length && pasta_json_parse(text, length, path, &json, NULL) == PASTA_OK)
        meta = cJSON_DetachItemFromObjectCaseSensitive(json, "__metadata__");
    cJSON_Delete(json);
    free(text);
    return meta;
}

/* PASTA_OK if the header of the file is that of `p`, or as much of it as a file that was killed at its birth has. */
static pasta_status check_header(const struct pasta_st_partial *p, int fd, const char *path, const char *const (*meta)[2], int n_meta,
                                 struct pasta_err *err)
{
    char *bytes = pasta_malloc(p->header.length);
    const size_t there = read_at(fd, bytes, p->header.length, 0);
    const bool same = memcmp(bytes, p->header.data, there) == 0;
    free(bytes);
    if (same)
        return PASTA_OK;
    pasta_status status = PASTA_OK;
    cJSON *before = read_metadata(fd, path);
    for (int i = 0; i < n_meta && before && status == PASTA_OK; i++) {
        const char *was = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(before, meta[i][0]));
        if (!was || strcmp(was, meta[i][1]) != 0)
            status = pasta_fail(err, PASTA_ERR_USAGE, "'%s': expected the run that it is of, %s \"%s\", found \"%s\"; resume with that, or "
                                "replace it with --force", path, meta[i][0], was ? was : "", meta[i][1]);
    }
    cJSON_Delete(before);
    if (status == PASTA_OK)
        status = pasta_fail(err, PASTA_ERR_USAGE, "'%s': expected a file of this run, found another; --force replaces it", path);
    return status;
}

/* --- opening --- */

static void lay_out(struct pasta_st_partial *p, const struct pasta_st_tensor **order)
{
    p->size = p->header.length;
    for (int i = 0; i < p->n; i++) {
        p->tensors[i] = *order[i];
        p->tensors[i].name = pasta_strdup(order[i]->name);
        p->offset[i] = p->size;
        p->size += order[i]->bytes;
    }
}

static pasta_status make_header(struct pasta_st_partial *p, const struct pasta_st_tensor *tensors, const char *const (*meta)[2], int n_meta,
                                struct pasta_err *err)
{
    struct pasta_st_tensor *sized = pasta_calloc((size_t)p->n, sizeof *sized);
    const struct pasta_st_tensor **order = pasta_calloc((size_t)p->n, sizeof *order);
    for (int i = 0; i < p->n; i++) {
        sized[i] = tensors[i];
        sized[i].bytes = (size_t)pasta_st_numel(&tensors[i]) * pasta_st_dtype_size(tensors[i].dtype);
        order[i] = &sized[i];
    }
    const pasta_status status = safetensors_header(p->path, order, p->n, meta, n_meta, &p->header, err);
    if (status == PASTA_OK)
        lay_out(p, order);
    free(order);
    free(sized);
    return status;
}

/* Locks the file against a second run; the lock goes with the process. */
static bool lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &whole) == 0 || (errno != EACCES && errno != EAGAIN); /* a file system without locks */
}

/* Empties the file and takes its space. A file that is none yet is removed when that fails. */
static pasta_status begin(struct pasta_st_partial *p, struct pasta_err *err)
{
    const uint64_t whole = p->size + sizeof(int64_t);
    bool ok = ftruncate(p->fd, 0) == 0 && write_at(p->fd, p->header.data, p->header.length, 0);
    ok = ok && (fallocate(p->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)whole) == 0 || errno == EOPNOTSUPP || errno == ENOSYS);
    ok = ok && ftruncate(p->fd, (off_t)whole) == 0 && fsync(p->fd) == 0;
    if (ok)
        return PASTA_OK;
    const pasta_status status = pasta_fail_errno(err, "cannot write '%s'", p->partial);
    unlink(p->partial);
    return status;
}

static pasta_status finish(struct pasta_st_partial *p, struct pasta_err *err)
{
    if (ftruncate(p->fd, (off_t)p->size) != 0 || fsync(p->fd) != 0 || !durable_rename(p->partial, p->path))
        return pasta_fail_errno(err, "cannot write '%s'", p->path);
    return PASTA_OK;
}

/* PATH.partial, from the beginning or where it was left. */
static pasta_status open_partial(struct pasta_st_partial *p, const char *const (*meta)[2], int n_meta, bool force, bool resume,
                                 bool *complete, int64_t *done, struct pasta_err *err)
{
    if (pasta_file_exists(p->partial) && !force && !resume)
        return pasta_fail(err, PASTA_ERR_USAGE, "'%s' is of a run that did not end: --resume goes on with it, --force begins anew",
                          p->partial);
    p->fd = open(p->partial, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (p->fd < 0)
        return pasta_fail_errno(err, "cannot create '%s'", p->partial);
    if (!lock(p->fd))
        return pasta_fail(err, PASTA_ERR_USAGE, "'%s': another run is writing it", p->partial);
    const pasta_status status = force ? PASTA_OK : check_header(p, p->fd, p->partial, meta, n_meta, err);
    if (status != PASTA_OK)
        return status;
    const uint64_t size = file_size(p->fd);
    *done = 0;
    if (!force && size == p->size) { /* killed between its last two steps */
        *complete = true;
        return finish(p, err);
    }
    if (force || size != p->size + sizeof *done)
        return begin(p, err);
    if (read_at(p->fd, done, sizeof *done, p->size) < sizeof *done)
        return pasta_fail(err, PASTA_ERR_IO, "cannot read '%s'", p->partial);
    return PASTA_OK;
}

/* PATH itself, with --resume: it can only be whole. */
static pasta_status check_whole(const struct pasta_st_partial *p, const char *const (*meta)[2], int n_meta, struct pasta_err *err)
{
    const int fd = open(p->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pasta_fail_errno(err, "cannot read '%s'", p->path);
    pasta_status status = check_header(p, fd, p->path, meta, n_meta, err);
    if (status == PASTA_OK && file_size(fd) != p->size)
        status = pasta_fail(err, PASTA_ERR_USAGE, "'%s': expected %llu bytes, found %llu; --force replaces it", p->path,
                            (unsigned long long)p->size, (unsigned long long)file_size(fd));
    close(fd);
    return status;
}

pasta_status pasta_st_partial_open(const char *path, const struct pasta_st_tensor *tensors, int n, const char *const (*meta)[2], int n_meta,
                                   bool force, bool resume, bool *complete, struct pasta_st_partial **out, int64_t *done,
                                   struct pasta_err *err)
{
    struct pasta_st_partial *p = pasta_calloc(1, sizeof *p);
    *p = (struct pasta_st_partial){.path = pasta_strdup(path), .partial = pasta_asprintf("%s.partial", path), .fd = -1, .n = n};
    p->tensors = pasta_calloc((size_t)n, sizeof *p->tensors);
    p->offset = pasta_calloc((size_t)n, sizeof *p->offset);
    bool whole = false;
    int64_t marked = 0;
    pasta_status status = make_header(p, tensors, meta, n_meta, err);
    if (status == PASTA_OK && pasta_file_exists(path) && !force) {
        whole = true;
        status = resume ? check_whole(p, meta, n_meta, err)
                        : pasta_fail(err, PASTA_ERR_USAGE, "'%s' is already there: --resume finds it complete if it is of this run, "
                                     "--force replaces it", path);
    } else if (status == PASTA_OK) {
        status = open_partial(p, meta, n_meta, force, resume, &whole, &marked, err);
    }
    if (status != PASTA_OK || whole) {
        pasta_st_partial_close(p);
        p = NULL;
    }
    if (status == PASTA_OK) {
        *complete = whole;
        *done = marked;
        *out = p;
    }
    return status;
}

/* --- filling --- */

pasta_status pasta_st_partial_put(struct pasta_st_partial *p, const char *name, int64_t first, int64_t count, const void *rows,
                                  struct pasta_err *err)
{
    int i = 0;
    while (i < p->n && strcmp(p->tensors[i].name, name) != 0)
        i++;
    if (i == p->n || first < 0 || count < 0 || first + count > p->tensors[i].shape[0])
        return pasta_fail(err, PASTA_ERR_FAILED, "'%s': no rows %lld to %lld of a tensor '%s'", p->path, (long long)first,
                          (long long)(first + count - 1), name);
    const uint64_t row = p->tensors[i].shape[0] ? p->tensors[i].bytes / (uint64_t)p->tensors[i].shape[0] : 0;
    if (!write_at(p->fd, rows, (size_t)count * row, p->offset[i] + (uint64_t)first * row))
        return pasta_fail_errno(err, "cannot write '%s'", p->partial);
    return PASTA_OK;
}

pasta_status pasta_st_partial_mark(struct pasta_st_partial *p, int64_t done, struct pasta_err *err)
{
    if (fdatasync(p->fd) != 0 || !write_at(p->fd, &done, sizeof done, p->size)) /* the rows reach the disk before what says so */
        return pasta_fail_errno(err, "cannot write '%s'", p->partial);
    return PASTA_OK;
}

pasta_status pasta_st_partial_commit(struct pasta_st_partial *p, struct pasta_err *err)
{
    return finish(p, err);
}

void pasta_st_partial_close(struct pasta_st_partial *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n; i++)
        free((char *)p->tensors[i].name);
    if (p->fd >= 0)
        close(p->fd);
    pasta_str_release(&p->header);
    free(p->tensors);
    free(p->offset);
    free(p->partial);
    free(p->path);
    free(p);
}
