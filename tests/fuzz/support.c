/* support.c: see fuzz.h. */
#include "fuzz/fuzz.h"
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void put(int fd, const void *bytes, size_t length)
{
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
        abort(); /* no place for the input: the machine's fault, not the target's */
}

struct fuzz_file fuzz_file_open(const void *bytes, size_t length)
{
    struct fuzz_file file = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};
    put(file.fd, bytes, length);
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

void fuzz_file_close(struct fuzz_file *file)
{
    close(file->fd);
}

static char folder[] = "/dev/shm/pasta-fuzz-XXXXXX"; /* in memory: a disk that others use may keep a file waiting for seconds */
static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer.json"};

static void folder_remove(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        fuzz_folder_put(names[i], NULL, 0);
    rmdir(folder);
}

const char *fuzz_folder(void)
{
    static const char *made;
    if (!made) {
        if (!(made = mkdtemp(folder)))
            made = mkdtemp(strcpy(folder, "/tmp/pasta-fuzz-XXXXXX"));
        if (!made)
            abort();
        atexit(folder_remove);
    }
    return made;
}

void fuzz_folder_put(const char *name, const void *bytes, size_t length)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    unlink(path);
    if (!bytes)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    put(fd, bytes, length);
    close(fd);
}

struct fuzz_part fuzz_cut(const uint8_t **data, size_t *size)
{
    const uint8_t *nul = *size ? memchr(*data, '\0', *size) : NULL;
    struct fuzz_part part = {(const char *)*data, nul ? (size_t)(nul - *data) : *size};
    size_t taken = part.length + (nul != NULL);
    *data += taken;
    *size -= taken;
    return part;
}

void fuzz_session_reads_back(const struct pasta_session *session)
{
    struct pasta_arena arena = {0};
    struct pasta_str once = {0}, twice = {0};
    struct pasta_session again;
    struct pasta_err err = {0};
    pasta_session_print(session, &once);
    assert(pasta_session_parse(once.data, once.length, "written", &arena, &again, &err) == PASTA_OK);
    pasta_session_print(&again, &twice);
    assert(strcmp(once.data, twice.data) == 0);
    pasta_str_release(&once);
    pasta_str_release(&twice);
    pasta_arena_release(&arena);
}
