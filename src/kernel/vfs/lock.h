/* SPDX-License-Identifier: Apache-2.0 */
/* Advisory locks: record locks of processes, of open file descriptions, and flock (fcntl(2), flock(2);
 * fs/locks.c). */
#ifndef HUSK_KERNEL_VFS_LOCK_H
#define HUSK_KERNEL_VFS_LOCK_H

#include "vfs/inode.h"

enum lock_kind { LOCK_POSIX, LOCK_OFD, LOCK_FLOCK };

/* @owner: a table of descriptors for record locks, the file for the others. */
struct file_lock {
	struct list node; /* in inode->locks */
	enum lock_kind kind;
	const void *owner;
	int pid; /* for F_GETLK */
	bool write;
	u64 start, end; /* inclusive */
};

/* Sets (F_RDLCK, F_WRLCK) or clears (F_UNLCK) a lock: 0, -EAGAIN when another is in its way, -ENOLCK without
 * memory. */
int lock_set(struct inode *i, enum lock_kind kind, const void *owner, int pid, int type, u64 start, u64 end);
/* The first lock in the way of such a one, borrowed; NULL: none. */
struct file_lock *lock_conflict(struct inode *i, enum lock_kind kind, const void *owner, int type, u64 start,
				u64 end);
/* All record locks of a descriptor table on this inode go (any close of it); all of an open file. */
void locks_release_owner(struct inode *i, const void *owner);
void locks_release_file(struct file *f);

#endif
