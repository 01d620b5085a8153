#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pasta/io/file.h"

/* Whether `name` is what file.c calls its temporary files: `.NAME.tmp.PID.N`. */
static bool is_temporary(const char *name)
{
    const char *tail = name[0] == '.' ? strstr(name, ".tmp.") : NULL;
    return tail && isdigit((unsigned char)tail[5]) && tail[5 + strspn(tail + 5, "0123456789.")] == '\0';
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *open_folder(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (fd >= 0 && !dir)
        close(fd);
    return dir;
}

/* Removes temporary files, or with `all` everything, below folder `name`. Symbolic links are never followed.
 * False: errno says why, `where` is the first name that resisted. */
static bool clear_folder(int at, const char *name, bool all, char *where, size_t size)
{
    DIR *dir = open_folder(at, name);
    if (!dir) {
        snprintf(where, size, "%s", name);
        return false;
    }
    bool ok = true;
    const struct dirent *entry;
    while (ok && (entry = readdir(dir))) {
        struct stat info;
        if (is_dot(entry->d_name) || fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        bool folder = S_ISDIR(info.st_mode);
        if (folder)
            ok = clear_folder(dirfd(dir), entry->d_name, all, where, size);
        if (ok && (all || (!folder && is_temporary(entry->d_name))) &&
            unlinkat(dirfd(dir), entry->d_name, folder ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT) {
            snprintf(where, size, "%s", entry->d_name);
            ok = false;
        }
    }
    int number = errno;
    closedir(dir);
    errno = number;
    return ok;
}

static bool is_there(int at, const char *name)
{
    return faccessat(at, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A folder of somebody's own may hold names like ours (images/, config.json): what no run has marked is not ours to remove. */
static pasta_status check_ours(int at, const char *path, const char *const *owned, struct pasta_err *err)
{
    if (is_there(at, "manifest.json") || is_there(at, "settings.json"))
        return PASTA_OK;
    for (int i = 0; owned && owned[i]; i++) {
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(owned[i], "/"), owned[i]);
        if (is_there(at, name))
            return pasta_fail(err, PASTA_ERR_USAGE,
                              "--force: '%s' holds '%s' but neither settings.json nor manifest.json, so no run of ours made it: "
                              "choose another folder, or remove it yourself", path, owned[i]);
    }
    return PASTA_OK;
}

/* Applies clear_folder, and with `all` unlink, to each owned name. */
static pasta_status clear_owned(int at, const char *path, const char *const *owned, bool all, struct pasta_err *err)
{
    bool marked = false;
    pasta_status status = all ? check_ours(at, path, owned, err) : PASTA_OK;
    if (status != PASTA_OK)
        return status;
    /* The manifest goes first: a run that is stopped while it clears must not look finished. */
    if (all && unlinkat(at, "manifest.json", 0) != 0 && errno != ENOENT)
        return pasta_fail_errno(err, "cannot remove '%s/manifest.json'", path);
    for (int i = 0; owned && owned[i]; i++) {
        char name[256], where[256];
        size_t length = strlen(owned[i]);
        struct stat info;
        if (strcmp(owned[i], "settings.json") == 0) { /* goes last: while anything is left, the folder stays marked as ours */
            marked = true;
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)(length && owned[i][length - 1] == '/' ? length - 1 : length), owned[i]);
        if (fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        bool folder = S_ISDIR(info.st_mode); /* a link to a folder elsewhere is a link, and what it leads to is not ours */
        if (folder && !clear_folder(at, name, all, where, sizeof where))
            return pasta_fail_errno(err, "cannot clear '%s/%s' (at '%s')", path, name, where);
        if (all && unlinkat(at, name, folder ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
            return pasta_fail_errno(err, "cannot remove '%s/%s'", path, name);
    }
    if (all && marked && unlinkat(at, "settings.json", 0) != 0 && errno != ENOENT)
        return pasta_fail_errno(err, "cannot remove '%s/settings.json'", path);
    return PASTA_OK;
}

/* Removes the temporary files directly in the folder and tells whether anything else is there. */
static bool is_empty(DIR *dir)
{
    bool empty = true;
    const struct dirent *entry;
    while ((entry = readdir(dir)))
        if (!is_dot(entry->d_name) && !(is_temporary(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0) == 0))
            empty = false;
    return empty;
}

pasta_status pasta_run_dir(const char *path, bool force, bool resume, const char *const *owned, bool *complete,
                           struct pasta_err *err)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode))
        return pasta_fail(err, PASTA_ERR_USAGE, "--out '%s': expected a folder, found a file", path);
    pasta_status status = pasta_mkdirs(path, err);
    if (status != PASTA_OK)
        return status;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        status = pasta_fail_errno(err, "cannot open '%s'", path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    bool done = false;
    if (!is_empty(dir)) {
        if (force || resume)
            status = clear_owned(dirfd(dir), path, owned, force, err);
        else
            status = pasta_fail(err, PASTA_ERR_USAGE, "--out '%s' is not empty: --resume goes on with the run there, "
                                "--force replaces it", path);
        done = !force && faccessat(dirfd(dir), "manifest.json", F_OK, 0) == 0;
    }
    closedir(dir);
    if (status == PASTA_OK && complete)
        *complete = done;
    return status;
}
