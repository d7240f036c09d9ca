#ifndef CPS_CONTAINER_H
#define CPS_CONTAINER_H

#include <stdbool.h>
#include <sys/types.h>

#include "store/base/strings.h"
#include "store/image.h"

/* What a container is to be, and what has become of it: container.json and state.json
 * beside a top's top.json. A top without a container.json was made by a mount. */

#define CPS_CONTAINER_FILE "container.json"
#define CPS_STATE_FILE     "state.json"
#define CPS_CONTAINER_MAX  (8u << 20) /* bytes of either; an environment may be long */

/** Texts are owned; "" stands for none. Fields are named after Docker's. */
struct cps_container_config {
	char *image, *hostname, *user, *working_dir, *stop_signal;
	struct cps_strings env;             /* NAME=VALUE */
	struct cps_strings cmd, entrypoint; /* empty: none */
	struct cps_strings labels;          /* NAME=VALUE */
	struct cps_strings volumes, ports;  /* as an image names them */
	bool tty, open_stdin;
	/* Docker's HostConfig */
	struct cps_strings binds;   /* SOURCE:TARGET[:OPTIONS] */
	struct cps_strings tmpfs;   /* TARGET[:OPTIONS] */
	struct cps_strings hosts;   /* NAME:ADDRESS, for /etc/hosts */
	struct cps_strings ulimits; /* NAME=SOFT:HARD */
	struct cps_strings cap_add, cap_drop, groups;
	char *network, *runtime;
	bool auto_remove, read_only;
	uint64_t memory_bytes, nano_cpus, pids; /* 0: no limit */
	uint64_t shm_bytes;                     /* 0: as usual */
	uint64_t stop_s; /* between stop's signal and SIGKILL; 0: as usual */
};

void cps_container_config_release(struct cps_container_config *config);

static inline void cps_container_config_auto(struct cps_container_config *config)
{
	cps_container_config_release(config);
}

/** What the image says. 0; -EBADMSG a member of the wrong kind; -ENOMEM. */
int cps_container_config_of_image(const struct cps_image *image,
				  struct cps_container_config *out,
				  struct cps_err *err);

/** Write it into a top's folder that nobody sees yet. -EINVAL a text is not UTF-8. */
int cps_container_config_write(int folder, const struct cps_container_config *config,
			       struct cps_err *err);
/** 0; -ENOENT a top that was made by a mount; -EBADMSG. */
int cps_container_config_read(int folder, struct cps_container_config *out,
			      struct cps_err *err);

enum cps_container_status {
	CPS_CONTAINER_CREATED,
	CPS_CONTAINER_RUNNING,
	CPS_CONTAINER_EXITED,
};

/** A time of state.json: RFC 3339 in UTC, "" for never. */
#define CPS_TIME_TEXT 32

struct cps_container_state {
	enum cps_container_status status;
	pid_t pid;            /* of the init; 0: none */
	uint64_t pid_started; /* ticks since boot, as /proc tells them */
	pid_t monitor;
	char started[CPS_TIME_TEXT], finished[CPS_TIME_TEXT];
	int exit_code;
	unsigned int runs; /* how often it was started */
	char *error;       /* owned; "" or why the last start failed */
};

void cps_container_state_release(struct cps_container_state *state);

static inline void cps_container_state_auto(struct cps_container_state *state)
{
	cps_container_state_release(state);
}

/** Written aside and renamed. That it runs takes the room with it in which its end can
 *  be written on a full disk.
 *  durable  synced: what it says was promised to somebody */
int cps_container_state_write(int folder, const struct cps_container_state *state,
			      bool durable, struct cps_err *err);
/** One that was never written is "created". -EBADMSG. */
int cps_container_state_read(int folder, struct cps_container_state *out,
			     struct cps_err *err);

/** Now, to the nanosecond. */
void cps_now_text(char out[CPS_TIME_TEXT]);

#endif
