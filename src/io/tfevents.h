/* tfevents.h: the bytes of a TensorBoard event file.
 *
 * A file is a sequence of records: length u64, masked CRC32C of the length u32, payload, masked CRC32C of the payload u32, all
 * little-endian. The payload is a protobuf `Event`. Its wall time is the step, so that bytes do not depend on the clock.
 * Source: tensorflow core/lib/io/record_writer, core/util/event.proto, core/framework/summary.proto.
 */
#ifndef PASTA_IO_TFEVENTS_H
#define PASTA_IO_TFEVENTS_H
#include <stddef.h>
#include <stdint.h>
#include "pasta/base/str.h"

/* CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) and TensorFlow's masking of it. */
uint32_t pasta_crc32c(const void *bytes, size_t length);
uint32_t pasta_crc32c_masked(const void *bytes, size_t length);

/* Appends the record that opens a file. */
void pasta_tfevents_header(struct pasta_str *out);
/* Appends one record with n scalars of a step; values are kept as float. */
void pasta_tfevents_scalars(struct pasta_str *out, int64_t step, const char *const *names, const double *values, size_t n);
#endif
