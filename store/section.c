#include "store/section.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "store/base/le.h"

static const uint8_t section_magic[8] = "CAPASIX";

#define KEY_ALG_SHA256 1

/* Where the header's fields lie. */
enum {
	AT_MAJOR = 8,
	AT_MINOR = 10,
	AT_KIND = 12,
	AT_HEADER_XXH3 = 16,
	AT_PARAMS = 24, /* the header checksum starts here */
	AT_FILE_SIZE = 32,
	AT_COUNT = 40,
	AT_FLAGS = 44,
	AT_KEY_ALG = 48,
	AT_KEY = 56,
	AT_SRC = 88,
};

/* One line of the section table. */
struct entry {
	uint32_t type;
	uint32_t entsize;
	uint64_t off;
	uint64_t len;
	uint64_t xxh3;
};

static struct entry load_entry(const struct cps_sections *s, uint32_t i)
{
	const uint8_t *p =
		s->data + CPS_SECTION_HEADER_SIZE + (size_t)i * CPS_SECTION_ENTRY_SIZE;

	return (struct entry){
		.type = cps_le32(p),
		.entsize = cps_le32(p + 4),
		.off = cps_le64(p + 8),
		.len = cps_le64(p + 16),
		.xxh3 = cps_le64(p + 24),
	};
}

static bool find_entry(const struct cps_sections *s, uint32_t type, struct entry *out)
{
	for (uint32_t i = 0; i < s->count; i++) {
		*out = load_entry(s, i);
		if (out->type == type)
			return true;
	}
	return false;
}

static const char *bad_entry(const struct cps_sections *s, uint32_t i)
{
	uint64_t head =
		CPS_SECTION_HEADER_SIZE + (uint64_t)s->count * CPS_SECTION_ENTRY_SIZE;
	struct entry e = load_entry(s, i);
	struct entry first;

	if (e.off % CPS_SECTION_ALIGN || e.off < head || e.off > s->len)
		return "section offset";
	if (e.len > s->len - e.off)
		return "section length";
	if (e.entsize == 0 || e.len % e.entsize)
		return "section entry size";
	find_entry(s, e.type, &first);
	if (first.off != e.off || first.len != e.len)
		return "section named twice";
	return NULL;
}

/* The first thing that is wrong with the header; NULL when nothing is. */
static const char *bad_header(const uint8_t *data, size_t len, uint32_t kind,
			      const struct cps_digest *key)
{
	uint64_t head_len;

	if (len < CPS_SECTION_HEADER_SIZE)
		return "shorter than a header";
	if (memcmp(data, section_magic, sizeof(section_magic)) != 0)
		return "magic";
	if (cps_le16(data + AT_MAJOR) != CPS_SECTION_MAJOR)
		return "version";
	if (cps_le32(data + AT_KIND) != kind)
		return "kind";
	if (cps_le64(data + AT_FILE_SIZE) != len)
		return "file size";
	if (cps_le32(data + AT_COUNT) > CPS_SECTIONS_MAX)
		return "section count";
	head_len = CPS_SECTION_HEADER_SIZE +
		   (uint64_t)cps_le32(data + AT_COUNT) * CPS_SECTION_ENTRY_SIZE;
	if (head_len > len)
		return "section count";
	if (XXH3_64bits(data + AT_PARAMS, head_len - AT_PARAMS) !=
	    cps_le64(data + AT_HEADER_XXH3))
		return "header checksum";
	if (cps_le32(data + AT_FLAGS) != 0)
		return "unknown flags";
	if (data[AT_KEY_ALG] != KEY_ALG_SHA256)
		return "key algorithm";
	if (key && memcmp(data + AT_KEY, key->bytes, CPS_SHA256_LEN) != 0)
		return "key: it belongs to something else";
	return NULL;
}

int cps_sections_open(const void *data, size_t len, uint32_t kind,
		      const struct cps_digest *key, struct cps_sections *out,
		      struct cps_err *err)
{
	const char *bad = bad_header(data, len, kind, key);
	struct cps_sections s = {.data = data, .len = len};

	if (bad)
		return cps_err_set(err, -EBADMSG, "derived file: bad %s", bad);
	s.count = cps_le32(s.data + AT_COUNT);
	s.params = cps_le64(s.data + AT_PARAMS);
	for (uint32_t i = 0; i < s.count; i++) {
		bad = bad_entry(&s, i);
		if (bad)
			return cps_err_set(err, -EBADMSG, "derived file: bad %s", bad);
	}
	*out = s;
	return 0;
}

int cps_section_get(const struct cps_sections *s, uint32_t type, uint32_t entsize,
		    const void **ptr, uint64_t *count)
{
	struct entry e;

	if (!find_entry(s, type, &e))
		return -ENOENT;
	if (e.entsize != entsize)
		return -EBADMSG;
	if (ptr)
		*ptr = s->data + e.off;
	if (count)
		*count = e.len / e.entsize;
	return 0;
}

