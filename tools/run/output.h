#ifndef CPS_RUN_OUTPUT_H
#define CPS_RUN_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/err.h"

/* What a container wrote to its outputs: the file `output` in its folder. Records of a
 * head of 16 bytes (length, stream, three zeros, time in ns) and the bytes as they
 * came; only appended. The end of a file whose writer was killed may be half a record.
 */

#define CPS_OUTPUT_FILE "output"
#define CPS_OUTPUT_MAX  (64u << 10) /* bytes of one record */

/** The file for appending, made when missing; half a record at its end is dropped. An
 *  fd; -errno. */
int cps_output_open(int folder, struct cps_err *err);
/** stream  1 or 2. 0 or -errno. */
int cps_output_append(int fd, int stream, const void *data, size_t len);

struct cps_output_record {
	int stream;
	int64_t time_ns; /* since 1970 */
	const uint8_t *data;
	uint32_t len;
};

struct cps_output_reader {
	int fd; /* borrowed */
	uint64_t at;
	uint8_t bytes[CPS_OUTPUT_MAX];
};

/** 1 a record, valid until the next call; 0 no more by now; -EBADMSG; -errno. */
int cps_output_next(struct cps_output_reader *reader, struct cps_output_record *out);

#endif
