#include <errno.h>
#include <string.h>

#include "store/base/path.h"
#include "store/tar/internal.h"

static const char *pax_value(const struct cps_tar *tar, enum tar_pax_key key)
{
	return tar->has_pax ? tar->pax.value[key] : NULL;
}

static int check_path(struct cps_tar *tar, const char *what, const char *path,
		      struct cps_err *err)
{
	size_t len = strlen(path), pos = 0, part_len;
	const char *part;

	if (len == 0)
		return cps_tar_bad(tar, err, "empty %s", what);
	if (len > CPS_PATH_MAX)
		return cps_tar_bad(tar, err, "%s of %zu bytes, %d are allowed", what,
				   len, CPS_PATH_MAX);
	while (cps_path_next(path, len, &pos, &part, &part_len)) {
		if (part_len > CPS_NAME_MAX)
			return cps_tar_bad(tar, err,
					   "%s with a part of %zu bytes, %d are "
					   "allowed",
					   what, part_len, CPS_NAME_MAX);
	}
	return 0;
}

/* Of a pax record and a GNU long name Go takes the latter and others the former. No
 * writer makes both, so a member that has them in disagreement is refused. */
static int pick_text(struct cps_tar *tar, const char *what, const char *pax,
		     const char *gnu, const char *header, const char **out,
		     struct cps_err *err)
{
	if (pax && *gnu && strcmp(pax, gnu) != 0)
		return cps_tar_bad(tar, err, "two different %ss", what);
	*out = pax ? pax : *gnu ? gnu : header;
	return 0;
}

static int set_names(struct cps_tar *tar, struct cps_err *err)
{
	struct cps_tar_entry *entry = &tar->entry;
	const char *name = tar->has_name ? cps_buf_cstr(&tar->long_name) : "";
	const char *link = tar->has_link ? cps_buf_cstr(&tar->long_link) : "";
	bool hard = entry->type == CPS_TAR_HARDLINK;
	int rc = pick_text(tar, "path", pax_value(tar, TAR_PAX_PATH), name,
			   tar->head.name, &entry->path, err);

	if (rc == 0)
		rc = pick_text(tar, "link target", pax_value(tar, TAR_PAX_LINKPATH),
			       link, tar->head.link, &entry->link, err);
	if (rc < 0)
		return rc;
	if (pax_value(tar, TAR_PAX_SPARSE_NAME) &&
	    (pax_value(tar, TAR_PAX_SPARSE_MAP) ||
	     pax_value(tar, TAR_PAX_SPARSE_MAJOR) ||
	     pax_value(tar, TAR_PAX_SPARSE_NUMBLOCKS)))
		entry->path = pax_value(tar, TAR_PAX_SPARSE_NAME);
	tar->subject = entry->path;
	rc = check_path(tar, "path", entry->path, err);
	if (rc < 0)
		return rc;
	if (hard)
		return check_path(tar, "link target", entry->link, err);
	if (entry->type != CPS_TAR_SYMLINK)
		entry->link = "";
	else if (*entry->link == '\0' || strlen(entry->link) > CPS_PATH_MAX)
		return cps_tar_bad(tar, err, "empty or over-long link target");
	return 0;
}

static int set_type(struct cps_tar *tar, struct cps_err *err)
{
	static const struct {
		char flag;
		enum cps_tar_type type;
	} types[] = {
		{'0', CPS_TAR_REG},  {'\0', CPS_TAR_REG},     {'7', CPS_TAR_REG},
		{'S', CPS_TAR_REG},  {'1', CPS_TAR_HARDLINK}, {'2', CPS_TAR_SYMLINK},
		{'3', CPS_TAR_CHR},  {'4', CPS_TAR_BLK},      {'5', CPS_TAR_DIR},
		{'6', CPS_TAR_FIFO},
	};
	char flag = tar->head.type;

	for (size_t i = 0; i < CPS_ARRAY_LEN(types); i++) {
		if (types[i].flag == flag) {
			tar->entry.type = types[i].type;
			return 0;
		}
	}
	if (flag > ' ' && flag <= '~')
		return cps_tar_fail(tar, -ENOTSUP, err, "member type '%c'", flag);
	return cps_tar_fail(tar, -ENOTSUP, err, "member type 0x%02x",
			    (unsigned char)flag);
}

