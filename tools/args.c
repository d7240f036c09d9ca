#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/distance.h"
#include "store/base/path.h"
#include "tools/command.h"

const char *cps_nearest(const char *word, const char *(*get)(const void *ctx, size_t i),
			const void *ctx, size_t count)
{
	const char *best = NULL;
	size_t least = strlen(word) / 3 + 2;

	for (size_t i = 0; i < count; i++) {
		const char *candidate = get(ctx, i);
		size_t d = candidate ? cps_distance(word, candidate) : SIZE_MAX;

		if (d < least) {
			least = d;
			best = candidate;
		}
	}
	return best;
}

void cps_complain(const char *text)
{
	struct cps_buf out = CPS_BUF_INIT(0);

	/* Messages carry names out of images; they must not steer the terminal. */
	cps_escape(&out, text, strlen(text));
	fprintf(stderr, "capas: %s\n", cps_buf_cstr(&out));
	cps_buf_release(&out);
}

void cps_print_escaped(const char *text)
{
	struct cps_buf out = CPS_BUF_INIT(0);

	cps_escape(&out, text, strlen(text));
	fputs(cps_buf_cstr(&out), stdout);
	cps_buf_release(&out);
}

int cps_usage(const struct cps_command *cmd, const char *fmt, ...)
{
	char text[768];
	int n = snprintf(text, sizeof(text), "%s: ", cmd->name);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	cps_complain(text);
	return CPS_EXIT_USAGE;
}

int cps_run_failed(struct cps_app *app, const struct cps_command *cmd)
{
	cps_item_failed(app, cmd);
	return CPS_EXIT_RUN;
}

int cps_item_failed(struct cps_app *app, const struct cps_command *cmd)
{
	cps_err_wrap(&app->err, 0, "%s", cmd->name);
	cps_complain(app->err.msg);
	app->err.msg[0] = '\0';
	return CPS_EXIT_FAILED;
}

/* ---- options ---- */

static const char *option_name(const void *ctx, size_t i)
{
	return ((const struct cps_command *)ctx)->options[i].name;
}

/* `test`: behind one dash. What has no other form may have two dashes as well. */
static int find_long(const struct cps_command *cmd, const char *name, size_t len,
		     bool test)
{
	int other = -1;

	for (int i = 0; i < CPS_OPTIONS_MAX && cmd->options[i].name; i++) {
		const struct cps_option *o = &cmd->options[i];

		if (strlen(o->name) != len || memcmp(o->name, name, len) != 0)
			continue;
		if (o->test == test)
			return i;
		other = i;
	}
	return test ? -1 : other;
}

static int find_letter(const struct cps_command *cmd, char letter)
{
	for (int i = 0; i < CPS_OPTIONS_MAX && cmd->options[i].name; i++)
		if (cmd->options[i].letter == letter)
			return i;
	return -1;
}

static const char *dashes(const struct cps_command *cmd, const char *name)
{
	return find_long(cmd, name, strlen(name), true) >= 0 ? "-" : "--";
}

/* NULL: nothing is known of it. `word` is "--NAME", or "-L..." of that letter. */
static const struct cps_refusal *find_refusal(const struct cps_command *cmd,
					      const char *word)
{
	for (const struct cps_refusal *r = cmd->refusals; r && r->name; r++) {
		size_t len = strcspn(word + 2, "=");

		if (word[1] != '-' ? r->letter && r->letter == word[1]
				   : strlen(r->name) == len &&
					     memcmp(r->name, word + 2, len) == 0)
			return r;
	}
	return NULL;
}

static int unknown(const struct cps_command *cmd, const char *word)
{
	const struct cps_refusal *refusal = find_refusal(cmd, word);
	static const char *const globals[] = {"--root", "--debug"};
	cps_auto(cps_free) char *name = strndup(word, strcspn(word, "="));
	const char *near;

	if (refusal)
		return cps_usage(cmd, "--%s: %s", refusal->name, refusal->why);
	if (!name)
		return cps_usage(cmd, "unknown option '%s'", word);
	for (size_t i = 0; i < CPS_ARRAY_LEN(globals); i++)
		if (strcmp(name, globals[i]) == 0)
			return cps_usage(cmd, "'%s' stands before the command", name);
	near = cps_nearest(name + strspn(name, "-"), option_name, cmd, CPS_OPTIONS_MAX);
	/* A letter is too little to guess from. */
	if (near && strlen(name) > 2)
		return cps_usage(cmd, "unknown option '%s' (did you mean '%s%s'?)",
				 word, dashes(cmd, near), near);
	return cps_usage(cmd, "unknown option '%s'; see 'capas %s --help'", word,
			 cmd->name);
}

