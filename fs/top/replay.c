#include "fs/top/replay.h"

#include <errno.h>
#include <string.h>

#include "fs/top/apply.h"
#include "fs/top/salvage.h"
#include "fs/top/verify.h"
#include "store/base/log.h"

/* ---- marks ---- */

static bool is_mark(const struct cps_change *c, const char *mark)
{
	return c->type == CPS_CHANGE_MARK && c->name.len == strlen(mark) &&
	       memcmp(c->name.data, mark, c->name.len) == 0;
}

int cps_replay_find_mark(int dirfd, const char *name, const struct cps_digest *id,
			 const char *mark, uint64_t *upto, struct cps_err *err)
{
	cps_auto(cps_toplog_close) struct cps_toplog *log = NULL;
	struct cps_change c;
	int rc = cps_toplog_open(dirfd, name, id, false, &log, err);

	if (rc < 0)
		return rc;
	*upto = 0;
	while ((rc = cps_toplog_next(log, &c)) == 1)
		if (is_mark(&c, mark))
			*upto = cps_toplog_end(log);
	if (rc < 0)
		return cps_err_sys(err, rc, "read the log");
	return *upto ? 0 : cps_err_set(err, -ENOENT, "no mark '%s'", mark);
}

/* ---- the course of a log ---- */

/** What was met so far. */
struct course {
	struct cps_top *top;
	unsigned int starts;
	bool state;   /* as compaction writes it */
	bool settled; /* and it has been looked over as a whole */
	bool changed; /* names, one by one */
	struct cps_salvage lost;
};

static bool changes_names(uint16_t type)
{
	return type == CPS_CHANGE_MAKE || type == CPS_CHANGE_LINK ||
	       type == CPS_CHANGE_UNLINK || type == CPS_CHANGE_RENAME;
}

static bool is_damaged(const struct course *course)
{
	return course->lost.records > 0;
}

/* The state is whole: is it a tree, or what can be made of it one? */
static int settle(struct course *course)
{
	int rc = 0;

	if (course->settled || !course->state)
		return 0;
	course->settled = true;
	if (is_damaged(course))
		rc = cps_salvage(course->top, &course->lost);
	return rc < 0 ? rc : cps_top_verify(course->top);
}

/* Compaction writes a state, and only that; changes follow from the next START on. */
static int check_course(struct course *course, uint16_t type)
{
	if (type == CPS_CHANGE_START && ++course->starts == 2)
		return settle(course);
	if (type == CPS_CHANGE_NODE || type == CPS_CHANGE_DIRENT ||
	    type == CPS_CHANGE_GONE) {
		course->state = true;
		return course->starts < 2 && !course->changed && !course->settled
			       ? 0
			       : -EBADMSG;
	}
	if (!changes_names(type))
		return 0;
	course->changed = true;
	return course->state && !course->settled ? -EBADMSG : 0;
}

/* The node that this record of a state was promised to. */
static struct cps_node *find_creditor(struct cps_top *top, const struct cps_change *c)
{
	switch (c->type) {
	case CPS_CHANGE_DIRENT:
		return cps_node_find(top, c->dir);
	case CPS_CHANGE_DATA:
	case CPS_CHANGE_OWN:
	case CPS_CHANGE_SPILL:
	case CPS_CHANGE_ZERO:
		return cps_node_find(top, c->ino);
	default:
		return NULL;
	}
}

static int take(struct course *course, struct cps_change *c)
{
	struct cps_node *n;
	int rc = check_course(course, c->type);

	/* A name of what was lost means nothing. */
	if (rc == 0 && is_damaged(course) && c->type == CPS_CHANGE_DIRENT &&
	    !cps_node_find(course->top, c->ino))
		c->ino = 0;
	if (rc == 0)
		rc = cps_change_check(course->top, c);
	course->top->applying = cps_toplog_end(course->top->log);
	if (rc == 0)
		rc = cps_change_apply(course->top, c);
	course->top->applying = 0;
	n = rc == 0 && course->state && !course->settled ? find_creditor(course->top, c)
							 : NULL;
	if (n && n->due)
		n->due--;
	return rc;
}

/* A file that was still open when it lost its last name, which it cannot get back: the
 * log goes on with it, but whoever had it is gone. */
static bool is_of_the_dead(struct cps_top *top, const struct cps_change *c)
{
	switch (c->type) {
	case CPS_CHANGE_ATTR:
	case CPS_CHANGE_XATTR:
	case CPS_CHANGE_DATA:
	case CPS_CHANGE_OWN:
	case CPS_CHANGE_SPILL:
	case CPS_CHANGE_ZERO:
		break;
	default:
		return false;
	}
	if (cps_is_lower(c->ino))
		return cps_is_dead(top, c->ino);
	return c->ino < top->next_ino && !cps_node_find(top, c->ino) &&
	       !cps_toplog_lost(top->log);
}

/* With a part of the state lost, some of what follows has lost its ground. */
static int take_or_leave(struct course *course, struct cps_change *c)
{
	struct cps_toplog *log = course->top->log;
	uint64_t lost = cps_toplog_lost(log);
	int rc = 0;

	course->lost.records = lost;
	/* What comes next is no part of the state, and START may be lost too. */
	if (lost && !cps_toplog_in_state(log) && c->type != CPS_CHANGE_START)
		rc = settle(course);
	if (rc == 0 && is_of_the_dead(course->top, c)) {
		if (c->gen >= CPS_IN_FILES && c->gen < UINT32_MAX)
			cps_use_gen(course->top, c->gen);
		return 0;
	}
	if (rc == 0)
		rc = take(course, c);
	if (rc == 0 || rc == -ENOMEM || !is_damaged(course) ||
	    (course->settled && c->type == CPS_CHANGE_START))
		return rc;
	course->lost.changes++;
	return 0;
}

static int finish(struct course *course)
{
	course->lost.records = cps_toplog_lost(course->top->log);
	if (course->starts < 2 || is_damaged(course))
		return settle(course);
	return 0;
}

int cps_replay(struct cps_top *top, struct cps_err *err)
{
	struct course course = {.top = top};
	struct cps_change c;
	int rc;

	top->replaying = true;
	while ((rc = cps_toplog_next(top->log, &c)) == 1) {
		rc = take_or_leave(&course, &c);
		if (rc == -ENOMEM)
			return cps_err_nomem(err);
		if (rc < 0)
			return cps_err_sys(
				err, -EBADMSG,
				"the log contradicts itself at byte %llu",
				(unsigned long long)cps_toplog_end(top->log));
	}
	if (rc < 0)
		return cps_err_sys(err, rc, "read the log");
	rc = finish(&course);
	top->replaying = false;
	if (rc == -ENOMEM)
		return cps_err_nomem(err);
	if (rc < 0)
		return cps_err_set(err, -EBADMSG, "the log's first state is no tree");
	cps_nodes_drop_dead(top);
	cps_salvage_tell(&course.lost);
	return 0;
}

int cps_replay_mend(struct cps_top *top, struct cps_err *err)
{
	uint64_t rest = cps_toplog_rest(top->log);
	int rc;

	if (!rest)
		return 0;
	rc = cps_toplog_cut(top->log, top->dirfd, CPS_TOP_DAMAGED, err);
	if (rc == 1)
		cps_warn("the log of changes is damaged: its last %llu bytes could not "
			 "be read and are set aside in '%s'; what was changed before "
			 "them is there, but large contents that were written after it "
			 "are as they were left, or cannot be read",
			 (unsigned long long)rest, CPS_TOP_DAMAGED);
	return rc < 0 ? rc : 0;
}
