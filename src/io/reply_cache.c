#include "reply_cache.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pasta/io/file.h"

static char *entry_path(const char *folder, const struct exchange *e)
{
    return pasta_asprintf("%s/%.2s/%s.gz", folder, e->key, e->key);
}

pasta_status reply_cache_find(const char *folder, const struct exchange *e, bool *found, struct pasta_str *reply, struct pasta_err *err)
{
    struct exchange kept = {0};
    struct pasta_err damage = {0};
    struct pasta_str line = {0}, text = {0};
    char *path = entry_path(folder, e);
    *found = false;
    pasta_status status = pasta_file_read(path, &line, &damage);
    if (status == PASTA_OK)
        status = exchange_parse(line.data, line.length, path, &kept, &text, &damage);
    if (status == PASTA_OK && strcmp(kept.key, e->key) == 0) {
        pasta_str_release(reply);
        *reply = text;
        text = (struct pasta_str){0};
        *found = true;
    }
    exchange_release(&kept);
    pasta_str_release(&line);
    pasta_str_release(&text);
    free(path);
    return status == PASTA_OK || status == PASTA_ERR_INPUT ? PASTA_OK : pasta_fail(err, status, "%s", damage.message);
}

static pasta_status write_entry(const char *folder, const struct exchange *e, const struct pasta_str *reply, struct pasta_err *err)
{
    struct pasta_str line = {0};
    char *place = pasta_asprintf("%s/%.2s", folder, e->key), *path = entry_path(folder, e);
    exchange_print(e, reply, &line);
    pasta_status status = pasta_mkdirs(place, err);
    if (status == PASTA_OK)
        status = pasta_file_write(path, line.data, line.length, err); /* synced: a reply was paid for */
    pasta_str_release(&line);
    free(place);
    free(path);
    return status;
}

pasta_status reply_cache_keep(const char *folder, const struct exchange *e, const struct pasta_str *reply, struct pasta_err *err)
{
    struct pasta_str there = {0};
    bool found;
    pasta_status status = reply_cache_find(folder, e, &found, &there, err);
    if (status == PASTA_OK && !found)
        status = write_entry(folder, e, reply, err);
    pasta_str_release(&there);
    return status;
}

/* --- counting --- */

/* One line's; `where` is its place. */
static pasta_status count_line(const struct pasta_str *line, const char *where, struct pasta_cache_count out[PASTA_SERVICE_KINDS],
                               struct pasta_err *err)
{
    struct exchange e = {0};
    struct pasta_str reply = {0};
    pasta_status status = exchange_parse(line->data, line->length, where, &e, &reply, err);
    if (status == PASTA_OK) {
        out[e.kind].replies++;
        out[e.kind].bytes += (int64_t)reply.length;
    }
    exchange_release(&e);
    pasta_str_release(&reply);
    return status;
}

static pasta_status count_cassette(const char *path, struct pasta_cache_count out[PASTA_SERVICE_KINDS], struct pasta_err *err)
{
    struct pasta_lines lines = {0};
    bool more = true;
    pasta_status status = pasta_lines_open(&lines, path, err);
    while (status == PASTA_OK && (status = pasta_lines_next(&lines, &more, err)) == PASTA_OK && more) {
        char *where = pasta_asprintf("%s:%lld", path, (long long)lines.number);
        status = count_line(&lines.line, where, out, err);
        free(where);
    }
    pasta_lines_close(&lines);
    return status;
}

/* Is `name` of this length and hexadecimal up to its ending? What else lies in a folder is not of the cache. */
static bool is_hex(const char *name, size_t digits, const char *ending)
{
    return strspn(name, "0123456789abcdef") == digits && strcmp(name + digits, ending) == 0;
}

static void count_entry(const char *path, struct pasta_cache_count out[PASTA_SERVICE_KINDS], int64_t *damaged)
{
    struct pasta_str line = {0};
    if (pasta_file_read(path, &line, NULL) != PASTA_OK || count_line(&line, path, out, NULL) != PASTA_OK)
        ++*damaged;
    pasta_str_release(&line);
}

static void count_entries(const char *folder, struct pasta_cache_count out[PASTA_SERVICE_KINDS], int64_t *damaged)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char *path = pasta_asprintf("%s/%s", folder, entry->d_name);
        if (is_hex(entry->d_name, 64, ".gz"))
            count_entry(path, out, damaged);
        free(path);
    }
    if (dir)
        closedir(dir);
}

static pasta_status count_folder(const char *path, struct pasta_cache_count out[PASTA_SERVICE_KINDS], int64_t *damaged,
                                 struct pasta_err *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return pasta_fail_errno(err, "cannot read '%s'", path);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char *folder = pasta_asprintf("%s/%s", path, entry->d_name);
        if (is_hex(entry->d_name, 2, ""))
            count_entries(folder, out, damaged);
        free(folder);
    }
    closedir(dir);
    return PASTA_OK;
}

pasta_status pasta_cache_count(const char *path, struct pasta_cache_count out[PASTA_SERVICE_KINDS], int64_t *damaged,
                               struct pasta_err *err)
{
    int64_t broken = 0;
    struct pasta_cache_count counts[PASTA_SERVICE_KINDS] = {{0}};
    struct stat info;
    if (stat(path, &info))
        return pasta_fail_errno(err, "cannot read '%s'", path);
    pasta_status status = S_ISDIR(info.st_mode) ? count_folder(path, counts, &broken, err) : count_cassette(path, counts, err);
    if (status == PASTA_OK) {
        memcpy(out, counts, sizeof counts);
        *damaged = broken;
    }
    return status;
}
