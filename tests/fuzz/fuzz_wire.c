/* What the sandbox's init is told: an order is whole, or none. */
#include "tools/run/wire.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/base/mem.h"

#define BYTES_MAX (100u << 10) /* what a socket holds without a reader */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static size_t count(char *const *list)
{
	size_t n = 0;

	for (; list[n]; n++)
		(void)strlen(list[n]);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cps_err err = CPS_ERR_INIT;
	struct cps_order order;
	int ends[2], rc;

	if (size > BYTES_MAX)
		return 0;
	require(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	require(send(ends[0], data, size, 0) == (ssize_t)size);
	close(ends[0]);
	rc = cps_order_receive(ends[1], &order, &err);
	close(ends[1]);
	require(rc == 0 || err.msg[0]);
	if (rc == 0) {
		require(strlen(order.process.cwd) + strlen(order.process.user) < size);
		require(count(order.process.argv) + count(order.process.env) < size);
		require(order.root == -1);
	}
	cps_order_release(&order);
	return 0;
}
