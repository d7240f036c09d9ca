/* What gc removes and what it leaves. */
#include "tools/gc_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/human.h"

/* ---- images ---- */

static bool has_label(const struct cps_image *image, const char *label)
{
	const char *equals = strchrnul(label, '=');
	cps_auto(cps_free) char *name = strndup(label, (size_t)(equals - label));
	cps_auto(cps_free) char *value = name ? cps_image_label(image, name) : NULL;

	return value && (!*equals || strcmp(value, equals + 1) == 0);
}

static bool takes(void *ctx, const struct cps_image *image)
{
	const struct cps_gc_filter *f = ctx;
	int64_t made_s;

	/* One that does not say when it was made is as old as can be. */
	if (f->before_s && cps_time_parse(image->created, &made_s) == 0 &&
	    made_s >= f->before_s)
		return false;
	for (size_t i = 0; i < f->label_count; i++)
		if (has_label(image, f->labels[i]) == f->without[i])
			return false;
	return true;
}

/* ---- the options ---- */

static int parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "bkmgt";
	const char *unit;
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || errno || !(value >= 0) || strchr(text, 'x'))
		return -EINVAL;
	unit = *end ? strchr(units, *end | 0x20) : units;
	if (!unit || !*unit || (*end && end[1] && strcasecmp(end + 1, "b") != 0))
		return -EINVAL;
	for (; unit > units; unit--)
		value *= 1000;
	if (value >= 1e18)
		return -ERANGE;
	*out = (uint64_t)value;
	return 0;
}

/* "1h30m" and the like; docker knows no days, people do. */
static int parse_duration(const char *text, int64_t *out)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};

	for (*out = 0; *text;) {
		int64_t n, seconds = 0;
		char *end;

		errno = 0;
		n = strtoll(text, &end, 10);
		for (size_t i = 0; i < CPS_ARRAY_LEN(units); i++)
			if (*end == units[i].unit)
				seconds = units[i].seconds;
		if (end == text || errno || n < 0 || !seconds ||
		    __builtin_mul_overflow(n, seconds, &n) ||
		    __builtin_add_overflow(*out, n, out))
			return -EINVAL;
		text = end + 1;
	}
	return 0;
}

static int parse_until(const char *text, int64_t *out)
{
	int64_t seconds, now = (int64_t)time(NULL);

	if (!*text)
		return -EINVAL;
	if (cps_time_parse(text, out) == 0)
		return *out > 0 ? 0 : -EINVAL;
	if (parse_duration(text, &seconds) < 0)
		return -EINVAL;
	*out = seconds < now ? now - seconds : 1;
	return 0;
}

static int take_filter(const struct cps_command *cmd, const char *text,
		       struct cps_gc_filter *f)
{
	bool without = strncmp(text, "label!=", 7) == 0;

	if (strncmp(text, "until=", 6) == 0)
		return parse_until(text + 6, &f->before_s) == 0
			       ? 0
			       : cps_usage(cmd,
					   "'%s' is no time (24h, 7d, or RFC 3339)",
					   text + 6);
	if (!without && strncmp(text, "label=", 6) != 0)
		return cps_usage(cmd, "'%s' is no filter (until=, label=, label!=)",
				 text);
	f->without[f->label_count] = without;
	f->labels[f->label_count++] = text + (without ? 7 : 6);
	return 0;
}

int cps_gc_filter_parse(const struct cps_command *cmd, const struct cps_args *args,
			struct cps_gc_filter *f, struct cps_gc_opts *opts)
{
	const char *keep = cps_args_get(cmd, args, "keep-storage"), *text;
	int pos = 0, rc = 0;

	while (rc == 0 && (text = cps_args_each(cmd, args, "filter", &pos)))
		rc = take_filter(cmd, text, f);
	if (rc)
		return rc;
	if (keep && parse_size(keep, &opts->keep_bytes) < 0)
		return cps_usage(cmd, "--keep-storage: '%s' is no size (512m, 10GB)",
				 keep);
	if (f->label_count && !opts->untagged)
		return cps_usage(cmd, "a label chooses among images: with --untagged");
	opts->prune = keep || f->before_s;
	opts->unused_since_s = f->before_s ? f->before_s : INT64_MAX;
	if (f->before_s || f->label_count) {
		opts->takes = takes;
		opts->takes_ctx = f;
	}
	return 0;
}
