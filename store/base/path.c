#include "store/base/path.h"

#include <string.h>

bool cps_name_ok_n(const char *name, size_t len)
{
	if (len == 0 || len > CPS_NAME_MAX)
		return false;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return false;
	return !memchr(name, '/', len) && !memchr(name, '\0', len);
}

bool cps_name_ok(const char *name)
{
	return cps_name_ok_n(name, strlen(name));
}

int cps_path_next(const char *path, size_t path_len, size_t *pos, const char **name,
		  size_t *len)
{
	size_t i = *pos;

	while (i < path_len) {
		size_t start;

		while (i < path_len && path[i] == '/')
			i++;
		start = i;
		while (i < path_len && path[i] != '/')
			i++;
		if (i == start || (i - start == 1 && path[start] == '.'))
			continue;
		*name = path + start;
		*len = i - start;
		*pos = i;
		return 1;
	}
	*pos = i;
	return 0;
}

size_t cps_path_clean(const char *path, size_t path_len, char *out)
{
	size_t pos = 0, len, at = 0;
	const char *name;

	while (cps_path_next(path, path_len, &pos, &name, &len)) {
		if (len == 2 && memcmp(name, "..", 2) == 0) {
			while (at && out[--at] != '/')
				;
			continue;
		}
		if (at)
			out[at++] = '/';
		memmove(out + at, name, len);
		at += len;
	}
	return at;
}

/* Length of the well-formed, printable UTF-8 sequence at `s`, or 0. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	static const unsigned int least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] >= 0xf0 && s[0] < 0xf5   ? 4
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
						 : 0;
	unsigned int point;

	if (n == 0 || n > left)
		return 0;
	point = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (s[i] & 0x3f);
	}
	if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	/* C1 controls steer some terminals; so do the bidi overrides. */
	if (point < 0xa0 || (point >= 0x202a && point <= 0x202e) ||
	    (point >= 0x2066 && point <= 0x2069))
		return 0;
	return n;
}

static int escape_byte(struct cps_buf *out, unsigned char c)
{
	switch (c) {
	case '\n':
		return cps_buf_str(out, "\\n");
	case '\t':
		return cps_buf_str(out, "\\t");
	case '\\':
		return cps_buf_str(out, "\\\\");
	default:
		return cps_buf_printf(out, "\\x%02x", c);
	}
}

int cps_escape(struct cps_buf *out, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t i = 0;

	while (i < len) {
		size_t n = s[i] >= 0x80 ? utf8_len(s + i, len - i)
			   : s[i] >= 0x20 && s[i] != 0x7f && s[i] != '\\' ? 1
									  : 0;
		int rc = n ? cps_buf_append(out, s + i, n) : escape_byte(out, s[i]);

		if (rc < 0)
			return rc;
		i += n ? n : 1;
	}
	return 0;
}
