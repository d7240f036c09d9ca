#include "store/seek.h"

#include <errno.h>
#include <sys/stat.h>

#include "store/base/le.h"
#include "store/codec/table.h"

void cps_seek_load(const struct cps_seek *seek, uint32_t i, struct cps_span *out)
{
	cps_span_load(seek->points + (size_t)i * CPS_POINT_SIZE, out);
}

/* The first thing that is wrong with a span; NULL when nothing is. */
static const char *bad_span(const struct cps_seek *seek, const struct cps_span *span,
			    uint64_t out)
{
	uint64_t file =
		span->kind == CPS_SPAN_TRANSCODED ? seek->span_size : seek->blob_size;

	if (span->kind >= CPS_SPAN_KINDS)
		return "kind";
	if (span->out != out)
		return "output offset";
	if (span->out_len == 0 || span->out_len > CPS_SPAN_MAX)
		return "output length";
	if (span->in_bit / 8 >= file || span->in_len > file - span->in_bit / 8)
		return "input range";
	if (span->in_bit % 8 && span->kind != CPS_SPAN_GZIP_BLOCK)
		return "input offset";
	if (span->win_len > 0 && span->kind != CPS_SPAN_GZIP_BLOCK)
		return "window";
	if (span->win_len > 0 && (span->win_len <= 2 || span->win_len > CPS_WINDOW_MAX))
		return "window length";
	if (span->win_off > seek->windows_len ||
	    span->win_len > seek->windows_len - span->win_off)
		return "window offset";
	if (span->first_check > seek->check_count ||
	    cps_span_checks(span->out_len) > seek->check_count - span->first_check)
		return "checksums";
	return NULL;
}

static int check_spans(const struct cps_seek *seek, struct cps_err *err)
{
	uint64_t out = 0;

	for (uint32_t i = 0; i < seek->count; i++) {
		struct cps_span span;
		const char *bad;

		cps_seek_load(seek, i, &span);
		bad = bad_span(seek, &span, out);
		if (bad)
			return cps_err_set(err, -EBADMSG,
					   "seek table: bad %s of span %u", bad, i);
		out += span.out_len;
	}
	if (out != seek->out_size)
		return cps_err_set(err, -EBADMSG, "seek table: spans do not add up");
	return 0;
}

static int load_table(struct cps_seek *seek, const void *data, size_t len,
		      const struct cps_digest *key, struct cps_err *err)
{
	struct cps_sections *s = &seek->sections;
	const void *info, *points, *windows, *checks;
	uint64_t info_len, count;
	int rc = cps_sections_open(data, len, CPS_KIND_SEEK, key, s, err);

	if (rc < 0)
		return rc;
	if (cps_section_get(s, CPS_SECTION_INFO, 1, &info, &info_len) < 0 ||
	    info_len != CPS_INFO_SIZE ||
	    cps_section_get(s, CPS_SECTION_POINTS, CPS_POINT_SIZE, &points, &count) <
		    0 ||
	    count > UINT32_MAX ||
	    cps_section_get(s, CPS_SECTION_WINDOWS, 1, &windows, &seek->windows_len) <
		    0 ||
	    cps_section_get(s, CPS_SECTION_CHECKS, CPS_CHECK_SIZE, &checks,
			    &seek->check_count) < 0)
		return cps_err_set(err, -EBADMSG, "seek table: bad sections");
	rc = cps_sections_verify(s, err);
	if (rc < 0)
		return rc;
	seek->points = points;
	seek->count = (uint32_t)count;
	seek->windows = windows;
	seek->checks = checks;
	seek->out_size = cps_le64(info);
	seek->blob_size = cps_le64((const uint8_t *)info + 8);
	seek->span_size = cps_le64((const uint8_t *)info + 16);
	return check_spans(seek, err);
}

static struct cps_seek *new_seek(void)
{
	struct cps_seek *seek = calloc(1, sizeof(*seek));

	if (seek)
		seek->span_fd = -1;
	return seek;
}

