#include "tools/run/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/path.h"
#include "tools/run/program.h"

static size_t count_of(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static const char *get(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

int cps_environment(const struct cps_process *process, const char *home, char ***out,
		    char **added, struct cps_err *err)
{
	size_t count = count_of(process->env);
	char **env = calloc(count + 2, sizeof(*env));

	*added = NULL;
	if (!env)
		return cps_err_nomem(err);
	if (count)
		memcpy(env, process->env, count * sizeof(*env));
	if (!get(process->env, "HOME") && asprintf(added, "HOME=%s", home) < 0) {
		free(env);
		*added = NULL;
		return cps_err_nomem(err);
	}
	env[count] = *added;
	*out = env;
	return 0;
}

static bool can_run(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/* Search PATH; a name with a slash is what it is. */
static char *find(const char *name, const char *path)
{
	char *found;

	if (strchr(name, '/'))
		return strdup(name);
	for (size_t len; *path; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		if (asprintf(&found, "%.*s%s%s", (int)len, path, len ? "/" : "./",
			     name) < 0)
			return NULL;
		if (can_run(found))
			return found;
		free(found);
	}
	errno = ENOENT;
	return NULL;
}

int cps_program_argv(const struct cps_process *process, char ***out,
		     struct cps_err *err)
{
	size_t count = count_of(process->argv);
	const char *path = get(process->env, "PATH");
	char **argv;

	if (count == 0 || !*process->argv[0])
		return cps_err_set(err, -ENOENT, "no command specified");
	argv = calloc(count + 2, sizeof(*argv));
	if (!argv)
		return cps_err_nomem(err);
	memcpy(argv + 1, process->argv, count * sizeof(*argv));
	argv[0] = find(process->argv[0], path ? path : CPS_PATH_DEFAULT);
	if (!argv[0]) {
		free(argv);
		return cps_err_set(err, -ENOENT,
				   "exec: \"%s\": executable file not found in $PATH",
				   process->argv[0]);
	}
	*out = argv;
	return 0;
}
