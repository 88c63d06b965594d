/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a program is: the ids that its set-id bits give, what an exec makes of capabilities, and what others may see of it
 * (fs/exec.c: bprm_fill_uid(), would_dump(), begin_new_exec(); security/commoncap.c: cap_bprm_creds_from_file()).
 *
 * What the file says is found before anything has happened: it decides whether the old host process may serve the new
 * program. What comes of it is decided at the end, by the tracer and the ids of then.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/personality.h>

#include "task/exec.h"
#include "task/trace.h"
#include "vfs/inode.h"

#define STACK_MOST \
	(8UL << 20) /* _STK_LIM: RLIMIT_STACK of programs that run with other ids than their caller's */

/* What a caller could prepare a set-id program with (PER_CLEAR_ON_SETID). */
#define DANGEROUS_PERSONALITY (READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO)

static bool may_read(const struct task *t, const struct file *f)
{
	return !f || !f->inode || !inode_permission(t->cred, f->inode, MAY_READ);
}

/* By the bits of the program itself, never a script's. */
int exec_find_ids(struct task *t, struct exec *e)
{
	const u32 runs_as_group = S_ISGID | S_IXGRP;
	struct ownership o;
	int err;

	e->euid = t->cred->euid;
	e->egid = t->cred->egid;
	e->hidden = !may_read(t, e->file) || !may_read(t, e->interp);
	if (t->no_new_privs || !e->file->inode)
		return 0;
	err = inode_ownership(e->file->inode, &o);
	if (err)
		return err;
	if (o.mode & S_ISUID) {
		e->set_id = true;
		e->euid = o.uid;
	}
	if ((o.mode & runs_as_group) == runs_as_group) {
		e->set_id = true;
		e->egid = o.gid;
	}
	return 0;
}

static void limit_stack(struct thread_group *g)
{
	struct rlimit *r = &g->limits[RLIMIT_STACK];

	r->rlim_cur = min(r->rlim_cur, STACK_MOST);
}

/* Whether others see into what the program does: a tracer that may not see all, or who shares its directories. */
static bool is_seen(const struct task *t)
{
	return (t->trace && !t->trace->may_all) || t->fs->refs > 1;
}

int exec_take_ids(struct task *t, struct exec *e)
{
	const struct cred *old = t->cred;
	const bool root = !(old->securebits & SECBIT_NOROOT), all = root && !e->euid;
	const bool changed = e->euid != old->euid || !cred_in_group(old, e->egid);
	struct cred *new = cred_copy(old);
	bool gained;

	if (!new)
		return -ENOMEM;
	new->euid = e->euid;
	new->egid = e->egid;
	new->cap_permitted = root && (!old->uid || !e->euid) ? old->cap_inheritable | old->cap_bounding : 0;
	gained = new->cap_permitted & ~old->cap_permitted;
	if (e->set_id || gained)
		t->personality &= ~DANGEROUS_PERSONALITY;
	if ((changed || gained) && (t->no_new_privs || is_seen(t))) {
		if (t->no_new_privs || !capable(t, CAP_SETUID)) {
			new->euid = old->uid;
			new->egid = old->gid;
		}
		new->cap_permitted &= old->cap_permitted;
	}
	new->suid = new->fsuid = new->euid;
	new->sgid = new->fsgid = new->egid;
	if (changed)
		new->cap_ambient = 0;
	new->cap_permitted |= new->cap_ambient;
	new->cap_effective = all ? new->cap_permitted : new->cap_ambient;
	new->securebits &= ~(u32)SECBIT_KEEP_CAPS;
	e->secure = changed || new->euid != old->uid || new->egid != old->gid;
	/* commit_creds() */
	gained = new->euid != old->euid || new->egid != old->egid || new->fsuid != old->fsuid ||
		 new->fsgid != old->fsgid || (new->cap_permitted & ~old->cap_permitted);
	if (gained || old->euid != old->uid || old->egid != old->gid)
		e->hidden = true;
	if (gained || e->secure)
		t->pdeath_signal = 0;
	if (e->secure)
		limit_stack(t->group);
	task_set_cred(t, new);
	return 0;
}
