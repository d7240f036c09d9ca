#ifndef CPS_TOOLS_HUMAN_H
#define CPS_TOOLS_HUMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/digest.h"

/* Sizes, times and IDs as Docker prints them (its go-units and cli/formatter). */

/** Room for any of the texts here. */
#define CPS_HUMAN_MAX 72

/** "0B", "4.05kB", "123MB": decimal units, three digits. */
const char *cps_size_text(uint64_t bytes, char out[CPS_HUMAN_MAX]);
/** "Less than a second", "About a minute", "2 weeks". A time that lies ahead is less
 *  than a second too. */
const char *cps_duration_text(int64_t seconds, char out[CPS_HUMAN_MAX]);
/** "3 minutes ago" of an RFC 3339 time; "N/A" for what is none. */
const char *cps_ago_text(const char *created, int64_t now_s, char out[CPS_HUMAN_MAX]);
/** "2026-03-01 12:00:00 +0100 CET" of an RFC 3339 time, as Go prints one; "N/A". */
const char *cps_local_time_text(const char *created, char out[CPS_HUMAN_MAX]);
/** Unix time of an RFC 3339 text, fractions dropped. 0 or -EINVAL. */
int cps_time_parse(const char *text, int64_t *unix_s);
/** Twelve digits, or "sha256:" and all of them. */
const char *cps_id_text(const struct cps_digest *digest, bool whole,
			char out[CPS_HUMAN_MAX]);

/** Characters of a UTF-8 text. */
size_t cps_text_width(const char *text);
/** Append `text` with control bytes escaped, cut to `limit` characters of which the
 *  last is then "…"; 0: no limit. 0 or -ENOMEM. */
int cps_ellipsis(struct cps_buf *out, const char *text, size_t limit);

#endif
