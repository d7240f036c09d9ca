#include "tools/run/oci.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

#include "tools/document.h"
#include "tools/run/caps.h"
#include "tools/run/environment.h"
#include "tools/run/filter/table.h"
#include "tools/run/kernel_paths.h"
#include "tools/run/program.h"

/* config.json of the OCI runtime specification, 1.0.2. */

static void put_texts(struct json_t *to, const char *key, char *const *texts)
{
	struct json_t *list = cps_doc_new_array();

	for (; texts && *texts; texts++)
		cps_doc_put_text(list, NULL, *texts);
	cps_doc_put(to, key, list);
}

/* The runtime looks the program up in it, and has no PATH of its own. */
static void put_env(struct json_t *to, char *const *env)
{
	struct json_t *list = cps_doc_new_array();
	bool path = false;

	for (; *env; env++) {
		path |= strncmp(*env, "PATH=", strlen("PATH=")) == 0;
		cps_doc_put_text(list, NULL, *env);
	}
	if (!path)
		cps_doc_put_text(list, NULL, "PATH=" CPS_PATH_DEFAULT);
	cps_doc_put(to, "env", list);
}

/* Words parted by spaces. */
static void put_words(struct json_t *to, const char *key, const char *words)
{
	struct json_t *list = cps_doc_new_array();
	char word[64];

	while (*words) {
		size_t len = strcspn(words, " ");

		snprintf(word, sizeof(word), "%.*s", (int)len, words);
		cps_doc_put_text(list, NULL, word);
		words += len + (words[len] == ' ');
	}
	cps_doc_put(to, key, list);
}

/* ---- process ---- */

static void put_user(struct json_t *process, const struct cps_user *user)
{
	struct json_t *value = cps_doc_new_object(), *groups = cps_doc_new_array();

	cps_doc_put_number(value, "uid", user->uid);
	cps_doc_put_number(value, "gid", user->gid);
	cps_doc_put_number(value, "umask", 0022);
	for (size_t i = 0; i < user->group_count; i++)
		cps_doc_put_number(groups, NULL, user->groups[i]);
	cps_doc_put(value, "additionalGids", groups);
	cps_doc_put(process, "user", value);
}

static void put_caps(struct json_t *process, const struct cps_powers *powers)
{
	static const char *const sets[] = {"bounding", "permitted", "effective"};
	const uint64_t caps =
		(cps_caps_usual() & ~powers->caps_gone) | powers->caps_more;
	struct json_t *value = cps_doc_new_object();

	for (size_t i = 0; i < CPS_ARRAY_LEN(sets); i++) {
		struct json_t *list = cps_doc_new_array();
		char *name;

		for (size_t n = 0; (name = cps_caps_name(caps, n)); n++) {
			for (char *c = name; *c; c++)
				if (*c >= 'a' && *c <= 'z')
					*c -= 'a' - 'A';
			cps_doc_put_text(list, NULL, name);
			cap_free(name);
		}
		cps_doc_put(value, sets[i], list);
	}
	cps_doc_put(process, "capabilities", value);
}

/* No limit is more than JSON's library counts to. */
static uint64_t limit_number(rlim_t limit)
{
	return limit > INT64_MAX ? INT64_MAX : limit;
}

static void put_limits(struct json_t *process, const struct cps_powers *powers)
{
	struct json_t *list = cps_doc_new_array();

	for (size_t i = 0; i < powers->limit_count; i++) {
		const struct cps_limit *l = &powers->limits[i];
		struct json_t *one = cps_doc_new_object();
		char name[32] = "RLIMIT_";
		size_t n = strlen(name);

		for (const char *c = cps_limit_name(l->resource); *c; c++)
			name[n++] = (char)toupper((unsigned char)*c);
		name[n] = '\0';
		cps_doc_put_text(one, "type", name);
		cps_doc_put_number(one, "soft", limit_number(l->limit.rlim_cur));
		cps_doc_put_number(one, "hard", limit_number(l->limit.rlim_max));
		cps_doc_put(list, NULL, one);
	}
	cps_doc_put(process, "rlimits", list);
}

static int put_process(struct json_t *to, const struct cps_oci_setup *setup,
		       struct cps_err *err)
{
	struct json_t *value = cps_doc_new_object();
	cps_auto(cps_free) char *home = NULL;
	char **env;
	int rc = cps_environment(setup->process, setup->user.home, &env, &home, err);

	if (rc < 0)
		return rc;
	cps_doc_put_bool(value, "terminal", setup->process->terminal);
	put_user(value, &setup->user);
	put_texts(value, "args", setup->process->argv);
	put_env(value, env);
	cps_doc_put_text(value, "cwd", setup->cwd);
	put_caps(value, &setup->opts->powers);
	put_limits(value, &setup->opts->powers);
	cps_doc_put_bool(value, "noNewPrivileges", false);
	cps_doc_put(to, "process", value);
	free(env);
	return 0;
}

/* ---- mounts ---- */

