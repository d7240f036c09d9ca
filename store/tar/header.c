#include <errno.h>
#include <string.h>

#include "store/tar/internal.h"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\0';
}

static bool parse_octal(const uint8_t *field, size_t len, int64_t *out)
{
	int64_t value = 0;

	while (len > 0 && is_blank(field[0])) {
		field++;
		len--;
	}
	while (len > 0 && is_blank(field[len - 1]))
		len--;
	for (size_t i = 0; i < len && field[i] != '\0'; i++) {
		if (field[i] < '0' || field[i] > '7')
			return false;
		value = value * 8 + (field[i] - '0');
	}
	*out = value;
	return true;
}

/* Two's complement, big-endian; the top bit is the mark and not part of the number. */
static bool parse_base256(const uint8_t *field, size_t len, int64_t *out)
{
	uint8_t flip = field[0] & 0x40 ? 0xff : 0;
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = field[i] ^ flip;

		if (i == 0)
			c &= 0x7f;
		if (value >> 56)
			return false;
		value = value << 8 | c;
	}
	if (value >> 63)
		return false;
	*out = flip ? -(int64_t)value - 1 : (int64_t)value;
	return true;
}

bool cps_tar_number(const uint8_t *field, size_t len, int64_t *out)
{
	if (field[0] & 0x80)
		return parse_base256(field, len, out);
	return parse_octal(field, len, out);
}

void cps_tar_checksum(const uint8_t block[TAR_BLOCK], int64_t *as_unsigned,
		      int64_t *as_signed)
{
	*as_unsigned = 0;
	*as_signed = 0;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool own = i >= TAR_AT_SUM && i < TAR_AT_SUM + TAR_ID_FIELD;
		uint8_t c = own ? ' ' : block[i];

		*as_unsigned += c;
		*as_signed += (int8_t)c;
	}
}

/* Some old writers summed signed chars; every reader takes both. */
static bool checksum_ok(const uint8_t *block)
{
	int64_t said, as_unsigned, as_signed;

	cps_tar_checksum(block, &as_unsigned, &as_signed);
	return parse_octal(block + TAR_AT_SUM, TAR_ID_FIELD, &said) &&
	       (said == as_unsigned || said == as_signed);
}

static enum tar_format find_format(const uint8_t *block)
{
	if (memcmp(block + TAR_AT_MAGIC, "ustar\0", 6) == 0)
		return memcmp(block + 508, "tar\0", 4) == 0 ? TAR_STAR : TAR_USTAR;
	if (memcmp(block + TAR_AT_MAGIC, "ustar  \0", 8) == 0)
		return TAR_GNU;
	return TAR_V7;
}

static bool is_ascii(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] & 0x80)
			return false;
	}
	return true;
}

/* GNU headers have times where ustar has the prefix. Docker images made before Go 1.8
 * may hold a prefix there in spite of it, and Go's reader still honours that when the
 * bytes are no times: those images must keep their names. */
static size_t gnu_prefix_len(const uint8_t *block)
{
	const uint8_t *prefix = block + TAR_AT_PREFIX;
	size_t len = strnlen((const char *)prefix, TAR_PREFIX_LEN);
	int64_t unused;

	for (int i = 0; i < 2; i++) {
		const uint8_t *field = prefix + (size_t)i * TAR_LARGE_FIELD;

		if (field[0] != '\0' &&
		    !cps_tar_number(field, TAR_LARGE_FIELD, &unused))
			return is_ascii(prefix, len) ? len : 0;
	}
	return 0;
}

static void join_name(const uint8_t *block, struct tar_header *out)
{
	const char *prefix = (const char *)block + TAR_AT_PREFIX;
	size_t name_len = strnlen((const char *)block, TAR_NAME_LEN);
	size_t len = 0;

	if (out->format == TAR_USTAR)
		len = strnlen(prefix, TAR_PREFIX_LEN);
	else if (out->format == TAR_STAR)
		len = strnlen(prefix, 131);
	else if (out->format == TAR_GNU)
		len = gnu_prefix_len(block);
	if (len > 0) {
		memcpy(out->name, prefix, len);
		out->name[len++] = '/';
	}
	memcpy(out->name + len, block, name_len);
	out->name[len + name_len] = '\0';
}

static const char *parse_numbers(const uint8_t *block, struct tar_header *out)
{
	const struct {
		size_t at, len;
		int64_t *to;
		const char *why;
		bool v7;
	} fields[] = {
		{TAR_AT_MODE, TAR_ID_FIELD, &out->mode, "mode is no number", true},
		{TAR_AT_UID, TAR_ID_FIELD, &out->uid, "uid is no number", true},
		{TAR_AT_GID, TAR_ID_FIELD, &out->gid, "gid is no number", true},
		{TAR_AT_SIZE, TAR_LARGE_FIELD, &out->size, "size is no number", true},
		{TAR_AT_MTIME, TAR_LARGE_FIELD, &out->mtime, "mtime is no number",
		 true},
		{TAR_AT_MAJOR, TAR_ID_FIELD, &out->major, "major is no number", false},
		{TAR_AT_MINOR, TAR_ID_FIELD, &out->minor, "minor is no number", false},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(fields); i++) {
		if (out->format == TAR_V7 && !fields[i].v7)
			continue;
		if (!cps_tar_number(block + fields[i].at, fields[i].len, fields[i].to))
			return fields[i].why;
	}
	return NULL;
}

int cps_tar_header_parse(const uint8_t block[TAR_BLOCK], struct tar_header *out,
			 const char **why)
{
	memset(out, 0, sizeof(*out));
	*why = "bad checksum";
	if (!checksum_ok(block))
		return -EBADMSG;
	out->format = find_format(block);
	out->type = (char)block[TAR_AT_TYPE];
	join_name(block, out);
	memcpy(out->link, block + TAR_AT_LINK, TAR_NAME_LEN);
	*why = parse_numbers(block, out);
	return *why ? -EBADMSG : 0;
}
