#include "pasta/io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durable.h"
#include "gz.h"
#include "pasta/base/mem.h"

/* --- output files --- */

/* `.NAME.tmp.PID.N` beside `path`; N keeps threads of one process apart. */
static char *temporary_name(const char *path)
{
    static atomic_uint counter;
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;
    return pasta_asprintf("%.*s.%s.tmp.%ld.%u", folder, path, path + folder, (long)getpid(),
                          atomic_fetch_add(&counter, 1));
}

/* Creates a temporary file for `path`. A name that is taken was left by a killed process of the same number: try the next. */
static pasta_status temporary_open(const char *path, char **name, int *fd, struct pasta_err *err)
{
    for (;;) {
        *name = temporary_name(path);
        *fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*fd >= 0)
            return PASTA_OK;
        int number = errno;
        free(*name);
        if (number != EEXIST) {
            errno = number;
            return pasta_fail_errno(err, "cannot create '%s'", path);
        }
    }
}

/* Makes a rename in the folder of `path` last through a power cut. Best effort: not every file system can. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? pasta_strdup(".") : pasta_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

bool durable_rename(const char *from, const char *to)
{
    if (rename(from, to) != 0)
        return false;
    sync_folder(to);
    return true;
}

pasta_status pasta_out_open(struct pasta_out *out, const char *path, struct pasta_err *err)
{
    char *name;
    int fd;
    pasta_status status = temporary_open(path, &name, &fd, err);
    if (status != PASTA_OK)
        return status;
    *out = (struct pasta_out){.path = pasta_strdup(path), .temporary = name, .open = true};
    out->file = fdopen(fd, "wb");
    if (out->file && pasta_ends_with(path, ".gz"))
        out->gzip = pasta_gz_writer_new(out->file);
    if (!out->file || (!out->gzip && pasta_ends_with(path, ".gz"))) {
        status = pasta_fail_errno(err, "cannot write '%s'", path);
        if (!out->file)
            close(fd);
        pasta_out_abort(out);
        return status;
    }
    return PASTA_OK;
}

/* Reports errno and removes the temporary file. */
static pasta_status out_failed(struct pasta_out *out, struct pasta_err *err)
{
    pasta_status status = pasta_fail_errno(err, "cannot write '%s'", out->path);
    pasta_out_abort(out);
    return status;
}

pasta_status pasta_out_write(struct pasta_out *out, const void *bytes, size_t length, struct pasta_err *err)
{
    if (!out->open)
        return pasta_fail(err, PASTA_ERR_IO, "cannot write: an earlier write failed");
    bool ok = out->gzip ? pasta_gz_write(out->gzip, bytes, length) : fwrite(bytes, 1, length, out->file) == length;
    return ok ? PASTA_OK : out_failed(out, err);
}

pasta_status pasta_out_commit(struct pasta_out *out, struct pasta_err *err)
{
    if (!out->open)
        return pasta_fail(err, PASTA_ERR_IO, "cannot write: an earlier write failed");
    if (out->gzip && !pasta_gz_finish(out->gzip))
        return out_failed(out, err);
    if (fflush(out->file) != 0 || fsync(fileno(out->file)) != 0)
        return out_failed(out, err);
    FILE *file = out->file;
    out->file = NULL;
    if (fclose(file) != 0 || !durable_rename(out->temporary, out->path))
        return out_failed(out, err);
    free(out->temporary);
    out->temporary = NULL;
    pasta_out_abort(out);
    return PASTA_OK;
}

void pasta_out_abort(struct pasta_out *out)
{
    pasta_gz_writer_free(out->gzip);
    if (out->file)
        fclose(out->file);
    if (out->temporary)
        unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    *out = (struct pasta_out){0};
}

/* --- whole files --- */

pasta_status pasta_file_read(const char *path, struct pasta_str *out, struct pasta_err *err)
{
    struct pasta_gz_reader *reader;
    pasta_status status = pasta_gz_open(path, &reader, err);
    if (status != PASTA_OK)
        return status;
    struct pasta_str text = {0};
    size_t length;
    pasta_str_addn(&text, "", 0); /* an empty file is an empty string, not NULL */
    do {
        PASTA_GROW(text.data, text.length + (1 << 16) + 1, text.capacity);
        status = pasta_gz_read(reader, text.data + text.length, text.capacity - text.length - 1, &length);
        if (status == PASTA_OK)
            text.length += length;
    } while (status == PASTA_OK && length);
    if (status != PASTA_OK)
        pasta_fail(err, status, "cannot read '%s': %s", path, pasta_gz_reason(reader));
    pasta_gz_close(reader);
    if (status != PASTA_OK) {
        pasta_str_release(&text);
        return status;
    }
    text.data[text.length] = '\0';
    pasta_str_release(out);
    *out = text;
    return PASTA_OK;
}

pasta_status pasta_json_read(const char *path, cJSON **out, struct pasta_err *err)
{
    struct pasta_str text = {0};
    cJSON *tree = NULL;
    pasta_status status = pasta_file_read(path, &text, err);
    if (status == PASTA_OK)
        status = pasta_json_parse(text.data, text.length, path, &tree, err);
    if (status == PASTA_OK && !cJSON_IsObject(tree))
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected an object, found %s", path, pasta_json_type_name(tree));
    pasta_str_release(&text);
    if (status == PASTA_OK)
        *out = tree;
    else
        cJSON_Delete(tree);
    return status;
}

pasta_status pasta_file_write(const char *path, const void *bytes, size_t length, struct pasta_err *err)
{
    struct pasta_out out;
    pasta_status status = pasta_out_open(&out, path, err);
    if (status == PASTA_OK)
        status = pasta_out_write(&out, bytes, length, err);
    if (status == PASTA_OK)
        status = pasta_out_commit(&out, err);
    return status;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

pasta_status pasta_file_write_lazy(const char *path, const void *bytes, size_t length, struct pasta_err *err)
{
    char *name;
    int fd;
    pasta_status status = temporary_open(path, &name, &fd, err);
    if (status != PASTA_OK)
        return status;
    bool ok = write_all(fd, bytes, length);
    int number = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        number = errno;
    }
    if (ok && rename(name, path) != 0) {
        ok = false;
        number = errno;
    }
    if (!ok) {
        unlink(name);
        errno = number;
        status = pasta_fail_errno(err, "cannot write '%s'", path);
    }
    free(name);
    return status;
}

bool pasta_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

pasta_status pasta_mkdirs(const char *path, struct pasta_err *err)
{
    char *part = pasta_strdup(path);
    pasta_status status = PASTA_OK;
    for (char *p = part; status == PASTA_OK && *p; p++) {
        if (p[1] != '/' && p[1] != '\0')
            continue; /* only at the end of a component */
        char kept = p[1];
        p[1] = '\0';
        struct stat info;
        if (mkdir(part, 0777) != 0 && errno != EEXIST && !(stat(part, &info) == 0 && S_ISDIR(info.st_mode)))
            status = pasta_fail_errno(err, "cannot make folder '%s'", part);
        p[1] = kept;
    }
    struct stat info;
    if (status == PASTA_OK && (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)))
        status = pasta_fail(err, PASTA_ERR_IO, "cannot make folder '%s': a file of that name is in the way", path);
    free(part);
    return status;
}
