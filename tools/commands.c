#include "tools/command.h"

#include <string.h>

#define ANY (-1) /* number of arguments */

/* A switch, and an option with a value; with a letter or with 0. */
#define SWITCH(name_, letter_, help_)                                                  \
	{                                                                              \
		.name = (name_), .letter = (letter_), .help = (help_)                  \
	}
#define OPTION(name_, letter_, arg_, help_)                                            \
	{                                                                              \
		.name = (name_), .letter = (letter_), .arg = (arg_), .help = (help_)   \
	}
/* One of find's tests: one dash, as find(1) has them. */
#define TEST(name_, arg_, help_)                                                       \
	{                                                                              \
		.name = (name_), .arg = (arg_), .help = (help_), .test = true          \
	}

/* What several commands have. */
#define JSON     SWITCH("json", 0, "print one JSON document")
#define NO_TRUNC SWITCH("no-trunc", 0, "show whole digests and instructions")
#define IDS_ONLY SWITCH("quiet", 'q', "print IDs only")
#define FORMAT                                                                         \
	OPTION("format", 0, "TEMPLATE", "print so, e.g. '{{.ID}}', 'table ...', json")
#define LAYER    OPTION("layer", 0, "N", "one layer as it is, whiteouts shown, from 1")
#define UPTO     OPTION("upto", 0, "N", "only the first N layers")

#define ENV                                                                            \
	OPTION("env", 'e', "NAME[=VALUE]", "set a variable, or pass the caller's on")
#define ENV_FILE      OPTION("env-file", 0, "FILE", "variables, one a line")
#define SIGNAL(help_) OPTION("signal", 's', "SIGNAL", help_)

#define TEMPLATE_MORE                                                                  \
	"Of Go's templates these are known: {{.FIELD}}, {{json .FIELD}}, index, len, " \
	"upper, lower, join, print and pipes; \\t and \\n in one are a tab and a "     \
	"newline."

/* What run and create have. */
#define NEW_CONTAINER                                                                  \
	SWITCH("interactive", 'i', "keep the standard input open"),                    \
		SWITCH("tty", 't', "give it a terminal"),                              \
		SWITCH("rm", 0, "remove the container when it ends"),                  \
		OPTION("name", 0, "NAME", "name it; two words else"), ENV, ENV_FILE,   \
		OPTION("workdir", 'w', "DIR", "start in DIR, made when missing"),      \
		OPTION("user", 'u', "USER[:GROUP]", "run as USER of the image"),       \
		OPTION("volume", 'v', "[SRC:]DST[:ro]",                                \
		       "show a path of the host, or a named volume, at DST"),          \
		OPTION("tmpfs", 0, "DIR[:OPTS]", "a file system in memory at DIR"),    \
		SWITCH("read-only", 0, "the image's files cannot be changed"),         \
		OPTION("entrypoint", 0, "PROGRAM", "instead of the image's"),          \
		OPTION("hostname", 'h', "NAME", "the start of its ID else"),           \
		OPTION("network", 0, "NET", "host (the default), none or private"),    \
		OPTION("label", 'l', "NAME[=VALUE]", "note something with it"),        \
		OPTION("memory", 'm', "SIZE", "limit its memory, e.g. 512m"),          \
		OPTION("cpus", 0, "N", "limit its processors, e.g. 1.5"),              \
		OPTION("pids-limit", 0, "N", "limit its processes"),                   \
		OPTION("ulimit", 0, "NAME=SOFT[:HARD]",                                \
		       "limit its processes, e.g. nofile=1024"),                       \
		OPTION("shm-size", 0, "SIZE", "of /dev/shm; 64m else"),                \
		OPTION("cap-add", 0, "CAP", "a capability more"),                      \
		OPTION("cap-drop", 0, "CAP", "one less; ALL: all"),                    \
		OPTION("group-add", 0, "GROUP", "one more group of its user"),         \
		OPTION("add-host", 0, "NAME:ADDRESS", "a line more in /etc/hosts"),    \
		OPTION("mount", 0, "type=T,...",                                       \
		       "bind, tmpfs or volume; with source, target, readonly"),        \
		OPTION("cidfile", 0, "FILE", "write the ID there"),                    \
		SWITCH("init", 0, "accepted: there is always one"),                    \
		OPTION("stop-signal", 0, "SIGNAL", "what stop sends"),                 \
		OPTION("stop-timeout", 0, "SECONDS", "how long stop waits then"),      \
		OPTION("runtime", 0, "R", "run it by runc or crun")

