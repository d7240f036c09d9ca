/* container.json: what a container is to be. */
#include "store/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/base/fd.h"
#include "store/compose.h"
#include "store/container_internal.h"
#include "store/json.h"

#define NAME_MAX_BYTES 64

void cps_container_config_release(struct cps_container_config *config)
{
	free(config->image);
	free(config->hostname);
	free(config->user);
	free(config->working_dir);
	free(config->stop_signal);
	free(config->network);
	free(config->runtime);
	cps_strings_release(&config->env);
	cps_strings_release(&config->cmd);
	cps_strings_release(&config->entrypoint);
	cps_strings_release(&config->labels);
	cps_strings_release(&config->volumes);
	cps_strings_release(&config->ports);
	cps_strings_release(&config->binds);
	cps_strings_release(&config->tmpfs);
	cps_strings_release(&config->hosts);
	cps_strings_release(&config->ulimits);
	cps_strings_release(&config->cap_add);
	cps_strings_release(&config->cap_drop);
	cps_strings_release(&config->groups);
	*config = (struct cps_container_config){0};
}

void cps_now_text(char out[CPS_TIME_TEXT])
{
	struct timespec now;
	char seconds[CPS_TIME_TEXT];

	clock_gettime(CLOCK_REALTIME, &now);
	cps_time_text(now.tv_sec, seconds);
	snprintf(out, CPS_TIME_TEXT, "%.19s.%09ldZ", seconds, now.tv_nsec);
}

/* ---- files ---- */

int cps_container_load(int folder, const char *name, json_t **out, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_CONTAINER_MAX);
	cps_auto(cps_fd) int fd = cps_open_regular(folder, name);
	int rc = fd < 0 ? fd : cps_read_all(fd, &text);

	*out = NULL;
	if (rc < 0)
		return cps_err_sys(err, rc, "%s", name);
	*out = cps_json_object(text.data, text.len, name, err);
	return *out ? 0 : -EBADMSG;
}

int cps_container_save(int folder, const char *name, const json_t *doc, bool durable,
		       struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_CONTAINER_MAX);
	cps_auto(cps_fd) int fd = -1;
	char aside[NAME_MAX_BYTES];
	int rc = cps_json_bytes(doc, &text, err);

	if (rc < 0)
		return rc;
	snprintf(aside, sizeof(aside), "%s" CPS_CONTAINER_ASIDE, name);
	/* What is there is written over: it may be room that was set aside. */
	fd = openat(folder, aside, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	rc = fd < 0 ? -errno : cps_write_full(fd, text.data, text.len);
	if (rc == 0 && ftruncate(fd, (off_t)text.len) < 0)
		rc = -errno;
	if (rc == 0 && durable && fdatasync(fd) < 0)
		rc = -errno;
	if (rc == 0 && renameat(folder, aside, folder, name) < 0)
		rc = -errno;
	if (rc == 0 && durable && fsync(folder) < 0)
		rc = -errno;
	return rc < 0 ? cps_err_sys(err, rc, "write %s", name) : 0;
}

/* ---- the whole document ---- */

static int put(json_t *doc, const char *key, json_t *value)
{
	return json_object_set_new(doc, key, value);
}