static void put_mount(struct json_t *list, const char *target, const char *type,
		      const char *source, const char *options)
{
	struct json_t *value = cps_doc_new_object();

	cps_doc_put_text(value, "destination", target);
	cps_doc_put_text(value, "type", type);
	cps_doc_put_text(value, "source", source);
	put_words(value, "options", options);
	cps_doc_put(list, NULL, value);
}

static void put_own_mounts(struct json_t *list, uint64_t shm_bytes)
{
	char shm[80];

	snprintf(shm, sizeof(shm), "nosuid noexec nodev mode=1777 size=%llu",
		 (unsigned long long)(shm_bytes ? shm_bytes : 64u << 20));
	put_mount(list, "/proc", "proc", "proc", "nosuid noexec nodev");
	put_mount(list, "/dev", "tmpfs", "tmpfs",
		  "nosuid strictatime mode=755 size=65536k");
	put_mount(list, "/dev/pts", "devpts", "devpts",
		  "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5");
	put_mount(list, "/sys", "sysfs", "sysfs", "nosuid noexec nodev ro");
	put_mount(list, "/sys/fs/cgroup", "cgroup", "cgroup", "ro nosuid noexec nodev");
	put_mount(list, "/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev");
	put_mount(list, "/dev/shm", "tmpfs", "shm", shm);
}

/* "PATH:a,b=1" */
static void put_tmpfs(struct json_t *list, const char *target, const char *text)
{
	const char *colon = strchr(text, ':');
	char options[512];

	snprintf(options, sizeof(options), "nosuid noexec nodev %s",
		 colon ? colon + 1 : "mode=1777");
	for (char *c = options; *c; c++)
		if (*c == ',')
			*c = ' ';
	put_mount(list, target, "tmpfs", "tmpfs", options);
}

static void put_volume(struct json_t *list, const struct cps_oci_setup *setup,
		       const char *target, size_t number, const char *options)
{
	char name[CPS_OCI_VOLUME_MAX], source[PATH_MAX];

	cps_oci_volume_name(name, number);
	snprintf(source, sizeof(source), "%s/%s", setup->path, name);
	put_mount(list, target, "bind", source, options);
}

static void put_mounts(struct json_t *to, const struct cps_oci_setup *setup)
{
	const struct cps_sandbox_opts *opts = setup->opts;
	struct json_t *list = cps_doc_new_array();
	char *const *target = setup->targets;
	char source[PATH_MAX];

	put_own_mounts(list, opts->shm_bytes);
	for (size_t i = 0; i < opts->own_count; i++)
		put_volume(list, setup, *target++, opts->volume_count + i, "rbind rw");
	for (size_t i = 0; i < opts->volume_count; i++)
		put_volume(list, setup, *target++, i,
			   opts->volumes[i].read_only ? "rbind ro nodev"
						      : "rbind rw nodev");
	for (size_t i = 0; i < opts->tmpfs_count; i++)
		put_tmpfs(list, *target++, opts->tmpfs[i]);
	for (; *target; target++) {
		snprintf(source, sizeof(source), "%s/%s", setup->path,
			 strstr(*target, "resolv.conf") ? "resolv.conf" : "hosts");
		put_mount(list, *target, "bind", source,
			  "rbind rw nosuid noexec nodev");
	}
	cps_doc_put(to, "mounts", list);
}

/* ---- linux ---- */

static void put_namespaces(struct json_t *to, const struct cps_sandbox_opts *opts)
{
	static const char *const types[] = {"pid", "ipc", "uts", "mount", "network"};
	struct json_t *list = cps_doc_new_array();

	for (size_t i = 0; i < CPS_ARRAY_LEN(types); i++) {
		struct json_t *value;

		if (opts->net == CPS_NET_HOST && strcmp(types[i], "network") == 0)
			continue;
		value = cps_doc_new_object();
		cps_doc_put_text(value, "type", types[i]);
		cps_doc_put(list, NULL, value);
	}
	cps_doc_put(to, "namespaces", list);
}

static void put_device(struct json_t *list, bool allow, unsigned int major, int minor)
{
	struct json_t *value = cps_doc_new_object();

	cps_doc_put_bool(value, "allow", allow);
	if (allow) {
		cps_doc_put_text(value, "type", "c");
		cps_doc_put_number(value, "major", major);
		if (minor >= 0)
			cps_doc_put_number(value, "minor", (uint64_t)minor);
	}
	cps_doc_put_text(value, "access", "rwm");
	cps_doc_put(list, NULL, value);
}

static void put_limit(struct json_t *to, const char *group, const char *key,
		      uint64_t number, const char *key2, uint64_t number2)
{
	struct json_t *value;

	if (!number)
		return;
	value = cps_doc_new_object();
	cps_doc_put_number(value, key, number);
	if (key2)
		cps_doc_put_number(value, key2, number2);
	cps_doc_put(to, group, value);
}

