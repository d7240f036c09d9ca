#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/tar/internal.h"

#define OCTAL_8  UINT64_C(07777777)     /* the most an 8 byte field holds */
#define OCTAL_12 UINT64_C(077777777777) /* and one of 12 bytes */

static const char type_flags[] = {
	[CPS_TAR_REG] = '0',  [CPS_TAR_HARDLINK] = '1', [CPS_TAR_SYMLINK] = '2',
	[CPS_TAR_CHR] = '3',  [CPS_TAR_BLK] = '4',      [CPS_TAR_DIR] = '5',
	[CPS_TAR_FIFO] = '6',
};

static void put_octal(uint8_t *field, size_t len, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%0*llo", (int)len - 1, (unsigned long long)value);
	memcpy(field, text, len);
}

/* What does not fit is 0 here and said by a pax record. */
static void put_or_zero(uint8_t *field, size_t len, uint64_t value, uint64_t max)
{
	put_octal(field, len, value <= max ? value : 0);
}

static void put_text(uint8_t *field, size_t len, const char *text)
{
	memcpy(field, text, strnlen(text, len));
}

static void finish_block(uint8_t *block)
{
	int64_t sum, unused;
	char text[16];

	memcpy(block + TAR_AT_MAGIC, "ustar\00000", 8);
	cps_tar_checksum(block, &sum, &unused);
	snprintf(text, sizeof(text), "%06llo", (unsigned long long)sum);
	memcpy(block + TAR_AT_SUM, text, 7);
	block[TAR_AT_SUM + 7] = ' ';
}

/* Put the path into name, or prefix and name; false if it fits neither. */
static bool put_path(uint8_t *block, const char *path)
{
	size_t len = strlen(path);

	if (len <= TAR_NAME_LEN) {
		put_text(block, TAR_NAME_LEN, path);
		return true;
	}
	for (size_t at = len - TAR_NAME_LEN - 1; at <= TAR_PREFIX_LEN && at + 1 < len;
	     at++) {
		if (at == 0 || path[at] != '/')
			continue;
		memcpy(block + TAR_AT_PREFIX, path, at);
		put_text(block, TAR_NAME_LEN, path + at + 1);
		return true;
	}
	put_text(block, TAR_NAME_LEN, path);
	return false;
}

/* "LENGTH KEY=VALUE\n": the length counts its own digits. */
static int put_record(struct cps_buf *out, const char *key, const void *value,
		      size_t value_len)
{
	size_t rest = strlen(key) + value_len + 3, len = rest;
	int rc;

	for (size_t was = 0; was != len;) {
		was = len;
		len = rest + (size_t)snprintf(NULL, 0, "%zu", was);
	}
	rc = cps_buf_printf(out, "%zu %s=", len, key);
	if (rc == 0)
		rc = cps_buf_append(out, value, value_len);
	return rc < 0 ? rc : cps_buf_str(out, "\n");
}

static int put_number(struct cps_buf *out, const char *key, uint64_t value)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);

	return put_record(out, key, text, (size_t)len);
}

/* The shortest form; "-0.5" is what lies half a second before zero. */
static int put_mtime(struct cps_buf *out, int64_t sec, uint32_t ns)
{
	bool negative = sec < 0;
	uint64_t whole = negative ? -(uint64_t)sec : (uint64_t)sec;
	char text[48];
	int len;

	if (negative && ns > 0) {
		whole--;
		ns = 1000000000 - ns;
	}
	len = snprintf(text, sizeof(text), "%s%llu.%09u", negative ? "-" : "",
		       (unsigned long long)whole, ns);
	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	return put_record(out, "mtime", text, (size_t)len);
}

static int put_xattr(struct cps_buf *out, const struct cps_tar_xattr *attr)
{
	cps_auto(cps_buf) struct cps_buf key = CPS_BUF_INIT(0), text = CPS_BUF_INIT(0);
	bool base64;
	int rc = cps_tar_xattr_key(&key, attr->name, &base64);

	if (rc == 0 && base64)
		rc = cps_tar_base64(&text, attr->value, attr->value_len);
	if (rc < 0)
		return rc;
	return base64 ? put_record(out, cps_buf_cstr(&key), text.data, text.len)
		      : put_record(out, cps_buf_cstr(&key), attr->value,
				   attr->value_len);
}

/* Sorted names give sorted keys, and "SCHILY" comes before all others; but what has to
 * go as "LIBARCHIVE" comes before that. */
static int put_xattrs(struct cps_buf *out, const struct cps_tar_entry *entry,
		      struct cps_err *err)
{
	int rc = 0;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; rc == 0 && i < entry->xattr_count; i++) {
			const struct cps_tar_xattr *attr = &entry->xattrs[i];

			if (*attr->name == '\0')
				return cps_err_set(err, -EINVAL,
						   "an xattr has no name");
			if ((strchr(attr->name, '=') == NULL) == (pass == 1))
				rc = put_xattr(out, attr);
		}
	return rc;
}

static int put_records(struct cps_buf *out, const struct cps_tar_entry *entry,
		       const char *path, bool path_fits, uint64_t size,
		       struct cps_err *err)
{
	int rc = put_xattrs(out, entry, err);

