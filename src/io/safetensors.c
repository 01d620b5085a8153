#include "pasta/io/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pasta/base/json.h"
#include "pasta/base/mem.h"
#include "pasta/base/str.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors are little-endian and are read in place"
#endif

enum { PREFIX = 8 }; /* bytes of the header's length */
static const uint64_t max_header = 100000000;
static const int64_t max_exact = (int64_t)1 << 53; /* above it a double skips whole numbers */

struct pasta_safetensors {
    _Atomic int holders;                    /* the opener, and whoever looks into the map */
    char *path;
    unsigned char *map;
    size_t size;
    int n, n_meta;
    struct pasta_st_tensor *tensors;        /* in file order */
    const struct pasta_st_tensor **by_name; /* sorted */
    const char *(*meta)[2];
    struct pasta_arena arena;               /* names, metadata, aligned copies */
};

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [PASTA_ST_BOOL] = {"BOOL", 1}, [PASTA_ST_U8] = {"U8", 1}, [PASTA_ST_I8] = {"I8", 1},
    [PASTA_ST_F8_E5M2] = {"F8_E5M2", 1}, [PASTA_ST_F8_E4M3] = {"F8_E4M3", 1}, [PASTA_ST_I16] = {"I16", 2},
    [PASTA_ST_U16] = {"U16", 2}, [PASTA_ST_F16] = {"F16", 2}, [PASTA_ST_BF16] = {"BF16", 2},
    [PASTA_ST_I32] = {"I32", 4}, [PASTA_ST_U32] = {"U32", 4}, [PASTA_ST_F32] = {"F32", 4},
    [PASTA_ST_F64] = {"F64", 8}, [PASTA_ST_I64] = {"I64", 8}, [PASTA_ST_U64] = {"U64", 8},
};
enum { N_DTYPES = sizeof dtypes / sizeof dtypes[0] };

size_t pasta_st_dtype_size(enum pasta_st_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *pasta_st_dtype_name(enum pasta_st_dtype dtype)
{
    return dtypes[dtype].name;
}

int64_t pasta_st_numel(const struct pasta_st_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

/* --- reading --- */

/* What one entry of the header claims, before it is believed. */
struct claim {
    const char *name;
    enum pasta_st_dtype dtype;
    int rank;
    int64_t shape[PASTA_ST_MAX_RANK];
    uint64_t begin, end;
};

/* The parser takes 1.0, 1e3 and 007 for whole numbers; the format does not. Every number of a header is a plain decimal. */
static pasta_status check_numbers(const char *text, size_t length, const char *path, struct pasta_err *err)
{
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\')
            i++;
        else if (!quoted && (text[i] == '-' || (text[i] >= '0' && text[i] <= '9'))) {
            size_t from = i, digits;
            while (i < length && strchr("+-.eE0123456789", text[i]) && text[i])
                i++;
            for (digits = from; digits < i && text[digits] >= '0' && text[digits] <= '9'; digits++)
                ;
            if (digits < i || (text[from] == '0' && i - from > 1))
                return pasta_fail(err, PASTA_ERR_INPUT, "%s: header: expected whole numbers, found %.*s", path,
                                  (int)(i - from < 40 ? i - from : 40), text + from);
            i--;
        }
    }
    return PASTA_OK;
}

static pasta_status parse_dtype(const cJSON *entry, const char *where, enum pasta_st_dtype *out, struct pasta_err *err)
{
    static const char *const unsupported[] = {"C64", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2", "F4"};
    const char *name;
    pasta_status status = pasta_json_str(entry, "dtype", where, &name, err);
    if (status != PASTA_OK)
        return status;
    for (int i = 0; i < N_DTYPES; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            *out = (enum pasta_st_dtype)i;
            return PASTA_OK;
        }
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (strcmp(name, unsupported[i]) == 0)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: dtype: %s tensors are not supported: convert them to F32, F16 or BF16",
                              where, name);
    return pasta_fail(err, PASTA_ERR_INPUT, "%s: dtype: expected a name such as F32, found \"%.40s\"", where, name);
}

static pasta_status parse_whole(const cJSON *value, const char *where, const char *key, int64_t *out, struct pasta_err *err)
{
    if (!cJSON_IsNumber(value))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected whole numbers, found %s", where, key, pasta_json_type_name(value));
    if (!(value->valuedouble >= 0 && value->valuedouble <= (double)max_exact))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: %s: expected numbers from 0 to 2^53, found %g", where, key, value->valuedouble);
    *out = (int64_t)value->valuedouble;
    return PASTA_OK;
}

static pasta_status parse_entry(const cJSON *entry, const char *path, struct pasta_arena *arena, struct claim *c, struct pasta_err *err)
{
    c->name = entry->string;
    char where[512];
    snprintf(where, sizeof where, "%.200s: tensor '%.200s'", path, c->name);
    if (!cJSON_IsObject(entry))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected an object, found %s", where, pasta_json_type_name(entry));
    const cJSON *shape, *offsets, *value;
    pasta_status status = parse_dtype(entry, where, &c->dtype, err);
    if (status == PASTA_OK)
        status = pasta_json_array(entry, "shape", where, &shape, err);
    if (status == PASTA_OK)
        status = pasta_json_array(entry, "data_offsets", where, &offsets, err);
    if (status != PASTA_OK)
        return status;
    cJSON_ArrayForEach(value, shape) {
        if (c->rank == PASTA_ST_MAX_RANK)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: shape: expected at most %d dimensions, found %d", where, PASTA_ST_MAX_RANK,
                              cJSON_GetArraySize(shape));
        if ((status = parse_whole(value, where, "shape", &c->shape[c->rank++], err)) != PASTA_OK)
            return status;
    }
    if (cJSON_GetArraySize(offsets) != 2)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: data_offsets: expected 2 numbers, found %d", where, cJSON_GetArraySize(offsets));
    int64_t begin = 0, end = 0;
    status = parse_whole(offsets->child, where, "data_offsets", &begin, err);
    if (status == PASTA_OK)
        status = parse_whole(offsets->child->next, where, "data_offsets", &end, err);
    if (status != PASTA_OK)
        return status;
    c->begin = (uint64_t)begin;
    c->end = (uint64_t)end;
    c->name = pasta_arena_strdup(arena, c->name);
    return PASTA_OK;
}

