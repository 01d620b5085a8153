/* names.h: distinct strings in order of first appearance. */
#ifndef PASTA_CMD_NAMES_H
#define PASTA_CMD_NAMES_H
#include <stddef.h>
#include <stdint.h>
struct names { const char **items; size_t n, capacity; uint32_t *slots; size_t n_slots; };
size_t names_add(struct names *s, const char *name); /* its index; `name` is borrowed */
void names_release(struct names *s);
#endif
