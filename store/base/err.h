#ifndef CPS_BASE_ERR_H
#define CPS_BASE_ERR_H

#include <stdarg.h>

#define CPS_ERR_MAX 2048 /* bytes, with the NUL; longer messages are cut */

/** The one error shape: functions return 0 (or a count) or -errno, and leave the
 *  words here. The message is set where the failure happens and gains what was
 *  wished for on the way up: "pull 'alpine:3': fetch sha256:ab..: timed out". */
struct cps_err {
	char msg[CPS_ERR_MAX];
};

#define CPS_ERR_INIT                                                                   \
	{                                                                              \
		.msg = ""                                                              \
	}

/** Replace the message. Returns `rc`, so that it can be returned at once. */
int cps_err_set(struct cps_err *err, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** As cps_err_set(), with ": " and the text of -rc appended. */
int cps_err_sys(struct cps_err *err, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** Put "<fmt>: " before the message; with no message yet, the text of -rc follows.
 *  Returns `rc`. */
int cps_err_wrap(struct cps_err *err, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** -ENOMEM with its message. */
int cps_err_nomem(struct cps_err *err);

/* `err` may be NULL everywhere: the caller wants the number only. */

#endif
