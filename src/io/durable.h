/* durable.h: renaming that lasts. */
#ifndef PASTA_SRC_IO_DURABLE_H
#define PASTA_SRC_IO_DURABLE_H
#include <stdbool.h>
/* rename(2), and then, as far as the file system can, the folder synced so that the new name outlives a power cut. False: errno. */
bool durable_rename(const char *from, const char *to);
#endif
