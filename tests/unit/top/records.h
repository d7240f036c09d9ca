#ifndef TEST_TOP_RECORDS_H
#define TEST_TOP_RECORDS_H

/* A log in a folder of its own; what its records hold follows from their number. */

#include "fixture.h"

#include "fs/top/log.h"

/* A folder for a log, and what was appended to it. */
struct room {
	char path[64];
	int dirfd;
};

#define RECORDS 12u

static inline int room_setup(void **state)
{
	struct room *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->path, "/var/tmp/capas-log.XXXXXX");
	assert_non_null(mkdtemp(r->path));
	r->dirfd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = r;
	return 0;
}

static inline int room_teardown(void **state)
{
	struct room *r = *state;

	fx_empty_folder(r->dirfd);
	close(r->dirfd);
	rmdir(r->path);
	free(r);
	return 0;
}

static inline struct cps_toplog *open_log(struct room *r, bool write)
{
	struct cps_toplog *log = NULL;

	assert_int_equal(cps_toplog_open(r->dirfd, "log", &fx_id, write, &log, NULL),
			 0);
	return log;
}

/* The n-th record: its content follows from n. */
static inline struct cps_change record(uint32_t n, uint8_t *room)
{
	memset(room, (int)n, 64);
	return (struct cps_change){
		.type = (uint16_t)(1 + n % (CPS_CHANGE_TYPES - 1)),
		.who = n * 3,
		.time_ns = -5 + (int64_t)n * 1000000007,
		.ino = n,
		.dir = n * 1000ull,
		.name = {room, n % 9},
		.bulk = {room, n % 5 == 0 ? 0 : n + 1},
	};
}

static inline void assert_record(struct cps_toplog *log, const struct cps_change *got,
				 uint32_t n)
{
	uint8_t room[64], bulk[64];
	struct cps_change want = record(n, room);

	assert_int_equal(got->type, want.type);
	assert_int_equal(got->who, want.who);
	assert_true(got->time_ns == want.time_ns);
	assert_true(got->ino == want.ino && got->dir == want.dir && got->size == 0);
	assert_int_equal(got->name.len, want.name.len);
	assert_memory_equal(got->name.data ? got->name.data : room, room,
			    want.name.len);
	assert_int_equal(got->bulk.len, want.bulk.len);
	assert_memory_equal(got->bulk.data, room, want.bulk.len);
	assert_int_equal(
		cps_pread_full(cps_toplog_fd(log), bulk, want.bulk.len, got->bulk_pos),
		want.bulk.len);
	assert_memory_equal(bulk, room, want.bulk.len);
}

static inline void append(struct cps_toplog *log, uint32_t n)
{
	uint8_t room[64];
	struct cps_change c = record(n, room);

	assert_int_equal(cps_toplog_append(log, &c, false), 0);
}

/* Reads all; what is read are the first records. How many. */
static inline uint32_t read_all(struct cps_toplog *log)
{
	struct cps_change c;
	uint32_t count = 0;
	int rc;

	while ((rc = cps_toplog_next(log, &c)) == 1)
		assert_record(log, &c, ++count);
	assert_int_equal(rc, 0);
	return count;
}

/* A small log; ends[n] is where the n-th record ends. */
static inline void fill(struct room *r, uint64_t ends[RECORDS + 1])
{
	struct cps_toplog *log = open_log(r, true);

	ends[0] = cps_toplog_end(log);
	for (uint32_t n = 1; n <= RECORDS; n++) {
		append(log, n);
		ends[n] = cps_toplog_end(log);
	}
	cps_toplog_close(log);
}

static inline struct cps_buf copy_log(struct room *r)
{
	int fd = openat(r->dirfd, "log", O_RDONLY | O_CLOEXEC);
	struct cps_buf copy = CPS_BUF_INIT(0);

	assert_int_equal(cps_read_all(fd, &copy), 0);
	close(fd);
	return copy;
}

static inline void put_log(struct room *r, const void *data, size_t len)
{
	int fd =
		openat(r->dirfd, "log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(cps_write_full(fd, data, len), 0);
	close(fd);
}

static inline uint32_t whole_before(const uint64_t *ends, uint64_t at)
{
	uint32_t n = 0;

	while (n < RECORDS && ends[n + 1] <= at)
		n++;
	return n;
}

#define IN_A_ROOM(f) cmocka_unit_test_setup_teardown(f, room_setup, room_teardown)

#endif
