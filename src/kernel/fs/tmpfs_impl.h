/* SPDX-License-Identifier: Apache-2.0 */
/* Inside tmpfs: what an inode holds, between its names (tmpfs.c) and its data (tmpfs_data.c). */
#ifndef HUSK_KERNEL_FS_TMPFS_IMPL_H
#define HUSK_KERNEL_FS_TMPFS_IMPL_H

#include "base/rbtree.h"
#include "vfs/inode.h"

/* One tree; all of its inodes hang off the root's entries or are kept by open files. */
struct tmpfs {
	u64 max_bytes, used_bytes;
	u64 max_inodes, used_inodes;
	u64 next_ino;
	struct list doomed; /* struct tentry of directories that went, whose inodes are yet to be put */
	bool draining;
};

struct tnode {
	struct tmpfs *fs; /* nullable: a memfd of the guest, which no tree holds and no tree's size bounds */
	u32 mode, nlink, uid, gid;
	u64 rdev;
	struct timespec atime, mtime, ctime, btime;
	bool linkable; /* from O_TMPFILE: a first name may be given */

	/* regular file: what was written in @data below HUSK_TMPFS_SMALL, else in @memfd, which stays once it
	 * is there. Bytes of @data from @size to @cap are zero; those of the file from @cap to @size are a
	 * hole. */
	s64 size;
	char *data;
	size_t cap;
	struct hostfd memfd, read_fd; /* read_fd: the same, open for reading only, for mappings */
	u64 charged;                  /* bytes counted in fs->used_bytes */
	u64 written;                  /* to the memfd since it was last measured */
	int seals;
	char *name; /* of a memfd */

	char *target; /* symlink */

	/* directory */
	struct rb_root by_name, by_order;
	u64 next_order;
	u32 nentries;
};

/* A name in a directory. */
struct tentry {
	struct rb_node name_node, order_node;
	struct list doomed;
	u64 order;           /* its getdents offset, stable as long as it lives */
	struct inode *inode; /* owned */
	u8 len;
	char name[];
};

static inline struct tnode *tnode(struct inode *i)
{
	return i->priv;
}

struct timespec tmpfs_now(void);
/* Sets mtime and ctime. */
void tnode_changed(struct tnode *n);

/* tmpfs_data.c */
extern const struct file_ops tmpfs_file_ops, tmpfs_memfd_ops; /* of trees; of memfd_create */
int tnode_resize(struct tnode *n, s64 size);
void tnode_free_data(struct tnode *n);
/* Bytes that the data takes. */
u64 tnode_measure(struct tnode *n);

#endif
