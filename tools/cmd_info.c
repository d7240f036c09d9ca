/* What capas runs with: info, version. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "fs/fuse_version.h"
#include "store/compose.h"
#include "store/image.h"
#include "store/libraries.h"
#include "tools/command.h"
#include "tools/document.h"
#include "tools/options.h"

/* ---- what there is ---- */

struct library {
	const char *name;
	const char *version; /* borrowed; NULL: built without */
};

#define LIBRARIES 7

static void list_libraries(struct library out[LIBRARIES])
{
	const struct library all[LIBRARIES] = {
		{"libfuse", cps_fuse_version()},
		{"openssl", cps_openssl_version()},
		{"libarchive", cps_libarchive_version()},
		{"jansson", cps_jansson_version()},
		{"zlib", cps_zlib_version()},
		{"libisal", cps_isal_version()},
		{"libzstd", cps_zstd_version()},
	};

	memcpy(out, all, sizeof(all));
}

/** What a mount can use. */
struct abilities {
	int device;       /* 0 when /dev/fuse can be opened, or -errno */
	const char *by;   /* who mounts: "root", "fusermount3", "nobody" */
	bool allow_other; /* others than who mounts may look in */
	bool io_uring;    /* the kernel offers it to FUSE */
	bool passthrough; /* the kernel can read backing files by itself */
	bool user_namespaces;
};

static bool file_starts(const char *path, const char *text)
{
	cps_auto(cps_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[16] = "";

	return fd >= 0 && cps_read_full(fd, head, sizeof(head) - 1) > 0 &&
	       strncmp(head, text, strlen(text)) == 0;
}

static bool is_set_uid(const char *dir, size_t len, const char *name)
{
	char path[512];
	struct stat st;

	return snprintf(path, sizeof(path), "%.*s/%s", (int)len, dir, name) <
		       (int)sizeof(path) &&
	       stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_ISUID) &&
	       (st.st_mode & S_IXOTH);
}

static bool has_helper(void)
{
	const char *dir = getenv("PATH");

	while (dir && *dir) {
		size_t len = strcspn(dir, ":");

		if (is_set_uid(dir, len, "fusermount3"))
			return true;
		dir += len + (dir[len] == ':');
	}
	return false;
}

static bool fuse_conf_allows_other(void)
{
	FILE *f = fopen("/etc/fuse.conf", "re");
	bool allows = false;
	char line[256];

	while (f && !allows && fgets(line, sizeof(line), f)) {
		line[strcspn(line, " \t\n#")] = '\0';
		allows = strcmp(line, "user_allow_other") == 0;
	}
	if (f)
		fclose(f);
	return allows;
}

static bool kernel_is(const char *release, unsigned int major, unsigned int minor)
{
	unsigned int a = 0, b = 0;

	if (sscanf(release, "%u.%u", &a, &b) != 2)
		return false;
	return a > major || (a == major && b >= minor);
}

static void look(const struct utsname *host, struct abilities *out)
{
	cps_auto(cps_fd) int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	bool root = geteuid() == 0;

	*out = (struct abilities){
		.device = fd < 0 ? -errno : 0,
		.by = root           ? "root"
		      : has_helper() ? "fusermount3"
				     : "nobody",
		.allow_other = root || fuse_conf_allows_other(),
		.io_uring =
			file_starts("/sys/module/fuse/parameters/enable_uring", "Y"),
		.passthrough = kernel_is(host->release, 6, 9),
		.user_namespaces =
			access("/proc/self/ns/user", F_OK) == 0 &&
			!file_starts("/proc/sys/user/max_user_namespaces", "0") &&
			!file_starts("/proc/sys/kernel/unprivileged_userns_clone", "0"),
	};
}

/** All of it. */
struct info {
	const char *root;
	size_t images;
	struct utsname host;
	struct abilities can;
	struct library libraries[LIBRARIES];
};

static int count_images(struct cps_app *app, size_t *out)
{
	struct cps_image_list list;
	int rc = cps_image_list(app->store, &list, &app->err);

	*out = 0;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < list.count; i++) {
		bool seen = false;

		for (size_t j = 0; j < i; j++)
			seen |= cps_digest_equal(&list.entries[i].digest,
						 &list.entries[j].digest);
		*out += !seen;
	}
	cps_image_list_release(&list);
	return 0;
}

/* ---- showing it ---- */

static const char *yes(bool value)
{
	return value ? "yes" : "no";
}

