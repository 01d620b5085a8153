#include "gz.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "pasta/base/mem.h"
#include "pasta/base/str.h"

enum { CHUNK = 1 << 17, GZIP_WINDOW = 15 + 16 /* zlib's way to ask for a gzip wrapper */ };

struct pasta_gz_reader {
    FILE *file;
    const char *reason;
    bool compressed, between; /* between: at a member's end, where the file may end too */
    z_stream z;
    uint8_t input[CHUNK];
};

/* Fills the input buffer, keeping what is there; false at the end of the file or on an error. */
static bool fill(struct pasta_gz_reader *r)
{
    if (r->z.avail_in)
        memmove(r->input, r->z.next_in, r->z.avail_in);
    size_t n = fread(r->input + r->z.avail_in, 1, CHUNK - r->z.avail_in, r->file);
    r->z.next_in = r->input;
    r->z.avail_in += (uInt)n;
    return n > 0;
}

pasta_status pasta_gz_open(const char *path, struct pasta_gz_reader **out, struct pasta_err *err)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return pasta_fail_errno(err, "cannot open '%s'", path);
    struct pasta_gz_reader *r = pasta_malloc(sizeof *r);
    memset(r, 0, offsetof(struct pasta_gz_reader, input));
    r->file = file;
    while (r->z.avail_in < 2 && fill(r))
        ;
    pasta_status status = PASTA_OK;
    if (ferror(file))
        status = pasta_fail_errno(err, "cannot read '%s'", path);
    r->compressed = r->z.avail_in >= 2 && r->input[0] == 0x1f && r->input[1] == 0x8b;
    if (status == PASTA_OK && !r->compressed && pasta_ends_with(path, ".gz"))
        status = pasta_fail(err, PASTA_ERR_INPUT, "'%s': expected gzip data, found %s", path,
                            r->z.avail_in ? "something else" : "an empty file");
    if (r->compressed && inflateInit2(&r->z, GZIP_WINDOW) != Z_OK) {
        r->compressed = false;
        status = pasta_fail(err, PASTA_ERR_FAILED, "'%s': zlib does not start", path);
    }
    if (status != PASTA_OK) {
        pasta_gz_close(r);
        return status;
    }
    *out = r;
    return PASTA_OK;
}

static pasta_status fail(struct pasta_gz_reader *r, pasta_status status, const char *reason)
{
    r->reason = reason;
    return status;
}

const char *pasta_gz_reason(const struct pasta_gz_reader *r)
{
    return r->reason;
}

static pasta_status read_plain(struct pasta_gz_reader *r, void *buffer, size_t size, size_t *length)
{
    size_t n = r->z.avail_in < size ? r->z.avail_in : size;
    if (n) { /* what the look at the magic took */
        memcpy(buffer, r->z.next_in, n);
        r->z.next_in += n;
        r->z.avail_in -= (uInt)n;
    } else {
        n = fread(buffer, 1, size, r->file);
        if (ferror(r->file))
            return fail(r, errno == EISDIR ? PASTA_ERR_INPUT : PASTA_ERR_IO, strerror(errno));
    }
    *length = n;
    return PASTA_OK;
}

pasta_status pasta_gz_read(struct pasta_gz_reader *r, void *buffer, size_t size, size_t *length)
{
    if (!r->compressed)
        return read_plain(r, buffer, size, length);
    size_t wanted = size < (1u << 30) ? size : 1u << 30;
    r->z.next_out = buffer;
    r->z.avail_out = (uInt)wanted;
    while (r->z.avail_out == wanted) {
        if (!r->z.avail_in && !fill(r)) {
            if (ferror(r->file))
                return fail(r, PASTA_ERR_IO, strerror(errno));
            if (r->between)
                break;
            return fail(r, PASTA_ERR_INPUT, "truncated gzip stream");
        }
        if (r->between) { /* bytes after a member: another member, or damage */
            inflateReset(&r->z);
            r->between = false;
        }
        int code = inflate(&r->z, Z_NO_FLUSH);
        if (code == Z_STREAM_END)
            r->between = true;
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return fail(r, PASTA_ERR_INPUT, "damaged gzip stream");
    }
    *length = wanted - r->z.avail_out;
    return PASTA_OK;
}

void pasta_gz_close(struct pasta_gz_reader *r)
{
    if (!r)
        return;
    if (r->compressed)
        inflateEnd(&r->z);
    fclose(r->file);
    free(r);
}

struct pasta_gz_writer {
    FILE *file;
    z_stream z;
    uint8_t output[CHUNK];
};

struct pasta_gz_writer *pasta_gz_writer_new(FILE *file)
{
    struct pasta_gz_writer *w = pasta_malloc(sizeof *w);
    memset(w, 0, offsetof(struct pasta_gz_writer, output));
    w->file = file;
    if (deflateInit2(&w->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(w);
        errno = ENOMEM;
        return NULL;
    }
    return w;
}

/* Runs the compressor until it has taken all its input (and, with Z_FINISH, given all its output). */
static bool drain(struct pasta_gz_writer *w, int flush)
{
    do {
        w->z.next_out = w->output;
        w->z.avail_out = CHUNK;
        deflate(&w->z, flush); /* fails only when called wrongly */
        size_t n = CHUNK - w->z.avail_out;
        if (fwrite(w->output, 1, n, w->file) != n)
            return false;
    } while (!w->z.avail_out);
    return true;
}

bool pasta_gz_write(struct pasta_gz_writer *w, const void *bytes, size_t length)
{
    const uint8_t *p = bytes;
    while (length) {
        uInt n = length < (1u << 30) ? (uInt)length : 1u << 30;
        w->z.next_in = (z_const Bytef *)p;
        w->z.avail_in = n;
        if (!drain(w, Z_NO_FLUSH))
            return false;
        p += n;
        length -= n;
    }
    return true;
}

bool pasta_gz_finish(struct pasta_gz_writer *w)
{
    w->z.avail_in = 0;
    return drain(w, Z_FINISH);
}

void pasta_gz_writer_free(struct pasta_gz_writer *w)
{
    if (!w)
        return;
    deflateEnd(&w->z);
    free(w);
}
