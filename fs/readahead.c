#include "fs/readahead.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/fd.h"
#include "store/base/mem.h"

#define MOUNTINFO_MAX (64u << 20) /* bytes; some hosts have very many mounts */

static bool octal(const char *text)
{
	for (int i = 0; i < 3; i++)
		if (text[i] < '0' || text[i] > '7')
			return false;
	return true;
}

/* Is the word, in which the kernel wrote odd bytes as \ooo, this path? */
static bool same_path(const char *word, const char *path)
{
	for (; *word && *word != ' '; path++) {
		unsigned char c = (unsigned char)*word;

		if (c == '\\' && octal(word + 1)) {
			c = (unsigned char)((word[1] - '0') << 6 |
					    (word[2] - '0') << 3 | (word[3] - '0'));
			word += 3;
		}
		word++;
		if (c != (unsigned char)*path)
			return false;
	}
	return *path == '\0';
}

/* "36 35 0:43 / /mnt ro,nosuid shared:1 - fuse.capas alpine ro,user_id=0": is this line
 * a FUSE mount at the path? */
static bool match_line(const char *line, const char *mountpoint, unsigned int *major,
		       unsigned int *minor)
{
	const char *end = strchrnul(line, '\n');
	const char *type = memmem(line, (size_t)(end - line), " - ", 3);
	int at = 0;

	if (!type || strncmp(type, " - fuse", 7) != 0)
		return false;
	if (sscanf(line, "%*u %*u %u:%u %*s %n", major, minor, &at) != 2 || at == 0)
		return false;
	return same_path(line + at, mountpoint);
}

int cps_mountinfo_device(const char *text, const char *mountpoint, unsigned int *major,
			 unsigned int *minor)
{
	unsigned int line_major, line_minor;
	int rc = -ENOENT;

	/* The last one counts: it lies on top of the others. */
	while (*text) {
		if (match_line(text, mountpoint, &line_major, &line_minor)) {
			*major = line_major;
			*minor = line_minor;
			rc = 0;
		}
		text = strchrnul(text, '\n');
		text += *text == '\n';
	}
	return rc;
}

static int find_mounted(const char *mountpoint, unsigned int *major,
			unsigned int *minor)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(MOUNTINFO_MAX);
	cps_auto(cps_fd) int info = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	int rc = info < 0 ? -errno : cps_read_all(info, &text);

	return rc < 0 ? rc
		      : cps_mountinfo_device(cps_buf_cstr(&text), mountpoint, major,
					     minor);
}

/* What the kernel knows without asking us. */
static int find_detached(int root, unsigned int *major, unsigned int *minor)
{
	struct statx st;

	if (statx(root, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0)
		return -errno;
	*major = st.stx_dev_major;
	*minor = st.stx_dev_minor;
	return 0;
}

int cps_readahead_raise(const char *mountpoint, int root, unsigned int kib)
{
	cps_auto(cps_fd) int bdi = -1;
	unsigned int major, minor;
	char path[64], value[16];
	int rc = mountpoint ? find_mounted(mountpoint, &major, &minor)
			    : find_detached(root, &major, &minor);

	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major,
		 minor);
	bdi = open(path, O_WRONLY | O_CLOEXEC);
	if (bdi < 0)
		return -errno;
	snprintf(value, sizeof(value), "%u", kib);
	return cps_write_full(bdi, value, strlen(value));
}
