#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "differ.h"

#define SAID 16 /* operations printed before a fault */

static struct {
	uint64_t seed, steps, check, remount;
	unsigned int seconds;
	const char *without; /* a kind of operation */
	const char *hook;    /* run with "remount NAME" when all files are closed */
	bool verbose;
} opts = {.seed = 1, .steps = 2000, .check = 200, .remount = 700};

static struct root roots[ROOTS_MAX];
static size_t n_roots;
static char said[SAID][PATH_MAX + 300];
static const struct op_kind *kinds[128];
static unsigned int n_kinds, total_weight;

static void collect(const struct op_kind *table)
{
	for (; table->name; table++) {
		if (opts.without && strcmp(opts.without, table->name) == 0)
			continue;
		kinds[n_kinds++] = table;
		total_weight += table->weight;
	}
}

/* ---- making an operation ---- */

static const struct op_kind *any_kind(void)
{
	unsigned int at = (unsigned int)below(total_weight);
	size_t i = 0;

	while (at >= kinds[i]->weight)
		at -= kinds[i++]->weight;
	return kinds[i];
}

static mode_t any_mode(void)
{
	static const mode_t usual[] = {0644,  0755,  0600,  0777,
				       01777, 02775, 04755, 02711};

	return chance(60) ? usual[below(8)] : (mode_t)below(010000);
}

static uint64_t any_offset(void)
{
	static const uint64_t edges[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 65537};

	if (chance(40))
		return edges[below(8)];
	return below(chance(70) ? 100000 : SIZE_LIMIT);
}

static uint64_t any_length(void)
{
	if (chance(10))
		return chance(50) ? 4096 : 65536;
	return 1 + below(chance(80) ? 6000 : 200000);
}

static void make_op(struct op *op)
{
	const struct op_kind *kind = any_kind();

	op->kind = kind;
	pick_path(roots[0].dirfd, kind->a, op->a);
	pick_path(roots[0].dirfd, kind->b, op->b);
	op->s = (int)below(SLOTS);
	op->t = (int)below(SLOTS);
	op->off = any_offset();
	op->off2 = any_offset();
	op->len = any_length();
	op->seed = random_next();
	op->bits = (uint32_t)random_next();
	op->mode = any_mode();
	op->umask = chance(60) ? 022 : (mode_t)below(01000);
	op->uid = chance(80) ? 0 : 1000 + (uid_t)below(2);
	op->gid = op->uid ? op->uid : chance(90) ? 0 : 1000;
}

static void describe(const struct op *op, uint64_t step, char *out, size_t size)
{
	snprintf(out, size,
		 "%" PRIu64 " %s '%.1200s'%s%.1200s%s slots %d,%d off %" PRIu64
		 " off2 %" PRIu64 " len %" PRIu64
		 " bits %x mode %o umask %o uid %u gid %u",
		 step, op->kind->name, op->a, *op->b ? " '" : "", op->b,
		 *op->b ? "'" : "", op->s, op->t, op->off, op->off2, op->len, op->bits,
		 op->mode, op->umask, op->uid, op->gid);
}

/* ---- doing it ---- */

static void add_stat(struct result *out, size_t which, int rc, const struct stat *st)
{
	size_t len = strlen(out->note);
	bool folder = rc == 0 && S_ISDIR(st->st_mode);

	if (rc < 0) {
		snprintf(out->note + len, sizeof(out->note) - len, " %c:-",
			 "abs"[which]);
		return;
	}
	snprintf(out->note + len, sizeof(out->note) - len, " %c:%o,%u:%u,%lld",
		 "abs"[which], st -> st_mode, st -> st_uid, st -> st_gid,
		 folder ? 0 : (long long)st -> st_size);
	out->links[which] = folder ? 0 : st->st_nlink;
}

