#ifndef CPS_TOOLS_COMMAND_H
#define CPS_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "store/base/err.h"
#include "store/store.h"

/* The one table of commands: dispatch, help, man page and completion read it. */

enum { CPS_EXIT_OK, CPS_EXIT_FAILED, CPS_EXIT_USAGE };

/** What every command gets. */
struct cps_app {
	struct cps_store *store; /* open when the command needs one */
	const char *root;        /* --root or CAPAS_ROOT; NULL: the default */
	bool quiet, debug;
	struct cps_err err; /* printed by the caller when the command fails */
};

struct cps_option {
	const char *name; /* long, without dashes */
	char letter;      /* 0: none */
	const char *arg;  /* NULL: a switch */
	const char *help;
};

#define CPS_OPTIONS_MAX 12

struct cps_command {
	const char *name;
	/** Returns an exit status; CPS_EXIT_FAILED after setting app->err. */
	int (*run)(struct cps_app *app, const struct cps_command *cmd, int argc,
		   char **argv);
	bool needs_store;
	int min_args, max_args; /* -1: any number */
	const char *args;
	const char *summary;
	struct cps_option options[CPS_OPTIONS_MAX];
};

extern const struct cps_command cps_commands[];
extern const size_t cps_command_count;
const struct cps_command *cps_command_find(const char *name);

/** The options that were given, in the order of the table, and the arguments. */
struct cps_args {
	const char *value[CPS_OPTIONS_MAX]; /* NULL: not given; "" for a switch */
	const char
		*list[64]; /* every value of the options that may come several times */
	int list_count;
	char **args;
	int count;
};

/** Parse argv[1...] of a command. 0; CPS_EXIT_USAGE after telling why; -1 when help was
 *  asked for and shown. */
int cps_args_parse(const struct cps_command *cmd, int argc, char **argv,
		   struct cps_args *out);
const char *cps_args_get(const struct cps_command *cmd, const struct cps_args *args,
			 const char *option);

void cps_help_all(FILE *out);
void cps_help_command(const struct cps_command *cmd, FILE *out);
int cps_generate(const char *what, FILE *out);

/** The nearest of `count` words to `word`, or NULL. */
const char *cps_nearest(const char *word, const char *(*get)(const void *ctx, size_t i),
			const void *ctx, size_t count);

/** Print to stderr: "capas: <message>", control bytes escaped. */
void cps_complain(const char *text);

/** Run functions of the table. */
#define CPS_RUN(name)                                                                  \
	int name(struct cps_app *app, const struct cps_command *cmd, int argc,         \
		 char **argv)
CPS_RUN(cmd_images);
CPS_RUN(cmd_history);
CPS_RUN(cmd_inspect);
CPS_RUN(cmd_tag);
CPS_RUN(cmd_rmi);
CPS_RUN(cmd_import);
CPS_RUN(cmd_load);
CPS_RUN(cmd_save);
CPS_RUN(cmd_mount);
CPS_RUN(cmd_umount);
CPS_RUN(cmd_mounts);
CPS_RUN(cmd_ls);
CPS_RUN(cmd_cat);
CPS_RUN(cmd_find);
CPS_RUN(cmd_commit);
CPS_RUN(cmd_diff);
CPS_RUN(cmd_export);
CPS_RUN(cmd_rm);
CPS_RUN(cmd_mark);
CPS_RUN(cmd_gc);
CPS_RUN(cmd_df);
CPS_RUN(cmd_fsck);
CPS_RUN(cmd_version);
CPS_RUN(cmd_generate);

#endif
