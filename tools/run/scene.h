#ifndef CPS_RUN_SCENE_H
#define CPS_RUN_SCENE_H

#include "store/base/err.h"
#include "tools/run/sandbox.h"

/* What the init builds over the root before the program sees it. Each step leaves its
 * words in `err` and returns 0 or -errno; after a failure the init ends, and all of it
 * with the namespace. */

struct cps_scene {
	const struct cps_sandbox_opts *opts;
	int root;  /* the root's mount, on top of the old root */
	int stuff; /* a tmpfs of ours on top of it, until the end: sources of binds */
	int dev, pts, proc, sys; /* mounts */
};

#define CPS_SCENE_INIT                                                                 \
	{                                                                              \
		.root = -1, .stuff = -1, .dev = -1, .pts = -1, .proc = -1, .sys = -1   \
	}

/** Put the root on top of the old one, and our things' tmpfs on top of that.
 *  root  a detached mount; borrowed */
int cps_scene_begin(struct cps_scene *scene, int root, struct cps_err *err);
/** /proc, /sys and the cgroups below it, with what nobody inside may see or change. */
int cps_scene_kernel(struct cps_scene *scene, struct cps_err *err);
/** /dev, with nodes of our own; nothing else opens as a device. */
int cps_scene_dev(struct cps_scene *scene, struct cps_err *err);
/** Volumes, tmpfs, resolv.conf and hosts, the shorter paths first. */
int cps_scene_volumes(struct cps_scene *scene, struct cps_err *err);
/** A new terminal, bound to /dev/console.
 *  tty  as for cps_terminal_open() */
int cps_scene_terminal(struct cps_scene *scene, const struct cps_process *size,
		       int tty[2], struct cps_err *err);
/** The root becomes "/", read-only if wished, and the old one goes. */
int cps_scene_end(struct cps_scene *scene, struct cps_err *err);

/* ---- for the steps ---- */

/** A folder right below the root that must be no link: O_PATH, made when missing. */
int cps_scene_folder(int root, const char *name, struct cps_err *err);
/** What the sandbox may see of its control groups, below /sys. */
int cps_scene_cgroup(const struct cps_scene *scene, struct cps_err *err);
/** Mount `mount` upon `onto` and close `onto`; `what` is for the words. */
int cps_scene_put(int mount, int onto, const char *what, struct cps_err *err);
/** Bind a mount over a new empty file of /dev. Takes `mount`. */
int cps_scene_node(const struct cps_scene *scene, const char *name, int mount,
		   struct cps_err *err);

#endif
