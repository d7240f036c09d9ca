#include <errno.h>
#include <string.h>

#include "store/tar/internal.h"

#define GNU_AT_SPARSE    386 /* four runs in the header */
#define GNU_AT_EXTENDED  482
#define GNU_AT_REALSIZE  483
#define GNU_HEADER_RUNS  4
#define GNU_BLOCK_RUNS   21 /* in each extension block */
#define GNU_AT_CONTINUED 504
#define GNU_RUN          (2 * TAR_LARGE_FIELD)

int cps_tar_extent_add(struct cps_tar *tar, struct tar_extents *list, int64_t logical,
		       int64_t len, struct cps_err *err)
{
	if (logical < 0 || len < 0)
		return cps_tar_bad(tar, err, "negative number in the sparse map");
	if (list->count >= CPS_TAR_SPARSE_MAX)
		return cps_tar_bad(tar, err, "sparse map of more than %u runs",
				   CPS_TAR_SPARSE_MAX);
	if (cps_grow(&list->items, &list->cap, list->count + 1, sizeof(*list->items)) <
	    0)
		return cps_err_nomem(err);
	list->items[list->count++] =
		(struct cps_extent){.logical = (uint64_t)logical, .len = (uint64_t)len};
	return 0;
}

/* A run whose offset starts with NUL ends the list, as in GNU and BSD tar. */
static int add_gnu_runs(struct cps_tar *tar, const uint8_t *runs, int count,
			struct cps_err *err)
{
	for (int i = 0; i < count && runs[0] != '\0'; i++, runs += GNU_RUN) {
		int64_t logical, len;
		int rc;

		if (!cps_tar_number(runs, TAR_LARGE_FIELD, &logical) ||
		    !cps_tar_number(runs + TAR_LARGE_FIELD, TAR_LARGE_FIELD, &len))
			return cps_tar_bad(tar, err, "sparse map holds no number");
		rc = cps_tar_extent_add(tar, &tar->extents, logical, len, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Old GNU: runs in the header, the rest in blocks between it and the data. */
static int read_old_gnu(struct cps_tar *tar, int64_t *size, struct cps_err *err)
{
	bool more = tar->block[GNU_AT_EXTENDED] != 0;
	int rc;

	/* Star has a map of another shape under the same type. */
	if (tar->head.format != TAR_GNU)
		return cps_tar_bad(tar, err, "sparse member without a GNU header");
	if (!cps_tar_number(tar->block + GNU_AT_REALSIZE, TAR_LARGE_FIELD, size))
		return cps_tar_bad(tar, err, "sparse size is no number");
	rc = add_gnu_runs(tar, tar->block + GNU_AT_SPARSE, GNU_HEADER_RUNS, err);

	for (uint32_t blocks = 0; rc == 0 && more; blocks++) {
		if (blocks > CPS_TAR_SPARSE_MAX / GNU_BLOCK_RUNS)
			return cps_tar_bad(tar, err, "sparse map of too many blocks");
		rc = cps_tar_read_exact(tar, tar->block, TAR_BLOCK, err);
		if (rc < 0)
			return rc;
		more = tar->block[GNU_AT_CONTINUED] != 0;
		rc = add_gnu_runs(tar, tar->block, GNU_BLOCK_RUNS, err);
	}
	return rc;
}

/* One number up to a comma or the end; `*pos` moves behind it. */
static int next_list_number(struct cps_tar *tar, const char **pos, int64_t *out,
			    struct cps_err *err)
{
	size_t len = strcspn(*pos, ",");
	char text[24];

	if (len >= sizeof(text))
		return cps_tar_bad(tar, err, "sparse map holds no number");
	memcpy(text, *pos, len);
	text[len] = '\0';
	*pos += len;
	if (!cps_tar_decimal(text, out))
		return cps_tar_bad(tar, err, "sparse map holds no number");
	return 0;
}

/* Format 0.1: "offset,length,offset,length...". */
static int read_list(struct cps_tar *tar, const char *pos, struct cps_err *err)
{
	int64_t logical, len;
	int rc;

	for (;;) {
		rc = next_list_number(tar, &pos, &logical, err);
		if (rc == 0 && *pos++ != ',')
			rc = cps_tar_bad(tar, err, "sparse map out of step");
		if (rc == 0)
			rc = next_list_number(tar, &pos, &len, err);
		if (rc == 0)
			rc = cps_tar_extent_add(tar, &tar->extents, logical, len, err);
		if (rc < 0 || *pos++ == '\0')
			return rc;
	}
}

/* Formats 0.0 and 0.1: the whole map is in the pax records. */
static int read_pax_map(struct cps_tar *tar, struct cps_err *err)
{
	const char *blocks = tar->pax.value[TAR_PAX_SPARSE_NUMBLOCKS];
	const char *map = tar->pax.value[TAR_PAX_SPARSE_MAP];
	int64_t want;
	int rc = 0;

	if (map && tar->pax.map.count > 0)
		return cps_tar_bad(tar, err, "two sparse maps");
	for (size_t i = 0; rc == 0 && i < tar->pax.map.count; i++) {
		const struct cps_extent *run = &tar->pax.map.items[i];

		rc = cps_tar_extent_add(tar, &tar->extents, (int64_t)run->logical,
					(int64_t)run->len, err);
	}
	if (map)
		rc = read_list(tar, map, err);
	if (rc < 0)
		return rc;
	if (!blocks || !cps_tar_decimal(blocks, &want) || want < 0 ||
	    (uint64_t)want != tar->extents.count)
		return cps_tar_bad(tar, err, "sparse map of another length than said");
	return 0;
}

/* The next byte of a 1.0 map; `*pos` is where in the block, TAR_BLOCK when used up. */
static int next_map_byte(struct cps_tar *tar, size_t *pos, char *out,
			 struct cps_err *err)
{
	if (*pos == TAR_BLOCK) {
		int rc;

		if (tar->left < TAR_BLOCK)
			return cps_tar_bad(tar, err, "sparse map is cut off");
		rc = cps_tar_read_exact(tar, tar->block, TAR_BLOCK, err);
		if (rc < 0)
			return rc;
		tar->left -= TAR_BLOCK;
		*pos = 0;
	}
	*out = (char)tar->block[(*pos)++];
	return 0;
}

static int next_line_number(struct cps_tar *tar, size_t *pos, int64_t *out,
			    struct cps_err *err)
{
	char text[24];

	for (size_t len = 0; len < sizeof(text); len++) {
		int rc = next_map_byte(tar, pos, &text[len], err);

		if (rc < 0)
			return rc;
		if (text[len] != '\n')
			continue;
		text[len] = '\0';
		if (cps_tar_decimal(text, out))
			return 0;
		break;
	}
	return cps_tar_bad(tar, err, "sparse map holds no number");
}

/* Format 1.0: the count and then offset and length, one a line; zeros to the block. */
static int read_data_map(struct cps_tar *tar, struct cps_err *err)
{
	size_t pos = TAR_BLOCK;
	int64_t count, logical, len;
	int rc = next_line_number(tar, &pos, &count, err);

	if (rc == 0 && count < 0)
		rc = cps_tar_bad(tar, err, "negative number in the sparse map");
	for (int64_t i = 0; rc == 0 && i < count; i++) {
		rc = next_line_number(tar, &pos, &logical, err);
		if (rc == 0)
			rc = next_line_number(tar, &pos, &len, err);
		if (rc == 0)
			rc = cps_tar_extent_add(tar, &tar->extents, logical, len, err);
	}
	return rc;
}

/* What the map says must fit the file and be exactly what is stored. */
static int place_runs(struct cps_tar *tar, struct cps_err *err)
{
	struct cps_extent *runs = tar->extents.items;
	uint64_t end = 0, stored = 0;
	size_t kept = 0;

	for (size_t i = 0; i < tar->extents.count; i++) {
		struct cps_extent run = runs[i];

		/* Both are below 2^63. */
		if (run.logical < end || run.logical + run.len > tar->entry.size)
			return cps_tar_bad(
				tar, err,
				"sparse map out of order, overlapping or past the end");
		end = run.logical + run.len;
		run.stored = tar->off + stored;
		stored += run.len;
		if (run.len > 0)
			runs[kept++] = run;
	}
	if (stored != tar->left)
		return cps_tar_bad(
			tar, err, "sparse map of %llu bytes over %llu stored",
			(unsigned long long)stored, (unsigned long long)tar->left);
	tar->extents.count = kept;
	tar->entry.sparse = true;
	tar->entry.extents = kept ? runs : NULL;
	tar->entry.extent_count = kept;
	return 0;
}

/* -1 none, 0 for 0.x, 1 for 1.0, else an unknown version. */
static int pax_version(const struct tar_pax *pax)
{
	const char *major = pax->value[TAR_PAX_SPARSE_MAJOR];
	const char *minor = pax->value[TAR_PAX_SPARSE_MINOR];

	if (!major && !minor)
		return pax->value[TAR_PAX_SPARSE_MAP] || pax->map.count > 0 ||
				       pax->value[TAR_PAX_SPARSE_NUMBLOCKS]
			       ? 0
			       : -1;
	if (!major || !minor)
		return 2;
	if (strcmp(major, "0") == 0 &&
	    (strcmp(minor, "0") == 0 || strcmp(minor, "1") == 0))
		return 0;
	return strcmp(major, "1") == 0 && strcmp(minor, "0") == 0 ? 1 : 2;
}

static int read_pax_sparse(struct cps_tar *tar, int version, int64_t *size,
			   struct cps_err *err)
{
	const char *text = tar->pax.value[TAR_PAX_SPARSE_SIZE];

	if (!text)
		text = tar->pax.value[TAR_PAX_SPARSE_REALSIZE];
	if (text && !cps_tar_decimal(text, size))
		return cps_tar_bad(tar, err, "sparse size is no number");
	if (version == 0)
		return read_pax_map(tar, err);
	if (version == 1)
		return read_data_map(tar, err);
	return cps_tar_bad(tar, err, "sparse map of an unknown version");
}

int cps_tar_sparse(struct cps_tar *tar, struct cps_err *err)
{
	bool old_gnu = tar->head.type == 'S';
	int version = tar->has_pax ? pax_version(&tar->pax) : -1;
	int64_t size = (int64_t)tar->left;
	int rc;

	tar->extents.count = 0;
	if (!old_gnu && version < 0)
		return 0;
	if (tar->entry.type != CPS_TAR_REG || (old_gnu && version >= 0))
		return cps_tar_bad(tar, err, "sparse map where none can be");
	rc = old_gnu ? read_old_gnu(tar, &size, err)
		     : read_pax_sparse(tar, version, &size, err);
	if (rc < 0)
		return rc;
	if (size < 0 || (uint64_t)size > TAR_SIZE_MAX)
		return cps_tar_bad(tar, err, "sparse size out of range");
	tar->entry.size = (uint64_t)size;
	return place_runs(tar, err);
}
