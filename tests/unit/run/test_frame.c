/* Frames between a monitor and who is attached. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/run/frame.h"
#include "tools/run/window.h"

struct pair {
	int ends[2];
	struct cps_frame_reader reader;
};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	*state = p;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->ends);
}

static int teardown(void **state)
{
	struct pair *p = *state;

	close(p->ends[0]);
	close(p->ends[1]);
	free(p);
	return 0;
}

static void a_frame_arrives_whole(void **state)
{
	struct pair *p = *state;
	struct cps_frame frame;

	assert_int_equal(cps_frame_send(p->ends[0], CPS_FRAME_STDOUT, "hola", 4), 0);
	assert_int_equal(cps_frame_send(p->ends[0], CPS_FRAME_STDIN, NULL, 0), 0);
	assert_int_equal(cps_frame_read(&p->reader, p->ends[1], &frame), 1);
	assert_int_equal(frame.type, CPS_FRAME_STDOUT);
	assert_int_equal(frame.len, 4);
	assert_memory_equal(frame.data, "hola", 4);
	assert_int_equal(cps_frame_read(&p->reader, p->ends[1], &frame), 1);
	assert_int_equal(frame.type, CPS_FRAME_STDIN);
	assert_int_equal(frame.len, 0);
	assert_int_equal(cps_frame_read(&p->reader, p->ends[1], &frame), 0);
}

static void a_frame_in_pieces_is_waited_for(void **state)
{
	struct cps_buf bytes = CPS_BUF_INIT(0);
	struct pair *p = *state;
	struct cps_frame frame;

	assert_int_equal(cps_frame_put(&bytes, CPS_FRAME_STDERR, "abc", 3), 0);
	for (size_t i = 0; i < bytes.len; i++) {
		assert_int_equal(cps_frame_read(&p->reader, p->ends[1], &frame), 0);
		assert_int_equal(write(p->ends[0], bytes.data + i, 1), 1);
	}
	assert_int_equal(cps_frame_read(&p->reader, p->ends[1], &frame), 1);
	assert_memory_equal(frame.data, "abc", 3);
	cps_buf_release(&bytes);
}

static void the_largest_frame_fits_and_no_larger_one(void **state)
{
	static uint8_t data[CPS_FRAME_MAX + 1];
	struct cps_buf bytes = CPS_BUF_INIT(0);

	(void)state;
	assert_int_equal(cps_frame_put(&bytes, CPS_FRAME_STDIN, data, CPS_FRAME_MAX),
			 0);
	assert_int_equal(bytes.len, CPS_FRAME_HEAD + CPS_FRAME_MAX);
	assert_int_equal(cps_frame_put(&bytes, CPS_FRAME_STDIN, data, sizeof(data)),
			 -EFBIG);
	cps_buf_release(&bytes);
}

static void what_is_no_frame_is_refused(void **state)
{
	static const uint8_t heads[][CPS_FRAME_HEAD] = {
		{0, 0, 0, 0, 0, 0, 0, 0},               /* no type */
		{99, 0, 0, 0, 0, 0, 0, 0},              /* an unknown one */
		{CPS_FRAME_STDIN, 0, 0, 0, 1, 0, 1, 0}, /* longer than any */
		{CPS_FRAME_STDIN, 0, 0, 0, 255, 255, 255, 255},
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct pair *p = *state;
		struct cps_frame frame;

		p->reader.have = p->reader.taken = 0;
		assert_int_equal(write(p->ends[0], heads[i], CPS_FRAME_HEAD),
				 CPS_FRAME_HEAD);
		assert_int_equal(cps_frame_read(&p->reader, p->ends[1], &frame),
				 -EBADMSG);
	}
}

static void the_other_sides_end_is_told(void **state)
{
	struct pair *p = *state;
	struct cps_frame frame;

	assert_int_equal(cps_frame_send(p->ends[0], CPS_FRAME_HELLO, NULL, 0), 0);
	shutdown(p->ends[0], SHUT_WR);
	assert_int_equal(cps_frame_read(&p->reader, p->ends[1], &frame), 1);
	assert_int_equal(cps_frame_read(&p->reader, p->ends[1], &frame), -EPIPE);
	close(p->ends[1]);
	p->ends[1] = dup(p->ends[0]);
	assert_int_equal(cps_frame_send(p->ends[0], CPS_FRAME_HELLO, NULL, 0), -EPIPE);
}

/* ---- the keys that detach ---- */

static void keys(const char *typed, const char *passed, bool detached)
{
	struct cps_keys held = {0};
	char out[64], all[64] = "";
	bool detach = false;

	/* Key by key: however they come, they mean the same. */
	for (const char *k = typed; *k && !detach; k++) {
		size_t n = cps_keys_filter(&held, k, 1, out, &detach);

		out[n] = '\0';
		strcat(all, out);
	}
	assert_string_equal(all, passed);
	assert_int_equal(detach, detached);
	held = (struct cps_keys){0};
	out[cps_keys_filter(&held, typed, strlen(typed), out, &detach)] = '\0';
	assert_string_equal(out, passed);
	assert_int_equal(detach, detached);
}

static void only_both_keys_in_a_row_detach(void **state)
{
	(void)state;
	keys("ls\r", "ls\r", false);
	keys("a\x10\x11", "a", true);
	keys("\x10\x11more", "", true);
	keys("\x10x", "\x10x", false);
	keys("\x10\x10\x11", "\x10", true);
	keys("\x11", "\x11", false);
	keys("a\x10", "a", false); /* held back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_frame_arrives_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_frame_in_pieces_is_waited_for, setup,
						teardown),
		cmocka_unit_test(the_largest_frame_fits_and_no_larger_one),
		cmocka_unit_test_setup_teardown(what_is_no_frame_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_other_sides_end_is_told, setup,
						teardown),
		cmocka_unit_test(only_both_keys_in_a_row_detach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