	if (rc == 0 && entry->gid > OCTAL_8)
		rc = put_number(out, "gid", entry->gid);
	if (rc == 0 && strlen(entry->link) > TAR_NAME_LEN)
		rc = put_record(out, "linkpath", entry->link, strlen(entry->link));
	if (rc == 0 && (entry->mtime_s < 0 || (uint64_t)entry->mtime_s > OCTAL_12 ||
			entry->mtime_ns != 0))
		rc = put_mtime(out, entry->mtime_s, entry->mtime_ns);
	if (rc == 0 && !path_fits)
		rc = put_record(out, "path", path, strlen(path));
	if (rc == 0 && size > OCTAL_12)
		rc = put_number(out, "size", size);
	if (rc == 0 && entry->uid > OCTAL_8)
		rc = put_number(out, "uid", entry->uid);
	return rc;
}

/* The 'x' header and its records; nothing when there are none. */
static int put_pax(struct cps_buf *out, const struct cps_buf *records)
{
	uint8_t *block;
	int rc;

	if (records->len == 0)
		return 0;
	rc = cps_buf_zeros(out, TAR_BLOCK, &block);
	if (rc < 0)
		return rc;
	put_text(block, TAR_NAME_LEN, "././@PaxHeader");
	put_octal(block + TAR_AT_MODE, TAR_ID_FIELD, 0);
	put_octal(block + TAR_AT_UID, TAR_ID_FIELD, 0);
	put_octal(block + TAR_AT_GID, TAR_ID_FIELD, 0);
	put_octal(block + TAR_AT_SIZE, TAR_LARGE_FIELD, records->len);
	put_octal(block + TAR_AT_MTIME, TAR_LARGE_FIELD, 0);
	block[TAR_AT_TYPE] = 'x';
	finish_block(block);
	rc = cps_buf_append(out, records->data, records->len);
	if (rc < 0)
		return rc;
	return cps_buf_zeros(out, -records->len & (TAR_BLOCK - 1), NULL);
}

static void fill_block(uint8_t *block, const struct cps_tar_entry *entry, uint64_t size)
{
	bool device = entry->type == CPS_TAR_CHR || entry->type == CPS_TAR_BLK;
	uint64_t mtime = entry->mtime_s < 0 ? 0 : (uint64_t)entry->mtime_s;

	put_octal(block + TAR_AT_MODE, TAR_ID_FIELD, entry->mode & 07777u);
	put_or_zero(block + TAR_AT_UID, TAR_ID_FIELD, entry->uid, OCTAL_8);
	put_or_zero(block + TAR_AT_GID, TAR_ID_FIELD, entry->gid, OCTAL_8);
	put_or_zero(block + TAR_AT_SIZE, TAR_LARGE_FIELD, size, OCTAL_12);
	put_or_zero(block + TAR_AT_MTIME, TAR_LARGE_FIELD, mtime, OCTAL_12);
	block[TAR_AT_TYPE] = (uint8_t)type_flags[entry->type];
	put_text(block + TAR_AT_LINK, TAR_NAME_LEN, entry->link);
	put_octal(block + TAR_AT_MAJOR, TAR_ID_FIELD, device ? entry->major : 0);
	put_octal(block + TAR_AT_MINOR, TAR_ID_FIELD, device ? entry->minor : 0);
	finish_block(block);
}

static int check_entry(const struct cps_tar_entry *entry, struct cps_err *err)
{
	bool device = entry->type == CPS_TAR_CHR || entry->type == CPS_TAR_BLK;

	if (*entry->path == '\0')
		return cps_err_set(err, -EINVAL, "a tar entry needs a path");
	if (device && (entry->major > OCTAL_8 || entry->minor > OCTAL_8))
		return cps_err_set(err, -EOVERFLOW, "device %u:%u has no form in tar",
				   entry->major, entry->minor);
	return 0;
}

enum cps_tar_type cps_tar_type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return CPS_TAR_DIR;
	case S_IFLNK:
		return CPS_TAR_SYMLINK;
	case S_IFCHR:
		return CPS_TAR_CHR;
	case S_IFBLK:
		return CPS_TAR_BLK;
	case S_IFIFO:
		return CPS_TAR_FIFO;
	default:
		return CPS_TAR_REG;
	}
}

int cps_tar_format_header(const struct cps_tar_entry *entry, struct cps_buf *out,
			  struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf path = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf records = CPS_BUF_INIT(CPS_TAR_META_MAX);
	uint64_t size = entry->type == CPS_TAR_REG ? entry->size : 0;
	uint8_t block[TAR_BLOCK] = {0};
	bool fits;
	int rc = check_entry(entry, err);

	if (rc < 0)
		return rc;
	rc = cps_buf_str(&path, entry->path);
	if (rc == 0 && entry->type == CPS_TAR_DIR && path.data[path.len - 1] != '/')
		rc = cps_buf_str(&path, "/");
	if (rc < 0)
		return cps_err_nomem(err);
	fits = put_path(block, cps_buf_cstr(&path));
	rc = put_records(&records, entry, cps_buf_cstr(&path), fits, size, err);
	if (rc == -EFBIG)
		return cps_err_set(err, rc, "more xattrs than a tar header may hold");
	if (rc < 0)
		return rc;
	fill_block(block, entry, size);
	rc = put_pax(out, &records);
	if (rc == 0)
		rc = cps_buf_append(out, block, TAR_BLOCK);
	return rc < 0 ? cps_err_sys(err, rc, "format a tar header") : 0;
}
