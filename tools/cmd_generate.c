/* The man page and the completions of the shells, made of the list of commands. */
#include <string.h>

#include "tools/help.h"
#include "tools/options.h"

typedef void (*option_fn)(FILE *out, const struct cps_command *cmd,
			  const struct cps_option *option);

static void each_option(FILE *out, const struct cps_command *cmd, option_fn fn)
{
	for (int i = 0; i < CPS_OPTIONS_MAX && cmd->options[i].name; i++)
		fn(out, cmd, &cmd->options[i]);
}

/* ---- man ---- */

/* roff takes '-' for a hyphen, '\' for an escape and a line's first '.' or ''' for a
 * request. Every newline begins a paragraph. */
static void roff(FILE *out, const char *text)
{
	bool line_start = true;

	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		line_start = *text == '\n';
		if (*text == '-')
			fputs("\\-", out);
		else if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '\n')
			fputs("\n.PP\n", out);
		else
			fputc(*text, out);
	}
}

static void man_option(FILE *out, const struct cps_command *cmd,
		       const struct cps_option *o)
{
	fputs(".TP\n.B ", out);
	if (o->letter)
		fprintf(out, "\\-%c, ", o->letter);
	fputs(o->test ? "\\-" : "\\-\\-", out);
	roff(out, o->name);
	if (o->arg) {
		fputs(" \\fI", out);
		roff(out, o->arg);
		fputs("\\fR", out);
	}
	fputs("\n", out);
	roff(out, o->help);
	fputs("\n", out);
}

static void man_command(FILE *out, const struct cps_command *c)
{
	fprintf(out, ".SS \"capas %s %s\"\n%c", c->name, c->args,
		c->summary[0] & ~0x20);
	roff(out, c->summary + 1);
	fputs(".\n", out);
	each_option(out, c, man_option);
	if (!c->more)
		return;
	fputs(".PP\n", out);
	roff(out, c->more);
	fputs("\n", out);
}

static const char man_rest[] =
	".SH OUTPUT\n"
	"The standard output is the answer, as text or with \\fB\\-\\-json\\fR as one "
	"JSON\n"
	"document. Its field names are Docker's where Docker has the field; sizes are\n"
	"bytes, times are RFC 3339. A path that is not UTF\\-8 has a second field, "
	"with\n"
	"Hex behind its name, that holds its bytes.\n"
	".PP\n"
	"Everything else goes to the standard error: messages, and the progress of "
	"long\n"
	"work, which is drawn in place on a terminal and told in plain lines "
	"elsewhere.\n"
	".SH EXIT STATUS\n"
	"0 done, 1 failed, 2 the command line is wrong.\n"
	".SH ENVIRONMENT\n"
	".TP\n.B CAPAS_ROOT\nthe store, when \\fB\\-\\-root\\fR is not given\n"
	".TP\n.B NO_COLOR\nno colour, even on a terminal\n"
	".TP\n.B SOURCE_DATE_EPOCH\nthe time that \\fBimport\\fR and \\fBcommit\\fR "
	"write into an image, and the\n"
	"latest that a file in the layer of a commit has\n"
	".SH FILES\n"
	"/var/lib/capas, or $XDG_DATA_HOME/capas (~/.local/share/capas) of an "
	"ordinary\n"
	"user: the store, a valid OCI layout.\n";

static void man_global(FILE *out, const struct cps_help_global *g)
{
	fputs(".TP\n.B ", out);
	roff(out, g->name);
	if (g->arg)
		fprintf(out, " \\fI%s\\fR", g->arg);
	fputs("\n", out);
	roff(out, g->help);
	fputs("\n", out);
}

static void man(FILE *out)
{
	fputs(".TH CAPAS 1\n.SH NAME\ncapas \\- container images in a folder, mounted "
	      "without unpacking\n.SH SYNOPSIS\n.B capas\n[\\fIOPTION\\fR...] "
	      "\\fICOMMAND\\fR ...\n.SH DESCRIPTION\n",
	      out);
	roff(out, cps_help_intro);
	fputs("\n.SH OPTIONS\n", out);
	for (size_t i = 0; i < cps_help_global_count; i++)
		man_global(out, &cps_help_globals[i]);
	fputs(".SH COMMANDS\n", out);
	for (size_t i = 0; i < cps_command_count; i++)
		man_command(out, cps_commands[i]);
	fputs(".SH SOURCES\n", out);
	roff(out, cps_help_sources);
	fputs("\n", out);
	fputs(man_rest, out);
}