static json_t *array_of(const struct cps_strings *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		if (json_array_append_new(array, json_string(list->v[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *host_config(const struct cps_container_config *c)
{
	json_t *doc = json_object();

	if (put(doc, "Binds", array_of(&c->binds)) < 0 ||
	    put(doc, "Tmpfs", array_of(&c->tmpfs)) < 0 ||
	    put(doc, "ExtraHosts", array_of(&c->hosts)) < 0 ||
	    put(doc, "Ulimits", array_of(&c->ulimits)) < 0 ||
	    put(doc, "CapAdd", array_of(&c->cap_add)) < 0 ||
	    put(doc, "CapDrop", array_of(&c->cap_drop)) < 0 ||
	    put(doc, "GroupAdd", array_of(&c->groups)) < 0 ||
	    put(doc, "ShmSize", json_integer((json_int_t)c->shm_bytes)) < 0 ||
	    put(doc, "NetworkMode", json_string(c->network)) < 0 ||
	    put(doc, "Runtime", json_string(c->runtime)) < 0 ||
	    put(doc, "AutoRemove", json_boolean(c->auto_remove)) < 0 ||
	    put(doc, "ReadonlyRootfs", json_boolean(c->read_only)) < 0 ||
	    put(doc, "Memory", json_integer((json_int_t)c->memory_bytes)) < 0 ||
	    put(doc, "NanoCpus", json_integer((json_int_t)c->nano_cpus)) < 0 ||
	    put(doc, "PidsLimit", json_integer((json_int_t)c->pids)) < 0) {
		json_decref(doc);
		return NULL;
	}
	return doc;
}

int cps_container_config_write(int folder, const struct cps_container_config *config,
			       struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc = json_object();
	json_t *inner = json_object();
	int rc = put(doc, "Config", inner) < 0 ? cps_err_nomem(err) : 0;

	if (rc == 0)
		rc = cps_container_members_write(config, inner, err);
	if (rc == 0 &&
	    (put(inner, "Hostname", json_string(config->hostname)) < 0 ||
	     put(inner, "Image", json_string(config->image)) < 0 ||
	     put(inner, "Tty", json_boolean(config->tty)) < 0 ||
	     put(inner, "OpenStdin", json_boolean(config->open_stdin)) < 0 ||
	     put(inner, "StopTimeout", json_integer((json_int_t)config->stop_s)) < 0 ||
	     put(doc, "HostConfig", host_config(config)) < 0))
		rc = cps_err_set(err, -EINVAL, "a name, volume or option is not UTF-8");
	/* Its folder is synced by whoever publishes it. */
	return rc < 0 ? rc
		      : cps_container_save(folder, CPS_CONTAINER_FILE, doc, false, err);
}

static uint64_t number(const json_t *doc, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(doc, key));

	return n > 0 ? (uint64_t)n : 0;
}

static int texts(const json_t *doc, const char *key, struct cps_strings *out)
{
	const json_t *item;
	size_t i;
	int rc = 0;

	json_array_foreach(json_object_get(doc, key), i, item)
	{
		if (rc == 0)
			rc = cps_strings_add(out, json_is_string(item)
							  ? json_string_value(item)
							  : "");
	}
	return rc;
}

static int read_host_config(const json_t *doc, struct cps_container_config *out)
{
	out->network = strdup(cps_json_text(doc, "NetworkMode"));
	out->runtime = strdup(cps_json_text(doc, "Runtime"));
	out->auto_remove = json_is_true(json_object_get(doc, "AutoRemove"));
	out->read_only = json_is_true(json_object_get(doc, "ReadonlyRootfs"));
	out->memory_bytes = number(doc, "Memory");
	out->nano_cpus = number(doc, "NanoCpus");
	out->pids = number(doc, "PidsLimit");
	out->shm_bytes = number(doc, "ShmSize");
	return !out->network || !out->runtime || texts(doc, "Binds", &out->binds) < 0 ||
			       texts(doc, "Tmpfs", &out->tmpfs) < 0 ||
			       texts(doc, "ExtraHosts", &out->hosts) < 0 ||
			       texts(doc, "Ulimits", &out->ulimits) < 0 ||
			       texts(doc, "CapAdd", &out->cap_add) < 0 ||
			       texts(doc, "CapDrop", &out->cap_drop) < 0 ||
			       texts(doc, "GroupAdd", &out->groups) < 0
		       ? -ENOMEM
		       : 0;
}

int cps_container_config_read(int folder, struct cps_container_config *out,
			      struct cps_err *err)
{
	cps_auto(cps_json) json_t *doc = NULL;
	const json_t *inner;
	int rc = cps_container_load(folder, CPS_CONTAINER_FILE, &doc, err);

	*out = (struct cps_container_config){0};
	if (rc < 0)
		return rc;
	inner = json_object_get(doc, "Config");
	rc = cps_container_members_read(inner, out, err);
	if (rc < 0)
		return cps_err_wrap(err, rc, CPS_CONTAINER_FILE);
	out->hostname = strdup(cps_json_text(inner, "Hostname"));
	out->image = strdup(cps_json_text(inner, "Image"));
	out->tty = json_is_true(json_object_get(inner, "Tty"));
	out->open_stdin = json_is_true(json_object_get(inner, "OpenStdin"));
	out->stop_s = number(inner, "StopTimeout");
	if (!out->hostname || !out->image ||
	    read_host_config(json_object_get(doc, "HostConfig"), out) < 0)
		return cps_err_nomem(err);
	return 0;
}
