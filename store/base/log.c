#include "store/base/log.h"

#include <stdarg.h>
#include <stdio.h>

static struct {
	cps_log_fn fn;
	void *ctx;
} sink; /* set once, before any thread */

void cps_log_sink(cps_log_fn fn, void *ctx)
{
	sink.fn = fn;
	sink.ctx = ctx;
}

void cps_log(enum cps_log_level level, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	if (!sink.fn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sink.fn(sink.ctx, level, text);
}
