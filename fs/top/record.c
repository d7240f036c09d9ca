#include "fs/top/record.h"

#include <errno.h>
#include <xxhash.h>

#include "store/base/le.h"

struct cps_record_layout cps_record_layout(const uint8_t *header)
{
	struct cps_record_layout l = {cps_le32(header), cps_le32(header + 4), 0};

	l.len = (CPS_RECORD_HEADER + l.fields_len + l.bulk_len + 7) & ~(size_t)7;
	return l;
}

uint64_t cps_record_sequence(const uint8_t *header)
{
	return cps_le64(header + 16);
}

static uint64_t sum(uint64_t log_id, const uint8_t *header, const void *fields,
		    const void *bulk)
{
	struct cps_record_layout l = cps_record_layout(header);
	uint64_t seed = log_id ^ cps_le64(header), s;

	s = XXH3_64bits_withSeed(header + 16, CPS_RECORD_HEADER - 16, seed);
	s = XXH3_64bits_withSeed(fields, l.fields_len, s);
	return l.bulk_len ? XXH3_64bits_withSeed(bulk, l.bulk_len, s) : s;
}

void cps_record_format(uint64_t log_id, uint64_t sequence, const struct cps_buf *fields,
		       const struct cps_change *change, uint8_t *header)
{
	cps_put_le32(header, (uint32_t)fields->len);
	cps_put_le32(header + 4, (uint32_t)change->bulk.len);
	cps_put_le64(header + 16, sequence);
	cps_put_le64(header + 24, (uint64_t)change->time_ns);
	cps_put_le32(header + 32, change->who);
	cps_put_le32(header + 36, change->type);
	cps_put_le64(header + 8, sum(log_id, header, fields->data, change->bulk.data));
}

int cps_record_parse(const uint8_t *record, size_t len, uint64_t log_id,
		     uint64_t sequence, uint64_t pos, struct cps_change *out)
{
	const uint8_t *fields = record + CPS_RECORD_HEADER;
	struct cps_record_layout l = cps_record_layout(record);

	/* Its length was read before: somebody may have written here since. */
	if (l.len != len || cps_record_sequence(record) != sequence ||
	    cps_le64(record + 8) != sum(log_id, record, fields, fields + l.fields_len))
		return -EBADMSG;
	*out = (struct cps_change){
		.type = cps_le16(record + 36),
		.who = cps_le32(record + 32),
		.time_ns = (int64_t)cps_le64(record + 24),
		.bulk = {fields + l.fields_len, l.bulk_len},
		.bulk_pos = pos + CPS_RECORD_HEADER + l.fields_len,
	};
	return cps_change_decode(fields, l.fields_len, out);
}
