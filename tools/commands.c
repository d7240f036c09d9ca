#include "tools/command.h"

#include <string.h>

#define NO_TRUNC                                                                       \
	{                                                                              \
		"no-trunc", 0, NULL, "show whole digests and instructions"             \
	}
#define QUIET                                                                          \
	{                                                                              \
		"quiet", 'q', NULL, "print IDs only"                                   \
	}
#define LAYER                                                                          \
	{                                                                              \
		"layer", 0, "N", "one layer as it is, whiteouts shown, from 1"         \
	}
#define UPTO                                                                           \
	{                                                                              \
		"upto", 0, "N", "only the first N layers"                              \
	}

const struct cps_command cps_commands[] = {
	{"cat",
	 cmd_cat,
	 true,
	 1,
	 -1,
	 "SOURCE:PATH...",
	 "print files of an image",
	 {LAYER}},
	{"df", cmd_df, true, 0, 0, "", "show what the store holds", {{0}}},
	{"find",
	 cmd_find,
	 true,
	 1,
	 1,
	 "SOURCE[:PATH]",
	 "list the paths of an image",
	 {{"name", 0, "GLOB", "only names that match"},
	  {"type", 0, "T", "only of type f, d, l, c, b or p"},
	  LAYER}},
	{"fsck",
	 cmd_fsck,
	 true,
	 0,
	 0,
	 "",
	 "verify every byte of the store",
	 {{"repair", 0, NULL,
	   "remove what is damaged, so that a load brings it back"}}},
	{"gc",
	 cmd_gc,
	 true,
	 0,
	 0,
	 "",
	 "remove what no image needs",
	 {{"untagged", 0, NULL, "also remove images that have no name"},
	  {"dry-run", 'n', NULL, "only tell what would be removed"}}},
	{"generate",
	 cmd_generate,
	 false,
	 1,
	 1,
	 "man|bash|zsh|fish",
	 "print the man page or a shell's completion",
	 {{0}}},
	{"history",
	 cmd_history,
	 true,
	 1,
	 1,
	 "IMAGE",
	 "show the steps that made an image, newest first",
	 {NO_TRUNC, QUIET}},
	{"images",
	 cmd_images,
	 true,
	 0,
	 1,
	 "[NAME]",
	 "list the images of the store",
	 {{"all", 'a', NULL, "accepted for docker's sake: all are shown"},
	  QUIET,
	  {"digests", 0, NULL, "show the digests of manifests"},
	  NO_TRUNC}},
	{"import",
	 cmd_import,
	 true,
	 2,
	 2,
	 "FILE|- NAME",
	 "make an image of a root filesystem archive",
	 {{"change", 'c', "LINE", "apply a Dockerfile line, e.g. 'CMD [\"bash\"]'"},
	  {"message", 'm', "TEXT", "set the comment in the history"}}},
	{"inspect", cmd_inspect, true, 1, -1, "IMAGE...", "show images as JSON", {{0}}},
	{"load",
	 cmd_load,
	 true,
	 0,
	 0,
	 "",
	 "load the images of an archive",
	 {{"input", 'i', "FILE", "read FILE instead of the standard input"},
	  {"quiet", 'q', NULL, "no progress"}}},
	{"ls",
	 cmd_ls,
	 true,
	 1,
	 1,
	 "SOURCE[:PATH]",
	 "list a folder of an image",
	 {{"long", 'l', NULL, "modes, owners, sizes and times"},
	  {"recursive", 'R', NULL, "folders below too"},
	  LAYER}},
	{"mount",
	 cmd_mount,
	 true,
	 2,
	 2,
	 "SOURCE DIR",
	 "mount an image's root filesystem at DIR, read-only",
	 {{"ro", 0, NULL, "read-only (the default)"},
	  {"layers", 0, NULL, "each layer a folder, whiteouts shown"},
	  LAYER,
	  UPTO,
	  {"options", 'o', "OPTS", "mount options: suid, dev, allow_other, ..."},
	  {"foreground", 'f', NULL, "stay in the foreground"}}},
	{"mounts", cmd_mounts, false, 0, 0, "", "list the mounts of capas", {{0}}},
	{"rmi",
	 cmd_rmi,
	 true,
	 1,
	 -1,
	 "IMAGE...",
	 "remove names; the last takes the image",
	 {{"force", 'f', NULL, "remove an image by its ID with all its names"}}},
	{"save",
	 cmd_save,
	 true,
	 1,
	 -1,
	 "IMAGE...",
	 "write images as an archive",
	 {{"output", 'o', "FILE", "write FILE instead of the standard output"},
	  {"format", 0, "F", "docker-archive (the default) or oci-archive"},
	  {"compress", 0, "C", "write layers again as gzip, zstd or none"}}},
	{"tag", cmd_tag, true, 2, 2, "IMAGE NAME", "give an image another name", {{0}}},
	{"umount",
	 cmd_umount,
	 false,
	 1,
	 -1,
	 "DIR...",
	 "unmount",
	 {{"lazy", 'l', NULL, "detach now, end when nobody uses it"}}},
	{"version", cmd_version, false, 0, 0, "", "print the version", {{0}}},
};

const size_t cps_command_count = CPS_ARRAY_LEN(cps_commands);

const struct cps_command *cps_command_find(const char *name)
{
	for (size_t i = 0; i < cps_command_count; i++)
		if (strcmp(cps_commands[i].name, name) == 0)
			return &cps_commands[i];
	return NULL;
}
