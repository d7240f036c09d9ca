#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/document.h"
#include "tools/entry.h"
#include "tools/options.h"
#include "tools/place.h"

/** Which sizes pass: `sign` '+' more than n units, '-' less, 0 exactly. */
struct size_test {
	char sign;
	uint64_t n, unit; /* unit 0: any size */
};

struct tests {
	const char *name;
	char type; /* 0: any */
	struct size_test size;
	unsigned int layer; /* from 1; 0: any */
	struct cps_doc_list *json;
};

/* find(1): bytes, two, blocks of 512 when nothing is said, kibi, mebi, gibi. */
static uint64_t size_unit(char letter)
{
	switch (letter) {
	case 'c':
		return 1;
	case 'w':
		return 2;
	case '\0':
	case 'b':
		return 512;
	case 'k':
		return 1u << 10;
	case 'M':
		return 1u << 20;
	case 'G':
		return 1u << 30;
	default:
		return 0;
	}
}

static int parse_size(const char *text, struct size_test *out)
{
	char *end;

	*out = (struct size_test){0};
	if (!text)
		return 0;
	if (*text == '+' || *text == '-')
		out->sign = *text++;
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	out->n = strtoull(text, &end, 10);
	out->unit = size_unit(*end);
	return errno || out->unit == 0 || (*end && end[1]) ? -EINVAL : 0;
}

/* find(1) counts begun units, so -1M is nothing but empty files. */
static bool size_passes(const struct size_test *t, uint64_t size)
{
	uint64_t units;

	if (t->unit == 0)
		return true;
	units = size / t->unit + (size % t->unit != 0);
	if (t->sign == '+')
		return units > t->n;
	return t->sign == '-' ? units < t->n : units == t->n;
}

static bool passes(const struct tests *t, const char *path, const struct cps_inode *in)
{
	return (!t->name || fnmatch(t->name, strrchr(path, '/') + 1, 0) == 0) &&
	       (!t->type || cps_type_letter(in->mode) == t->type) &&
	       (!t->layer || in->layer + 1u == t->layer) &&
	       size_passes(&t->size, in->size);
}

static int visit_find(void *ctx, const struct cps_root *root, const char *path,
		      uint32_t ino)
{
	const struct tests *t = ctx;
	struct cps_inode in;
	int rc = cps_tree_inode(root->tree, ino, &in);

	if (rc < 0 || !passes(t, path, &in))
		return rc;
	if (t->json) {
		cps_doc_list_add(t->json,
				 cps_entry_document(root, ino, path, strlen(path)));
		return 0;
	}
	cps_print_name(path, strlen(path));
	putchar('\n');
	return 0;
}

/* 0, or the exit status after telling what is wrong. */
static int parse_tests(const struct cps_command *cmd, const struct cps_args *args,
		       struct tests *out)
{
	const char *type = cps_args_get(cmd, args, "-type");

	out->name = cps_args_get(cmd, args, "-name");
	if (type && (!*type || type[1] || !strchr("fdlcbp", *type)))
		return cps_usage(cmd, "-type is one of f, d, l, c, b and p");
	out->type = (char)(type ? *type : '\0');
	if (parse_size(cps_args_get(cmd, args, "-size"), &out->size) < 0)
		return cps_usage(cmd, "-size is a number, + or - before it and one of "
				      "cwbkMG behind it if need be");
	if (cps_layer_number(cps_args_get(cmd, args, "-layer"), &out->layer) < 0)
		return cps_usage(cmd, "layers are counted from 1");
	return 0;
}

static int find(struct cps_app *app, const struct cps_place *place, struct tests *tests)
{
	const struct cps_root *root = place->root;
	uint32_t ino;
	int rc;

	if (tests->layer > root->image->layer_count)
		return cps_err_set(&app->err, -ERANGE, "no layer %u: the image has %zu",
				   tests->layer, root->image->layer_count);
	rc = cps_place_walk(app, place, false, &ino);
	if (rc < 0)
		return rc;
	rc = cps_walk_tree(root, ino, strcmp(place->path, "/") == 0 ? "" : place->path,
			   visit_find, tests);
	return rc < 0 ? cps_err_sys(&app->err, rc, "'%s'", place->path) : 0;
}

static int cmd_find(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	cps_auto(cps_place) struct cps_place place = {0};
	struct cps_doc_list json = {.out = stdout};
	struct tests tests = {0};

	CPS_BEGIN(args);
	rc = parse_tests(cmd, &args, &tests);
	if (CPS_HAS("json"))
		tests.json = &json;
	if (rc == 0)
		rc = cps_place_parse(args.args[0], &place);
	if (rc == 0)
		rc = cps_place_open(app, cmd, &args, &place);
	if (rc)
		return rc < 0 ? CPS_EXIT_FAILED : rc;
	rc = find(app, &place, &tests);
	if (tests.json && cps_doc_list_end(&json) < 0 && rc == 0)
		rc = cps_err_sys(&app->err, json.failed, "the list");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_find = {
	.name = "find",
	.run = cmd_find,
	.min_args = 1,
	.max_args = 1,
	.args = "SOURCE[:PATH]",
	.summary = "list the paths of an image",
	.options =
		{
			TEST("name", "GLOB", "only names that match"),
			TEST("type", "T", "only of type f, d, l, c, b or p"),
			TEST("size", "[+-]N[cwbkMG]",
			     "only of that size, as find(1) counts"),
			TEST("layer", "N", "only what comes from layer N"),
			LAYER,
			UPTO,
			PLATFORM,
			JSON,
		},
	.more = "The tests take one dash, as those of find(1) do; all of them must "
		"hold. -layer N asks who brought what is to be seen in the end, "
		"--layer N looks at layer N alone.",
};
