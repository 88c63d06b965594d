/* SPDX-License-Identifier: Apache-2.0 */
/* Advisory locks: record locks of processes, of open file descriptions, and flock (fcntl(2), flock(2);
 * fs/locks.c). */
#ifndef HUSK_KERNEL_VFS_LOCK_H
#define HUSK_KERNEL_VFS_LOCK_H

#include "base/text.h"
#include "vfs/inode.h"

enum lock_kind { LOCK_POSIX, LOCK_OFD, LOCK_FLOCK };

/* @owner: a table of descriptors for record locks, the file for the others. */
struct file_lock {
	struct list node; /* in inode->locks: an owner's stand together, in the order of their ranges */
	enum lock_kind kind;
	const void *owner;
	int pid; /* for F_GETLK */
	bool write;
	u64 start, end;      /* inclusive */
	struct list on_vfs;  /* in vfs->locks: the newest first */
	struct inode *inode; /* borrowed */
};

/* A lock that is asked for: type is F_RDLCK, F_WRLCK or F_UNLCK; the range is inclusive. */
struct lock_request {
	enum lock_kind kind;
	const void *owner;
	int pid, type;
	u64 start, end;
};

/* A call that waits, in vfs->lock_waiters and in its call's priv. */
struct lock_waiter {
	struct list node;
	struct inode *inode; /* owned */
	struct lock_request request;
	const struct file_lock *shown_below; /* locks_show()'s */
};

/* Sets or clears a lock: 0, -EAGAIN when another is in its way, -ENOLCK without memory. */
int lock_set(struct inode *i, const struct lock_request *r);
/* The first lock in the way of such a one (for F_UNLCK: the first of its own that it would take), borrowed; NULL: none. */
struct file_lock *lock_conflict(struct inode *i, const struct lock_request *r);
/* Lets the task's call wait for what stands in the way: what call_wait() says, -EDEADLK when its owner would wait
 * for itself (record locks of processes), -ENOMEM. The call is to try again when it runs again. */
long lock_wait(struct task *t, struct call *c, struct inode *i, const struct lock_request *r);
/* All record locks of a descriptor table on this file go (any close of it); all of an open file. */
void locks_release_owner(struct file *f, const void *owner);
void locks_release_file(struct file *f);
/* The text of /proc/locks (lock_show.c). */
void locks_show(struct vfs *v, struct text *out);

#endif
