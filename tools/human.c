#include "tools/human.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/base/mem.h"
#include "store/base/path.h"

#define MINUTE 60
#define HOUR   3600

const char *cps_size_text(uint64_t bytes, char out[CPS_HUMAN_MAX])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double v = (double)bytes;
	size_t u = 0;

	/* 999.5 would be shown as 1e+03; Docker does so. */
	while ((u ? v >= 999.5 : v >= 1000) && u + 1 < CPS_ARRAY_LEN(units)) {
		v /= 1000;
		u++;
	}
	snprintf(out, CPS_HUMAN_MAX, "%.3g%s", v, units[u]);
	return out;
}

/* The steps are go-units' own: hours are rounded, everything else is cut. */
const char *cps_duration_text(int64_t seconds, char out[CPS_HUMAN_MAX])
{
	int64_t minutes = seconds / MINUTE, hours = (seconds + HOUR / 2) / HOUR, n;
	const char *unit;

	if (seconds < 1)
		return strcpy(out, "Less than a second");
	if (minutes == 1)
		return strcpy(out, "About a minute");
	if (minutes >= 60 && hours == 1)
		return strcpy(out, "About an hour");
	if (seconds < MINUTE)
		n = seconds, unit = seconds == 1 ? "second" : "seconds";
	else if (minutes < 60)
		n = minutes, unit = "minutes";
	else if (hours < 48)
		n = hours, unit = "hours";
	else if (hours < 24 * 7 * 2)
		n = hours / 24, unit = "days";
	else if (hours < 24 * 30 * 2)
		n = hours / 24 / 7, unit = "weeks";
	else if (hours < 24 * 365 * 2)
		n = hours / 24 / 30, unit = "months";
	else
		n = seconds / HOUR / 24 / 365, unit = "years";
	snprintf(out, CPS_HUMAN_MAX, "%lld %s", (long long)n, unit);
	return out;
}

const char *cps_ago_text(const char *created, int64_t now_s, char out[CPS_HUMAN_MAX])
{
	int64_t then;

	/* Go's zero time is what a builder writes that was told no time. */
	if (cps_time_parse(created, &then) < 0 || strncmp(created, "0001-", 5) == 0)
		return strcpy(out, "N/A");
	cps_duration_text(now_s - then, out);
	return strcat(out, " ago");
}

const char *cps_local_time_text(const char *created, char out[CPS_HUMAN_MAX])
{
	int64_t unix_s;
	struct tm tm;
	time_t t;

	if (cps_time_parse(created, &unix_s) < 0 || strncmp(created, "0001-", 5) == 0)
		return strcpy(out, "N/A");
	t = (time_t)unix_s;
	if (!localtime_r(&t, &tm) ||
	    !strftime(out, CPS_HUMAN_MAX, "%Y-%m-%d %H:%M:%S %z %Z", &tm))
		return strcpy(out, "N/A");
	return out;
}

/* "Z" or "+01:30", in seconds east of Greenwich. */
static int parse_zone(const char *text, int64_t *seconds)
{
	int hours, minutes, used = 0;

	*seconds = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return 0;
	if (text[0] != '+' && text[0] != '-')
		return -EINVAL;
	if (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 ||
	    text[6] || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return -EINVAL;
	*seconds = (hours * 60 + minutes) * (text[0] == '-' ? -60 : 60);
	return 0;
}

int cps_time_parse(const char *text, int64_t *unix_s)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t zone;

	if (!rest)
		return -EINVAL;
	if (*rest == '.') {
		size_t digits = strspn(rest + 1, "0123456789");

		if (digits == 0)
			return -EINVAL;
		rest += 1 + digits;
	}
	if (parse_zone(rest, &zone) < 0)
		return -EINVAL;
	*unix_s = (int64_t)timegm(&tm) - zone;
	return 0;
}

const char *cps_id_text(const struct cps_digest *digest, bool whole,
			char out[CPS_HUMAN_MAX])
{
	char text[CPS_DIGEST_TEXT_LEN];

	cps_digest_text(digest, text);
	snprintf(out, CPS_HUMAN_MAX, whole ? "%s" : "%.12s", whole ? text : text + 7);
	return out;
}

static bool starts_character(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

size_t cps_text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += starts_character(*text);
	return width;
}

int cps_ellipsis(struct cps_buf *out, const char *text, size_t limit)
{
	cps_auto(cps_buf) struct cps_buf safe = CPS_BUF_INIT(0);
	size_t len, width = 0;
	const char *s;
	int rc = cps_escape(&safe, text, strlen(text));

	s = cps_buf_cstr(&safe);
	len = safe.len;
	if (limit && cps_text_width(s) > limit) {
		for (len = 0; s[len]; len++)
			if (starts_character(s[len]) && ++width == limit)
				break;
	}
	if (rc == 0)
		rc = cps_buf_append(out, s, len);
	return rc < 0 || len == safe.len ? rc : cps_buf_str(out, "…");
}
