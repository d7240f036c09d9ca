#include "store/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *errno_text(int rc, char *buf, size_t len)
{
	return strerror_r(rc < 0 ? -rc : rc, buf, len);
}

int cps_err_set(struct cps_err *err, int rc, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return rc;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return rc;
}

int cps_err_sys(struct cps_err *err, int rc, const char *fmt, ...)
{
	char text[128];
	va_list ap;
	size_t n;

	if (!err)
		return rc;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s",
		 errno_text(rc, text, sizeof(text)));
	return rc;
}

int cps_err_wrap(struct cps_err *err, int rc, const char *fmt, ...)
{
	char inner[CPS_ERR_MAX], text[128];
	va_list ap;
	size_t n;

	if (!err)
		return rc;
	memcpy(inner, err->msg, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s",
		 inner[0] ? inner : errno_text(rc, text, sizeof(text)));
	return rc;
}

int cps_err_nomem(struct cps_err *err)
{
	return cps_err_set(err, -ENOMEM, "out of memory");
}
