/* Whatever is done to a top, the committed image shows it. */
#include "sealed.h"

static const char *const words[] = {"a", "b", "dir", "file", "sub", "x", "hard", "zz"};

static uint64_t some_folder(struct cps_top *top, unsigned int depth)
{
	uint64_t ino = CPS_TOP_ROOT, next;
	struct stat st;

	for (unsigned int i = 0; i < depth; i++)
		if (cps_top_lookup(top, ino, words[rand() % 8], &next) == 0 &&
		    cps_top_stat(top, next, &st) == 0 && S_ISDIR(st.st_mode))
			ino = next;
	return ino;
}

static mode_t some_type(void)
{
	static const mode_t types[] = {S_IFREG, S_IFREG, S_IFDIR, S_IFDIR,
				       S_IFLNK, S_IFIFO, S_IFCHR, S_IFSOCK};

	return types[rand() % 8] | (rand() & 07777);
}

static void some_content(struct fixture *fx, uint64_t ino)
{
	static char text[90000];
	size_t len = (size_t)rand() % (rand() % 8 ? 5000 : sizeof(text));
	struct stat st = {.st_size = rand() % 100000};

	memset(text, 'a' + rand() % 26, len);
	if (rand() % 3)
		cps_top_write(fx->top, &me, ino, text, len, (uint64_t)rand() % 100000,
			      0);
	else
		cps_top_setattr(fx->top, &me, ino, CPS_TOP_SIZE, &st);
}

static void some_attribute(struct fixture *fx, uint64_t ino)
{
	const struct stat st = {.st_mode = rand() & 07777,
				.st_uid = rand() % 5000000,
				.st_mtim = {rand(), rand() % 1000000000}};

	if (rand() % 2)
		cps_top_setattr(fx->top, &me, ino,
				CPS_TOP_MODE | CPS_TOP_UID | CPS_TOP_MTIME, &st);
	else if (rand() % 2)
		cps_top_xattr_set(fx->top, &me, ino,
				  rand() % 2 ? "user.one" : "trusted.two", &st,
				  (size_t)rand() % 20, 0, false);
	else
		cps_top_xattr_remove(fx->top, &me, ino, "user.color");
}

static void some_change(struct fixture *fx)
{
	struct cps_top *top = fx->top;
	uint64_t dir = some_folder(top, (unsigned int)rand() % 5), ino = 0,
		 to = some_folder(top, (unsigned int)rand() % 5);
	const char *name = words[rand() % 8], *to_name = words[rand() % 8];
	static const unsigned int flags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
	mode_t type = some_type();

	cps_top_lookup(top, dir, name, &ino);
	switch (rand() % 8) {
	case 0:
	case 1:
		cps_top_make(top, &me, dir, name, type,
			     S_ISCHR(type) ? makedev(1, 5) : 0,
			     S_ISLNK(type) ? words[rand() % 8] : NULL, &ino);
		break;
	case 2:
		cps_top_unlink(top, &me, dir, name, rand() % 2);
		break;
	case 3:
		cps_top_rename(top, &me, dir, name, to, to_name, flags[rand() % 4]);
		break;
	case 4:
		if (ino)
			cps_top_link(top, &me, ino, to, to_name);
		break;
	case 5:
	case 6:
		if (ino)
			some_content(fx, ino);
		break;
	default:
		if (ino)
			some_attribute(fx, ino);
	}
}

static void whatever_is_done_is_seen_again(void **state)
{
	const char *seed_text = getenv("SEED");
	unsigned int seed = seed_text ? (unsigned int)atoi(seed_text) : 1;
	struct fixture *fx = *state;

	for (unsigned int run = 0; run < 12; run++, seed++) {
		print_message("seed %u\n", seed);
		srand(seed);
		open_top(fx, "base");
		for (int layer = 0; layer < 4; layer++) {
			char name[32];

			for (int i = 0; i < 120; i++)
				some_change(fx);
			snprintf(name, sizeof(name), "run%u.%d", run, layer);
			round_trip(fx, name, CPS_CODEC_NONE);
			open_top(fx, name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SEALED(whatever_is_done_is_seen_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
