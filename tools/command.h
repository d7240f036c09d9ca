#ifndef CPS_TOOLS_COMMAND_H
#define CPS_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "store/base/err.h"
#include "store/store.h"

/* The one list of commands: dispatch, help, man page and completion read it. */

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

extern const struct cps_command *const cps_commands[]; /* by name */
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

/** The commands, each beside the function that runs it (cmd_*.c). */
extern const struct cps_command cps_cmd_attach;
extern const struct cps_command cps_cmd_cat;
extern const struct cps_command cps_cmd_commit;
extern const struct cps_command cps_cmd_cp;
extern const struct cps_command cps_cmd_create;
extern const struct cps_command cps_cmd_df;
extern const struct cps_command cps_cmd_diff;
extern const struct cps_command cps_cmd_exec;
extern const struct cps_command cps_cmd_export;
extern const struct cps_command cps_cmd_find;
extern const struct cps_command cps_cmd_fsck;
extern const struct cps_command cps_cmd_gc;
extern const struct cps_command cps_cmd_generate;
extern const struct cps_command cps_cmd_history;
extern const struct cps_command cps_cmd_images;
extern const struct cps_command cps_cmd_import;
extern const struct cps_command cps_cmd_info;
extern const struct cps_command cps_cmd_inspect;
extern const struct cps_command cps_cmd_kill;
extern const struct cps_command cps_cmd_load;
extern const struct cps_command cps_cmd_logs;
extern const struct cps_command cps_cmd_ls;
extern const struct cps_command cps_cmd_mark;
extern const struct cps_command cps_cmd_mount;
extern const struct cps_command cps_cmd_mounts;
extern const struct cps_command cps_cmd_ps;
extern const struct cps_command cps_cmd_rename;
extern const struct cps_command cps_cmd_rm;
extern const struct cps_command cps_cmd_rmi;
extern const struct cps_command cps_cmd_run;
extern const struct cps_command cps_cmd_save;
extern const struct cps_command cps_cmd_start;
extern const struct cps_command cps_cmd_stop;
extern const struct cps_command cps_cmd_tag;
extern const struct cps_command cps_cmd_top;
extern const struct cps_command cps_cmd_umount;
extern const struct cps_command cps_cmd_version;
extern const struct cps_command cps_cmd_wait;

#endif
