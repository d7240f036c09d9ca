#ifndef CPS_RUN_SANDBOX_H
#define CPS_RUN_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "store/base/err.h"
#include "store/base/mem.h"
#include "tools/run/powers.h"

/* A program in namespaces of its own, over a root that somebody else has mounted.
 *
 * The sandbox is a process, its init, that is PID 1 of its namespaces, starts the
 * program, passes signals on to it and reaps what loses its parent. It ends with the
 * program, and with the process that made it: nothing outlives either. The init is
 * cloned before the caller makes threads, waits, and gets the root as a descriptor, so
 * that the caller may serve the root's file system from threads of its own.
 *
 * The root is hostile: whatever is mounted or made in it goes through descriptors that
 * were found beneath it without following a link out of it. */

#define CPS_NET_DNS "10.0.2.3" /* the name server of a private network */

enum cps_net {
	CPS_NET_HOST,   /* the caller's network */
	CPS_NET_NONE,   /* loopback only */
	CPS_NET_PRIVATE /* its own, connected by slirp4netns */
};

/** What to run, and as whom. Strings and arrays are borrowed for the call. */
struct cps_process {
	char *const *argv; /* argv[0] is looked up in PATH of `env`, inside the root */
	char *const *env;
	const char *cwd; /* absolute, in the root; made when missing */
	/* USER of an image: "", "name", "uid", "name:group", "uid:gid"; looked up in
	 * the root's /etc/passwd and /etc/group. HOME is set from there when env has
	 * none. */
	const char *user;
	int stdio[3]; /* borrowed; ignored with a terminal */
	/* A pseudo terminal of the sandbox's own devpts becomes the controlling
	 * terminal; its master is handed out. */
	bool terminal;
	unsigned short rows, columns; /* of the terminal; 0: unknown */
	/* For cps_sandbox_exec(); what the sandbox starts has the sandbox's. */
	struct cps_powers powers;
};

/** One thing of the host seen in the sandbox. */
struct cps_volume {
	int source;         /* borrowed; O_PATH of a folder or file */
	const char *target; /* absolute, in the root; made when missing */
	bool read_only;
};

/** How the sandbox is. Borrowed for the call. */
struct cps_sandbox_opts {
	const char *hostname;
	enum cps_net net;
	bool read_only; /* the root; /dev, /proc, tmpfs and volumes stay as they are */
	const struct cps_volume *volumes;
	size_t volume_count;
	const char *const *tmpfs; /* "PATH[:OPTIONS]" as docker has it */
	size_t tmpfs_count;
	/* Folders of the root that are mounts of their own, writable whatever the root
	 * is; a volume or tmpfs on the very path goes before. Not with `runtime`. */
	const char *const *own;
	size_t own_count;
	/* Contents of the files; NULL: the root's own. With `hosts` /etc/hostname is
	 * ours too. The name servers of a private network replace those given. */
	const char *resolv_conf, *hosts;
	/* Limits; 0: none. What the machine's cgroups cannot do is an error. */
	uint64_t memory_bytes;
	uint64_t cpus_milli; /* thousandths of a processor */
	uint64_t pids;
	const char *cgroup; /* a name of its own for it; required with a limit */
	struct cps_powers powers; /* of its programs */
	uint64_t shm_bytes;       /* of /dev/shm; 0: docker's 64 MiB */
	/* "runc" or "crun" instead of our own init; NULL: ours. Then the options have
	 * to live until the start, there is no private network and no user namespace, a
	 * program that cannot be executed is a failure of ours, and if the maker is
	 * killed the runtime is told to end, but nobody makes sure. */
	const char *runtime;
	const char *bundle; /* with `runtime`: an empty folder of the caller's */
	/* An ordinary user: maps of a user namespace that the caller already is in. */
	bool rootless;
};

struct cps_sandbox;

/** Clone the init, which waits for the root. Call it before any thread is made, and in
 *  the thread that lives longest: the sandbox is killed when that ends.
 *  0; -errno with what failed named; never -ENOENT or -EACCES, which say something of
 *  the program. */
int cps_sandbox_new(const struct cps_sandbox_opts *opts, struct cps_sandbox **out,
		    struct cps_err *err);

/** Set everything up over `root` and start the program.
 *  root  borrowed; a detached mount (open_tree(2), fsmount(2)) or an O_PATH folder that
 *        is a mount
 *  tty   set when the process has a terminal: its master, owned by the caller; else -1
 *  0 once the program runs. -ENOENT it is not there (exit status 127), -EACCES it
 *  cannot be run (126); else a failure of ours (125). */
int cps_sandbox_start(struct cps_sandbox *sandbox, int root,
		      const struct cps_process *process, int *tty, struct cps_err *err);

/** Process ID of the init, as the caller sees it. */
pid_t cps_sandbox_pid(const struct cps_sandbox *sandbox);
/** Becomes readable when the sandbox has ended. Borrowed. */
int cps_sandbox_fd(const struct cps_sandbox *sandbox);
/** Give a signal to the program; SIGKILL ends all of the sandbox. */
int cps_sandbox_signal(struct cps_sandbox *sandbox, int signo);
/** After its end: 0-255 as a shell's $?, 128 + N for signal N. */
int cps_sandbox_status(struct cps_sandbox *sandbox);
/** Ends it first if it has not ended. */
void cps_sandbox_free(struct cps_sandbox *sandbox);
CPS_AUTO_DEFINE(struct cps_sandbox, cps_sandbox_free)

/** Remove the control groups of that name that a sandbox left whose maker was killed:
 *  the name must be nobody else's, they are looked for wherever they may be. None is
 *  fine. 0; -EINVAL no name; -ENOMEM. */
int cps_sandbox_cgroup_remove(const char *name);

/** Run one more program in a sandbox that runs, started by another process perhaps.
 *  init  pidfd of its init
 *  Returns the program's process ID, a child of the caller; -errno as above. */
int cps_sandbox_exec(int init, const struct cps_process *process, pid_t *pid, int *tty,
		     struct cps_err *err);

#endif
