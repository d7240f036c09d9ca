/* --help, and the words that the man page shares with it. */
#include "tools/help.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 80

const char cps_help_intro[] =
	"Keep container images in a folder, mount them without unpacking, look inside.";

const struct cps_help_global cps_help_globals[] = {
	{"--root", "DIR", "the store (default: CAPAS_ROOT, else the user's own)"},
	{"--quiet", NULL, "errors only"},
	{"--debug", NULL, "tell what goes on"},
};
const size_t cps_help_global_count = CPS_ARRAY_LEN(cps_help_globals);

const char cps_help_sources[] =
	"SOURCE is IMAGE (a name, or an ID or at least 4 digits of its start), "
	"oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG], tar:FILE (a "
	"root filesystem in any compression) or dir:DIR (a root filesystem unpacked, "
	"or "
	"an image as skopeo writes it). Of an unpacked one names and attributes are "
	"shown "
	"as they were when the command began; a file that is changed afterwards cannot "
	"be "
	"read.";

/* Words of `text` in lines of WIDTH; `at` is where the first line stands already, the
 * others begin at `indent`. */
static void wrap(FILE *out, const char *text, size_t at, size_t indent)
{
	bool first = true;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (!first && at + 1 + len > WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, len, out);
		at += len;
		text += len;
		first = false;
		if (*text == '\n') {
			fprintf(out, "\n\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		text += *text != '\0';
	}
	fputc('\n', out);
}

/* "  left    right", the right side in a column of its own. */
static void put_row(FILE *out, const char *left, const char *right, size_t column)
{
	size_t len = strlen(left) + 2;

	fprintf(out, "  %s", left);
	if (len + 1 > column) {
		fputc('\n', out);
		len = 0;
	}
	fprintf(out, "%*s", (int)(column - len), "");
	wrap(out, right, column, column);
}

void cps_help_all(FILE *out)
{
	fprintf(out,
		"Usage: capas [--root DIR] [--quiet] [--debug] COMMAND ...\n\n%s\n\n",
		cps_help_intro);
	for (size_t i = 0; i < cps_command_count; i++)
		put_row(out, cps_commands[i]->name, cps_commands[i]->summary, 13);
	fputs("\nOptions before the command:\n", out);
	for (size_t i = 0; i < cps_help_global_count; i++) {
		const struct cps_help_global *g = &cps_help_globals[i];
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s", g->name, g->arg ? " " : "",
			 g->arg ? g->arg : "");
		put_row(out, left, g->help, 13);
	}
	fputc('\n', out);
	wrap(out, cps_help_sources, 0, 0);
	fputs("\n'capas COMMAND --help' tells more.\n", out);
}

static void put_option(FILE *out, const struct cps_option *o)
{
	char left[64], letter[8] = "    ";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(left, sizeof(left), "%s%s%s%s%s", letter, o->test ? "-" : "--",
		 o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	put_row(out, left, o->help, 28);
}

void cps_help_command(const struct cps_command *cmd, FILE *out)
{
	fprintf(out, "Usage: capas %s%s%s%s\n\n%c%s.\n", cmd->name,
		cmd->options[0].name ? " [OPTION...]" : "", cmd->args[0] ? " " : "",
		cmd->args, cmd->summary[0] & ~0x20, cmd->summary + 1);
	if (cmd->options[0].name)
		fputs("\n", out);
	for (int i = 0; i < CPS_OPTIONS_MAX && cmd->options[i].name; i++)
		put_option(out, &cmd->options[i]);
	if (cmd->more) {
		fputs("\n", out);
		wrap(out, cmd->more, 0, 0);
	}
	if (strstr(cmd->args, "SOURCE")) {
		fputs("\n", out);
		wrap(out, cps_help_sources, 0, 0);
	}
}
