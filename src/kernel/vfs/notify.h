/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notification: who watches an inode is told what happens to it, or below it.
 *
 * The handlers and the vfs report what they did; an inode's marks say who wants to know (fs/inotify.c). Masks are
 * inotify's IN_* bits.
 */
#ifndef HUSK_KERNEL_VFS_NOTIFY_H
#define HUSK_KERNEL_VFS_NOTIFY_H

#include <sys/inotify.h>

#include "vfs/inode.h"

struct notify_event {
	u32 mask;         /* one IN_* event, maybe IN_ISDIR */
	u32 cookie;       /* joins the two halves of a move */
	const char *name; /* in the watched directory; NULL: the watched inode itself */
	size_t len;
	bool unlinked; /* by a file that has lost its name */
};

struct notify_mark {
	struct notify_mark *next; /* in inode->marks */
	struct inode *inode;      /* owned */
	struct dentry
		*name; /* owned; nullable: of a tree that keeps no names, by which the inode is found again */
	u32 mask;      /* what is wanted; changed by notify_mark_want() */
	/* May take the mark away (notify_mark_remove()), but no other. */
	void (*event)(struct notify_mark *m, const struct notify_event *e);
	/* The inode has been deleted: the mark is to be taken away. */
	void (*gone)(struct notify_mark *m);
};

/* @d: by which name the inode was found; nullable. */
void notify_mark_add(struct notify_mark *m, struct inode *i, struct dentry *d);
void notify_mark_remove(struct notify_mark *m);
void notify_mark_want(struct notify_mark *m, u32 mask);
/* Whether somebody wants to hear of @mask by @f. */
bool notify_wants(const struct file *f, u32 mask);

/* Something happened to what @d names: tells watchers of its directory and its own. */
void notify_dentry(struct dentry *d, u32 mask);
/* The same, by an open file; and that it has been opened, or goes away. */
void notify_file(struct file *f, u32 mask);
void notify_open(struct file *f);
void notify_close(struct file *f);
/* Attributes were changed: which event that is follows from what was changed. */
void notify_change(struct dentry *d, const struct iattr *a);
/* @mask happened to @child (NULL: no directory), which is called @name in @dir. */
void notify_name(struct inode *dir, u32 mask, const char *name, struct inode *child, u32 cookie);
/* @mask happened to an inode, whatever it is called. */
void notify_inode(struct inode *i, u32 mask);
/* @d is nobody's way to its inode any more: marks hold it no longer. The caller has a reference. */
void notify_dropped(struct dentry *d);
/* A name of @d's inode has gone for good: if it was the last, so has the inode. */
void notify_unlinked(struct dentry *d);
/* A number that joins two events. */
u32 notify_cookie(struct kernel *k);

#endif