/* ---- bash ---- */

static void bash_option(FILE *out, const struct cps_command *cmd,
			const struct cps_option *o)
{
	fprintf(out, " %s%s", o->test ? "-" : "--", o->name);
}

static void bash(FILE *out)
{
	fputs("_capas() {\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words= command= i\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase ${COMP_WORDS[i]} in\n"
	      "\t\t--root) ((i++)) ;;\n"
	      "\t\t-*) ;;\n"
	      "\t\t*) command=${COMP_WORDS[i]}; break ;;\n"
	      "\t\tesac\n"
	      "\tdone\n"
	      "\tcase $command in\n",
	      out);
	for (size_t i = 0; i < cps_command_count; i++) {
		fprintf(out, "\t%s) words=\"--help", cps_commands[i]->name);
		each_option(out, cps_commands[i], bash_option);
		fputs("\" ;;\n", out);
	}
	fputs("\t'') words=\"--root --quiet --debug --help", out);
	for (size_t i = 0; i < cps_command_count; i++)
		fprintf(out, " %s", cps_commands[i]->name);
	fputs("\" ;;\n\tesac\n"
	      "\t# Options when one is begun, else files.\n"
	      "\t[[ $cur == -* || -z $command ]] || words=\n"
	      "\tCOMPREPLY=($(compgen -o default -W \"$words\" -- \"$cur\"))\n"
	      "}\ncomplete -o filenames -F _capas capas\n",
	      out);
}

/* ---- zsh and fish ---- */

/* Inside '…' of a shell, with more marks escaped that mean something there. */
static void quoted(FILE *out, const char *text, const char *escape)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else if (strchr(escape, *text))
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

static void zsh_option(FILE *out, const struct cps_command *cmd,
		       const struct cps_option *o)
{
	fprintf(out, " \\\n\t\t\t'%s%s[", o->test ? "-" : "--", o->name);
	quoted(out, o->help, "[]:\\");
	fputs(o->arg ? "]:" : "]", out);
	if (o->arg) {
		quoted(out, o->arg, "[]:\\");
		fputs(":_files", out);
	}
	fputs("'", out);
}

static void zsh(FILE *out)
{
	fputs("#compdef capas\n_capas() {\n\tlocal -a commands=(\n", out);
	for (size_t i = 0; i < cps_command_count; i++) {
		fprintf(out, "\t\t'%s:", cps_commands[i]->name);
		quoted(out, cps_commands[i]->summary, ":\\");
		fputs("'\n", out);
	}
	fputs("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n"
	      "\t\treturn\n\tfi\n\tshift words\n\t(( CURRENT-- ))\n\tcase $words[1] "
	      "in\n",
	      out);
	for (size_t i = 0; i < cps_command_count; i++) {
		fprintf(out, "\t%s)\n\t\t_arguments '--help[tell more]'",
			cps_commands[i]->name);
		each_option(out, cps_commands[i], zsh_option);
		fputs(" \\\n\t\t\t'*:file:_files' ;;\n", out);
	}
	fputs("\tesac\n}\n_capas \"$@\"\n", out);
}

static void fish_option(FILE *out, const struct cps_command *cmd,
			const struct cps_option *o)
{
	fprintf(out, "complete -c capas -n '__fish_seen_subcommand_from %s' -%c %s",
		cmd->name, o->test ? 'o' : 'l', o->name);
	if (o->letter)
		fprintf(out, " -s %c", o->letter);
	fputs(o->arg ? " -r -d '" : " -d '", out);
	quoted(out, o->help, "\\");
	fputs("'\n", out);
}

static void fish(FILE *out)
{
	for (size_t i = 0; i < cps_command_count; i++) {
		const struct cps_command *c = cps_commands[i];

		fprintf(out, "complete -c capas -n __fish_use_subcommand -a %s -d '",
			c->name);
		quoted(out, c->summary, "\\");
		fputs("'\n", out);
		each_option(out, c, fish_option);
	}
}

static int cmd_generate(struct cps_app *app, const struct cps_command *cmd, int argc,
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
	return cps_usage(cmd, "'%s' is none of man, bash, zsh and fish", args.args[0]);
}

const struct cps_command cps_cmd_generate = {
	.name = "generate",
	.run = cmd_generate,
	.min_args = 1,
	.max_args = 1,
	.args = "man|bash|zsh|fish",
	.summary = "print the man page or a shell's completion",
};