#define NEW_CONTAINER_MORE                                                             \
	"The container's files are those of IMAGE with a writable top, which lasts "   \
	"until `rm`. Without CMD the image's command runs; an image that names "       \
	"none gives a shell. What stands behind IMAGE belongs to CMD.\n"               \
	"The network is the host's unless told otherwise; private is one of its "      \
	"own that reaches out through slirp4netns(1). A path of the host that is "     \
	"missing is made; a named volume is kept in the store, until its folder in "   \
	"volumes/ is removed, and empty at first. A VOLUME of the image, or -v DIR, "  \
	"begins with what the image has there, is no part of a commit, diff or "       \
	"export, and goes with the container.\n"                                       \
	"Each exec and each exit leaves a mark in the top (exec-1, exit-1, ...), "     \
	"which `mount --ro --top CONTAINER --at MARK` shows."

#define RUN_MORE                                                                       \
	NEW_CONTAINER_MORE                                                             \
		"\n"                                                                   \
		"The exit status is the program's, 128 + N when signal N ended it; "   \
		"127 it was not found, 126 it cannot be run, 125 anything else. "      \
		"Ctrl-p ctrl-q detaches from a container that has a terminal."

static const struct cps_refusal run_refusals[] = {
	{"publish", 'p',
	 "ports are not published: with --network host, the default, the program "
	 "listens on the host's own"},
	{"publish-all", 'P',
	 "ports are not published: with --network host, the default, the program "
	 "listens on the host's own"},
	{"expose", 0, "ports are not published; leave it out"},
	{"privileged", 0,
	 "a container that may do everything is not offered; --cap-add gives single "
	 "capabilities, -v paths of the host"},
	{"restart", 0,
	 "nothing watches over containers; let a unit of systemd run `capas start -a`"},
	{"platform", 0, "an image is run as it is; there is no emulation"},
	{"pull", 0, "only images of the store are run"},
	{"device", 0, "no device of the host is shown in a container"},
	{"gpus", 0, "no device of the host is shown in a container"},
	{"dns", 0,
	 "the name servers are the host's; give another file by -v "
	 "FILE:/etc/resolv.conf"},
	{"link", 0, "containers have no network in common but the host's"},
	{"ip", 0, "containers have no addresses of their own"},
	{"mac-address", 0, "containers have no addresses of their own"},
	{"volumes-from", 0, "volumes without a name belong to one container; name one"},
	{"security-opt", 0, "the system call filter and the masks are always on"},
	{"pid", 0, "a container always has its own process IDs"},
	{"ipc", 0, "a container always has its own IPC"},
	{"uts", 0, "a container always has its own host name"},
	{"userns", 0, "root's containers run without, everybody else's with a user "
		      "namespace"},
	{"cgroupns", 0, "a container always has its own view of control groups"},
	{"memory-swap", 0, "swap is not limited"},
	{"cpu-shares", 'c', "use --cpus"},
	{"cpuset-cpus", 0, "use --cpus"},
	{"sysctl", 0, "the kernel's settings cannot be changed"},
	{"log-driver", 0, "output is kept in the container's folder; see `capas logs`"},
	{"log-opt", 0, "output is kept in the container's folder; see `capas logs`"},
	{"detach-keys", 0, "the keys are always ctrl-p ctrl-q"},
	{"sig-proxy", 0, "signals are always passed on, unless it has a terminal"},
	{"health-cmd", 0, "nothing watches over containers"},
	{"attach", 'a', "without -d all outputs are shown"},
	{NULL, 0, NULL},
};

