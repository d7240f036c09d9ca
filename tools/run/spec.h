#ifndef CPS_RUN_SPEC_H
#define CPS_RUN_SPEC_H

#include "store/container.h"
#include "store/tops.h"
#include "tools/run/sandbox.h"

/* A container's config made ready for a sandbox, and the words it is written in. */

#define CPS_DEFAULT_PATH     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CPS_SPEC_VOLUMES_MAX 128

/** "SOURCE:TARGET[:OPTIONS]" of -v, taken apart. */
struct cps_bind {
	char *source;       /* owned; an absolute path, or the name of a volume */
	const char *target; /* within `source`'s memory */
	bool read_only, named;
};

/** Take -v apart. A SOURCE that begins with a dot is made absolute.
 *  0; -EINVAL in docker's words; -ENOMEM. */
int cps_bind_parse(const char *text, struct cps_bind *out, struct cps_err *err);
void cps_bind_release(struct cps_bind *bind);

static inline void cps_bind_auto(struct cps_bind *bind)
{
	cps_bind_release(bind);
}

/** A mount as docker's --mount has it, "type=bind,source=S,target=T,readonly", as -v or
 *  --tmpfs would have it: which one, and its text, owned.
 *  -EINVAL; -ENOENT a bind's source, which is not made. */
int cps_mount_option_parse(const char *text, bool *is_tmpfs, char **out,
			   struct cps_err *err);
/** "NAME:ADDRESS" of --add-host, and docker's newer "NAME=ADDRESS", as the first. */
int cps_host_parse(const char *text, char **out, struct cps_err *err);

/** "host", "none" or "private", and docker's "bridge" for the last. -EINVAL. */
int cps_network_parse(const char *text, enum cps_net *out, struct cps_err *err);
/** "TERM", "SIGTERM", "15". The number; -EINVAL. */
int cps_signal_parse(const char *text, struct cps_err *err);
/** "SIGTERM" of 15. */
void cps_signal_text(int signo, char out[16]);

/** All that cps_sandbox_new() and cps_sandbox_start() want. */
struct cps_spec {
	struct cps_sandbox_opts opts;
	struct cps_process process;
	struct cps_strings argv, env, targets, own;
	struct cps_volume volumes[CPS_SPEC_VOLUMES_MAX];
	struct cps_buf resolv_conf, hosts;
	char cgroup[CPS_TOP_ID_LEN + 8];
};

/** Is the path in what the kernel's file systems cover in every container? By its words
 *  alone, links are not looked at. */
bool cps_is_kernels(const char *path);

/** Open its volumes (folders of the host that are missing are made), read the host's
 *  resolv.conf and hosts. What `config` holds is borrowed, and must outlive it.
 *  0; -EINVAL no command; -errno a volume that cannot be had. */
int cps_spec_make(struct cps_store *store, const struct cps_top_info *info,
		  const struct cps_container_config *config, struct cps_spec *out,
		  struct cps_err *err);
void cps_spec_release(struct cps_spec *spec);

static inline void cps_spec_auto(struct cps_spec *spec)
{
	cps_spec_release(spec);
}

/** The environment of a program in the container, docker's way: PATH, HOSTNAME and
 *  TERM, over these what the config says. */
int cps_spec_env(const struct cps_container_config *config, bool terminal,
		 struct cps_strings *out);

/** What its programs may do. `config` is borrowed. -EINVAL. */
int cps_spec_powers(const struct cps_container_config *config, struct cps_powers *out,
		    struct cps_err *err);

/** The name of the container's cgroup. */
void cps_spec_cgroup(const char *id, char *out, size_t size);

#endif
