/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advisory locks of an inode.
 *
 * One list holds all of them. The locks of one owner stand together and in the order of their ranges, never overlap,
 * and those of one type never touch: what another process meets by F_GETLK, and in which order, is Linux's. Who waits
 * is kept in the vfs, since a circle of waiters may go over several files.
 */
#include "vfs/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define MAX_CIRCLE 10 /* owners in a circle that is looked for; fs/locks.c has the same bound */

static bool same_owner(const struct file_lock *l, const struct lock_request *r)
{
	return l->kind == r->kind && l->owner == r->owner;
}

/* flock and record locks do not see each other. */
static bool same_world(enum lock_kind a, enum lock_kind b)
{
	return (a == LOCK_FLOCK) == (b == LOCK_FLOCK);
}

struct file_lock *lock_conflict(struct inode *i, const struct lock_request *r)
{
	struct file_lock *l;

	list_for_each (l, &i->locks, node) {
		/* To ask for F_UNLCK is to ask what one holds oneself. */
		if (r->type == F_UNLCK && same_owner(l, r) && l->start <= r->end && r->start <= l->end)
			return l;
		if (r->type == F_UNLCK || !same_world(l->kind, r->kind) || same_owner(l, r))
			continue;
		if (l->start <= r->end && r->start <= l->end && (l->write || r->type == F_WRLCK))
			return l;
	}
	return NULL;
}

/* ---- setting and clearing ---- */

static struct file_lock *lock_new(struct inode *i, const struct lock_request *r)
{
	struct file_lock *l = malloc(sizeof *l);

	if (l) {
		*l = (struct file_lock){.kind = r->kind,
					.owner = r->owner,
					.pid = r->pid,
					.write = r->type == F_WRLCK,
					.start = r->start,
					.end = r->end,
					.inode = i};
		list_add(&i->k->vfs->locks, &l->on_vfs);
	}
	return l;
}

static void lock_free(struct file_lock *l)
{
	list_del(&l->node);
	list_del(&l->on_vfs);
	free(l);
}

/* Takes [start, end] out of the owner's locks. @rest: what is used when one is cut in two; true when it was. */
static bool cut_out(struct inode *i, const struct lock_request *r, struct file_lock *rest)
{
	struct file_lock *l, *tmp;

	list_for_each_safe (l, tmp, &i->locks, node) {
		if (!same_owner(l, r) || l->start > r->end || l->end < r->start)
			continue;
		if (l->start < r->start && l->end > r->end) {
			*rest = *l;
			rest->start = r->end + 1;
			l->end = r->start - 1;
			list_add(&l->node, &rest->node);
			list_add(&l->on_vfs, &rest->on_vfs);
			return true;
		}
		if (l->start < r->start)
			l->end = r->start - 1;
		else if (l->end > r->end)
			l->start = r->end + 1;
		else
			lock_free(l);
	}
	return false;
}

/* Puts @fresh among its owner's locks, whose ranges it does not overlap, and joins it with neighbours of its type. */
static void put_in(struct inode *i, const struct lock_request *r, struct file_lock *fresh)
{
	struct list *before = &i->locks; /* behind all, but in front of the owner's next */
	struct file_lock *l, *tmp;

	list_for_each_safe (l, tmp, &i->locks, node) {
		if (!same_owner(l, r))
			continue;
		if (l->write == fresh->write && l->end + 1 == fresh->start) {
			fresh->start = l->start;
			before = l->node.next;
			lock_free(l);
		} else if (l->write == fresh->write && fresh->end != INT64_MAX &&
			   l->start == fresh->end + 1) {
			fresh->end = l->end;
			before = l->node.next;
			lock_free(l);
		} else if (l->start > fresh->end) {
			before = &l->node;
			break;
		} else {
			before = l->node.next;
		}
	}
	list_add_tail(before, &fresh->node);
}

