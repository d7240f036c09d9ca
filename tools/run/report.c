#include "tools/run/report.h"

#include <errno.h>
#include <string.h>

#include "store/base/fd.h"

struct report {
	int rc;
	char words[CPS_ERR_MAX];
};

void cps_report_send(int fd, int rc, const char *words)
{
	struct report report = {.rc = rc};
	size_t len = strnlen(words, sizeof(report.words) - 1);

	memcpy(report.words, words, len);
	cps_write_full(fd, &report, sizeof(report.rc) + len + 1);
}

int cps_report_receive(int fd, int *number, struct cps_err *err)
{
	struct report report = {0};
	ssize_t len = cps_read_full(fd, &report, sizeof(report) - 1);

	*number = 0;
	if (len < 0)
		return cps_err_sys(err, (int)len, "hear of the program");
	if (len == 0)
		return 0;
	if (len == sizeof(report.rc)) {
		*number = report.rc;
		return 0;
	}
	return cps_err_set(err, report.rc < 0 ? report.rc : -EIO, "%s", report.words);
}
