/* Containers from nothing to running: run, create, start, attach. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "store/base/fd.h"
#include "tools/images.h"
#include "tools/live.h"
#include "tools/run_options.h"

#define SHORT_ID 12

/* A container outlives us; what we were given by accident must not live with it. */
static void drop_descriptors(void)
{
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
}

/* Before there is a container: where its ID cannot go, there is none. */
static int check_id_file(struct cps_app *app, const char *path)
{
	return path && access(path, F_OK) == 0
		       ? cps_err_set(&app->err, -EEXIST,
				     "container ID file found, make sure the other "
				     "container isn't running or delete '%s'",
				     path)
		       : 0;
}

static int write_id(struct cps_app *app, const char *path,
		    const struct cps_top_info *info)
{
	cps_auto(cps_fd) int fd = -1;
	int rc;

	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	rc = fd < 0 ? -errno : cps_write_full(fd, info->id, strlen(info->id));
	if (rc == 0)
		return 0;
	cps_err_sys(&app->err, rc, "container ID file '%s'", path);
	cps_tops_remove(app->store, info, NULL);
	return rc;
}

/* The new container, and what is known of it. */
static int create(struct cps_app *app, const struct cps_command *cmd,
		  const struct cps_args *args, struct cps_live *out)
{
	cps_auto(cps_image_free) struct cps_image *image = NULL;
	cps_auto(cps_container_config) struct cps_container_config config = {0};
	struct cps_top_info info;
	int rc = cps_open_image(app, args->args[0], &image);

	if (rc == 0)
		rc = check_id_file(app, cps_args_get(cmd, args, "cidfile"));
	if (rc == 0)
		rc = cps_run_config(app, cmd, args, image, &config);
	if (rc == 0)
		rc = cps_tops_create_container(
			app->store, cps_args_get(cmd, args, "name"), args->args[0],
			image, &config, &info, &app->err);
	if (rc == 0)
		rc = write_id(app, cps_args_get(cmd, args, "cidfile"), &info);
	return rc < 0 ? rc : cps_live_open(app, &info, out);
}

int cmd_create(struct cps_app *app, const struct cps_command *cmd, int argc,
	       char **argv)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;

	CPS_BEGIN(args);
	if (create(app, cmd, &args, &live) < 0)
		return CPS_EXIT_FAILED;
	puts(live.info.id);
	return CPS_EXIT_OK;
}

/* ---- run ---- */

/* Why the program did not run is in the container's state; 126 and 127 are of it. */
static int failed_start(struct cps_app *app, const struct cps_command *cmd,
			struct cps_live *live)
{
	struct cps_container_state state = {0};
	struct cps_err err = CPS_ERR_INIT;
	int status = CPS_EXIT_RUN;

	if (cps_container_state_read(live->folder, &state, NULL) == 0 &&
	    state.exit_code)
		status = state.exit_code;
	cps_container_state_release(&state);
	cps_item_failed(app, cmd);
	if (live->config.auto_remove &&
	    cps_tops_remove(app->store, &live->info, &err) < 0)
		cps_complain(err.msg);
	return status;
}

int cmd_run(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	struct cps_args args;
	bool detach;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : CPS_EXIT_RUN;
	drop_descriptors();
	detach = CPS_HAS("detach");
	if (!detach && CPS_HAS("tty") && CPS_HAS("interactive") &&
	    !isatty(STDIN_FILENO)) {
		cps_err_set(&app->err, 0, "the input device is not a TTY");
		return CPS_EXIT_FAILED;
	}
	if (cps_store_open(app->root, &app->store, &app->err) < 0 ||
	    create(app, cmd, &args, &live) < 0)
		return cps_run_failed(app, cmd);
	rc = cps_live_start(app, &live, !detach, !detach);
	if (rc < 0)
		return failed_start(app, cmd, &live);
	if (detach)
		puts(live.info.id);
	return rc;
}

/* ---- start, attach ---- */

static int start_one(struct cps_app *app, const char *text, bool attach, bool input)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;
	int rc = cps_live_find(app, text, &live);

	if (rc < 0)
		return rc;
	if (!cps_live_is_running(&live))
		rc = cps_live_start(app, &live, attach, input);
	else if (attach)
		rc = cps_live_attach(app, &live, input);
	if (rc >= 0 && !attach)
		puts(text);
	return rc;
}

int cmd_start(struct cps_app *app, const struct cps_command *cmd, int argc, char **argv)
{
	int status = CPS_EXIT_OK;
	bool attach, input;
	struct cps_args args;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	drop_descriptors();
	if (cps_store_open(app->root, &app->store, &app->err) < 0)
		return CPS_EXIT_FAILED;
	input = CPS_HAS("interactive");
	attach = input || CPS_HAS("attach");
	if (attach && args.count > 1)
		return cps_usage(cmd, "you cannot start and attach multiple containers "
				      "at once");
	for (int i = 0; i < args.count; i++) {
		rc = start_one(app, args.args[i], attach, input);
		if (rc < 0)
			status = cps_item_failed(app, cmd);
		else if (attach)
			status = rc;
	}
	return status;
}

int cmd_attach(struct cps_app *app, const struct cps_command *cmd, int argc,
	       char **argv)
{
	cps_auto(cps_live) struct cps_live live = CPS_LIVE_INIT;

	CPS_BEGIN(args);
	rc = cps_live_running(app, args.args[0], &live);
	if (rc == 0)
		rc = cps_live_attach(app, &live, !CPS_HAS("no-stdin"));
	return rc < 0 ? CPS_EXIT_FAILED : rc;
}