static int compare_claims(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Bytes that dtype and shape need; false on overflow. */
static bool claim_bytes(const struct claim *c, uint64_t *bytes)
{
    uint64_t n = 1;
    for (int i = 0; i < c->rank; i++)
        if (__builtin_mul_overflow(n, (uint64_t)c->shape[i], &n))
            return false;
    return !__builtin_mul_overflow(n, (uint64_t)dtypes[c->dtype].size, bytes) && *bytes <= INT64_MAX;
}

/* The sorted claims must tile the buffer of `length` bytes, and each must be as long as its shape says. */
static pasta_status check_claims(const struct claim *claims, int n, uint64_t length, const char *path, struct pasta_err *err)
{
    uint64_t at = 0, bytes;
    for (int i = 0; i < n; i++) {
        const struct claim *c = &claims[i];
        if (c->end < c->begin)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: tensor '%s': data_offsets: expected begin <= end, found [%llu, %llu]", path,
                              c->name, (unsigned long long)c->begin, (unsigned long long)c->end);
        if (c->begin != at)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: tensor '%s': data_offsets: expected to begin at %llu, found %llu (%s)", path,
                              c->name, (unsigned long long)at, (unsigned long long)c->begin, c->begin > at ? "a hole" : "an overlap");
        if (!claim_bytes(c, &bytes))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: tensor '%s': shape: its size in bytes overflows", path, c->name);
        if (c->end - c->begin != bytes)
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: tensor '%s': expected %llu bytes for its dtype and shape, found %llu", path,
                              c->name, (unsigned long long)bytes, (unsigned long long)(c->end - c->begin));
        at = c->end;
    }
    if (at != length)
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: expected %llu bytes of tensors, found %llu (%s)", path, (unsigned long long)at,
                          (unsigned long long)length, length < at ? "truncated file?" : "bytes that belong to no tensor");
    return PASTA_OK;
}