/* Writers before POSIX had no type for directories; a slash made one. With type '0'
 * the slash means nothing, as in Go. */
static void apply_old_directory(struct cps_tar *tar)
{
	size_t len = strlen(tar->entry.path);

	if (tar->head.type == '\0' && tar->entry.path[len - 1] == '/')
		tar->entry.type = CPS_TAR_DIR;
}

static int set_u32(struct cps_tar *tar, const char *what, int64_t value,
		   const char *text, uint32_t *out, struct cps_err *err)
{
	if (text && !cps_tar_decimal(text, &value))
		return cps_tar_bad(tar, err, "pax %s is no number", what);
	if (value < 0 || value > UINT32_MAX)
		return cps_tar_bad(tar, err, "%s %lld is out of range", what,
				   (long long)value);
	*out = (uint32_t)value;
	return 0;
}

static int set_attributes(struct cps_tar *tar, struct cps_err *err)
{
	struct cps_tar_entry *entry = &tar->entry;
	const struct tar_header *head = &tar->head;
	const char *mtime = pax_value(tar, TAR_PAX_MTIME);
	bool device = entry->type == CPS_TAR_CHR || entry->type == CPS_TAR_BLK;
	int rc = set_u32(tar, "uid", head->uid, pax_value(tar, TAR_PAX_UID),
			 &entry->uid, err);

	if (rc == 0)
		rc = set_u32(tar, "gid", head->gid, pax_value(tar, TAR_PAX_GID),
			     &entry->gid, err);
	if (rc == 0 && device)
		rc = set_u32(tar, "major", head->major, NULL, &entry->major, err);
	if (rc == 0 && device)
		rc = set_u32(tar, "minor", head->minor, NULL, &entry->minor, err);
	if (rc < 0)
		return rc;
	entry->mode = (uint16_t)(head->mode & 07777);
	entry->mtime_s = head->mtime;
	if (mtime && !cps_tar_time(mtime, &entry->mtime_s, &entry->mtime_ns))
		return cps_tar_bad(tar, err, "pax mtime is no time");
	if (tar->has_pax && tar->pax.xattr_count > 0) {
		entry->xattrs = tar->pax.xattrs;
		entry->xattr_count = tar->pax.xattr_count;
	}
	return 0;
}

/* Only regular members have data. Others may carry a size (old writers say that of a
 * hard link's target): like Go, nothing is skipped for it, so that bytes smuggled in
 * behind such a header are read as the next header and fail its checksum. */
static int set_size(struct cps_tar *tar, struct cps_err *err)
{
	const char *text = pax_value(tar, TAR_PAX_SIZE);
	int64_t size = tar->head.size;

	if (text && !cps_tar_decimal(text, &size))
		return cps_tar_bad(tar, err, "pax size is no number");
	if (size < 0)
		return cps_tar_bad(tar, err, "negative size");
	if (tar->entry.type != CPS_TAR_REG)
		size = 0;
	if ((uint64_t)size > TAR_SIZE_MAX - tar->off)
		return cps_tar_bad(tar, err, "size %lld is out of range",
				   (long long)size);
	tar->left = (uint64_t)size;
	tar->pad = (uint32_t)(-(uint64_t)size & (TAR_BLOCK - 1));
	tar->entry.size = (uint64_t)size;
	return 0;
}

int cps_tar_entry_build(struct cps_tar *tar, struct cps_err *err)
{
	struct cps_tar_entry *entry = &tar->entry;
	int rc;

	*entry = (struct cps_tar_entry){.header_off = tar->member_off};
	rc = set_type(tar, err);
	if (rc == 0)
		rc = set_names(tar, err);
	if (rc < 0)
		return rc;
	apply_old_directory(tar);
	rc = set_attributes(tar, err);
	if (rc == 0)
		rc = set_size(tar, err);
	if (rc == 0)
		rc = cps_tar_sparse(tar, err);
	entry->data_off = tar->off;
	entry->stored_size = tar->left;
	return rc;
}
