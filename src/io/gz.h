/* gz.h: byte streams that may be gzip; the one place where zlib is used.
 *
 * Reading goes by content: a file that begins with the gzip magic is inflated, member after member, and any
 * damage is an error (zlib's own gzread passes over a broken second member and over trailing bytes). Anything else is
 * read as it is, unless its name ends in ".gz". Writing gives the same bytes for the same input: no time, no name.
 */
#ifndef PASTA_IO_GZ_H
#define PASTA_IO_GZ_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "pasta/base/err.h"

struct pasta_gz_reader;
pasta_status pasta_gz_open(const char *path, struct pasta_gz_reader **out, struct pasta_err *err) PASTA_MUST_CHECK;
/* Reads up to `size` (>= 1) bytes; *length 0 only at the end. The caller knows the place and reports it with pasta_gz_reason. */
pasta_status pasta_gz_read(struct pasta_gz_reader *r, void *buffer, size_t size, size_t *length) PASTA_MUST_CHECK;
const char *pasta_gz_reason(const struct pasta_gz_reader *r); /* why the last read failed; valid until close */
void pasta_gz_close(struct pasta_gz_reader *r); /* NULL is legal */

/* A compressor in front of `file`, which stays the caller's. False: a write failed, reason in errno. */
struct pasta_gz_writer;
struct pasta_gz_writer *pasta_gz_writer_new(FILE *file);
bool pasta_gz_write(struct pasta_gz_writer *w, const void *bytes, size_t length) PASTA_MUST_CHECK;
bool pasta_gz_finish(struct pasta_gz_writer *w) PASTA_MUST_CHECK;
void pasta_gz_writer_free(struct pasta_gz_writer *w); /* NULL is legal */
#endif
