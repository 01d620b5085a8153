/* names.h: distinct strings in order of first appearance; and what a name that the user gives may look like. */
#ifndef PASTA_CMD_NAMES_H
#define PASTA_CMD_NAMES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct names { const char **items; size_t n, capacity; uint32_t *slots; size_t n_slots; };
size_t names_add(struct names *s, const char *name); /* its index; `name` is borrowed */
void names_release(struct names *s);
/* 1 to 40 letters, digits, '.', '_' and '-', the first not '.': names become files, columns and parts of ids. */
bool names_allowed(const char *name, size_t length);
#endif
