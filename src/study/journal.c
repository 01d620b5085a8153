#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pasta/base/mem.h"

struct journal {
    char *path;
    int fd;
    pthread_mutex_t lock;
    pthread_cond_t done;      /* a sync has ended */
    int64_t written, synced;  /* bytes */
    bool syncing, failed;
};

/* Where the last whole line ends. */
static pasta_status whole_lines(int fd, const char *path, int64_t size, int64_t *end, struct pasta_err *err)
{
    char block[4096];
    while (size > 0) {
        const size_t want = size < (int64_t)sizeof block ? (size_t)size : sizeof block;
        const ssize_t n = pread(fd, block, want, size - (int64_t)want);
        if (n < 0)
            return pasta_fail_errno(err, "cannot read '%s'", path);
        if (n != (ssize_t)want)
            return pasta_fail(err, PASTA_ERR_IO, "cannot read '%s': it became shorter meanwhile", path);
        const char *newline = memrchr(block, '\n', want);
        if (newline) {
            *end = size - (int64_t)want + (newline - block) + 1;
            return PASTA_OK;
        }
        size -= (int64_t)want;
    }
    *end = 0;
    return PASTA_OK;
}

/* A new file is found after a power cut only if its folder is on disk as well. Best effort: not every file system can. */
static void sync_folder(const char *path)
{
    char *copy = pasta_strdup(path);
    const int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

static pasta_status lock_file(int fd, const char *path, struct pasta_err *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return PASTA_OK;
    if (errno == EWOULDBLOCK)
        return pasta_fail(err, PASTA_ERR_USAGE, "'%s' is open in another process: one server at a time", path);
    return pasta_fail_errno(err, "cannot lock '%s'", path);
}

pasta_status journal_unused(const char *path, struct pasta_err *err)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return PASTA_OK;
    if (fd < 0)
        return pasta_fail_errno(err, "cannot open '%s'", path);
    const pasta_status status = lock_file(fd, path, err);
    close(fd);
    return status;
}

pasta_status journal_open(const char *path, struct journal **out, struct pasta_err *err)
{
    struct stat info;
    int64_t end = 0;
    pasta_status status = PASTA_OK;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
        return pasta_fail_errno(err, "cannot open '%s'", path);
    if ((status = lock_file(fd, path, err)) == PASTA_OK && fstat(fd, &info) != 0)
        status = pasta_fail_errno(err, "cannot read '%s'", path);
    if (status == PASTA_OK && (status = whole_lines(fd, path, info.st_size, &end, err)) == PASTA_OK &&
        ((end < info.st_size && ftruncate(fd, end) != 0) || fsync(fd) != 0))
        status = pasta_fail_errno(err, "cannot write '%s'", path);
    if (status != PASTA_OK) {
        close(fd);
        return status;
    }
    if (end == 0)
        sync_folder(path);
    struct journal *journal = pasta_calloc(1, sizeof *journal);
    *journal = (struct journal){.path = pasta_strdup(path), .fd = fd, .written = end, .synced = end};
    pthread_mutex_init(&journal->lock, NULL);
    pthread_cond_init(&journal->done, NULL);
    *out = journal;
    return PASTA_OK;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    close(journal->fd);
    pthread_mutex_destroy(&journal->lock);
    pthread_cond_destroy(&journal->done);
    free(journal->path);
    free(journal);
}

static bool write_all(int fd, const char *bytes, size_t length, int64_t at)
{
    while (length) {
        const ssize_t n = pwrite(fd, bytes, length, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes += n;
        at += n;
        length -= (size_t)n;
    }
    return true;
}

pasta_status journal_append(struct journal *journal, const char *lines, size_t length, int64_t *end, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    pthread_mutex_lock(&journal->lock);
    if (journal->failed) {
        status = pasta_fail(err, PASTA_ERR_IO, "cannot write '%s': an earlier write failed", journal->path);
    } else if (!write_all(journal->fd, lines, length, journal->written)) {
        status = pasta_fail_errno(err, "cannot write '%s'", journal->path);
        journal->failed = ftruncate(journal->fd, journal->written) != 0;
    } else {
        *end = journal->written += (int64_t)length;
    }
    pthread_mutex_unlock(&journal->lock);
    return status;
}

int64_t journal_written(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    const int64_t written = journal->written;
    pthread_mutex_unlock(&journal->lock);
    return written;
}

pasta_status journal_sync(struct journal *journal, int64_t end, struct pasta_err *err)
{
    pasta_status status = PASTA_OK;
    pthread_mutex_lock(&journal->lock);
    while (journal->synced < end && !journal->failed) {
        if (journal->syncing) {
            pthread_cond_wait(&journal->done, &journal->lock);
            continue;
        }
        const int64_t target = journal->written;
        journal->syncing = true;
        pthread_mutex_unlock(&journal->lock);
        const bool ok = fdatasync(journal->fd) == 0;
        const int number = errno;
        pthread_mutex_lock(&journal->lock);
        journal->syncing = false;
        journal->failed = journal->failed || !ok;
        if (ok)
            journal->synced = target;
        pthread_cond_broadcast(&journal->done);
        errno = number;
        if (!ok)
            status = pasta_fail_errno(err, "cannot write '%s'", journal->path);
    }
    if (journal->synced < end && status == PASTA_OK)
        status = pasta_fail(err, PASTA_ERR_IO, "cannot write '%s': an earlier write failed", journal->path);
    pthread_mutex_unlock(&journal->lock);
    return status;
}
