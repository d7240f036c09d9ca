#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/path.h"
#include "tools/command.h"

#define WORD_MAX 64

static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[WORD_MAX + 1];

	if (la > WORD_MAX || lb > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[lb];
}

const char *cps_nearest(const char *word, const char *(*get)(const void *ctx, size_t i),
			const void *ctx, size_t count)
{
	const char *best = NULL;
	size_t least = strlen(word) / 2 + 1;

	for (size_t i = 0; i < count; i++) {
		const char *candidate = get(ctx, i);
		size_t d = candidate ? distance(word, candidate) : SIZE_MAX;

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

void cps_print_escaped(const char *text, size_t limit)
{
	struct cps_buf out = CPS_BUF_INIT(0);

	cps_escape(&out, text, strlen(text));
	if (limit && out.len > limit)
		printf("%.*s…", (int)limit - 1, cps_buf_cstr(&out));
	else
		fputs(cps_buf_cstr(&out), stdout);
	cps_buf_release(&out);
}

static const char *option_name(const void *ctx, size_t i)
{
	return ((const struct cps_command *)ctx)->options[i].name;
}

static int usage(const struct cps_command *cmd, const char *fmt, const char *what,
		 const char *hint)
{
	char text[512], all[640];

	snprintf(text, sizeof(text), fmt, what);
	if (hint)
		snprintf(all, sizeof(all), "%s: %s (did you mean '--%s'?)", cmd->name,
			 text, hint);
	else
		snprintf(all, sizeof(all), "%s: %s; see 'capas %s --help'", cmd->name,
			 text, cmd->name);
	cps_complain(all);
	return CPS_EXIT_USAGE;
}

static int find_long(const struct cps_command *cmd, const char *name, size_t len)
{
	for (int i = 0; i < CPS_OPTIONS_MAX && cmd->options[i].name; i++)
		if (strlen(cmd->options[i].name) == len &&
		    memcmp(cmd->options[i].name, name, len) == 0)
			return i;
	return -1;
}

static int find_letter(const struct cps_command *cmd, char letter)
{
	for (int i = 0; i < CPS_OPTIONS_MAX && cmd->options[i].name; i++)
		if (cmd->options[i].letter == letter)
			return i;
	return -1;
}

static int set(const struct cps_command *cmd, struct cps_args *out, int i,
	       const char *value)
{
	out->value[i] = value;
	if (!cmd->options[i].arg)
		return 0;
	if (out->list_count == (int)CPS_ARRAY_LEN(out->list))
		return usage(cmd, "option '--%s' comes too often", cmd->options[i].name,
			     NULL);
	out->list[out->list_count++] = value;
	return 0;
}

static int parse_long(const struct cps_command *cmd, struct cps_args *out, char ***argv)
{
	const char *name = **argv + 2, *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	int i = find_long(cmd, name, len);

	if (i < 0)
		return usage(cmd, "unknown option '%s'", **argv,
			     cps_nearest(name, option_name, cmd, CPS_OPTIONS_MAX));
	if (!cmd->options[i].arg && eq)
		return usage(cmd, "option '%s' takes no value", **argv, NULL);
	if (!cmd->options[i].arg)
		return set(cmd, out, i, "");
	if (eq)
		return set(cmd, out, i, eq + 1);
	if (!(*argv)[1])
		return usage(cmd, "option '%s' wants a value", **argv, NULL);
	return set(cmd, out, i, *++(*argv));
}

static int parse_short(const struct cps_command *cmd, struct cps_args *out,
		       char ***argv)
{
	for (const char *p = **argv + 1; *p; p++) {
		int i = find_letter(cmd, *p), rc;

		if (i < 0)
			return usage(cmd, "unknown option '%s'", **argv, NULL);
		if (!cmd->options[i].arg) {
			rc = set(cmd, out, i, "");
			if (rc)
				return rc;
			continue;
		}
		if (p[1])
			return set(cmd, out, i, p + 1);
		if (!(*argv)[1])
			return usage(cmd, "option '%s' wants a value", **argv, NULL);
		return set(cmd, out, i, *++(*argv));
	}
	return 0;
}

static int check_count(const struct cps_command *cmd, const struct cps_args *args)
{
	if (args->count < cmd->min_args)
		return usage(cmd, "wants %s", cmd->args, NULL);
	if (cmd->max_args >= 0 && args->count > cmd->max_args)
		return usage(cmd, "does not want '%s'", args->args[cmd->max_args],
			     NULL);
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
		if (!ended && strcmp(*p, "--") == 0)
			ended = true;
		else if (!ended && strcmp(*p, "--help") == 0) {
			cps_help_command(cmd, stdout);
			return -1;
		} else if (!ended && strncmp(*p, "--", 2) == 0)
			rc = parse_long(cmd, out, &p);
		else if (!ended && (*p)[0] == '-' && (*p)[1] &&
			 find_long(cmd, *p + 1, strlen(*p + 1)) >= 0 &&
			 cmd->run == cmd_find) {
			/* find(1) writes its tests with one dash. */
			int i = find_long(cmd, *p + 1, strlen(*p + 1));

			if (!p[1])
				return usage(cmd, "option '%s' wants a value", *p,
					     NULL);
			rc = set(cmd, out, i, *++p);
		} else if (!ended && (*p)[0] == '-' && (*p)[1])
			rc = parse_short(cmd, out, &p);
		else
			out->args[out->count++] = *p;
	}
	return rc ? rc : check_count(cmd, out);
}

const char *cps_args_get(const struct cps_command *cmd, const struct cps_args *args,
			 const char *option)
{
	int i = find_long(cmd, option, strlen(option));

	return i < 0 ? NULL : args->value[i];
}
