#ifndef CPS_TOOLS_COMMAND_H
#define CPS_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "store/base/err.h"
#include "store/store.h"

/* The one table of commands: dispatch, help, man page and completion read it. */

enum { CPS_EXIT_OK, CPS_EXIT_FAILED, CPS_EXIT_USAGE, CPS_EXIT_RUN = 125 };

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
	bool test; /* a test of find: stands behind one dash, as in find(1) */
};

/** An option of docker's that we do not have, and what is said of it. */
struct cps_refusal {
	const char *name;
	char letter; /* 0: none */
	const char *why;
};

#define CPS_OPTIONS_MAX 48
#define CPS_VALUES_MAX  1024 /* values of options in one command line */

struct cps_command {
	const char *name;
	/** Returns an exit status; CPS_EXIT_FAILED after setting app->err. */
	int (*run)(struct cps_app *app, const struct cps_command *cmd, int argc,
		   char **argv);
	int min_args, max_args; /* -1: any number */
	bool options_first;     /* behind the first argument all belongs to it */
	const char *args;
	const char *summary; /* one line, without a full stop */
	const char *more;    /* paragraphs for --help and the man page; NULL: none */
	struct cps_option options[CPS_OPTIONS_MAX];
	const struct cps_refusal *refusals; /* ended by one without a name; or NULL */
};

extern const struct cps_command cps_commands[];
extern const size_t cps_command_count;
const struct cps_command *cps_command_find(const char *name);

/** The options that were given, in the order of the table, and the arguments. */
struct cps_args {
	const char *value[CPS_OPTIONS_MAX]; /* NULL: not given; "" for a switch */
	const char *list[CPS_VALUES_MAX];   /* every value, in the order of the line */
	int list_option[CPS_VALUES_MAX];    /* of which option of the table */
	int list_count;
	char **args; /* with a NULL behind the last */
	int count;
};

/** Parse argv[1...] of a command. 0; CPS_EXIT_USAGE after telling why; -1 when help was
 *  asked for and shown. */
int cps_args_parse(const struct cps_command *cmd, int argc, char **argv,
		   struct cps_args *out);
/** The last value of an option, "" for a switch that was given, NULL for what was not.
 *  option  as in the table; a test of find with its dash: "-name" */
const char *cps_args_get(const struct cps_command *cmd, const struct cps_args *args,
			 const char *option);
/** The values of an option that may come several times, one a call. Start with
 *  *pos = 0. NULL at the end. */
const char *cps_args_each(const struct cps_command *cmd, const struct cps_args *args,
			  const char *option, int *pos);

/** How most commands begin: parse the arguments, open the store. Declares `args` and
 *  `rc`. */
#define CPS_BEGIN(args)                                                                \
	struct cps_args args;                                                          \
	int rc = cps_args_parse(cmd, argc, argv, &(args));                             \
	if (rc)                                                                        \
		return rc < 0 ? CPS_EXIT_OK : rc;                                      \
	rc = cps_store_open(app->root, &app->store, &app->err);                        \
	if (rc < 0)                                                                    \
	return CPS_EXIT_FAILED

/** Was the option given? Within a command's function. */
#define CPS_HAS(option) (cps_args_get(cmd, &args, option) != NULL)

void cps_help_all(FILE *out);
void cps_help_command(const struct cps_command *cmd, FILE *out);
int cps_generate(const char *what, FILE *out);

/** The nearest of `count` words to `word`, or NULL. */
const char *cps_nearest(const char *word, const char *(*get)(const void *ctx, size_t i),
			const void *ctx, size_t count);

/** Print to stderr: "capas: <message>", control bytes escaped. */
void cps_complain(const char *text);
/** To standard output, with what would steer a terminal escaped. */
void cps_print_escaped(const char *text);
/** The same with the command named, for a wrong command line. CPS_EXIT_USAGE. */
int cps_usage(const struct cps_command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** A failure of run or exec, where a status of 1 would be taken for the program's: tell
 *  it. 125. */
int cps_run_failed(struct cps_app *app, const struct cps_command *cmd);
/** One of several things failed and the others go on: print app->err, begin it anew.
 *  CPS_EXIT_FAILED. */
int cps_item_failed(struct cps_app *app, const struct cps_command *cmd);

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
CPS_RUN(cmd_run);
CPS_RUN(cmd_create);
CPS_RUN(cmd_start);
CPS_RUN(cmd_attach);
CPS_RUN(cmd_stop);
CPS_RUN(cmd_kill);
CPS_RUN(cmd_wait);
CPS_RUN(cmd_ps);
CPS_RUN(cmd_logs);
CPS_RUN(cmd_exec);
CPS_RUN(cmd_rename);
CPS_RUN(cmd_top);
CPS_RUN(cmd_cp);
CPS_RUN(cmd_gc);
CPS_RUN(cmd_df);
CPS_RUN(cmd_fsck);
CPS_RUN(cmd_info);
CPS_RUN(cmd_version);
CPS_RUN(cmd_generate);

#endif
