#include "tfevents.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
        table[i] = c;
    }
}

uint32_t pasta_crc32c(const void *bytes, size_t length)
{
    pthread_once(&table_once, make_table);
    const uint8_t *p = bytes;
    uint32_t c = 0xFFFFFFFFu;
    for (size_t i = 0; i < length; i++)
        c = table[(c ^ p[i]) & 0xFF] ^ c >> 8;
    return ~c;
}

uint32_t pasta_crc32c_masked(const void *bytes, size_t length)
{
    uint32_t c = pasta_crc32c(bytes, length);
    return (c >> 15 | c << 17) + 0xA282EAD8u;
}

/* --- protobuf: a tag byte is (field number << 3 | wire type) --- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void put_tag(struct pasta_str *s, int field, int wire)
{
    pasta_str_addc(s, (char)(field << 3 | wire));
}

static void put_varint(struct pasta_str *s, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        pasta_str_addc(s, (char)(value | 0x80));
    pasta_str_addc(s, (char)value);
}

static void put_bytes(struct pasta_str *s, int field, const void *bytes, size_t length)
{
    put_tag(s, field, BYTES);
    put_varint(s, length);
    pasta_str_addn(s, bytes, length);
}

static void put_double(struct pasta_str *s, int field, double value)
{
    put_tag(s, field, FIXED64);
    pasta_str_addn(s, &value, sizeof value);
}

static void put_record(struct pasta_str *out, const struct pasta_str *payload)
{
    uint64_t length = payload->length;
    uint32_t check = pasta_crc32c_masked(&length, sizeof length);
    pasta_str_addn(out, &length, sizeof length);
    pasta_str_addn(out, &check, sizeof check);
    pasta_str_addn(out, payload->data, payload->length);
    check = pasta_crc32c_masked(payload->data, payload->length);
    pasta_str_addn(out, &check, sizeof check);
}

void pasta_tfevents_header(struct pasta_str *out)
{
    struct pasta_str event = {0};
    put_double(&event, 1, 0);                   /* Event.wall_time */
    put_bytes(&event, 3, "brain.Event:2", 13);  /* Event.file_version */
    put_record(out, &event);
    pasta_str_release(&event);
}

void pasta_tfevents_scalars(struct pasta_str *out, int64_t step, const char *const *names, const double *values, size_t n)
{
    struct pasta_str event = {0}, summary = {0}, value = {0};
    for (size_t i = 0; i < n; i++) {
        pasta_str_clear(&value);
        put_bytes(&value, 1, names[i], strlen(names[i])); /* Summary.Value.tag */
        float simple = (float)values[i];
        put_tag(&value, 2, FIXED32);                      /* Summary.Value.simple_value */
        pasta_str_addn(&value, &simple, sizeof simple);
        put_bytes(&summary, 1, value.data, value.length); /* Summary.value */
    }
    put_double(&event, 1, (double)step);
    put_tag(&event, 2, VARINT); /* Event.step */
    put_varint(&event, (uint64_t)step);
    put_bytes(&event, 5, summary.data, summary.length); /* Event.summary */
    put_record(out, &event);
    pasta_str_release(&event);
    pasta_str_release(&summary);
    pasta_str_release(&value);
}
