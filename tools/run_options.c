/* From the options of run and create to a container's config. */
#include "tools/run_options.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>

#include "store/base/fd.h"
#include "store/root.h"
#include "tools/run/spec.h"

#define ENV_FILE_MAX    (1u << 20) /* bytes */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define NANO_CPUS       1000000000.0
#define HOSTNAME_MOST   63         /* bytes; docker's */
#define MEMORY_LEAST    (6u << 20) /* bytes; docker's */

static int replace(char **at, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

/* ---- the environment ---- */

/* "NAME=VALUE", or "NAME" for the caller's own value, which may be none. */
static int set_env(struct cps_app *app, struct cps_strings *env, const char *text)
{
	const char *value;
	int rc;

	if (text[0] == '=' || !text[0])
		return cps_err_set(&app->err, -EINVAL,
				   "invalid environment variable: '%s'", text);
	if (strchr(text, '='))
		return cps_strings_set(env, text);
	cps_strings_unset(env, text);
	value = getenv(text);
	rc = value ? cps_strings_printf(env, "%s=%s", text, value) : 0;
	return rc < 0 ? cps_err_nomem(&app->err) : 0;
}

/* A line of a file, where a name with a blank in it is a slip. */
static int env_line(struct cps_app *app, struct cps_strings *env, const char *line)
{
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	if (strcspn(line, " \t") < strcspn(line, "="))
		return cps_err_set(&app->err, -EINVAL,
				   "'%s': the name of a variable has no blanks", line);
	return set_env(app, env, line);
}

static int env_file(struct cps_app *app, struct cps_strings *env, const char *path)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(ENV_FILE_MAX);
	cps_auto(cps_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : cps_read_all(fd, &text);
	char *save = NULL, *at;

	if (rc < 0)
		return cps_err_sys(&app->err, rc, "'%s'", path);
	at = (char *)text.data;
	if (text.len && memchr(at, '\0', text.len))
		return cps_err_set(&app->err, -EINVAL, "'%s' is no text", path);
	if (text.len && strncmp(at, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		at += strlen(BYTE_ORDER_MARK);
	for (char *line = text.len ? strtok_r(at, "\r\n", &save) : NULL;
	     line && rc == 0; line = strtok_r(NULL, "\r\n", &save))
		rc = env_line(app, env, line);
	return rc < 0 ? cps_err_wrap(&app->err, rc, "'%s'", path) : 0;
}

int cps_env_options(struct cps_app *app, const struct cps_command *cmd,
		    const struct cps_args *args, struct cps_strings *env)
{
	const char *text;
	int pos = 0, rc = 0;

	while (rc == 0 && (text = cps_args_each(cmd, args, "env-file", &pos)))
		rc = env_file(app, env, text);
	pos = 0;
	while (rc == 0 && (text = cps_args_each(cmd, args, "env", &pos)))
		rc = set_env(app, env, text);
	return rc;
}

/* ---- numbers ---- */

/* "512m", "1.5g", "100000": bytes, as docker counts them. */
static int parse_bytes(const char *text, uint64_t *out)
{
	static const char units[] = "bkmgt";
	const char *unit;
	double n;
	char *end;

	n = strtod(text, &end);
	if (end == text || !(n >= 0) || !isfinite(n))
		return -EINVAL;
	unit = *end ? strchr(units, *end | 0x20) : units;
	if (!unit || (*end && end[1] && ((end[1] | 0x20) != 'b' || end[2])))
		return -EINVAL;
	n = ldexp(n, 10 * (int)(unit - units));
	if (n >= 0x1p63)
		return -EINVAL;
	*out = (uint64_t)n;
	return 0;
}

static int stop_timeout(struct cps_app *app, const char *text,
			struct cps_container_config *c)
{
	long long seconds;
	char *end;

	if (!text)
		return 0;
	seconds = strtoll(text, &end, 10);
	if (end == text || *end || seconds < 1 || seconds > 1000000)
		return cps_err_set(&app->err, -EINVAL,
				   "stop timeout '%s': it is 1 to 1000000 seconds",
				   text);
	c->stop_s = (uint64_t)seconds;
	return 0;
}

static int limits(struct cps_app *app, const struct cps_command *cmd,
		  const struct cps_args *args, struct cps_container_config *c)
{
	const char *memory = cps_args_get(cmd, args, "memory");
	const char *cpus = cps_args_get(cmd, args, "cpus");
	const char *pids = cps_args_get(cmd, args, "pids-limit");
	const char *shm = cps_args_get(cmd, args, "shm-size");
	double n;
	char *end;

	if (memory && parse_bytes(memory, &c->memory_bytes) < 0)
		return cps_err_set(&app->err, -EINVAL, "invalid size: '%s'", memory);
	if (shm && (parse_bytes(shm, &c->shm_bytes) < 0 || c->shm_bytes == 0))
		return cps_err_set(&app->err, -EINVAL, "invalid size: '%s'", shm);
	if (c->memory_bytes && c->memory_bytes < MEMORY_LEAST)
		return cps_err_set(&app->err, -EINVAL,
				   "Minimum memory limit allowed is 6MB");
	if (cpus) {
		n = strtod(cpus, &end);
		if (end == cpus || *end || !(n >= 0.01) || n > 100000)
			return cps_err_set(&app->err, -EINVAL,
					   "'%s' is no number of processors", cpus);
		c->nano_cpus = (uint64_t)(n * NANO_CPUS);
	}
	if (pids) {
		long long count = strtoll(pids, &end, 10);

		if (end == pids || *end)
			return cps_err_set(&app->err, -EINVAL,
					   "'%s' is no number of processes", pids);
		c->pids = count > 0 ? (uint64_t)count : 0; /* -1: no limit */
	}
	return stop_timeout(app, cps_args_get(cmd, args, "stop-timeout"), c);
}

/* ---- what is run ---- */

/* An image that names no command, a root filesystem that was imported, is there to be
 * looked around in. */
static int default_shell(struct cps_app *app, const char *name,
			 struct cps_container_config *c)
{
	static const char *const shells[] = {"/bin/bash", "/bin/sh"};
	cps_auto(cps_root_close) struct cps_root *root = NULL;
	const struct cps_root_opts opts = {0};
	struct cps_image *image = NULL;
	uint32_t ino;
	int rc = cps_image_open(app->store, name, &image, &app->err);

	if (rc == 0)
		rc = cps_root_open(app->store, image, &opts, &root, &app->err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < CPS_ARRAY_LEN(shells); i++)
		if (cps_root_walk(root, shells[i], false, &ino) == 0)
			return cps_strings_add(&c->cmd, shells[i]);
	return cps_err_set(&app->err, -EINVAL,
			   "no command specified, and '%s' names none", name);
}

static int command(struct cps_app *app, const struct cps_command *cmd,
		   const struct cps_args *args, struct cps_container_config *c)
{
	const char *entrypoint = cps_args_get(cmd, args, "entrypoint");
	int rc = 0;

	/* Another entrypoint has no use for the arguments of the image's. */
	if (entrypoint) {
		cps_strings_release(&c->entrypoint);
		cps_strings_release(&c->cmd);
		if (entrypoint[0])
			rc = cps_strings_add(&c->entrypoint, entrypoint);
	}
	if (args->count > 1)
		cps_strings_release(&c->cmd);
	for (int i = 1; i < args->count && rc == 0; i++)
		rc = cps_strings_add(&c->cmd, args->args[i]);
	if (rc < 0)
		return cps_err_nomem(&app->err);
	if (c->entrypoint.count + c->cmd.count == 0)
		return default_shell(app, args->args[0], c);
	return 0;
}

/* ---- texts and lists ---- */

static int texts(struct cps_app *app, const struct cps_command *cmd,
		 const struct cps_args *args, struct cps_container_config *c)
{
	const struct {
		const char *option;
		char **at;
	} all[] = {
		{"user", &c->user},         {"workdir", &c->working_dir},
		{"hostname", &c->hostname}, {"stop-signal", &c->stop_signal},
		{"network", &c->network},   {"runtime", &c->runtime},
	};

	for (size_t i = 0; i < CPS_ARRAY_LEN(all); i++) {
		const char *text = cps_args_get(cmd, args, all[i].option);

		if (text && replace(all[i].at, text) < 0)
			return cps_err_nomem(&app->err);
	}
	if (!c->network[0] && replace(&c->network, "host") < 0)
		return cps_err_nomem(&app->err);
	return replace(&c->image, args->args[0]) < 0 ? cps_err_nomem(&app->err) : 0;
}

static int take_volume(struct cps_app *app, const char *text,
		       struct cps_container_config *c)
{
	cps_auto(cps_bind) struct cps_bind bind = {0};
	int rc;

	/* A path alone is a volume as an image names one. */
	if (text[0] == '/' && !strchr(text, ':'))
		return cps_is_kernels(text)
			       ? cps_err_set(&app->err, -EPERM,
					     "mount on '%s': that is the kernel's",
					     text)
			       : cps_strings_add(&c->volumes, text);
	rc = cps_bind_parse(text, &bind, &app->err);
	return rc < 0 ? rc
		      : cps_strings_printf(&c->binds, "%s:%s%s", bind.source,
					   bind.target, bind.read_only ? ":ro" : "");
}

static int take_tmpfs(struct cps_app *app, const char *text,
		      struct cps_container_config *c)
{
	return text[0] == '/' ? cps_strings_add(&c->tmpfs, text)
			      : cps_err_set(&app->err, -EINVAL,
					    "invalid mount path: '%s': mount path must "
					    "be absolute",
					    text);
}

static int take_mount(struct cps_app *app, const char *text,
		      struct cps_container_config *c)
{
	cps_auto(cps_free) char *made = NULL;
	bool is_tmpfs;
	int rc = cps_mount_option_parse(text, &is_tmpfs, &made, &app->err);

	if (rc < 0)
		return rc;
	return is_tmpfs ? take_tmpfs(app, made, c) : take_volume(app, made, c);
}

static int take_host(struct cps_app *app, const char *text,
		     struct cps_container_config *c)
{
	cps_auto(cps_free) char *made = NULL;
	int rc = cps_host_parse(text, &made, &app->err);

	return rc < 0 ? rc : cps_strings_add(&c->hosts, made);
}

static int take_label(struct cps_app *app, const char *text,
		      struct cps_container_config *c)
{
	(void)app;
	return strchr(text, '=') ? cps_strings_set(&c->labels, text)
				 : cps_strings_printf(&c->labels, "%s=", text);
}

static int take_ulimit(struct cps_app *app, const char *text,
		       struct cps_container_config *c)
{
	(void)app;
	return cps_strings_add(&c->ulimits, text);
}

static int take_cap_add(struct cps_app *app, const char *text,
			struct cps_container_config *c)
{
	(void)app;
	return cps_strings_add(&c->cap_add, text);
}

static int take_cap_drop(struct cps_app *app, const char *text,
			 struct cps_container_config *c)
{
	(void)app;
	return cps_strings_add(&c->cap_drop, text);
}

static int take_group(struct cps_app *app, const char *text,
		      struct cps_container_config *c)
{
	(void)app;
	return cps_strings_add(&c->groups, text);
}

/* Options that may come several times, and what becomes of each value. */
static int lists(struct cps_app *app, const struct cps_command *cmd,
		 const struct cps_args *args, struct cps_container_config *c)
{
	static const struct {
		const char *option;
		int (*take)(struct cps_app *app, const char *text,
			    struct cps_container_config *c);
	} all[] = {
		{"volume", take_volume},   {"tmpfs", take_tmpfs},
		{"mount", take_mount},     {"add-host", take_host},
		{"label", take_label},     {"ulimit", take_ulimit},
		{"cap-add", take_cap_add}, {"cap-drop", take_cap_drop},
		{"group-add", take_group},
	};
	const char *text;
	int rc = 0;

	for (size_t i = 0; i < CPS_ARRAY_LEN(all); i++) {
		int pos = 0;

		while (rc == 0 &&
		       (text = cps_args_each(cmd, args, all[i].option, &pos)))
			rc = all[i].take(app, text, c);
	}
	return rc == -ENOMEM ? cps_err_nomem(&app->err) : rc;
}

/* It becomes a word of /etc/hosts. */
static bool is_hostname(const char *text)
{
	size_t len = 0;

	while ((unsigned char)text[len] > ' ' && text[len] != 0x7f)
		len++;
	return text[len] == '\0' && len <= HOSTNAME_MOST;
}

/* What would only fail at the start is told before there is a container. */
static int check(struct cps_app *app, const struct cps_container_config *c)
{
	struct cps_powers powers;
	enum cps_net net;
	int rc = cps_network_parse(c->network, &net, &app->err);

	if (rc == 0)
		rc = cps_spec_powers(c, &powers, &app->err);
	if (rc == 0 && c->stop_signal[0])
		rc = cps_signal_parse(c->stop_signal, &app->err);
	if (rc >= 0 && c->working_dir[0] && c->working_dir[0] != '/')
		rc = cps_err_set(&app->err, -EINVAL,
				 "the working directory '%s' is invalid, it needs to "
				 "be an absolute path",
				 c->working_dir);
	if (rc >= 0 && !is_hostname(c->hostname))
		rc = cps_err_set(&app->err, -EINVAL, "invalid hostname: '%s'",
				 c->hostname);
	if (rc >= 0 && c->runtime[0] && strcmp(c->runtime, "runc") != 0 &&
	    strcmp(c->runtime, "crun") != 0)
		rc = cps_err_set(&app->err, -EINVAL, "unknown runtime: '%s'",
				 c->runtime);
	return rc < 0 ? rc : 0;
}

int cps_run_config(struct cps_app *app, const struct cps_command *cmd,
		   const struct cps_args *args, const struct cps_image *image,
		   struct cps_container_config *c)
{
	int rc = cps_container_config_of_image(image, c, &app->err);

	c->tty = cps_args_get(cmd, args, "tty") != NULL;
	c->open_stdin = cps_args_get(cmd, args, "interactive") != NULL;
	c->auto_remove = cps_args_get(cmd, args, "rm") != NULL;
	c->read_only = cps_args_get(cmd, args, "read-only") != NULL;
	if (rc == 0)
		rc = texts(app, cmd, args, c);
	if (rc == 0)
		rc = cps_env_options(app, cmd, args, &c->env);
	if (rc == 0)
		rc = lists(app, cmd, args, c);
	if (rc == 0)
		rc = limits(app, cmd, args, c);
	if (rc == 0)
		rc = check(app, c);
	if (rc == 0)
		rc = command(app, cmd, args, c);
	return rc;
}
