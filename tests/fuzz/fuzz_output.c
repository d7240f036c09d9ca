/* The file of what a container wrote: whatever is in it, it can be written on, and what
 * was readable before is so afterwards. */
#include "tools/run/output.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/capas-fuzz.XXXXXX";
static int dirfd = -1;

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void clean(void)
{
	unlinkat(dirfd, CPS_OUTPUT_FILE, 0);
	rmdir(folder);
}

/* The records, one behind the other. What the end said. */
static int read_records(int fd, struct cps_buf *out, size_t *count)
{
	struct cps_output_reader *reader = calloc(1, sizeof(*reader));
	struct cps_output_record record;
	int rc;

	require(reader != NULL);
	reader->fd = fd;
	*count = 0;
	while ((rc = cps_output_next(reader, &record)) == 1) {
		require(record.len <= CPS_OUTPUT_MAX);
		require(record.stream == 1 || record.stream == 2);
		require(cps_buf_append(out, record.data, record.len) == 0);
		++*count;
	}
	free(reader);
	return rc;
}

static void put_file(const uint8_t *data, size_t size)
{
	cps_auto(cps_fd) int fd = openat(
		dirfd, CPS_OUTPUT_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	require(fd >= 0 && cps_write_full(fd, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cps_auto(cps_buf) struct cps_buf before = CPS_BUF_INIT(0);
	cps_auto(cps_buf) struct cps_buf after = CPS_BUF_INIT(0);
	cps_auto(cps_fd) int fd = -1;
	size_t had, has;

	if (dirfd < 0) {
		require(mkdtemp(folder) != NULL);
		dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		require(dirfd >= 0);
		atexit(clean);
	}
	put_file(data, size);
	fd = openat(dirfd, CPS_OUTPUT_FILE, O_RDONLY | O_CLOEXEC);
	require(fd >= 0 && read_records(fd, &before, &had) <= 0);
	close(fd);
	fd = cps_output_open(dirfd, NULL);
	require(fd >= 0 && cps_output_append(fd, 1, "more", 4) == 0);
	require(read_records(fd, &after, &has) == 0);
	require(has == had + 1 && after.len == before.len + 4);
	require(!before.len || memcmp(before.data, after.data, before.len) == 0);
	require(memcmp(after.data + before.len, "more", 4) == 0);
	return 0;
}
