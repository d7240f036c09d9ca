#ifndef CPS_BASE_LOG_H
#define CPS_BASE_LOG_H

/** Where a library says what is no error of the call at hand: a skipped entry, a
 *  damaged cache file that was rebuilt. The program sets the sink once at start. */
enum cps_log_level { CPS_LOG_ERROR, CPS_LOG_WARN, CPS_LOG_INFO, CPS_LOG_DEBUG };

typedef void (*cps_log_fn)(void *ctx, enum cps_log_level level, const char *text);

/** NULL (the default) drops everything. Call before any thread is made. */
void cps_log_sink(cps_log_fn fn, void *ctx);

/** One line without a newline; cut at 2 KiB. Safe from any thread. */
void cps_log(enum cps_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define cps_warn(...)  cps_log(CPS_LOG_WARN, __VA_ARGS__)
#define cps_debug(...) cps_log(CPS_LOG_DEBUG, __VA_ARGS__)

#endif
