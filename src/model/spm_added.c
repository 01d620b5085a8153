/* spm_added.c: the pieces that transformers has to be told of.
 *
 * tokenizer.model is a Protocol Buffers message whose field 1 is a piece: 1 text, 2 score, 3 type (absent: an ordinary piece).
 * SentencePiece's library tells the text of a piece but not whether a user defined it.
 * Source: google/sentencepiece, src/sentencepiece_model.proto.
 */
#include "pasta/base/json.h"
#include "pasta/model/spm.h"

enum { UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4 };
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct reader { const unsigned char *at, *end; };

/* 0 at the end and beyond it. */
static uint64_t varint(struct reader *r)
{
    uint64_t value = 0;
    for (int shift = 0; r->at < r->end && shift < 64; shift += 7) {
        value |= (uint64_t)(*r->at & 0x7F) << shift;
        if (!(*r->at++ & 0x80))
            break;
    }
    return value;
}

/* The next field: its number, and its value or its bytes; false at the end, or where the message is broken. */
static bool field(struct reader *r, uint64_t *number, uint64_t *value, struct reader *bytes)
{
    if (r->at >= r->end)
        return false;
    const uint64_t key = varint(r), wire = key & 7;
    *number = key >> 3;
    *value = wire == VARINT || wire == BYTES ? varint(r) : 0;
    const uint64_t length = wire == BYTES ? *value : wire == FIXED64 ? 8 : wire == FIXED32 ? 4 : 0;
    if (length > (uint64_t)(r->end - r->at))
        return false;
    *bytes = (struct reader){r->at, r->at + length};
    r->at += length;
    return true;
}

static void put_token(struct pasta_str *out, int64_t id, const char *text, bool special)
{
    pasta_str_printf(out, "\"%lld\": {\"content\": ", (long long)id);
    pasta_json_put_str(out, text);
    /* a piece as it stands after normalisation, which turns blanks into U+2581; the names of special ones are matched before it */
    pasta_str_printf(out, ", \"lstrip\": false, \"normalized\": %s, \"rstrip\": false, \"single_word\": false, \"special\": %s}",
                     special ? "false" : "true", special ? "true" : "false");
}

void pasta_spm_added_tokens(const struct pasta_str *model, struct pasta_str *out)
{
    struct reader file = {(const unsigned char *)model->data, (const unsigned char *)model->data + model->length}, piece, bytes;
    struct pasta_str text = {0};
    uint64_t number, value;
    int64_t id = 0;
    const char *separator = "";
    pasta_str_add(out, "{");
    while (field(&file, &number, &value, &piece)) {
        if (number != 1)
            continue;
        uint64_t type = 0;
        pasta_str_clear(&text);
        while (field(&piece, &number, &value, &bytes)) {
            if (number == 1)
                pasta_str_addn(&text, (const char *)bytes.at, (size_t)(bytes.end - bytes.at));
            if (number == 3)
                type = value;
        }
        if (type == UNKNOWN || type == CONTROL || type == USER_DEFINED) {
            pasta_str_add(out, separator);
            put_token(out, id, text.data, type != USER_DEFINED);
            separator = ", ";
        }
        id++;
    }
    pasta_str_add(out, "}");
    pasta_str_release(&text);
}
