#include <stdlib.h>
#include <string.h>

#include "store/base/log.h"
#include "tools/command.h"

static void log_line(void *ctx, enum cps_log_level level, const char *text)
{
	const struct cps_app *app = ctx;

	if (level <= (app->debug   ? CPS_LOG_DEBUG
		      : app->quiet ? CPS_LOG_ERROR
				   : CPS_LOG_WARN))
		cps_complain(text);
}

static const char *command_name(const void *ctx, size_t i)
{
	return cps_commands[i]->name;
}

static int unknown_command(const char *name)
{
	const char *near = cps_nearest(name, command_name, NULL, cps_command_count);
	char text[256];

	if (near)
		snprintf(text, sizeof(text),
			 "'%.64s' is no command (did you mean '%s'?)", name, near);
	else
		snprintf(text, sizeof(text),
			 "'%.64s' is no command; see 'capas --help'", name);
	cps_complain(text);
	return CPS_EXIT_USAGE;
}

static int run_command(struct cps_app *app, const struct cps_command *cmd, int argc,
		       char **argv)
{
	int status;

	status = cmd->run(app, cmd, argc, argv);
	if (status == CPS_EXIT_FAILED && app->err.msg[0]) {
		cps_err_wrap(&app->err, 0, "%s", cmd->name);
		cps_complain(app->err.msg);
	}
	cps_store_close(app->store);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cps_complain("standard output: cannot be written");
		return CPS_EXIT_FAILED;
	}
	return status;
}

static const char *global_name(const void *ctx, size_t i)
{
	static const char *const names[] = {"--root", "--quiet", "--debug", "--help",
					    "--version"};

	return names[i];
}

static int unknown_option(const char *word)
{
	cps_auto(cps_free) char *name = strndup(word, strcspn(word, "="));
	const char *near = name ? cps_nearest(name, global_name, NULL, 5) : NULL;
	char text[256];

	if (near && strlen(name) > 2)
		snprintf(text, sizeof(text),
			 "unknown option '%.64s' (did you mean '%s'?)", word, near);
	else
		snprintf(text, sizeof(text),
			 "unknown option '%.64s'; see 'capas --help'", word);
	cps_complain(text);
	return CPS_EXIT_USAGE;
}

/* Options before the command. Returns the index of the command. */
static int parse_global(struct cps_app *app, int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--root") && i + 1 < argc)
			app->root = argv[++i];
		else if (!strncmp(argv[i], "--root=", 7))
			app->root = argv[i] + 7;
		else if (!strcmp(argv[i], "--quiet") || !strcmp(argv[i], "-q"))
			app->quiet = true;
		else if (!strcmp(argv[i], "--debug"))
			app->debug = true;
		else
			break;
	}
	return i;
}

/* mount(8) calls "mount.fuse.capas SOURCE DIR [-sfnv] [-o OPTS]". */
static int mount_helper(struct cps_app *app, int argc, char **argv)
{
	char *words[8] = {"mount", NULL};
	int n = 1;

	for (int i = 1; i < argc && n < 6; i++) {
		if (!strcmp(argv[i], "-o") && i + 1 < argc) {
			words[n++] = argv[i];
			words[n++] = argv[++i];
		} else if (!strcmp(argv[i], "-t") && i + 1 < argc) {
			i++;
		} else if (argv[i][0] != '-') {
			words[n++] = argv[i];
		}
	}
	return run_command(app, cps_command_find("mount"), n, words);
}

/* --help, help, help COMMAND */
static int help(int argc, char **argv)
{
	const struct cps_command *cmd = argc > 1 ? cps_command_find(argv[1]) : NULL;

	if (argc > 1 && !cmd)
		return unknown_command(argv[1]);
	if (cmd)
		cps_help_command(cmd, stdout);
	else
		cps_help_all(stdout);
	return CPS_EXIT_OK;
}

int main(int argc, char **argv)
{
	static struct cps_app app;
	const struct cps_command *cmd;
	const char *self = strrchr(argv[0], '/'), *word;
	int at;

	app.root = getenv("CAPAS_ROOT");
	if (app.root && !app.root[0])
		app.root = NULL;
	cps_log_sink(log_line, &app);
	if (strncmp(self ? self + 1 : argv[0], "mount.", 6) == 0)
		return mount_helper(&app, argc, argv);
	at = parse_global(&app, argc, argv);
	if (at >= argc) {
		cps_help_all(stderr);
		return CPS_EXIT_USAGE;
	}
	word = argv[at];
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help"))
		return help(argc - at, argv + at);
	if (!strcmp(word, "--version") || !strcmp(word, "-v"))
		word = argv[at] = "version";
	if (!strcmp(word, "--root")) {
		cps_complain("option '--root' wants a value");
		return CPS_EXIT_USAGE;
	}
	cmd = cps_command_find(word);
	if (!cmd)
		return word[0] == '-' ? unknown_option(word) : unknown_command(word);
	return run_command(&app, cmd, argc - at, argv + at);
}