static int set(const struct cps_command *cmd, struct cps_args *out, int i,
	       const char *value)
{
	out->value[i] = value;
	if (!cmd->options[i].arg)
		return 0;
	if (out->list_count == CPS_VALUES_MAX)
		return cps_usage(cmd, "more than %d values of options", CPS_VALUES_MAX);
	out->list_option[out->list_count] = i;
	out->list[out->list_count++] = value;
	return 0;
}

/* The value is the next word. */
static int set_next(const struct cps_command *cmd, struct cps_args *out, int i,
		    char ***argv)
{
	if (!(*argv)[1])
		return cps_usage(cmd,
				 "option '%s' wants a value; see 'capas %s --help'",
				 **argv, cmd->name);
	return set(cmd, out, i, *++(*argv));
}

static int parse_long(const struct cps_command *cmd, struct cps_args *out, char ***argv)
{
	const char *name = **argv + 2, *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	int i = find_long(cmd, name, len, false);

	if (i < 0)
		return unknown(cmd, **argv);
	if (!cmd->options[i].arg && eq)
		return cps_usage(cmd, "option '%s' takes no value", **argv);
	if (!cmd->options[i].arg)
		return set(cmd, out, i, "");
	if (eq)
		return set(cmd, out, i, eq + 1);
	return set_next(cmd, out, i, argv);
}

static int parse_short(const struct cps_command *cmd, struct cps_args *out,
		       char ***argv)
{
	for (const char *p = **argv + 1; *p; p++) {
		int i = find_letter(cmd, *p), rc;

		if (i < 0)
			return unknown(cmd, **argv);
		if (!cmd->options[i].arg) {
			rc = set(cmd, out, i, "");
			if (rc)
				return rc;
			continue;
		}
		if (p[1])
			return set(cmd, out, i, p + 1);
		return set_next(cmd, out, i, argv);
	}
	return 0;
}

static int parse_option(const struct cps_command *cmd, struct cps_args *out,
			char ***argv)
{
	const char *word = **argv;
	int i;

	if (word[1] == '-')
		return parse_long(cmd, out, argv);
	i = find_long(cmd, word + 1, strlen(word + 1), true);
	return i >= 0 ? set_next(cmd, out, i, argv) : parse_short(cmd, out, argv);
}

static int check_count(const struct cps_command *cmd, const struct cps_args *args)
{
	if (args->count < cmd->min_args)
		return cps_usage(cmd, "wants %s; see 'capas %s --help'", cmd->args,
				 cmd->name);
	if (cmd->max_args >= 0 && args->count > cmd->max_args)
		return cps_usage(cmd, "does not want '%s'; see 'capas %s --help'",
				 args->args[cmd->max_args], cmd->name);
	return 0;
}

/* Options may stand anywhere; "--" ends them. */
int cps_args_parse(const struct cps_command *cmd, int argc, char **argv,
		   struct cps_args *out)
{
	bool ended = false;
	int rc = 0;

	*out = (struct cps_args){.args = argv + 1};
	for (char **p = argv + 1; *p && rc == 0; p++) {
		if (ended || (*p)[0] != '-' || !(*p)[1]) {
			out->args[out->count++] = *p;
			ended = ended || cmd->options_first;
		} else if (strcmp(*p, "--") == 0) {
			ended = true;
		} else if (strcmp(*p, "--help") == 0) {
			cps_help_command(cmd, stdout);
			return -1;
		} else {
			rc = parse_option(cmd, out, &p);
		}
	}
	out->args[out->count] = NULL; /* as an argv is */
	return rc ? rc : check_count(cmd, out);
}

static int find_option(const struct cps_command *cmd, const char *option)
{
	bool test = option[0] == '-';

	return find_long(cmd, option + test, strlen(option + test), test);
}

const char *cps_args_get(const struct cps_command *cmd, const struct cps_args *args,
			 const char *option)
{
	int i = find_option(cmd, option);

	return i < 0 ? NULL : args->value[i];
}

const char *cps_args_each(const struct cps_command *cmd, const struct cps_args *args,
			  const char *option, int *pos)
{
	int i = find_option(cmd, option);

	while (*pos < args->list_count)
		if (args->list_option[(*pos)++] == i)
			return args->list[*pos - 1];
	return NULL;
}