/* What the operation left behind is part of its answer. */
static void look_after(const struct op *op, struct root *root, struct result *out)
{
	struct stat st;

	if (*op->a)
		add_stat(out, 0, fstatat(root->dirfd, op->a, &st, AT_SYMLINK_NOFOLLOW),
			 &st);
	if (*op->b)
		add_stat(out, 1, fstatat(root->dirfd, op->b, &st, AT_SYMLINK_NOFOLLOW),
			 &st);
	if (op->kind->slots)
		add_stat(out, 2, fstat(root->slot[op->s], &st), &st);
}

static void run_op(const struct op *op, struct root *root, struct result *out)
{
	memset(out, 0, sizeof(*out));
	umask(op->umask);
	setfsgid(op->gid);
	setfsuid(op->uid);
	errno = 0;
	op->kind->run(op, root, out);
	out->err = out->rc < 0 ? errno : 0;
	setfsuid(0);
	setfsgid(0);
	umask(0);
	look_after(op, root, out);
}

static bool same(const struct result *a, const struct root *root,
		 const struct result *b)
{
	for (size_t i = 0; i < 3; i++)
		/* Overlayfs: a lower file that lost its last name still says 1. */
		if (a->links[i] != b->links[i] && !(root->overlay && a->links[i] == 0))
			return false;
	return a->rc == b->rc && a->err == b->err && a->digest == b->digest &&
	       strcmp(a->note, b->note) == 0;
}

static void print_result(const struct root *root, const struct result *r)
{
	fprintf(stderr, "  %-8s %ld (%s) digest %016" PRIx64 " %s links %lu %lu %lu\n",
		root->name, r->rc, r->err ? strerror(r->err) : "ok", r->digest, r->note,
		(unsigned long)r->links[0], (unsigned long)r->links[1],
		(unsigned long)r->links[2]);
}

/* ---- what is known of kernel overlayfs, and of nothing else ---- */

static const char *overlay_fault(const struct op *op, const struct result *ref,
				 const struct result *got)
{
	if (got->err == EXDEV)
		return "it does not rename this folder";
	if (got->err == EEXIST && ref->err == 0 && op->kind->slots)
		return "it cannot change a lower file without a name";
	return NULL;
}

static void complain(const char *what, size_t i, uint64_t step)
{
	fprintf(stderr,
		"FAULT: %s: %s (SEED=%" PRIu64 ", step %" PRIu64 ")\nbefore it:\n",
		roots[i].name, what, opts.seed, step);
	for (uint64_t at = step >= SAID ? step - SAID + 1 : 0; at <= step; at++)
		fprintf(stderr, "  %s\n", said[at % SAID]);
}

static void compare(const struct op *op, const struct result *results, uint64_t step)
{
	for (size_t i = 1; i < n_roots; i++) {
		const char *known;

		if (roots[i].retired || same(&results[0], &roots[i], &results[i]))
			continue;
		known = roots[i].overlay ? overlay_fault(op, &results[0], &results[i])
					 : NULL;
		if (known) {
			printf("differ: step %" PRIu64 ": without %s from here: %s\n",
			       step, roots[i].name, known);
			roots[i].retired = true;
			continue;
		}
		complain("it answers otherwise", i, step);
		print_result(&roots[0], &results[0]);
		print_result(&roots[i], &results[i]);
		exit(1);
	}
}

static void compare_trees(uint64_t step)
{
	struct tree *ref = tree_read(&roots[0]), *tree;
	unsigned int bad;

	for (size_t i = 1; i < n_roots; i++) {
		if (roots[i].retired)
			continue;
		tree = tree_read(&roots[i]);
		bad = tree_compare(&roots[0], ref, &roots[i], tree);
		if (bad == 0 && !roots[i].overlay)
			bad = tree_numbers(ref, &roots[i], tree);
		tree_free(tree);
		if (bad) {
			complain("its tree is another", i, step);
			exit(1);
		}
	}
	tree_free(ref);
}

/* With the files closed, have the hook unmount and mount it; one that was retired
 * starts again as a copy of the reference. */
