/* What each change means. The running driver and replay both come through here: check,
 * then apply. The kinds are in apply_names.c, apply_inode.c and apply_state.c. */
#include <errno.h>

#include "fs/top/apply.h"

struct timespec cps_change_time(const struct cps_change *c)
{
	struct timespec t = {c->time_ns / 1000000000, c->time_ns % 1000000000};

	if (t.tv_nsec < 0) {
		t.tv_sec--;
		t.tv_nsec += 1000000000;
	}
	return t;
}

/* ---- the log's own ---- */

static int check_start(struct cps_top *top, const struct cps_change *c)
{
	return c->ino == UINT64_MAX || c->gen == UINT32_MAX ? -EBADMSG : 0;
}

static int check_mark(struct cps_top *top, const struct cps_change *c)
{
	return c->gen == UINT32_MAX ? -EBADMSG : 0;
}

static int apply_start(struct cps_top *top, const struct cps_change *c)
{
	if (c->ino > top->next_ino)
		top->next_ino = c->ino;
	if (c->gen > top->next_gen)
		top->next_gen = c->gen;
	return 0;
}

static int check_who(struct cps_top *top, const struct cps_change *c)
{
	return c->gen == UINT32_MAX || top->whos.count == UINT32_MAX ? -EBADMSG : 0;
}

static int apply_who(struct cps_top *top, const struct cps_change *c)
{
	if (c->gen >= top->whos.count)
		top->whos.count = c->gen;
	top->whos.count++;
	return 0;
}

/* Numbers that are on record nowhere else may come before: of data files that were made
 * and could not be filled. */
static int apply_mark(struct cps_top *top, const struct cps_change *c)
{
	if (c->gen > top->next_gen)
		top->next_gen = c->gen;
	if (c->gen > top->frozen_gen)
		top->frozen_gen = c->gen;
	if (c->name.len && c->gen > top->named_gen)
		top->named_gen = c->gen;
	return 0;
}

/** A kind of change: is it possible, and do it. */
static const struct kind {
	int (*check)(struct cps_top *top, const struct cps_change *c);
	int (*apply)(struct cps_top *top, const struct cps_change *c);
} kinds[CPS_CHANGE_TYPES] = {
	[CPS_CHANGE_START] = {check_start, apply_start},
	[CPS_CHANGE_WHO] = {check_who, apply_who},
	[CPS_CHANGE_MAKE] = {cps_check_make, cps_apply_make},
	[CPS_CHANGE_LINK] = {cps_check_link, cps_apply_link},
	[CPS_CHANGE_UNLINK] = {cps_check_unlink, cps_apply_unlink},
	[CPS_CHANGE_RENAME] = {cps_check_rename, cps_apply_rename},
	[CPS_CHANGE_ATTR] = {cps_check_attr, cps_apply_attr},
	[CPS_CHANGE_XATTR] = {cps_check_xattr, cps_apply_xattr},
	[CPS_CHANGE_DATA] = {cps_check_data, cps_apply_data},
	[CPS_CHANGE_OWN] = {cps_check_own, cps_apply_own},
	[CPS_CHANGE_SPILL] = {cps_check_own, cps_apply_spill},
	[CPS_CHANGE_ZERO] = {cps_check_regular, cps_apply_zero},
	[CPS_CHANGE_MARK] = {check_mark, apply_mark},
	[CPS_CHANGE_NODE] = {cps_check_node, cps_apply_node},
	[CPS_CHANGE_DIRENT] = {cps_check_dirent, cps_apply_dirent},
	[CPS_CHANGE_GONE] = {cps_check_gone, cps_apply_gone},
};

int cps_change_check(struct cps_top *top, const struct cps_change *c)
{
	if (c->type >= CPS_CHANGE_TYPES || !kinds[c->type].check)
		return -EBADMSG;
	return kinds[c->type].check(top, c);
}

int cps_change_apply(struct cps_top *top, const struct cps_change *c)
{
	return kinds[c->type].apply(top, c);
}
