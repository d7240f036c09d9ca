#include "store/platform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "store/base/mem.h"
#include "store/compose.h"

/* The newest ARM architecture that this machine runs. */
static int host_arm(void)
{
	struct utsname host;

	if (uname(&host) < 0 || strncmp(host.machine, "armv", 4) != 0)
		return 8;
	return host.machine[4] - '0';
}

void cps_platform_host(struct cps_platform *out)
{
	*out = (struct cps_platform){.os = "linux"};
	snprintf(out->arch, sizeof(out->arch), "%s", cps_host_architecture());
}

const char *cps_platform_text(const struct cps_platform *p,
			      char out[CPS_PLATFORM_TEXT_MAX])
{
	snprintf(out, CPS_PLATFORM_TEXT_MAX, "%s/%s%s%s", p->os, p->arch,
		 p->variant[0] ? "/" : "", p->variant);
	return out;
}

/* ---- what the user says ---- */

static void use_go_names(struct cps_platform *p)
{
	static const struct {
		const char *name, *arch, *variant;
	} others[] = {
		{"x86_64", "amd64", ""},  {"x86-64", "amd64", ""},
		{"i386", "386", ""},      {"i686", "386", ""},
		{"aarch64", "arm64", ""}, {"armhf", "arm", "v7"},
		{"armel", "arm", "v6"},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(others); i++) {
		if (strcmp(p->arch, others[i].name) != 0)
			continue;
		strcpy(p->arch, others[i].arch);
		if (!p->variant[0])
			strcpy(p->variant, others[i].variant);
	}
	if (strcmp(p->arch, "arm64") == 0 && strcmp(p->variant, "v8") == 0)
		p->variant[0] = '\0';
}

static int refuse(const char *text, struct cps_err *err)
{
	return cps_err_set(err, -EINVAL,
			   "'%s' is no platform (OS/ARCH[/VARIANT], as linux/arm64)",
			   text);
}

/* The next part of `*text`, which goes behind its slash, or becomes NULL. */
static bool take_part(const char **text, char *out, size_t size)
{
	size_t n = strcspn(*text, "/");

	if (n == 0 || n >= size ||
	    strspn(*text, "abcdefghijklmnopqrstuvwxyz0123456789._-") < n)
		return false;
	memcpy(out, *text, n);
	out[n] = '\0';
	*text = (*text)[n] ? *text + n + 1 : NULL;
	return true;
}

int cps_platform_parse(const char *text, struct cps_platform *out, struct cps_err *err)
{
	const char *rest = text;

	*out = (struct cps_platform){.os = "linux"};
	if (strchr(text, '/') && !take_part(&rest, out->os, sizeof(out->os)))
		return refuse(text, err);
	if (!rest || !take_part(&rest, out->arch, sizeof(out->arch)))
		return refuse(text, err);
	if (rest && !take_part(&rest, out->variant, sizeof(out->variant)))
		return refuse(text, err);
	if (rest)
		return refuse(text, err);
	use_go_names(out);
	return 0;
}

/* ---- what an image says ---- */

/* An image that names no variant is made for the oldest machine of its architecture;
 * for ARM that has become v7, and v8 is what arm64 has always been. */
static int version_of(const char *arch, const char *variant)
{
	if (variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9')
		return variant[1] - '0';
	return strcmp(arch, "arm64") == 0 ? 8 : strcmp(arch, "arm") == 0 ? 7 : 1;
}

/* No variant was asked for: this machine's, or any. amd64/v2 and the like may ask more
 * of the processor than it has. */
static int suits_any(const char *arch, const char *variant)
{
	int version = version_of(arch, variant);

	if (!variant[0])
		return 9;
	if (strcmp(arch, "arm64") == 0)
		return version == 8 ? 9 : 2;
	if (strcmp(arch, "arm") == 0)
		return version < 5 || version > host_arm() ? 0 : version;
	return 2;
}

int cps_platform_suits(const struct cps_platform *wanted, const char *os,
		       const char *arch, const char *variant)
{
	int version, most;

	if (strcmp(os, wanted->os) != 0 || strcmp(arch, wanted->arch) != 0)
		return 0;
	if (!wanted->variant[0])
		return suits_any(arch, variant);
	version = version_of(arch, variant);
	most = version_of(arch, wanted->variant);
	return version > most ? 0 : 1 + version;
}