static void remount_root(struct root *root)
{
	char command[PATH_MAX * 2];

	close(root->dirfd);
	snprintf(command, sizeof(command), "%s %s %s", opts.hook,
		 root->retired ? "restart" : "remount", root->name);
	if (system(command) != 0)
		die(command);
	root->retired = false;
	root->dirfd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root->dirfd < 0)
		die(root->path);
}

static void remount(void)
{
	for (size_t i = 0; i < n_roots; i++)
		for (int s = 0; s < SLOTS; s++) {
			if (roots[i].slot[s] >= 0)
				close(roots[i].slot[s]);
			roots[i].slot[s] = -1;
		}
	for (size_t i = 1; i < n_roots && opts.hook; i++)
		remount_root(&roots[i]);
}

static void run(void)
{
	static struct result results[ROOTS_MAX];
	static struct op op;
	time_t end = opts.seconds ? time(NULL) + (time_t)opts.seconds : 0;
	uint64_t step = 0, trees = 1, mounts = 0;

	compare_trees(0);
	for (step = 1; step <= opts.steps && (!end || time(NULL) < end); step++) {
		make_op(&op);
		describe(&op, step, said[step % SAID], sizeof(said[0]));
		if (opts.verbose)
			puts(said[step % SAID]);
		for (size_t i = 0; i < n_roots; i++)
			if (!roots[i].retired)
				run_op(&op, &roots[i], &results[i]);
		compare(&op, results, step);
		if (opts.remount && step % opts.remount == 0) {
			remount();
			mounts++;
		}
		if (step % opts.check == 0 && ++trees)
			compare_trees(step);
	}
	remount();
	compare_trees(step - 1);
	printf("differ: SEED=%" PRIu64 ": %" PRIu64 " steps, %" PRIu64
	       " trees, %" PRIu64 " remounts\n",
	       opts.seed, step - 1, trees + 1, mounts + 1);
}

static void add_root(char *arg)
{
	struct root *root = &roots[n_roots];
	char *path = strchr(arg, '=');

	if (!path || n_roots == ROOTS_MAX)
		die("roots are NAME=DIR, at most three");
	n_roots++;
	*path = '\0';
	*root = (struct root){.name = arg, .path = path + 1};
	root->overlay = strcmp(arg, "overlay") == 0;
	root->dirfd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root->dirfd < 0)
		die(root->path);
	for (int s = 0; s < SLOTS; s++)
		root->slot[s] = -1;
}

static int usage(void)
{
	fputs("usage: differ [-s SEED] [-n STEPS] [-k CHECK] [-r REMOUNT] [-t "
	      "SECONDS]\n"
	      "              [-x HOOK] [-w WITHOUT] [-v] REFERENCE=DIR NAME=DIR...\n",
	      stderr);
	return 2;
}

static bool option(int c)
{
	switch (c) {
	case 's':
		opts.seed = strtoull(optarg, NULL, 0);
		return true;
	case 'n':
		opts.steps = strtoull(optarg, NULL, 0);
		return true;
	case 'k':
		opts.check = strtoull(optarg, NULL, 0);
		return true;
	case 'r':
		opts.remount = strtoull(optarg, NULL, 0);
		return true;
	case 't':
		opts.seconds = (unsigned int)atoi(optarg);
		return true;
	case 'x':
		opts.hook = optarg;
		return true;
	case 'w':
		opts.without = optarg;
		return true;
	case 'v':
		opts.verbose = true;
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct rlimit files = {65536, 65536};
	int c;

	while ((c = getopt(argc, argv, "s:n:k:r:t:x:w:v")) != -1)
		if (!option(c))
			return usage();
	for (; optind < argc; optind++)
		add_root(argv[optind]);
	if (n_roots < 2)
		return usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	setrlimit(RLIMIT_NOFILE, &files);
	setgroups(0, NULL);
	umask(0);
	random_state = digest(0x636170617321ull, &opts.seed, sizeof(opts.seed));
	collect(name_ops);
	collect(attr_ops);
	collect(data_ops);
	collect(folder_ops);
	run();
	return 0;
}