static void put_resources(struct json_t *to, const struct cps_sandbox_opts *opts)
{
	static const int allowed[][2] = {{1, 3}, {1, 5}, {1, 7}, {1, 8},   {1, 9},
					 {5, 0}, {5, 1}, {5, 2}, {136, -1}};
	struct json_t *value = cps_doc_new_object(), *devices = cps_doc_new_array();

	put_device(devices, false, 0, 0);
	for (size_t i = 0; i < CPS_ARRAY_LEN(allowed); i++)
		put_device(devices, true, (unsigned int)allowed[i][0], allowed[i][1]);
	cps_doc_put(value, "devices", devices);
	put_limit(value, "memory", "limit", opts->memory_bytes, NULL, 0);
	put_limit(value, "cpu", "quota", opts->cpus_milli * 100, "period", 100000);
	put_limit(value, "pids", "limit", opts->pids, NULL, 0);
	cps_doc_put(to, "resources", value);
}

/* ---- seccomp ---- */

static void put_rule(struct json_t *list, const struct cps_seccomp_rule *rule)
{
	static const char *const operators[] = {
		[SCMP_CMP_LT] = "SCMP_CMP_LT",
		[SCMP_CMP_GT] = "SCMP_CMP_GT",
		[SCMP_CMP_EQ] = "SCMP_CMP_EQ",
		[SCMP_CMP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
	};
	struct json_t *value = cps_doc_new_object(), *args = cps_doc_new_array();
	struct json_t *one = cps_doc_new_object();

	put_words(value, "names", rule->name);
	cps_doc_put_text(value, "action", "SCMP_ACT_ALLOW");
	cps_doc_put_number(one, "index", rule->argument);
	cps_doc_put_number(one, "value", rule->value);
	cps_doc_put_number(one, "valueTwo", rule->with);
	cps_doc_put_text(one, "op", operators[rule->compare]);
	cps_doc_put(args, NULL, one);
	cps_doc_put(value, "args", args);
	cps_doc_put(list, NULL, value);
}

static void put_names(struct json_t *list, const char *names, const char *action)
{
	struct json_t *value = cps_doc_new_object();

	put_words(value, "names", names);
	cps_doc_put_text(value, "action", action);
	if (strcmp(action, "SCMP_ACT_ERRNO") == 0)
		cps_doc_put_number(value, "errnoRet", ENOSYS);
	cps_doc_put(list, NULL, value);
}

static void put_seccomp(struct json_t *to)
{
	struct json_t *value = cps_doc_new_object(), *list = cps_doc_new_array();

	cps_doc_put_text(value, "defaultAction", "SCMP_ACT_ERRNO");
	cps_doc_put_number(value, "defaultErrnoRet", EPERM);
#ifdef __x86_64__
	put_words(value, "architectures",
		  "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32");
#endif
	for (size_t i = 0; cps_seccomp_allowed[i]; i++)
		put_names(list, cps_seccomp_allowed[i], "SCMP_ACT_ALLOW");
	for (const struct cps_seccomp_rule *r = cps_seccomp_rules; r->name; r++)
		put_rule(list, r);
	put_names(list, "clone3", "SCMP_ACT_ERRNO");
	cps_doc_put(value, "syscalls", list);
	cps_doc_put(to, "seccomp", value);
}

static void put_paths(struct json_t *to, const char *key, const char *const *proc,
		      const char *const *sys)
{
	struct json_t *list = cps_doc_new_array();
	char path[PATH_MAX];

	for (; *proc; proc++) {
		snprintf(path, sizeof(path), "/proc/%s", *proc);
		cps_doc_put_text(list, NULL, path);
	}
	for (; sys && *sys; sys++) {
		snprintf(path, sizeof(path), "/sys/%s", *sys);
		cps_doc_put_text(list, NULL, path);
	}
	cps_doc_put(to, key, list);
}

int cps_oci_write_config(const struct cps_oci_setup *setup, int fd, struct cps_err *err)
{
	struct json_t *doc = cps_doc_new_object(), *root = cps_doc_new_object();
	struct json_t *linux_part = cps_doc_new_object();
	int copy = dup(fd), rc = put_process(doc, setup, err);
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");

	cps_doc_put_text(doc, "ociVersion", "1.0.2");
	cps_doc_put_text(root, "path", "rootfs");
	cps_doc_put_bool(root, "readonly", setup->opts->read_only);
	cps_doc_put(doc, "root", root);
	if (setup->opts->hostname)
		cps_doc_put_text(doc, "hostname", setup->opts->hostname);
	put_mounts(doc, setup);
	put_namespaces(linux_part, setup->opts);
	put_resources(linux_part, setup->opts);
	put_seccomp(linux_part);
	put_paths(linux_part, "maskedPaths", cps_proc_masked, cps_sys_masked);
	put_paths(linux_part, "readonlyPaths", cps_proc_read_only, NULL);
	cps_doc_put(doc, "linux", linux_part);
	if (rc == 0 && out)
		rc = cps_doc_print(doc, out);
	else
		cps_doc_free(doc);
	if (!out || fclose(out) != 0)
		rc = rc < 0 ? rc : -EIO;
	return rc < 0 ? cps_err_wrap(err, rc, "write config.json") : 0;
}
