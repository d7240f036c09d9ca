#include <stdlib.h>
#include <string.h>

#include "tools/command.h"

static const char intro[] =
	"Keep container images in a folder, mount them without unpacking, look inside.";

static const char *const globals[][2] = {
	{"--root DIR", "the store (default: CAPAS_ROOT, else the user's own)"},
	{"--quiet", "errors only"},
	{"--debug", "tell what goes on"},
};

static const char sources[] =
	"SOURCE is IMAGE (a name or an ID), oci:DIR[:TAG], oci-archive:FILE[:TAG],\n"
	"docker-archive:FILE[:TAG] or tar:FILE.\n";

void cps_help_all(FILE *out)
{
	fprintf(out,
		"Usage: capas [--root DIR] [--quiet] [--debug] COMMAND ...\n\n%s\n\n",
		intro);
	for (size_t i = 0; i < cps_command_count; i++)
		fprintf(out, "  %-10s %s\n", cps_commands[i].name,
			cps_commands[i].summary);
	fprintf(out, "\n%s\n'capas COMMAND --help' tells more.\n", sources);
}

void cps_help_command(const struct cps_command *cmd, FILE *out)
{
	fprintf(out, "Usage: capas %s%s%s%s\n\n%c%s.\n", cmd->name,
		cmd->options[0].name ? " [OPTION...]" : "", cmd->args[0] ? " " : "",
		cmd->args, cmd->summary[0] & ~0x20, cmd->summary + 1);
	if (cmd->options[0].name)
		fputs("\n", out);
	for (int i = 0; i < CPS_OPTIONS_MAX && cmd->options[i].name; i++) {
		const struct cps_option *o = &cmd->options[i];
		char left[64], letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name,
			 o->arg ? " " : "", o->arg ? o->arg : "");
		fprintf(out, "  %-23s %s\n", left, o->help);
	}
	if (strstr(cmd->args, "SOURCE"))
		fprintf(out, "\n%s", sources);
}

static void man(FILE *out)
{
	fprintf(out,
		".TH CAPAS 1\n.SH NAME\ncapas \\- %s\n.SH SYNOPSIS\n.B capas\n"
		"[OPTION...] COMMAND ...\n.SH OPTIONS\n",
		intro);
	for (size_t i = 0; i < CPS_ARRAY_LEN(globals); i++)
		fprintf(out, ".TP\n.B \\%s\n%s\n", globals[i][0], globals[i][1]);
	fputs(".SH COMMANDS\n", out);
	for (size_t i = 0; i < cps_command_count; i++) {
		const struct cps_command *c = &cps_commands[i];

		fprintf(out, ".SS \"capas %s %s\"\n%s.\n", c->name, c->args,
			c->summary);
		for (int j = 0; j < CPS_OPTIONS_MAX && c->options[j].name; j++)
			fprintf(out, ".TP\n.B \\-\\-%s %s\n%s\n", c->options[j].name,
				c->options[j].arg ? c->options[j].arg : "",
				c->options[j].help);
	}
	fprintf(out, ".SH SOURCES\n%s", sources);
	fputs(".SH FILES\n/var/lib/capas, ~/.local/share/capas\n", out);
}

static void bash(FILE *out)
{
	fputs("_capas() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]}\n\tlocal words\n"
	      "\tcase ${COMP_WORDS[1]} in\n",
	      out);
	for (size_t i = 0; i < cps_command_count; i++) {
		fprintf(out, "\t%s) words=\"--help", cps_commands[i].name);
		for (int j = 0; j < CPS_OPTIONS_MAX && cps_commands[i].options[j].name;
		     j++)
			fprintf(out, " --%s", cps_commands[i].options[j].name);
		fputs("\" ;;\n", out);
	}
	fputs("\t*) words=\"", out);
	for (size_t i = 0; i < cps_command_count; i++)
		fprintf(out, "%s ", cps_commands[i].name);
	fputs("\" ;;\n\tesac\n\tCOMPREPLY=($(compgen -o default -W \"$words\" -- "
	      "\"$cur\"))\n"
	      "}\ncomplete -o filenames -F _capas capas\n",
	      out);
}

static void zsh(FILE *out)
{
	fputs("#compdef capas\nlocal -a commands=(\n", out);
	for (size_t i = 0; i < cps_command_count; i++)
		fprintf(out, "\t'%s:%s'\n", cps_commands[i].name,
			cps_commands[i].summary[0] ? "command" : "");
	fputs(")\nif (( CURRENT == 2 )); then\n\t_describe command commands\n"
	      "else\n\t_files\nfi\n",
	      out);
}

static void fish(FILE *out)
{
	for (size_t i = 0; i < cps_command_count; i++) {
		const struct cps_command *c = &cps_commands[i];

		fprintf(out,
			"complete -c capas -n __fish_use_subcommand -a %s -d \"%s\"\n",
			c->name, c->summary);
		for (int j = 0; j < CPS_OPTIONS_MAX && c->options[j].name; j++)
			fprintf(out,
				"complete -c capas -n '__fish_seen_subcommand_from %s' "
				"-l %s -d \"%s\"\n",
				c->name, c->options[j].name, c->options[j].help);
	}
}

int cmd_generate(struct cps_app *app, const struct cps_command *cmd, int argc,
		 char **argv)
{
	static const struct {
		const char *name;
		void (*write)(FILE *out);
	} kinds[] = {{"man", man}, {"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	struct cps_args args;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	for (size_t i = 0; i < CPS_ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, args.args[0]) == 0) {
			kinds[i].write(stdout);
			return CPS_EXIT_OK;
		}
	cps_err_set(&app->err, 0, "'%s' is none of man, bash, zsh, fish", args.args[0]);
	return CPS_EXIT_FAILED;
}

int cmd_version(struct cps_app *app, const struct cps_command *cmd, int argc,
		char **argv)
{
	struct cps_args args;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	printf("capas %s\n", CAPAS_VERSION);
	return CPS_EXIT_OK;
}