static pasta_status parse_meta(struct pasta_safetensors *st, const cJSON *meta, struct pasta_err *err)
{
    if (!cJSON_IsObject(meta))
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: __metadata__: expected an object, found %s", st->path, pasta_json_type_name(meta));
    st->meta = pasta_arena_alloc(&st->arena, (size_t)cJSON_GetArraySize(meta) * sizeof *st->meta);
    const cJSON *value;
    cJSON_ArrayForEach(value, meta) {
        if (!cJSON_IsString(value))
            return pasta_fail(err, PASTA_ERR_INPUT, "%s: __metadata__.%s: expected a string, found %s", st->path, value->string,
                              pasta_json_type_name(value));
        st->meta[st->n_meta][0] = pasta_arena_strdup(&st->arena, value->string);
        st->meta[st->n_meta++][1] = pasta_arena_strdup(&st->arena, value->valuestring);
    }
    return PASTA_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct pasta_st_tensor *const *)a)->name, (*(const struct pasta_st_tensor *const *)b)->name);
}

/* Makes tensors of checked claims. */
static void adopt(struct pasta_safetensors *st, const struct claim *claims, int n, const unsigned char *buffer)
{
    st->n = n;
    st->tensors = pasta_arena_alloc(&st->arena, (size_t)n * sizeof *st->tensors);
    st->by_name = pasta_arena_alloc(&st->arena, (size_t)n * sizeof *st->by_name);
    for (int i = 0; i < n; i++) {
        const struct claim *c = &claims[i];
        struct pasta_st_tensor *t = &st->tensors[i];
        *t = (struct pasta_st_tensor){.name = c->name, .dtype = c->dtype, .rank = c->rank, .data = buffer + c->begin,
                                      .bytes = c->end - c->begin};
        memcpy(t->shape, c->shape, sizeof t->shape);
        /* Other writers need not pad; C code may not read floats at odd addresses. */
        if ((uintptr_t)t->data % dtypes[t->dtype].size)
            t->data = memcpy(pasta_arena_alloc(&st->arena, t->bytes), t->data, t->bytes);
        st->by_name[i] = t;
    }
    qsort(st->by_name, (size_t)n, sizeof *st->by_name, compare_names);
}

static pasta_status parse_header(struct pasta_safetensors *st, size_t length, struct pasta_err *err)
{
    const char *text = (const char *)st->map + PREFIX;
    if (!length || text[0] != '{')
        return pasta_fail(err, PASTA_ERR_INPUT, "%s: header: expected '{' first; is this a safetensors file?", st->path);
    cJSON *header;
    char where[512];
    snprintf(where, sizeof where, "%.400s: header", st->path);
    pasta_status status = pasta_json_parse(text, length, where, &header, err);
    if (status != PASTA_OK)
        return status;
    int n = 0;
    struct claim *claims = pasta_calloc((size_t)cJSON_GetArraySize(header), sizeof *claims);
    status = check_numbers(text, length, st->path, err);
    for (const cJSON *entry = header->child; entry && status == PASTA_OK; entry = entry->next) {
        if (strcmp(entry->string, "__metadata__") == 0)
            status = parse_meta(st, entry, err);
        else
            status = parse_entry(entry, st->path, &st->arena, &claims[n++], err);
    }
    if (status == PASTA_OK) {
        qsort(claims, (size_t)n, sizeof *claims, compare_claims);
        status = check_claims(claims, n, st->size - PREFIX - length, st->path, err);
    }
    if (status == PASTA_OK)
        adopt(st, claims, n, st->map + PREFIX + length);
    free(claims);
    cJSON_Delete(header);
    return status;
}

static pasta_status map_file(struct pasta_safetensors *st, struct pasta_err *err)
{
    int fd = open(st->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pasta_fail_errno(err, "cannot open '%s'", st->path);
    struct stat info;
    pasta_status status = PASTA_OK;
    if (fstat(fd, &info) != 0)
        status = pasta_fail_errno(err, "cannot read '%s'", st->path);
    else if (!S_ISREG(info.st_mode))
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected a file, found %s", st->path,
                            S_ISDIR(info.st_mode) ? "a folder" : "a device");
    else if (info.st_size < PREFIX)
        status = pasta_fail(err, PASTA_ERR_INPUT, "%s: expected a safetensors file of at least 8 bytes, found %lld", st->path,
                            (long long)info.st_size);
    else {
        /* writable, so that tensors can be trained in place: a page that is written to becomes the process's own */
        void *map = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
            status = pasta_fail_errno(err, "cannot map '%s'", st->path);
        else {
            st->map = map;
            st->size = (size_t)info.st_size;
        }
    }
    close(fd);
    return status;
}

