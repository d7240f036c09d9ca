#include <string.h>

#include "store/maintain.h"
#include "tools/command.h"

#define PARSE(args)                                                                    \
	struct cps_args args;                                                          \
	int rc = cps_args_parse(cmd, argc, argv, &args);                               \
	if (rc)                                                                        \
		return rc < 0 ? CPS_EXIT_OK : rc;                                      \
	rc = cps_store_open(app->root, &app->store, &app->err);                        \
	if (rc < 0)                                                                    \
	return CPS_EXIT_FAILED

int cmd_gc(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	struct cps_gc_result r;
	bool dry;

	PARSE(args);
	dry = cps_args_get(cmd, &args, "dry-run") != NULL;
	rc = cps_gc(app->store, cps_args_get(cmd, &args, "untagged") != NULL, dry, &r,
		    &app->err);
	if (rc < 0)
		return CPS_EXIT_FAILED;
	printf("%s %llu blobs, %llu derived files, %llu untagged images: %.1f MB\n",
	       dry ? "Would remove" : "Removed", (unsigned long long)r.blobs,
	       (unsigned long long)r.derived, (unsigned long long)r.untagged,
	       (double)r.bytes / 1e6);
	return CPS_EXIT_OK;
}

int cmd_df(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	struct cps_usage u;

	PARSE(args);
	if (cps_df(app->store, &u, &app->err) < 0)
		return CPS_EXIT_FAILED;
	printf("%-10s %-8s %s\n", "TYPE", "COUNT", "SIZE");
	printf("%-10s %-8llu %.1fMB\n", "Images", (unsigned long long)u.images,
	       (double)u.image_bytes / 1e6);
	printf("%-10s %-8llu %.1fMB\n", "Garbage", (unsigned long long)u.garbage,
	       (double)u.garbage_bytes / 1e6);
	printf("%-10s %-8llu %.1fMB\n", "Derived", (unsigned long long)u.derived,
	       (double)u.derived_bytes / 1e6);
	printf("%-10s %-8llu %.1fMB\n", "Containers", (unsigned long long)u.tops,
	       (double)u.top_bytes / 1e6);
	return CPS_EXIT_OK;
}

static void say_found(void *ctx, enum cps_fsck_kind kind, const char *what,
		      const char *why, bool repaired)
{
	static const char *const kinds[] = {
		[CPS_FSCK_MISSING] = "missing",     [CPS_FSCK_DAMAGED] = "damaged",
		[CPS_FSCK_DOCUMENT] = "unreadable", [CPS_FSCK_DERIVED] = "derived",
		[CPS_FSCK_STRAY] = "stray",
	};

	printf("%s: %s: %s%s\n", kinds[kind], what, why, repaired ? " (removed)" : "");
}

int cmd_fsck(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	PARSE(args);
	rc = cps_fsck(app->store, cps_args_get(cmd, &args, "repair") != NULL, say_found,
		      NULL, &app->err);
	if (rc < 0)
		return CPS_EXIT_FAILED;
	if (rc == 0)
		puts("clean");
	return rc ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}