/* flock(2): one lock of the whole file; a conversion gives the old one up first, whether or not it succeeds. */
static int set_flock(struct inode *i, const struct lock_request *r)
{
	struct file_lock *l, *tmp, *fresh;

	list_for_each_safe (l, tmp, &i->locks, node) {
		if (!same_owner(l, r))
			continue;
		if (r->type != F_UNLCK && l->write == (r->type == F_WRLCK))
			return 0;
		lock_free(l);
		wake_all(&i->lock_wait);
		break;
	}
	if (r->type == F_UNLCK)
		return 0;
	if (lock_conflict(i, r))
		return -EAGAIN;
	fresh = lock_new(i, r);
	if (!fresh)
		return -ENOLCK;
	list_add_tail(&i->locks, &fresh->node);
	return 0;
}

int lock_set(struct inode *i, const struct lock_request *r)
{
	struct file_lock *fresh = NULL, *rest;

	if (r->kind == LOCK_FLOCK)
		return set_flock(i, r);
	if (r->type != F_UNLCK) {
		if (lock_conflict(i, r))
			return -EAGAIN;
		fresh = lock_new(i, r);
		if (!fresh)
			return -ENOLCK;
	}
	/* At most one of the owner's locks is cut in two. */
	rest = malloc(sizeof *rest);
	if (!rest) {
		if (fresh)
			list_del(&fresh->on_vfs);
		free(fresh);
		return -ENOLCK;
	}
	if (!cut_out(i, r, rest))
		free(rest);
	if (fresh)
		put_in(i, r, fresh);
	wake_all(&i->lock_wait);
	return 0;
}

void locks_release_owner(struct file *f, const void *owner)
{
	struct inode *i = f->inode ? f->inode : f->k->vfs->nameless;
	struct file_lock *l, *tmp;
	bool any = false;

	if (!i) /* none of those has ever been locked */
		return;
	list_for_each_safe (l, tmp, &i->locks, node) {
		if (l->owner != owner)
			continue;
		lock_free(l);
		any = true;
	}
	if (any)
		wake_all(&i->lock_wait);
}

void locks_release_file(struct file *f)
{
	locks_release_owner(f, f);
}

/* ---- waiting ---- */

static void waiter_free(struct task *t, void *priv)
{
	struct lock_waiter *w = priv;

	list_del(&w->node);
	inode_put(w->inode);
	free(w);
}

static struct list *waiters_of(struct vfs *v, const void *owner)
{
	return &v->lock_waiters[((u64)owner >> 6) % LOCK_WAITER_LISTS];
}

/* What the owner of @l waits for: the lock in its way, or NULL. */
static struct file_lock *waits_for(struct vfs *v, const struct file_lock *l)
{
	struct lock_waiter *w;

	list_for_each (w, waiters_of(v, l->owner), node)
		if (same_owner(l, &w->request))
			return lock_conflict(w->inode, &w->request);
	return NULL;
}

/* Whether waiting for @l would be waiting for oneself. Only processes wait in circles that somebody could mean: an
 * open file has no owner that waits. */
static bool deadlock(struct vfs *v, const struct lock_request *r, const struct file_lock *l)
{
	for (int i = 0; l && i < MAX_CIRCLE; i++) {
		if (l->kind != LOCK_POSIX)
			return false;
		l = waits_for(v, l);
		if (l && same_owner(l, r))
			return true;
	}
	return false;
}

long lock_wait(struct task *t, struct call *c, struct inode *i, const struct lock_request *r)
{
	struct vfs *v = t->k->vfs;
	struct lock_waiter *w = c->priv;
	long err;

	if (r->kind == LOCK_POSIX && deadlock(v, r, lock_conflict(i, r)))
		return -EDEADLK;
	if (!w) {
		w = malloc(sizeof *w);
		if (!w)
			return -ENOLCK;
		*w = (struct lock_waiter){.inode = inode_get(i), .request = *r};
		list_add_tail(waiters_of(v, r->owner), &w->node);
		c->priv = w;
		c->priv_free = waiter_free;
	}
	err = wait_add(&i->lock_wait, t);
	return err ? err : call_wait(t);
}