const struct cps_command cps_commands[] =
	{
		{
			.name = "attach",
			.run = cmd_attach,
			.min_args = 1,
			.max_args = 1,
			.args = "CONTAINER",
			.summary = "connect the terminal to a container that runs",
			.options =
				{
					SWITCH("no-stdin", 0,
					       "do not pass the input on"),
				},
			.more = "Ctrl-p ctrl-q detaches from one that has a terminal.",
		},
		{
			.name = "cat",
			.run = cmd_cat,
			.min_args = 1,
			.max_args = ANY,
			.args = "SOURCE:PATH...",
			.summary = "print files of an image",
			.options =
				{
					LAYER,
					UPTO,
				},
		},
		{
			.name = "commit",
			.run = cmd_commit,
			.min_args = 1,
			.max_args = 2,
			.args = "CONTAINER [NAME]",
			.summary = "make an image of what changed in a container",
			.options =
				{
					OPTION("author", 'a', "TEXT",
					       "set the author of the image"),
					OPTION("change", 'c', "LINE",
					       "apply a Dockerfile line, e.g. 'CMD "
					       "[\"bash\"]'"),
					OPTION("message", 'm', "TEXT",
					       "set the comment in the history"),
					OPTION("compress", 0, "C",
					       "write the new layer as gzip, zstd or "
					       "none"),
					OPTION("upperdir", 0, "DIR",
					       "of DIR, an overlay mount's, over IMAGE "
					       "[NAME]"),
				},
			.more = "The container may be mounted and written to: what was "
				"done before the command is in the image. Names that "
				"begin with .wh. are refused, sockets are left out. "
				"With SOURCE_DATE_EPOCH set no time of the layer is "
				"later than that, and the same changes give the same "
				"image.\n"
				"DIR is the upper directory of an overlayfs or "
				"fuse-overlayfs mount over the files of IMAGE, "
				"unmounted or at rest.",
		},
		{
			.name = "cp",
			.run = cmd_cp,
			.min_args = 2,
			.max_args = 2,
			.args = "SOURCE:PATH DST|-",
			.summary = "copy files out of an image, or into a container "
				   "and back",
			.options =
				{
					SWITCH("archive", 'a',
					       "keep owners, devices and xattrs"),
					SWITCH("follow-link", 'L',
					       "follow PATH when it is a link"),
					LAYER,
					UPTO,
				},
			.more = "As docker cp has it: a file goes into DST when that "
				"is a folder, else it becomes DST. A folder goes into "
				"DST when that exists, else it becomes DST; with /. "
				"behind PATH its content goes into DST. With - a tar "
				"archive goes to the standard output.\n"
				"Modes, times, symbolic and hard links and holes are "
				"kept. Without -a the files are the caller's own, "
				"set-id bits are dropped and devices are left out. No "
				"link of the image is followed on the host, and no "
				"link below DST.",
		},
		{
			.name = "create",
			.run = cmd_create,
			.min_args = 1,
			.max_args = ANY,
			.options_first = true,
			.args = "IMAGE [CMD...]",
			.summary = "make a container without starting it",
			.options =
				{
					NEW_CONTAINER,
				},
			.more = NEW_CONTAINER_MORE,
			.refusals = run_refusals,
		},
		{
			.name = "df",
			.run = cmd_df,
			.args = "",
			.summary = "show what the store holds",
			.options =
				{
					JSON,
				},
		},
		{
			.name = "diff",
			.run = cmd_diff,
			.min_args = 1,
			.max_args = 1,
			.args = "CONTAINER",
			.summary =
				"list what was added (A), changed (C) and deleted (D)",
			.options =
				{
					JSON,
				},
		},
		{
			.name = "exec",
			.run = cmd_exec,
			.min_args = 2,
			.max_args = ANY,
			.options_first = true,
			.args = "CONTAINER CMD...",
			.summary = "run one more program in a container that runs",
			.options =
				{
					SWITCH("interactive", 'i',
					       "pass the standard input on"),
					SWITCH("tty", 't', "give it a terminal"),
					SWITCH("detach", 'd', "do not wait for it"),
					ENV,
					ENV_FILE,
					OPTION("workdir", 'w', "DIR", "start in DIR"),
					OPTION("user", 'u', "USER[:GROUP]",
					       "run as USER of the image"),
				},
			.more = "The exit status is the program's; 125, 126 and 127 as "
				"for run. The moment before it gets a mark, exec-N.",
		},
		{
			.name = "export",
			.run = cmd_export,
			.min_args = 1,
			.max_args = 1,
			.args = "CONTAINER|SOURCE",
			.summary = "write a root filesystem as a tar archive",
			.options =
				{
					OPTION("output", 'o', "FILE",
					       "write FILE instead of the standard "
					       "output"),
				},
		},
		{
			.name = "find",
			.run = cmd_find,
			.min_args = 1,
			.max_args = 1,
			.args = "SOURCE[:PATH]",
			.summary = "list the paths of an image",
			.options =
				{
					TEST("name", "GLOB", "only names that match"),
					TEST("type", "T",
					     "only of type f, d, l, c, b or p"),
					TEST("size", "[+-]N[cwbkMG]",
					     "only of that size, as find(1) counts"),
					TEST("layer", "N",
					     "only what comes from layer N"),
					LAYER,
					UPTO,
					JSON,
				},
			.more = "The tests take one dash, as those of find(1) do; all "
				"of them must hold. -layer N asks who brought what is "
				"to be seen in the end, --layer N looks at layer N "
				"alone.",
		},
		{
			.name = "fsck",
			.run = cmd_fsck,
			.args = "",
			.summary = "verify every byte of the store",
			.options =
				{
					SWITCH("repair", 0,
					       "remove what is damaged, so that a load "
					       "brings it back"),
					JSON,
				},
			.more = "Exit status 1 when something is wrong.",
		},
		{
			.name = "gc",
			.run = cmd_gc,
			.args = "",
			.summary = "remove what no image needs",
			.options =
				{
					SWITCH("untagged", 0,
					       "also remove images that have no name"),
					SWITCH("dry-run", 'n',
					       "only tell what would be removed"),
					JSON,
				},
		},
		{
			.name = "generate",
			.run = cmd_generate,
			.min_args = 1,
			.max_args = 1,
			.args = "man|bash|zsh|fish",
			.summary = "print the man page or a shell's completion",
		},
		{
			.name = "history",
			.run = cmd_history,
			.min_args = 1,
			.max_args = 1,
			.args = "IMAGE",
			.summary = "show the steps that made an image, newest first",
			.options =
				{
					NO_TRUNC,
					IDS_ONLY,
					FORMAT,
					JSON,
				},
			.more = "A TEMPLATE has the fields ID, CreatedSince, CreatedAt, "
				"CreatedBy, Size and Comment. " TEMPLATE_MORE,
		},
		{
			.name = "images",
			.run = cmd_images,
			.max_args = 1,
			.args = "[NAME]",
			.summary = "list the images of the store, newest first",
			.options =
				{
					SWITCH("all", 'a',
					       "accepted for docker's sake: all are "
					       "shown"),
					IDS_ONLY,
					SWITCH("digests", 0,
					       "show the digests of manifests"),
					NO_TRUNC,
					FORMAT,
					JSON,
				},
			.more = "NAME may hold * and ?, which match within one "
				"component.\n"
				"A TEMPLATE has the fields ID, Repository, Tag, Digest, "
				"CreatedSince, CreatedAt and Size. " TEMPLATE_MORE,
		},
		{
			.name = "import",
			.run = cmd_import,
			.min_args = 2,
			.max_args = 2,
			.args = "FILE|- NAME",
			.summary = "make an image of a root filesystem archive",
			.options =
				{
					OPTION("change", 'c', "LINE",
					       "apply a Dockerfile line, e.g. 'CMD "
					       "[\"bash\"]'"),
					OPTION("message", 'm', "TEXT",
					       "set the comment in the history"),
				},
		},
		{
			.name = "info",
			.run = cmd_info,
			.args = "",
			.summary = "show the store, the libraries and what a mount can "
				   "use",
			.options =
				{
					JSON,
				},
		},
		{
			.name = "inspect",
			.run = cmd_inspect,
			.min_args = 1,
			.max_args = ANY,
			.args = "IMAGE|CONTAINER...",
			.summary = "show images and containers as JSON",
			.options =
				{
					OPTION("format", 'f', "TEMPLATE",
					       "print so, e.g. '{{.State.Status}}'"),
					OPTION("type", 0, "TYPE",
					       "only an image, or a container"),
					SWITCH("json", 0,
					       "accepted: it is always JSON"),
				},
			.more = "A TEMPLATE has the fields that the JSON has. Of Go's "
				"templates these are known: {{.A.B}}, {{json .A}}, "
				"{{index .A \"KEY\"}}, len, upper, lower, join, print "
				"and pipes.",
		},
		{
			.name = "kill",
			.run = cmd_kill,
			.min_args = 1,
			.max_args = ANY,
			.args = "CONTAINER...",
			.summary = "send a signal to containers that run",
			.options =
				{
					SIGNAL("instead of SIGKILL"),
				},
		},
		{
			.name = "load",
			.run = cmd_load,
			.args = "",
			.summary = "load the images of an archive",
			.options =
				{
					OPTION("input", 'i', "FILE",
					       "read FILE instead of the standard "
					       "input"),
					SWITCH("quiet", 'q', "no progress"),
				},
		},
		{
			.name = "logs",
			.run = cmd_logs,
			.min_args = 1,
			.max_args = 1,
			.args = "CONTAINER",
			.summary = "print what a container wrote to its outputs",
			.options =
				{
					SWITCH("follow", 'f', "go on until it ends"),
					OPTION("tail", 'n', "N",
					       "only the last N lines"),
					SWITCH("timestamps", 't',
					       "the time before each line"),
				},
		},
		{
			.name = "ls",
			.run = cmd_ls,
			.min_args = 1,
			.max_args = 1,
			.args = "SOURCE[:PATH]",
			.summary = "list a folder of an image",
			.options =
				{
					SWITCH("long", 'l',
					       "modes, owners, sizes and times"),
					SWITCH("recursive", 'R', "folders below too"),
					LAYER,
					UPTO,
					JSON,
				},
		},
		{
			.name = "mark",
			.run = cmd_mark,
			.min_args = 2,
			.max_args = 2,
			.args = "CONTAINER NAME",
			.summary = "name this moment, for mount --at NAME",
		},
		{
			.name = "mount",
			.run = cmd_mount,
			.min_args = 2,
			.max_args = 2,
			.args = "SOURCE DIR",
			.summary = "mount an image's root filesystem at DIR",
			.options =
				{
					SWITCH("ro", 0, "read-only (the default)"),
					SWITCH("rw", 0,
					       "writable: changes go to a top"),
					OPTION("top", 0, "NAME",
					       "which top; made when there is none"),
					OPTION("at", 0, "MARK",
					       "the top as it was at a mark, "
					       "read-only"),
					SWITCH("layers", 0,
					       "each layer a folder, whiteouts shown"),
					LAYER,
					UPTO,
					OPTION("options", 'o', "OPTS",
					       "mount options: suid, dev, allow_other, "
					       "..."),
					SWITCH("foreground", 'f',
					       "stay in the foreground"),
				},
			.more = "OPTS are mount(8)'s suid, dev, exec, atime and their "
				"noes (nosuid and nodev unless asked for), FUSE's "
				"allow_other and default_permissions (both on for "
				"root), and:\n"
				"writeback: the kernel collects writes; many small "
				"ones cost less, but those are lost with a killed "
				"driver.\n"
				"cache_mb=N: memory for decoded content (64).\n"
				"keep_mb=N: what the store keeps of it for later "
				"mounts, of all images (512).\n"
				"spin_us=N: look for the next request so long before "
				"sleeping (50).\n"
				"threads=N: that answer (by the number of processors).",
		},
		{
			.name = "mounts",
			.run = cmd_mounts,
			.args = "",
			.summary = "list the mounts of capas",
			.options =
				{
					JSON,
				},
		},
		{
			.name = "ps",
			.run = cmd_ps,
			.args = "",
			.summary = "list containers, newest first",
			.options =
				{
					SWITCH("all", 'a',
					       "also those that do not run"),
					IDS_ONLY,
					NO_TRUNC,
					SWITCH("latest", 'l', "the newest one"),
					OPTION("last", 'n', "N", "the newest N"),
					OPTION("filter", 'f', "KEY=VALUE",
					       "status, name, id, ancestor, label or "
					       "exited"),
					SWITCH("size", 's', "also what was written"),
					FORMAT,
					JSON,
				},
			.more = "A TEMPLATE has the fields ID, Image, Command, "
				"CreatedAt, RunningFor, State, Status, Names, Labels, "
				"Mounts, Networks and Size; {{.Label \"NAME\"}} is one "
				"label. " TEMPLATE_MORE,
		},
		{
			.name = "rename",
			.run = cmd_rename,
			.min_args = 2,
			.max_args = 2,
			.args = "CONTAINER NAME",
			.summary = "give a container another name",
		},
		{
			.name = "rm",
			.run = cmd_rm,
			.min_args = 1,
			.max_args = ANY,
			.args = "CONTAINER...",
			.summary = "remove containers and all that was written to them",
			.options =
				{
					SWITCH("force", 'f',
					       "also running and damaged ones; no "
					       "error for missing ones"),
					SWITCH("volumes", 'v',
					       "accepted for docker's sake"),
				},
		},
		{
			.name = "rmi",
			.run = cmd_rmi,
			.min_args = 1,
			.max_args = ANY,
			.args = "IMAGE...",
			.summary = "remove names; the last takes the image",
			.options =
				{
					SWITCH("force", 'f',
					       "also with several names, or used by "
					       "containers"),
				},
		},
		{
			.name = "run",
			.run = cmd_run,
			.min_args = 1,
			.max_args = ANY,
			.options_first = true,
			.args = "IMAGE [CMD...]",
			.summary = "run a program in a new container",
			.options =
				{
					SWITCH("detach",
					       'd', "in the background; print the ID"),
					NEW_CONTAINER,
				},
			.more = RUN_MORE,
			.refusals = run_refusals,
		},
		{
			.name = "save",
			.run = cmd_save,
			.min_args = 1,
			.max_args = ANY,
			.args = "IMAGE...",
			.summary = "write images as an archive",
			.options =
				{
					OPTION("output", 'o', "FILE",
					       "write FILE instead of the standard "
					       "output"),
					OPTION("format", 0, "F",
					       "docker-archive (the default) or "
					       "oci-archive"),
					OPTION("compress", 0, "C",
					       "write layers again as gzip, zstd or "
					       "none"),
				},
		},
		{
			.name = "start",
			.run = cmd_start,
			.min_args = 1,
			.max_args = ANY,
			.args = "CONTAINER...",
			.summary = "start containers again",
			.options =
				{
					SWITCH("attach", 'a',
					       "show its outputs until it ends"),
					SWITCH("interactive", 'i',
					       "that, and pass the standard input on"),
				},
		},
		{
			.name = "stop",
			.run = cmd_stop,
			.min_args = 1,
			.max_args = ANY,
			.args = "CONTAINER...",
			.summary = "end containers: a signal first, SIGKILL later",
			.options =
				{
					OPTION("time", 't', "SECONDS",
					       "so long after the signal; 10"),
					SIGNAL("instead of the image's, or SIGTERM"),
				},
		},
		{
			.name = "tag",
			.run = cmd_tag,
			.min_args = 2,
			.max_args = 2,
			.args = "IMAGE NAME",
			.summary = "give an image another name",
		},
		{
			.name = "top",
			.run = cmd_top,
			.min_args = 1,
			.max_args = ANY,
			.options_first = true,
			.args = "CONTAINER [PS-OPTION...]",
			.summary = "list the processes of a container",
		},
		{
			.name = "umount",
			.run = cmd_umount,
			.min_args = 1,
			.max_args = ANY,
			.args = "DIR...",
			.summary = "unmount",
			.options =
				{
					SWITCH("lazy", 'l',
					       "detach now, end when nobody uses it"),
				},
		},
		{
			.name = "version",
			.run = cmd_version,
			.args = "",
			.summary = "print the version",
			.options =
				{
					JSON,
				},
		},
		{
			.name = "wait",
			.run = cmd_wait,
			.min_args = 1,
			.max_args = ANY,
			.args = "CONTAINER...",
			.summary =
				"wait for containers to end, print their exit statuses",
		},
};

const size_t cps_command_count = CPS_ARRAY_LEN(cps_commands);

const struct cps_command *cps_command_find(const char *name)
{
	for (size_t i = 0; i < cps_command_count; i++)
		if (strcmp(cps_commands[i].name, name) == 0)
			return &cps_commands[i];
	return NULL;
}
