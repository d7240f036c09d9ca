#include "tools/command.h"

#include <string.h>

/* In the order of their names. */
const struct cps_command *const cps_commands[] = {
	&cps_cmd_attach,   &cps_cmd_cat,     &cps_cmd_commit, &cps_cmd_cp,
	&cps_cmd_create,   &cps_cmd_df,      &cps_cmd_diff,   &cps_cmd_exec,
	&cps_cmd_export,   &cps_cmd_find,    &cps_cmd_fsck,   &cps_cmd_gc,
	&cps_cmd_generate, &cps_cmd_history, &cps_cmd_images, &cps_cmd_import,
	&cps_cmd_info,     &cps_cmd_inspect, &cps_cmd_kill,   &cps_cmd_load,
	&cps_cmd_logs,     &cps_cmd_ls,      &cps_cmd_mark,   &cps_cmd_mount,
	&cps_cmd_mounts,   &cps_cmd_ps,      &cps_cmd_rename, &cps_cmd_rm,
	&cps_cmd_rmi,      &cps_cmd_run,     &cps_cmd_save,   &cps_cmd_start,
	&cps_cmd_stop,     &cps_cmd_tag,     &cps_cmd_top,    &cps_cmd_umount,
	&cps_cmd_version,  &cps_cmd_wait,
};

const size_t cps_command_count = CPS_ARRAY_LEN(cps_commands);

const struct cps_command *cps_command_find(const char *name)
{
	for (size_t i = 0; i < cps_command_count; i++)
		if (strcmp(cps_commands[i]->name, name) == 0)
			return cps_commands[i];
	return NULL;
}
