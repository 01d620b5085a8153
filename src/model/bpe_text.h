/* bpe_text.h: what CLIP's tokenizer does to text before any merge: cleaning, cutting into pieces, bytes as printable symbols. */
#ifndef PASTA_SRC_BPE_TEXT_H
#define PASTA_SRC_BPE_TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pasta/base/err.h"
#include "pasta/base/str.h"

/* Appends NFC, white space collapsed, lower case of `text` [length] to out. Not UTF-8: PASTA_ERR_INPUT. */
pasta_status bpe_clean(const char *text, size_t length, struct pasta_str *out, struct pasta_err *err) PASTA_MUST_CHECK;

/* The next piece of cleaned text: *start and *length of it from *position on, which moves behind it. False at the end. */
bool bpe_next_piece(const struct pasta_str *clean, size_t *position, const char **start, size_t *length);

/* The printable symbol (UTF-8, NUL-terminated, static order of OpenAI's table) that stands for a byte, and the byte at a place of
 * that order. */
void bpe_byte_symbol(uint8_t byte, char symbol[3]);
uint8_t bpe_byte_at(int place); /* place 0..255 in the vocabulary's order */
#endif