pasta_status pasta_safetensors_open(const char *path, struct pasta_safetensors **out, struct pasta_err *err)
{
    struct pasta_safetensors *st = pasta_calloc(1, sizeof *st);
    st->holders = 1;
    st->path = pasta_strdup(path);
    pasta_status status = map_file(st, err);
    if (status == PASTA_OK) {
        uint64_t length;
        memcpy(&length, st->map, PREFIX);
        if (length > max_header)
            status = pasta_fail(err, PASTA_ERR_INPUT,
                                "%s: header: expected at most 100000000 bytes, found %llu; is this a safetensors file?",
                                path, (unsigned long long)length);
        else if (length > st->size - PREFIX)
            status = pasta_fail(err, PASTA_ERR_INPUT, "%s: header: expected %llu bytes, found %zu (truncated file?)", path,
                                (unsigned long long)length, st->size - PREFIX);
        else
            status = parse_header(st, (size_t)length, err);
    }
    if (status != PASTA_OK) {
        pasta_safetensors_close(st);
        return status;
    }
    *out = st;
    return PASTA_OK;
}

void pasta_safetensors_close(struct pasta_safetensors *st)
{
    if (!st || --st->holders > 0)
        return;
    if (st->map)
        munmap(st->map, st->size);
    pasta_arena_release(&st->arena);
    free(st->path);
    free(st);
}

struct pasta_safetensors *pasta_safetensors_hold(struct pasta_safetensors *st)
{
    st->holders++;
    return st;
}

void pasta_safetensors_forget(const struct pasta_safetensors *st, const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), map = (uintptr_t)st->map;
    const uintptr_t from = ((uintptr_t)data + page - 1) / page * page, to = ((uintptr_t)data + bytes) / page * page;
    if (from < to && from >= map && to <= map + st->size) /* an aligned copy lies elsewhere */
        madvise((void *)from, to - from, MADV_DONTNEED);
}

int pasta_safetensors_count(const struct pasta_safetensors *st)
{
    return st->n;
}

const struct pasta_st_tensor *pasta_safetensors_at(const struct pasta_safetensors *st, int index)
{
    return &st->tensors[index];
}

const struct pasta_st_tensor *pasta_safetensors_find(const struct pasta_safetensors *st, const char *name)
{
    const struct pasta_st_tensor wanted = {.name = name}, *key = &wanted;
    const struct pasta_st_tensor **found = bsearch(&key, st->by_name, (size_t)st->n, sizeof *st->by_name, compare_names);
    return found ? *found : NULL;
}

const char *pasta_safetensors_meta(const struct pasta_safetensors *st, const char *key)
{
    for (int i = 0; i < st->n_meta; i++)
        if (strcmp(st->meta[i][0], key) == 0)
            return st->meta[i][1];
    return NULL;
}

const char *pasta_safetensors_path(const struct pasta_safetensors *st)
{
    return st->path;
}

static void describe(struct pasta_str *s, enum pasta_st_dtype dtype, int rank, const int64_t *shape)
{
    pasta_str_printf(s, "%s [", dtypes[dtype].name);
    for (int i = 0; i < rank; i++)
        pasta_str_printf(s, shape[i] < 0 ? "%sany" : "%s%lld", i ? "," : "", (long long)shape[i]);
    pasta_str_addc(s, ']');
}

pasta_status pasta_safetensors_want(const struct pasta_safetensors *st, const char *name, enum pasta_st_dtype dtype, int rank,
                                    const int64_t *shape, const struct pasta_st_tensor **out, struct pasta_err *err)
{
    const struct pasta_st_tensor *t = pasta_safetensors_find(st, name);
    bool fits = t && t->dtype == dtype && t->rank == rank;
    for (int i = 0; fits && i < rank; i++)
        fits = shape[i] < 0 || shape[i] == t->shape[i];
    if (fits) {
        *out = t;
        return PASTA_OK;
    }
    struct pasta_str text = {0};
    describe(&text, dtype, rank, shape);
    pasta_str_add(&text, ", found ");
    if (t)
        describe(&text, t->dtype, t->rank, t->shape);
    else
        pasta_str_add(&text, "nothing");
    pasta_fail(err, PASTA_ERR_INPUT, "%s: tensor '%s': expected %s", st->path, name, text.data);
    pasta_str_release(&text);
    return PASTA_ERR_INPUT;
}
