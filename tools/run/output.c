#include "tools/run/output.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/le.h"
#include "store/base/mem.h"

#define HEAD 16u /* bytes */

/* The end of the last whole record. */
static int whole_records(int fd, uint64_t *end)
{
	struct cps_output_reader *reader = calloc(1, sizeof(*reader));
	struct cps_output_record record;
	int rc = reader ? 0 : -ENOMEM;

	if (reader)
		reader->fd = fd;
	while (rc == 0 && (rc = cps_output_next(reader, &record)) == 1)
		rc = 0;
	*end = reader ? reader->at : 0;
	free(reader);
	return rc == -EBADMSG ? 0 : rc;
}

int cps_output_open(int folder, struct cps_err *err)
{
	cps_auto(cps_fd) int fd =
		openat(folder, CPS_OUTPUT_FILE,
		       O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	uint64_t end = 0;
	int rc = fd < 0 ? -errno : whole_records(fd, &end);

	if (rc == 0 && ftruncate(fd, (off_t)end) < 0)
		rc = -errno;
	return rc < 0 ? cps_err_sys(err, rc, "the file '" CPS_OUTPUT_FILE "'")
		      : CPS_TAKE_FD(fd);
}

int cps_output_append(int fd, int stream, const void *data, size_t len)
{
	uint8_t head[HEAD] = {0};
	struct iovec iov[] = {
		{.iov_base = head, .iov_len = sizeof(head)},
		{.iov_base = (void *)(uintptr_t)data, .iov_len = len},
	};
	struct timespec now;
	off_t before = lseek(fd, 0, SEEK_END);
	ssize_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	cps_put_le32(head, (uint32_t)len);
	head[4] = (uint8_t)stream;
	cps_put_le64(head + 8,
		     (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
	do
		n = writev(fd, iov, CPS_ARRAY_LEN(iov));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)(sizeof(head) + len))
		return 0;
	/* Half a record would hide all that comes after it. */
	if (n >= 0 && before >= 0 && ftruncate(fd, before) < 0)
		return -errno;
	return n < 0 ? -errno : -ENOSPC;
}

int cps_output_next(struct cps_output_reader *r, struct cps_output_record *out)
{
	uint8_t head[HEAD];
	ssize_t n = cps_pread_full(r->fd, head, sizeof(head), r->at);
	uint32_t len;

	if (n < (ssize_t)sizeof(head))
		return n < 0 ? (int)n : 0;
	len = cps_le32(head);
	if (len > CPS_OUTPUT_MAX || (head[4] != 1 && head[4] != 2))
		return -EBADMSG;
	n = cps_pread_full(r->fd, r->bytes, len, r->at + sizeof(head));
	if (n < (ssize_t)len)
		return n < 0 ? (int)n : 0;
	*out = (struct cps_output_record){
		.stream = head[4],
		.time_ns = (int64_t)cps_le64(head + 8),
		.data = r->bytes,
		.len = len,
	};
	r->at += sizeof(head) + len;
	return 1;
}
