/* Writes the sandbox's system call filter to a file, while capas is built: libseccomp
 * takes longer to make it than all else takes that starts a sandbox. */

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/base/fd.h"
#include "store/base/mem.h"
#include "tools/run/filter/table.h"

#define NAME_MAX_BYTES    64
#define PROGRAM_MAX_BYTES (BPF_MAXINSNS * sizeof(struct sock_filter))

/* ---- libseccomp's part ---- */

static int allow_names(scmp_filter_ctx ctx, const char *names)
{
	char name[NAME_MAX_BYTES];

	for (;;) {
		size_t len = strcspn(names, " ");
		int number, rc = 0;

		snprintf(name, sizeof(name), "%.*s", (int)len, names);
		number = seccomp_syscall_resolve_name(name);
		if (number != __NR_SCMP_ERROR)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
		if (rc < 0)
			return rc;
		if (names[len] == '\0')
			return 0;
		names += len + 1;
	}
}

static int add_rules(scmp_filter_ctx ctx)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && cps_seccomp_allowed[i]; i++)
		rc = allow_names(ctx, cps_seccomp_allowed[i]);
	for (const struct cps_seccomp_rule *r = cps_seccomp_rules; rc == 0 && r->name;
	     r++)
		rc = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(r->name), 1,
			SCMP_CMP(r->argument, r->compare, r->value, r->with));
	/* Its flags lie in memory, where a filter cannot look. */
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return rc;
}

static int add_machines(scmp_filter_ctx ctx)
{
	static const uint32_t both[][2] = {
		{SCMP_ARCH_X86_64, SCMP_ARCH_X86},
		{SCMP_ARCH_X86_64, SCMP_ARCH_X32},
		{SCMP_ARCH_AARCH64, SCMP_ARCH_ARM},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < CPS_ARRAY_LEN(both); i++)
		if (both[i][0] == seccomp_arch_native())
			rc = seccomp_arch_add(ctx, both[i][1]);
	return rc;
}

static int export(scmp_filter_ctx ctx, struct cps_buf *out)
{
	cps_auto(cps_fd) int fd = memfd_create("filter", MFD_CLOEXEC);
	int rc = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);

	if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
		rc = -errno;
	return rc < 0 ? rc : cps_read_all(fd, out);
}

static int build(struct cps_buf *out)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = ctx ? 0 : -ENOMEM;

	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	/* A tree instead of a chain: of some 370 names the last is asked for as soon
	 * as the first. */
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = add_machines(ctx);
	if (rc == 0)
		rc = add_rules(ctx);
	if (rc == 0)
		rc = export(ctx, out);
	seccomp_release(ctx);
	return rc;
}

/* ---- ours: what libseccomp has no names for ---- */

/* Numbers beyond belong to other tables: x32's, and ARM's private calls. */
#define NUMBERS_END 0x1000

static int add_prologue(struct cps_buf *out)
{
	struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NUMBERS_END, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, CPS_SECCOMP_UNKNOWN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	int rc = cps_buf_append(out, head, sizeof(head));

	for (unsigned int i = 0; rc == 0 && i < cps_seccomp_new_count; i++) {
		struct sock_filter one[] = {
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, cps_seccomp_new[i], 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};

		rc = cps_buf_append(out, one, sizeof(one));
	}
	return rc;
}

static int write_file(const char *path, const struct cps_buf *code)
{
	cps_auto(cps_fd) int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : cps_write_full(fd, code->data, code->len);
}

int main(int argc, char **argv)
{
	cps_auto(cps_buf) struct cps_buf code = CPS_BUF_INIT(PROGRAM_MAX_BYTES);
	int rc = add_prologue(&code);

	if (argc != 2)
		return 2;
	if (rc == 0)
		rc = build(&code);
	if (rc == 0)
		rc = write_file(argv[1], &code);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-rc));
	return rc < 0;
}
