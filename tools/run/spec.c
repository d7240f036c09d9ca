#include "tools/run/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/fd.h"
#include "store/base/path.h"

#define HOST_FILE_MAX (1u << 20) /* bytes of the host's resolv.conf and hosts */
#define VOLUMES       "volumes"

void cps_spec_cgroup(const char *id, char *out, size_t size)
{
	snprintf(out, size, "capas-%s", id);
}

/* ---- volumes ---- */

/* A folder with its parents. */
static int make_folders(const char *path)
{
	cps_auto(cps_free) char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *at = strchr(copy + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	return mkdir(copy, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_host(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC), rc;

	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? fd : -errno;
	rc = make_folders(path);
	if (rc < 0)
		return rc;
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* One folder below `dirfd`, made when missing. */
static int open_made(int dirfd, const char *name, mode_t mode)
{
	int fd;

	if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The store was opened in the caller's mount namespace; what is found by its path is of
 * ours. */
static int open_here(int there)
{
	char link[32], path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", there);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_named(struct cps_store *store, const char *name)
{
	cps_auto(cps_fd) int all = open_made(cps_store_root_fd(store), VOLUMES, 0700);
	cps_auto(cps_fd) int volume = all < 0 ? all : open_made(all, name, 0755);

	return volume < 0 ? volume : open_here(volume);
}

static int open_volumes(struct cps_store *store, const struct cps_container_config *c,
			struct cps_spec *out, struct cps_err *err)
{
	if (c->binds.count > CPS_SPEC_VOLUMES_MAX)
		return cps_err_set(err, -E2BIG, "more than %d volumes",
				   CPS_SPEC_VOLUMES_MAX);
	for (size_t i = 0; i < c->binds.count; i++) {
		cps_auto(cps_bind) struct cps_bind bind = {0};
		struct cps_volume *v = &out->volumes[i];
		int rc = cps_bind_parse(c->binds.v[i], &bind, err);

		if (rc < 0)
			return rc;
		v->source = bind.named ? open_named(store, bind.source)
				       : open_host(bind.source);
		if (v->source < 0)
			return cps_err_sys(err, v->source, "volume '%s'", bind.source);
		out->opts.volume_count++;
		if (cps_strings_add(&out->targets, bind.target) < 0)
			return cps_err_nomem(err);
		v->target = out->targets.v[i];
		v->read_only = bind.read_only;
	}
	return 0;
}

bool cps_is_kernels(const char *path)
{
	static const char *const folders[] = {"proc", "sys", "dev"};
	cps_auto(cps_free) char *clean = strdup(path);
	size_t len, first = 0, pos = 0;
	const char *name;

	if (!clean)
		return false;
	len = cps_path_clean(path, strlen(path), clean);
	if (cps_path_next(clean, len, &pos, &name, &first) == 0)
		return false;
	for (size_t i = 0; i < CPS_ARRAY_LEN(folders); i++)
		if (strlen(folders[i]) == first && memcmp(name, folders[i], first) == 0)
			return true;
	return false;
}

/* Images for systemd have a volume on /sys/fs/cgroup: what is there is no image's. */
static int list_own(const struct cps_container_config *c, struct cps_spec *out,
		    struct cps_err *err)
{
	if (c->volumes.count > CPS_SPEC_VOLUMES_MAX)
		return cps_err_set(err, -E2BIG, "more than %d volumes without a name",
				   CPS_SPEC_VOLUMES_MAX);
	for (size_t i = 0; i < c->volumes.count; i++)
		if (!cps_is_kernels(c->volumes.v[i]) &&
		    cps_strings_add(&out->own, c->volumes.v[i]) < 0)
			return cps_err_nomem(err);
	out->opts.own = (const char *const *)out->own.v;
	out->opts.own_count = out->own.count;
	return 0;
}

/* ---- files of the host ---- */

/* One that is missing is empty. */
static int read_host(const char *path, struct cps_buf *out, struct cps_err *err)
{
	cps_auto(cps_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? 0 : cps_read_all(fd, out);

	return rc < 0 ? cps_err_sys(err, rc, "'%s'", path) : 0;
}

/* "NAME:ADDRESS", of which the address may have colons too. */
static int add_hosts(const struct cps_strings *hosts, struct cps_buf *out,
		     struct cps_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < hosts->count && rc == 0; i++) {
		size_t len = strcspn(hosts->v[i], ":");

		rc = cps_buf_printf(out, "%s\t%.*s\n",
				    hosts->v[i] + len + (hosts->v[i][len] == ':'),
				    (int)len, hosts->v[i]);
	}
	return rc < 0 ? cps_err_nomem(err) : 0;
}

static int make_hosts(enum cps_net net, const char *hostname, struct cps_buf *out,
		      struct cps_err *err)
{
	int rc;

	if (net == CPS_NET_HOST) {
		rc = read_host("/etc/hosts", out, err);
		if (rc < 0)
			return rc;
		if (out->len && out->data[out->len - 1] != '\n' &&
		    cps_buf_str(out, "\n") < 0)
			return cps_err_nomem(err);
		return cps_buf_printf(out, "127.0.1.1\t%s\n", hostname) < 0
			       ? cps_err_nomem(err)
			       : 0;
	}
	return cps_buf_printf(out,
			      "127.0.0.1\tlocalhost\n"
			      "::1\tlocalhost ip6-localhost ip6-loopback\n"
			      "127.0.1.1\t%s\n",
			      hostname) < 0
		       ? cps_err_nomem(err)
		       : 0;
}

/* ---- the program ---- */

int cps_spec_env(const struct cps_container_config *config, bool terminal,
		 struct cps_strings *out)
{
	int rc = cps_strings_add(out, "PATH=" CPS_DEFAULT_PATH);

	if (rc == 0)
		rc = cps_strings_printf(out, "HOSTNAME=%s", config->hostname);
	if (rc == 0 && terminal)
		rc = cps_strings_add(out, "TERM=xterm");
	for (size_t i = 0; i < config->env.count && rc == 0; i++)
		rc = cps_strings_set(out, config->env.v[i]);
	return rc;
}

static int make_process(const struct cps_container_config *c, struct cps_spec *out,
			struct cps_err *err)
{
	if (c->entrypoint.count + c->cmd.count == 0)
		return cps_err_set(err, -EINVAL, "no command specified");
	if (cps_strings_add_all(&out->argv, c->entrypoint.v) < 0 ||
	    cps_strings_add_all(&out->argv, c->cmd.v) < 0 ||
	    cps_spec_env(c, c->tty, &out->env) < 0)
		return cps_err_nomem(err);
	out->process = (struct cps_process){
		.argv = out->argv.v,
		.env = out->env.v,
		.cwd = c->working_dir[0] ? c->working_dir : "/",
		.user = c->user,
		.stdio = {-1, -1, -1},
		.terminal = c->tty,
	};
	return 0;
}

int cps_spec_powers(const struct cps_container_config *c, struct cps_powers *out,
		    struct cps_err *err)
{
	int rc;

	*out = (struct cps_powers){.groups = c->groups.v};
	rc = cps_powers_caps(out, c->cap_drop.v, c->cap_add.v, err);
	for (size_t i = 0; i < c->ulimits.count && rc == 0; i++)
		rc = cps_powers_limit(out, c->ulimits.v[i], err);
	return rc;
}

/* ---- all of it ---- */

int cps_spec_make(struct cps_store *store, const struct cps_top_info *info,
		  const struct cps_container_config *c, struct cps_spec *out,
		  struct cps_err *err)
{
	struct cps_sandbox_opts *opts = &out->opts;
	int rc;

	*out = (struct cps_spec){.resolv_conf = CPS_BUF_INIT(HOST_FILE_MAX),
				 .hosts = CPS_BUF_INIT(HOST_FILE_MAX)};
	rc = cps_network_parse(c->network, &opts->net, err);
	if (rc == 0)
		rc = make_process(c, out, err);
	if (rc == 0)
		rc = open_volumes(store, c, out, err);
	if (rc == 0)
		rc = list_own(c, out, err);
	if (rc == 0)
		rc = read_host("/etc/resolv.conf", &out->resolv_conf, err);
	if (rc == 0)
		rc = make_hosts(opts->net, c->hostname, &out->hosts, err);
	if (rc == 0)
		rc = add_hosts(&c->hosts, &out->hosts, err);
	if (rc == 0)
		rc = cps_spec_powers(c, &opts->powers, err);
	if (rc < 0)
		return rc;
	cps_spec_cgroup(info->id, out->cgroup, sizeof(out->cgroup));
	opts->hostname = c->hostname;
	opts->read_only = c->read_only;
	opts->volumes = out->volumes;
	opts->tmpfs = (const char *const *)c->tmpfs.v;
	opts->tmpfs_count = c->tmpfs.count;
	opts->resolv_conf = cps_buf_cstr(&out->resolv_conf);
	opts->hosts = cps_buf_cstr(&out->hosts);
	opts->memory_bytes = c->memory_bytes;
	opts->cpus_milli = c->nano_cpus / 1000000;
	opts->pids = c->pids;
	opts->shm_bytes = c->shm_bytes;
	opts->cgroup = out->cgroup;
	return 0;
}

void cps_spec_release(struct cps_spec *spec)
{
	for (size_t i = 0; i < spec->opts.volume_count; i++)
		close(spec->volumes[i].source);
	cps_strings_release(&spec->argv);
	cps_strings_release(&spec->env);
	cps_strings_release(&spec->targets);
	cps_strings_release(&spec->own);
	cps_buf_release(&spec->resolv_conf);
	cps_buf_release(&spec->hosts);
	*spec = (struct cps_spec){0};
}