static int verify_entry(const struct cps_sections *s, const struct entry *e,
			struct cps_err *err)
{
	if (XXH3_64bits(s->data + e->off, e->len) == e->xxh3)
		return 0;
	return cps_err_set(err, -EBADMSG, "derived file: checksum of section %#x",
			   e->type);
}

int cps_sections_verify(const struct cps_sections *s, struct cps_err *err)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < s->count; i++) {
		struct entry e = load_entry(s, i);

		rc = verify_entry(s, &e, err);
	}
	return rc;
}

int cps_section_verify(const struct cps_sections *s, uint32_t type, struct cps_err *err)
{
	struct entry e;

	if (!find_entry(s, type, &e))
		return cps_err_set(err, -ENOENT, "derived file: no section %#x", type);
	return verify_entry(s, &e, err);
}

void cps_section_begin(struct cps_section_writer *w, uint32_t kind,
		       const struct cps_digest *key, const struct cps_digest *src)
{
	memset(w, 0, sizeof(*w));
	w->kind = kind;
	if (key)
		w->key = *key;
	if (src)
		w->src = *src;
}

int cps_section_add(struct cps_section_writer *w, uint32_t type, uint32_t entsize,
		    const void *data, size_t len)
{
	if (entsize == 0 || len % entsize)
		return -EINVAL;
	for (uint32_t i = 0; i < w->count; i++) {
		if (w->sections[i].type == type)
			return -EINVAL;
	}
	if (w->count == CPS_SECTIONS_MAX)
		return -ENOSPC;
	w->sections[w->count].type = type;
	w->sections[w->count].entsize = entsize;
	w->sections[w->count].data = data;
	w->sections[w->count].len = len;
	w->count++;
	return 0;
}

static void put_header(const struct cps_section_writer *w, uint8_t *head,
		       size_t head_len, uint64_t file_size)
{
	memcpy(head, section_magic, sizeof(section_magic));
	cps_put_le16(head + AT_MAJOR, CPS_SECTION_MAJOR);
	cps_put_le16(head + AT_MINOR, CPS_SECTION_MINOR);
	cps_put_le32(head + AT_KIND, w->kind);
	cps_put_le64(head + AT_PARAMS, w->params);
	cps_put_le64(head + AT_FILE_SIZE, file_size);
	cps_put_le32(head + AT_COUNT, w->count);
	head[AT_KEY_ALG] = KEY_ALG_SHA256;
	memcpy(head + AT_KEY, w->key.bytes, CPS_SHA256_LEN);
	memcpy(head + AT_SRC, w->src.bytes, CPS_SHA256_LEN);
	cps_put_le64(head + AT_HEADER_XXH3,
		     XXH3_64bits(head + AT_PARAMS, head_len - AT_PARAMS));
}

int cps_section_place(struct cps_buf *out, uint32_t count)
{
	return cps_buf_zeros(out, cps_sections_head(count), NULL);
}

/* Append section `i`, unless it is there, and fill in its line of the table. */
static int append_section(const struct cps_section_writer *w, uint32_t i, bool there,
			  struct cps_buf *out)
{
	size_t line = cps_sections_head(i);
	size_t len = w->sections[i].len;
	size_t off = there ? cps_sections_head(w->count) : out->len;
	int rc = len && !there ? cps_buf_append(out, w->sections[i].data, len) : 0;

	if (rc == 0)
		rc = cps_buf_align(out, CPS_SECTION_ALIGN);
	if (rc < 0)
		return rc;
	cps_put_le32(out->data + line, w->sections[i].type);
	cps_put_le32(out->data + line + 4, w->sections[i].entsize);
	cps_put_le64(out->data + line + 8, off);
	cps_put_le64(out->data + line + 16, len);
	cps_put_le64(out->data + line + 24, XXH3_64bits(out->data + off, len));
	return 0;
}

int cps_section_finish(struct cps_section_writer *w, struct cps_buf *out)
{
	size_t head_len = cps_sections_head(w->count), total = head_len;
	bool placed = out->len > 0;
	int rc;

	if (placed && (w->count == 0 || out->len != head_len + w->sections[0].len))
		return -EINVAL;
	for (uint32_t i = 0; i < w->count; i++)
		total += w->sections[i].len + CPS_SECTION_ALIGN;
	rc = cps_buf_reserve(out, total - out->len);
	if (rc == 0 && !placed)
		rc = cps_section_place(out, w->count);
	for (uint32_t i = 0; rc == 0 && i < w->count; i++)
		rc = append_section(w, i, placed && i == 0, out);
	if (rc == 0)
		put_header(w, out->data, head_len, out->len);
	return rc;
}