static int open_transcoded(struct cps_seek *seek, const struct cps_store *store,
			   const struct cps_digest *digest, struct cps_err *err)
{
	struct stat st;

	seek->span_fd = cps_derived_open(store, CPS_SPAN, digest);
	if (seek->span_fd == -ENOENT) {
		seek->span_fd = -1;
		return cps_err_set(err, -EBADMSG,
				   "seek table: its transcoded file is gone");
	}
	if (seek->span_fd < 0 || fstat(seek->span_fd, &st) < 0) {
		int rc = seek->span_fd < 0 ? seek->span_fd : -errno;

		return cps_err_sys(err, rc, "open a transcoded file");
	}
	if ((uint64_t)st.st_size != seek->span_size)
		return cps_err_set(err, -EBADMSG,
				   "seek table: its transcoded file has another size");
	return 0;
}

int cps_seek_open(const struct cps_store *store, const struct cps_digest *blob_digest,
		  struct cps_seek **out, struct cps_err *err)
{
	cps_auto(cps_seek_close) struct cps_seek *seek = new_seek();
	cps_auto(cps_fd) int fd = -1;
	int rc;

	if (!seek)
		return cps_err_nomem(err);
	seek->store = store;
	seek->digest = *blob_digest;
	fd = cps_derived_open(store, CPS_SEEK, blob_digest);
	if (fd < 0)
		return cps_err_sys(err, fd, "open a seek table");
	rc = cps_map_fd(fd, &seek->map);
	if (rc < 0)
		return cps_err_sys(err, rc, "map a seek table");
	cps_map_fetch(&seek->map);
	rc = load_table(seek, seek->map.data, seek->map.len, blob_digest, err);
	if (rc == 0 && seek->span_size > 0)
		rc = open_transcoded(seek, store, blob_digest, err);
	if (rc < 0)
		return rc;
	*out = CPS_TAKE(seek);
	return 0;
}

int cps_seek_open_mem(const void *data, size_t len, struct cps_seek **out,
		      struct cps_err *err)
{
	cps_auto(cps_seek_close) struct cps_seek *seek = new_seek();
	int rc;

	if (!seek)
		return cps_err_nomem(err);
	rc = load_table(seek, data, len, NULL, err);
	if (rc < 0)
		return rc;
	if (seek->span_size > 0)
		return cps_err_set(err, -EBADMSG,
				   "seek table: it needs a transcoded file");
	*out = CPS_TAKE(seek);
	return 0;
}

int cps_seek_verify(const struct cps_seek *seek, struct cps_err *err)
{
	return cps_sections_verify(&seek->sections, err);
}

const struct cps_digest *cps_seek_digest(const struct cps_seek *seek)
{
	return &seek->digest;
}

void cps_seek_distrust(const struct cps_seek *seek, uint32_t i)
{
	struct cps_span span;

	cps_seek_load(seek, i, &span);
	if (seek->store && span.kind == CPS_SPAN_TRANSCODED)
		cps_derived_drop(seek->store, CPS_SPAN, &seek->digest);
}

void cps_seek_close(struct cps_seek *seek)
{
	if (!seek)
		return;
	cps_map_release(&seek->map);
	if (seek->span_fd >= 0)
		close(seek->span_fd);
	free(seek);
}

uint64_t cps_seek_size(const struct cps_seek *seek)
{
	return seek->out_size;
}

uint32_t cps_seek_span_count(const struct cps_seek *seek)
{
	return seek->count;
}

uint32_t cps_seek_find(const struct cps_seek *seek, uint64_t off)
{
	uint32_t low = 0, high = seek->count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (cps_le64(seek->points + (size_t)mid * CPS_POINT_SIZE) <= off)
			low = mid;
		else
			high = mid;
	}
	return low;
}

void cps_seek_span(const struct cps_seek *seek, uint32_t span, uint64_t *off,
		   uint32_t *len)
{
	struct cps_span s;

	cps_seek_load(seek, span, &s);
	*off = s.out;
	*len = s.out_len;
}
