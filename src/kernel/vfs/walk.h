/* SPDX-License-Identifier: Apache-2.0 */
/* Inside path walking: the state of one walk, for walk.c and open.c. */
#ifndef HUSK_KERNEL_VFS_WALK_H
#define HUSK_KERNEL_VFS_WALK_H

#include "vfs/inode.h"

#define MAX_LINKS 40 /* symlinks that one path may lead over: ELOOP (include/linux/namei.h: MAXSYMLINKS) */

struct walk {
	struct task *task;
	struct path root, cur; /* owned */
	int links;             /* symlinks followed */
	int inner;             /* symlinks on the way, not at its end, whose text is being walked */
	u32 resolve;           /* openat2's RESOLVE_* */
	bool long_last;        /* LOOKUP_LONG */
	bool rooted;           /* the walk has had to do with its root already (fs/namei.c: nd_jump_root()) */
	/* Borrowed: nothing but the attributes of the end is wanted, and goes there where its file system tells them without
	 * an inode: then `told`, and cur is the directory. NULL: the end itself. */
	struct kstat *attributes;
	bool told;
};

/* Begins at @dirfd (or AT_FDCWD) for @path: 0, -EBADF, -ENOTDIR. walk_end() afterwards in any case. */
int walk_begin(struct walk *w, struct task *t, int dirfd, const char *path, u32 flags);
void walk_end(struct walk *w);
/* Resolves @path from w->cur. @follow: the last component too. */
int walk_path(struct walk *w, const char *path, bool follow);
/* "..": stops at the root; from the root of a mount goes on from where it is mounted. 0 or -EXDEV. */
int walk_up(struct walk *w);
/* The text of the symlink @link (PATH_MAX bytes), if the walk may go there: 0, -ENOENT, -EXDEV. */
int walk_read_link(struct walk *w, struct path *link, char *buf);
/* Resolves all but the last component; see path_parent(). */
int walk_parent(struct walk *w, const char *path, char *last, enum last_type *type, bool *slashes);
/* Whether the symlink @link at the end of a path, in the directory w->cur, is followed: in directories like /tmp only its
 * owner's and the directory's owner's are (fs.protected_symlinks). 0 or -EACCES. */
int may_follow_link(const struct walk *w, const struct path *link);
/* w->cur is the directory of the symlink @link: goes where it leads. */
int walk_link(struct walk *w, struct path *link, bool follow);

#endif
