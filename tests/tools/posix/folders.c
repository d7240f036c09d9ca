#include "posix.h"

/* Behaviours 36 to 38: folders that are large, deep, or change while they are read. */

#define MANY  100000
#define PART  3000
#define DEPTH 1000

static const char *numbered(unsigned int i)
{
	static char name[32];

	snprintf(name, sizeof(name), "entry-%06u", i);
	return name;
}

static void fill_folder(const char *path, unsigned int count)
{
	int dir = open_ok(path, O_RDONLY | O_DIRECTORY);

	for (unsigned int i = 0; i < count; i++)
		CHECK(mknodat(dir, numbered(i), S_IFREG | 0644, 0) == 0);
	close(dir);
}

static void check_number(int dir, const struct dirent *e)
{
	struct stat st;

	CHECK(fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	if (!on_overlay())
		IS(st.st_ino, e->d_ino);
}

/* Each name once, with its number and type. */
static void see_each_once(const char *path, unsigned int count)
{
	uint8_t *seen = calloc(count, 1);
	DIR *dir = opendir(path);
	struct dirent *e;
	unsigned int total = 0, dots = 0, i;

	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.') {
			dots++;
		} else if (sscanf(e->d_name, "entry-%u", &i) == 1) {
			CHECK(i < count && !seen[i] && e->d_type == DT_REG);
			seen[i] = 1;
			if (total++ % 997 == 0)
				check_number(dirfd(dir), e);
		}
	}
	IS(count, total);
	IS(2, dots);
	closedir(dir);
	free(seen);
}

static void positions_are_stable(const char *path)
{
	DIR *dir = opendir(path);
	char name[256];
	long at;

	for (int i = 0; i < 5000; i++)
		CHECK(readdir(dir));
	at = telldir(dir);
	strcpy(name, readdir(dir)->d_name);
	while (readdir(dir))
		;
	seekdir(dir, at);
	CHECK(strcmp(readdir(dir)->d_name, name) == 0);
	rewinddir(dir);
	CHECK(strcmp(readdir(dir)->d_name, name) != 0);
	closedir(dir);
}

static void a_hundred_thousand_entries(void)
{
	fill_folder("dir", MANY);
	see_each_once("dir", MANY);
	positions_are_stable("dir");
	IS(MANY + 3, entries("dir"));
}

static void a_hundred_thousand_again(void)
{
	see_each_once("dir", MANY);
	CHECK(exists("dir/x"));
	CHECK(remove_tree("dir") == 0 && !exists("dir"));
}

/* What is read while its neighbours go is neither lost nor doubled. */
static void changes_while_reading(void)
{
	uint8_t seen[PART] = {0};
	unsigned int i, made = 0;
	struct dirent *e;
	DIR *dir;

	fill_folder("dir", PART);
	dir = opendir("dir");
	while ((e = readdir(dir))) {
		if (sscanf(e->d_name, "entry-%u", &i) != 1)
			continue;
		CHECK(i < PART && seen[i]++ == 0);
		if (i % 3 == 0)
			CHECK(unlinkat(dirfd(dir), e->d_name, 0) == 0);
		if (made < 500) {
			char name[32];

			snprintf(name, sizeof(name), "made-%u", made++);
			CHECK(mknodat(dirfd(dir), name, S_IFREG, 0) == 0);
		}
	}
	for (i = 0; i < PART; i++)
		CHECK(seen[i]);
	closedir(dir);
	IS(PART - PART / 3 + 500 + 3, entries("dir"));
	CHECK(remove_tree("dir") == 0);
}

static void a_thousand_folders_deep(void)
{
	int at = open_ok("dir", O_RDONLY | O_DIRECTORY), next;
	char path[8192] = "";

	for (int i = 0; i < DEPTH; i++) {
		CHECK(mkdirat(at, "level", 0755) == 0);
		next = openat(at, "level", O_RDONLY | O_DIRECTORY);
		CHECK(next >= 0);
		close(at);
		at = next;
	}
	next = openat(at, "bottom", O_CREAT | O_RDWR, 0600);
	CHECK(next >= 0 && write(next, "deep", 4) == 4);
	CHECK(fchdir(at) == 0 && holds("bottom", "deep"));
	for (int i = 0; i < 100; i++)
		CHECK(chdir("..") == 0);
	for (int i = 0; i < 100; i++)
		strcat(path, "level/");
	strcat(path, "bottom");
	CHECK(holds(path, "deep"));
}

static void a_thousand_again(void)
{
	CHECK(chdir("dir") == 0);
	for (int i = 0; i < DEPTH; i++)
		CHECK(chdir("level") == 0);
	CHECK(holds("bottom", "deep"));
}

const struct test folder_tests[] = {
	{"36-large-folder", a_hundred_thousand_entries, a_hundred_thousand_again},
	{"37-changing-folder", changes_while_reading, NULL},
	{"38-deep", a_thousand_folders_deep, a_thousand_again},
	{0},
};