static void print_info(const struct info *in)
{
	printf("Version: %s\n", CAPAS_VERSION);
	printf("Store: %s\n Images: %zu\n", in->root, in->images);
	printf("Kernel: %s %s %s\n", in->host.sysname, in->host.release,
	       in->host.machine);
	puts("Libraries:");
	for (size_t i = 0; i < LIBRARIES; i++)
		printf(" %s: %s\n", in->libraries[i].name,
		       in->libraries[i].version ? in->libraries[i].version : "none");
	puts("Mounts:");
	printf(" /dev/fuse: %s\n", in->can.device ? strerror(-in->can.device) : "ok");
	printf(" Mounted by: %s\n", in->can.by);
	printf(" Others may look in: %s\n", yes(in->can.allow_other));
	printf(" User namespaces: %s\n", yes(in->can.user_namespaces));
	printf(" Kernel offers io_uring: %s\n", yes(in->can.io_uring));
	printf(" Kernel offers passthrough: %s\n", yes(in->can.passthrough));
}

static struct json_t *libraries_document(const struct info *in)
{
	struct json_t *list = cps_doc_new_array();

	for (size_t i = 0; i < LIBRARIES; i++) {
		struct json_t *one;

		if (!in->libraries[i].version)
			continue;
		one = cps_doc_new_object();
		cps_doc_put_text(one, "Name", in->libraries[i].name);
		cps_doc_put_text(one, "Version", in->libraries[i].version);
		cps_doc_put(list, NULL, one);
	}
	return list;
}

static struct json_t *fuse_document(const struct abilities *can)
{
	struct json_t *doc = cps_doc_new_object();

	cps_doc_put_bool(doc, "Device", can->device == 0);
	if (can->device)
		cps_doc_put_text(doc, "DeviceError", strerror(-can->device));
	cps_doc_put_text(doc, "MountedBy", can->by);
	cps_doc_put_bool(doc, "AllowOther", can->allow_other);
	cps_doc_put_bool(doc, "UserNamespaces", can->user_namespaces);
	cps_doc_put_bool(doc, "IoUring", can->io_uring);
	cps_doc_put_bool(doc, "Passthrough", can->passthrough);
	return doc;
}

static int print_info_json(const struct info *in)
{
	struct json_t *doc = cps_doc_new_object();
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	cps_doc_put_text(doc, "ServerVersion", CAPAS_VERSION);
	cps_doc_put_text(doc, "Root", in->root);
	cps_doc_put_number(doc, "Images", in->images);
	cps_doc_put_text(doc, "KernelVersion", in->host.release);
	cps_doc_put_text(doc, "OSType", "linux");
	cps_doc_put_text(doc, "Architecture", in->host.machine);
	cps_doc_put_number(doc, "NCPU", processors > 0 ? (uint64_t)processors : 1);
	cps_doc_put(doc, "Libraries", libraries_document(in));
	cps_doc_put(doc, "Fuse", fuse_document(&in->can));
	return cps_doc_print(doc, stdout);
}

static int cmd_info(struct cps_app *app, const struct cps_command *cmd, int argc,
		    char **argv)
{
	struct info in = {0};

	CPS_BEGIN(args);
	if (count_images(app, &in.images) < 0)
		return CPS_EXIT_FAILED;
	in.root = cps_store_path(app->store);
	uname(&in.host);
	look(&in.host, &in.can);
	list_libraries(in.libraries);
	if (CPS_HAS("json"))
		rc = print_info_json(&in);
	else
		print_info(&in);
	if (rc < 0)
		cps_err_sys(&app->err, rc, "the document");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_info = {
	.name = "info",
	.run = cmd_info,
	.args = "",
	.summary = "show the store, the libraries and what a mount can use",
	.options =
		{
			JSON,
		},
};

/* ---- version ---- */

static int print_version_json(void)
{
	struct json_t *doc = cps_doc_new_object(), *client = cps_doc_new_object();

	cps_doc_put_text(client, "Version", CAPAS_VERSION);
	cps_doc_put_text(client, "Os", "linux");
	cps_doc_put_text(client, "Arch", cps_host_architecture());
	cps_doc_put(doc, "Client", client);
	return cps_doc_print(doc, stdout);
}

static int cmd_version(struct cps_app *app, const struct cps_command *cmd, int argc,
		       char **argv)
{
	struct cps_args args;
	int rc = cps_args_parse(cmd, argc, argv, &args);

	if (rc)
		return rc < 0 ? CPS_EXIT_OK : rc;
	if (CPS_HAS("json"))
		rc = print_version_json();
	else
		printf("capas %s\n", CAPAS_VERSION);
	if (rc < 0)
		cps_err_sys(&app->err, rc, "the document");
	return rc < 0 ? CPS_EXIT_FAILED : CPS_EXIT_OK;
}

const struct cps_command cps_cmd_version = {
	.name = "version",
	.run = cmd_version,
	.args = "",
	.summary = "print the version",
	.options =
		{
			JSON,
		},
};
