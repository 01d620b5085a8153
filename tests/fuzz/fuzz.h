/* fuzz.h: what the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput, run by libFuzzer (`make fuzz`) or, on its seeds
 * alone, by replay.c (`make test`). What is under test reads files, so the bytes are put into one that lies in memory. */
#ifndef PASTA_TESTS_FUZZ_H
#define PASTA_TESTS_FUZZ_H
#include <stddef.h>
#include <stdint.h>
#include "pasta/io/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* 0 */

/* A file in memory that holds these bytes, and a path that opens it until fuzz_file_close. */
struct fuzz_file { int fd; char path[40]; };
struct fuzz_file fuzz_file_open(const void *bytes, size_t length);
void fuzz_file_close(struct fuzz_file *file);

/* A folder that lasts as long as the process; the name is the process's own. */
const char *fuzz_folder(void);
void fuzz_folder_put(const char *name, const void *bytes, size_t length); /* a file in it; NULL: no such file */

/* Cuts the input at its first NUL: the part before it, and what is left. Texts hold no NUL, so inputs of several texts are joined so. */
struct fuzz_part { const char *bytes; size_t length; };
struct fuzz_part fuzz_cut(const uint8_t **data, size_t *size);

/* Aborts unless the session is written so that it reads back as itself. */
void fuzz_session_reads_back(const struct pasta_session *session);
#endif
