#include "store/ref.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* The grammar of distribution's reference package (regexp.go), read by hand. */

#define DEFAULT_DOMAIN "docker.io"
#define DEFAULT_PREFIX "library/"
#define DEFAULT_TAG    "latest"

static bool lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool alnum(char c)
{
	return lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* One separator of a path component: '.', '_', '__' or any number of '-'. */
static size_t separator(const char *s, size_t len)
{
	size_t n = 0;

	if (len && s[0] == '.')
		return 1;
	if (len && s[0] == '_')
		return len > 1 && s[1] == '_' ? 2 : 1;
	while (n < len && s[n] == '-')
		n++;
	return n;
}

static bool path_component_ok(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t start = i, n;

		while (i < len && lower_alnum(s[i]))
			i++;
		if (i == start)
			return false;
		if (i == len)
			return true;
		n = separator(s + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return false;
}

static bool path_ok(const char *s, size_t len)
{
	while (len) {
		const char *slash = memchr(s, '/', len);
		size_t n = slash ? (size_t)(slash - s) : len;

		if (!path_component_ok(s, n))
			return false;
		if (!slash)
			return true;
		s += n + 1;
		len -= n + 1;
	}
	return false;
}

static bool host_label_ok(const char *s, size_t len)
{
	if (len == 0 || !alnum(s[0]) || !alnum(s[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!alnum(s[i]) && s[i] != '-')
			return false;
	return true;
}

static bool host_ok(const char *s, size_t len)
{
	if (len && s[0] == '[') { /* IPv6 */
		if (len < 4 || s[len - 1] != ']')
			return false;
		for (size_t i = 1; i < len - 1; i++)
			if (!isxdigit((unsigned char)s[i]) && s[i] != ':')
				return false;
		return true;
	}
	for (;;) {
		const char *dot = memchr(s, '.', len);
		size_t n = dot ? (size_t)(dot - s) : len;

		if (!host_label_ok(s, n))
			return false;
		if (!dot)
			return true;
		s += n + 1;
		len -= n + 1;
	}
}

static bool domain_ok(const char *s, size_t len)
{
	const char *bracket = len && s[0] == '[' ? memchr(s, ']', len) : NULL;
	const char *from = bracket ? bracket : s;
	const char *colon = memchr(from, ':', len - (size_t)(from - s));
	size_t host = colon ? (size_t)(colon - s) : len;

	if (colon) {
		size_t digits = len - host - 1;

		if (digits == 0 || strspn(colon + 1, "0123456789") < digits)
			return false;
	}
	return host_ok(s, host);
}

/* Is the first component of a name a domain? */
static bool is_domain(const char *s, size_t len)
{
	if (memchr(s, '.', len) || memchr(s, ':', len) ||
	    (len == 9 && memcmp(s, "localhost", 9) == 0))
		return true;
	for (size_t i = 0; i < len; i++)
		if (isupper((unsigned char)s[i]))
			return true;
	return false;
}

static bool is_bare_id(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static int set_name(struct cps_ref *ref, const char *name, size_t len)
{
	const char *slash = memchr(name, '/', len);
	const char *path = name, *domain = DEFAULT_DOMAIN;
	size_t domain_len = strlen(DEFAULT_DOMAIN), path_len = len;

	if (slash && is_domain(name, (size_t)(slash - name))) {
		domain = name;
		domain_len = (size_t)(slash - name);
		path = slash + 1;
		path_len = len - domain_len - 1;
		if (!domain_ok(domain, domain_len))
			return -EINVAL;
	}
	if (!path_ok(path, path_len))
		return -EINVAL;
	if (domain_len == 15 && memcmp(domain, "index.docker.io", 15) == 0) {
		domain = DEFAULT_DOMAIN;
		domain_len = strlen(DEFAULT_DOMAIN);
	}
	memcpy(ref->domain, domain, domain_len);
	if (strcmp(ref->domain, DEFAULT_DOMAIN) == 0 && !memchr(path, '/', path_len))
		strcpy(ref->path, DEFAULT_PREFIX);
	if (domain_len + 1 + strlen(ref->path) + path_len > CPS_REF_NAME_MAX)
		return -ENAMETOOLONG;
	strncat(ref->path, path, path_len);
	return 0;
}

static bool tag_ok(const char *tag)
{
	size_t n = strlen(tag);

	if (n == 0 || n > CPS_REF_TAG_MAX || !(alnum(tag[0]) || tag[0] == '_'))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!alnum(tag[i]) && !strchr("._-", tag[i]))
			return false;
	return true;
}

/* Cut ":tag" off the end of the `*len` bytes of name and tag. */
static int take_tag(struct cps_ref *ref, const char *text, size_t *len,
		    struct cps_err *err)
{
	const char *colon = memrchr(text, ':', *len);
	const char *slash = memrchr(text, '/', *len);
	size_t tag_len;

	if (!colon || (slash && slash > colon)) {
		if (!ref->has_digest)
			strcpy(ref->tag, DEFAULT_TAG);
		return 0;
	}
	tag_len = *len - (size_t)(colon - text) - 1;
	if (tag_len <= CPS_REF_TAG_MAX)
		memcpy(ref->tag, colon + 1, tag_len);
	if (!tag_ok(ref->tag))
		return cps_err_set(err, -EINVAL,
				   "'%.*s' has no valid tag (at most %d letters, "
				   "digits, '_', '.' and '-')",
				   (int)*len, text, CPS_REF_TAG_MAX);
	*len = (size_t)(colon - text);
	return 0;
}

static int take_name(struct cps_ref *ref, const char *text, size_t len,
		     struct cps_err *err)
{
	int rc = len > CPS_REF_NAME_MAX ? -ENAMETOOLONG : set_name(ref, text, len);

	if (rc == -ENAMETOOLONG)
		return cps_err_set(err, -EINVAL, "'%.*s': a name has at most %d bytes",
				   (int)len, text, CPS_REF_NAME_MAX);
	if (rc < 0)
		return cps_err_set(
			err, -EINVAL,
			"'%.*s' is no name for an image (lower-case letters, "
			"digits, separators '.', '_', '-' and '/')",
			(int)len, text);
	return 0;
}

int cps_ref_parse(const char *text, struct cps_ref *out, struct cps_err *err)
{
	struct cps_ref ref = {0};
	const char *at = strchr(text, '@');
	size_t len = at ? (size_t)(at - text) : strlen(text);
	int rc = 0;

	if (len > CPS_REF_NAME_MAX + 1 + CPS_REF_TAG_MAX)
		return cps_err_set(err, -EINVAL, "a reference of %zu bytes is too long",
				   len);
	if (is_bare_id(text))
		return cps_err_set(err, -EINVAL,
				   "'%s' is an image ID, not a name for an image",
				   text);
	if (at) {
		rc = cps_digest_parse(at + 1, &ref.digest, err);
		if (rc < 0)
			return cps_err_wrap(err, rc, "reference '%.400s'", text);
		ref.has_digest = true;
	}
	rc = take_tag(&ref, text, &len, err);
	if (rc == 0)
		rc = take_name(&ref, text, len, err);
	if (rc == 0)
		*out = ref;
	return rc;
}

int cps_ref_parse_new(const char *text, struct cps_ref *out, struct cps_err *err)
{
	struct cps_ref ref;
	int rc = cps_ref_parse(text, &ref, err);

	if (rc < 0)
		return rc;
	if (ref.has_digest)
		return cps_err_set(err, -EINVAL, "'%.400s': a digest cannot be given",
				   text);
	if (strcmp(ref.domain, DEFAULT_DOMAIN) == 0 &&
	    strcmp(ref.path, DEFAULT_PREFIX "sha256") == 0)
		return cps_err_set(
			err, -EINVAL,
			"'%.400s' reads as an image ID; give it another name", text);
	*out = ref;
	return 0;
}

/* Would the path without its domain be read as another domain's? */
static bool needs_domain(const struct cps_ref *ref)
{
	const char *slash = strchr(ref->path, '/');

	return strcmp(ref->domain, DEFAULT_DOMAIN) != 0 ||
	       (slash && is_domain(ref->path, (size_t)(slash - ref->path)));
}

int cps_ref_repository(const struct cps_ref *ref, struct cps_buf *out)
{
	const char *path = ref->path;

	if (needs_domain(ref))
		return cps_buf_printf(out, "%s/%s", ref->domain, path);
	if (strncmp(path, DEFAULT_PREFIX, strlen(DEFAULT_PREFIX)) == 0 &&
	    !strchr(path + strlen(DEFAULT_PREFIX), '/'))
		path += strlen(DEFAULT_PREFIX);
	return cps_buf_str(out, path);
}

static int append_rest(const struct cps_ref *ref, struct cps_buf *out)
{
	char digest[CPS_DIGEST_TEXT_LEN];
	int rc = 0;

	if (ref->tag[0])
		rc = cps_buf_printf(out, ":%s", ref->tag);
	if (rc == 0 && ref->has_digest)
		rc = cps_buf_printf(out, "@%s", cps_digest_text(&ref->digest, digest));
	return rc;
}

int cps_ref_familiar(const struct cps_ref *ref, struct cps_buf *out)
{
	int rc = cps_ref_repository(ref, out);

	return rc < 0 ? rc : append_rest(ref, out);
}

int cps_ref_full(const struct cps_ref *ref, struct cps_buf *out)
{
	int rc = cps_buf_printf(out, "%s/%s", ref->domain, ref->path);

	return rc < 0 ? rc : append_rest(ref, out);
}

bool cps_ref_same_name(const struct cps_ref *a, const struct cps_ref *b)
{
	return strcmp(a->domain, b->domain) == 0 && strcmp(a->path, b->path) == 0 &&
	       strcmp(a->tag, b->tag) == 0;
}
