/* SPDX-License-Identifier: Apache-2.0 */
/* Advisory locks of an inode: one list, split and merged by owner. */
#include "vfs/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static bool same_owner(const struct file_lock *l, enum lock_kind kind, const void *owner)
{
	return l->kind == kind && l->owner == owner;
}

/* flock and record locks do not see each other. */
static bool same_world(enum lock_kind a, enum lock_kind b)
{
	return (a == LOCK_FLOCK) == (b == LOCK_FLOCK);
}

struct file_lock *lock_conflict(struct inode *i, enum lock_kind kind, const void *owner, int type, u64 start,
				u64 end)
{
	struct file_lock *l;

	list_for_each (l, &i->locks, node) {
		if (!same_world(l->kind, kind) || same_owner(l, kind, owner))
			continue;
		if (l->start <= end && start <= l->end && (l->write || type == F_WRLCK))
			return l;
	}
	return NULL;
}

static struct file_lock *lock_new(enum lock_kind kind, const void *owner, int pid, bool write, u64 start,
				  u64 end)
{
	struct file_lock *l = malloc(sizeof *l);

	if (l)
		*l = (struct file_lock){
			.kind = kind, .owner = owner, .pid = pid, .write = write, .start = start, .end = end};
	return l;
}

int lock_set(struct inode *i, enum lock_kind kind, const void *owner, int pid, int type, u64 start, u64 end)
{
	struct file_lock *l, *tmp, *fresh = NULL, *rest = NULL;

	if (type != F_UNLCK) {
		if (lock_conflict(i, kind, owner, type, start, end))
			return -EAGAIN;
		fresh = lock_new(kind, owner, pid, type == F_WRLCK, start, end);
		if (!fresh)
			return -ENOLCK;
	}
	/* At most one of the owner's locks is cut in two. */
	rest = lock_new(kind, owner, pid, false, 0, 0);
	if (!rest) {
		free(fresh);
		return -ENOLCK;
	}
	list_for_each_safe (l, tmp, &i->locks, node) {
		if (!same_owner(l, kind, owner) || l->start > end || l->end < start)
			continue;
		if (l->start < start && l->end > end) {
			rest->write = l->write;
			rest->start = end + 1;
			rest->end = l->end;
			list_add(&l->node, &rest->node);
			rest = NULL;
			l->end = start - 1;
			break;
		}
		if (l->start < start) {
			l->end = start - 1;
		} else if (l->end > end) {
			l->start = end + 1;
		} else {
			list_del(&l->node);
			free(l);
		}
	}
	free(rest);
	if (fresh)
		list_add_tail(&i->locks, &fresh->node);
	wake_all(&i->lock_wait);
	return 0;
}

static void release(struct inode *i, const void *owner)
{
	struct file_lock *l, *tmp;
	bool any = false;

	list_for_each_safe (l, tmp, &i->locks, node) {
		if (l->owner != owner)
			continue;
		list_del(&l->node);
		free(l);
		any = true;
	}
	if (any)
		wake_all(&i->lock_wait);
}

void locks_release_owner(struct inode *i, const void *owner)
{
	release(i, owner);
}

void locks_release_file(struct file *f)
{
	release(f->inode, f);
}
