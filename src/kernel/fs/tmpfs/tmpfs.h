/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside tmpfs: trees in memory.
 *
 * super.c makes file systems, node.c inodes, names.c and rename.c the names in directories, dir.c lists them,
 * data.c holds the bytes of files, file.c opens them.
 */
#ifndef HUSK_KERNEL_FS_TMPFS_TMPFS_H
#define HUSK_KERNEL_FS_TMPFS_TMPFS_H

#include "base/rbtree.h"
#include "vfs/inode.h"
#include "vfs/simple.h"
#include "vfs/xattr.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20 /* Linux 6.3 */
#endif
#define FIRST_ORDER 2 /* the first name's getdents offset: after "." and ".." */

/* One tree; all of its inodes hang off the root's entries or are kept by open files. */
struct tmpfs {
	const struct inode_kinds *kinds; /* tmpfs_kinds, or those of a file system made on top of it */
	struct vfs *disk; /* whose disk_used counts with used_bytes; NULL: memfds, which are no disk */
	struct vfs
		*memory; /* whose memory_used counts, too; NULL: the bytes are in the upper layer's files */
	struct vfs *vfs; /* in whose accounts inodes and names are */
	u64 max_bytes, used_bytes;
	u64 max_inodes, used_inodes, used_names;
	u64 next_ino;
	u32 nmemfds;
	struct list doomed; /* struct tentry of directories that went, whose inodes are yet to be put */
	bool draining;
};

struct lower;

struct tnode {
	struct tmpfs *fs; /* a memfd of the guest, which no tree holds, counts in vfs->memfds */
	u32 mode, nlink, uid, gid;
	u64 rdev;
	struct timespec atime, mtime, ctime, btime;
	struct xattrs xattrs;
	u64 stored;          /* fs/overlay: its number in the upper layer; 0: none */
	u32 opens;           /* open files of it */
	u32 told;            /* fs/overlay: since which compaction the upper layer's log knows it */
	bool counted;        /* in fs->used_inodes */
	bool kept;           /* fs/overlay: the upper layer has, or had, a file of its bytes */
	bool lost;           /* fs/overlay: which is not there any more */
	struct lower *lower; /* fs/overlay: what lies below; NULL: nothing */
	bool linkable;       /* from O_TMPFILE: a first name may be given */

	/* regular file: what was written in @data below HUSK_TMPFS_SMALL, else in @memfd, which stays once it
	 * is there. Bytes of @data from @size to @cap are zero; those of the file from @cap to @size are a
	 * hole. */
	s64 size;
	char *data;
	size_t cap;
	struct hostfd memfd, read_fd; /* read_fd: the same, open for reading only, for mappings */
	u64 charged;                  /* bytes counted in fs->used_bytes */
	u64 reserved; /* of the memfd: what shared writable mappings may fill without a turn, counted as if it were */
	bool donated;               /* the memfd has been given to guests, who read it by themselves */
	struct timespec host_atime; /* then: when the host last saw it read, as far as is known */
	bool maybe_read; /* that is not before the last change: by the host's clock a read since then may bear the same time */
	u64 written; /* to the memfd since it was last measured */
	int seals;
	char *name; /* of a memfd */

	char *target; /* symlink */

	/* directory */
	struct rb_root by_name, by_order;
	u64 next_order;
	u32 nentries;
};

/* A name in a directory; without an inode a whiteout: an overlay's lower name that is gone. */
struct tentry {
	struct rb_node name_node, order_node;
	struct list doomed;
	u32 hash;            /* of the name */
	u64 order;           /* its getdents offset, stable as long as it lives */
	struct inode *inode; /* owned; NULL: a whiteout, which is in no listing */
	bool hidden;         /* by the command line */
	bool covers;         /* there is such a name in the lower layer: when it goes, a whiteout stays */
	u8 len;
	char name[];
};

static inline struct tnode *tnode(struct inode *i)
{
	return i->priv;
}

static inline bool timespec_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* node.c */
struct timespec tmpfs_now(void);
/* Sets mtime and ctime. */
void tnode_changed(struct tnode *n);
/* A new inode with the caller's reference, of no name yet. -ENOSPC, -ENOMEM. */
int tnode_new(struct kernel *k, struct super *sb, struct tmpfs *fs, u32 mode, u32 uid, u32 gid,
	      struct inode **out);
/* As tnode_new(), but it does not count among the inodes of @fs before tnode_count(). */
int tnode_alloc(struct kernel *k, struct super *sb, struct tmpfs *fs, u32 mode, u32 uid, u32 gid,
		struct inode **out);
int tnode_count(struct tnode *n);
int tmpfs_getattr(struct inode *i, struct kstat *st);
int tmpfs_ownership(struct inode *i, struct ownership *o);
/* inode_ops.used */
void tmpfs_used(struct inode *i, const struct file *f, bool written);
int tmpfs_setattr(struct inode *i, const struct iattr *a);
void tmpfs_release_inode(struct inode *i);

/* names.c */
/* tentry_find() knows no whiteouts, tentry_any() does. */
struct tentry *tentry_any(struct tnode *dir, const char *name, size_t len);
struct tentry *tentry_find(struct tnode *dir, const char *name, size_t len);
/* Enters @inode (consumed on success) as @name, which is free; NULL: a whiteout. */
int tentry_enter(struct tnode *dir, const char *name, size_t len, struct inode *inode);
/* Takes a name out; its reference of the inode is the caller's. */
struct inode *tentry_leave(struct tnode *dir, struct tentry *e);
void tentry_free(struct tmpfs *fs, struct tentry *e);
int tmpfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int tmpfs_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, const struct cred *cred,
		 struct inode **out);
int tmpfs_symlink(struct inode *dir, const char *name, size_t len, const char *target,
		  const struct cred *cred, struct inode **out);
int tmpfs_tmpfile(struct inode *dir, u32 mode, bool linkable, const struct cred *cred, struct inode **out);
int tmpfs_link(struct inode *dir, const char *name, size_t len, struct inode *target);
int tmpfs_unlink(struct inode *dir, const char *name, size_t len, struct inode *target);
int tmpfs_rmdir(struct inode *dir, const char *name, size_t len, struct inode *target);

/* rename.c */
int tmpfs_rename(struct inode *dir, const char *name, size_t len, struct inode *target, struct inode *new_dir,
		 const char *new_name, size_t new_len, struct inode *over, u32 flags,
		 const struct cred *cred);

/* xattr.c */
long tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t size);
int tmpfs_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags);
long tmpfs_listxattr(struct inode *i, char *buf, size_t size);
int tmpfs_removexattr(struct inode *i, const char *name);

/* dir.c */
/* The first entry with a number of @order or above, whiteouts left out. */
struct tentry *tentry_from(struct tnode *dir, u64 order);
extern const struct file_ops tmpfs_dir_ops;

/* super.c */
extern const struct inode_kinds tmpfs_kinds;
long tmpfs_readlink(struct inode *i, char *buf, size_t size);
int tmpfs_statfs(struct super *sb, struct statfs *st);
void tmpfs_setup(struct tmpfs *fs, struct vfs *vfs, u64 max_bytes);
/* Bytes that are free in @fs: also by --disk-limit. */
u64 tmpfs_free(const struct tmpfs *fs);
/* @now bytes where @before were. */
void tmpfs_charge(struct tmpfs *fs, u64 before, u64 now);
/* An inode or a name of @size bytes of husk's memory is to be made: 0 or -ENOSPC; and is gone. They are no part of
 * used_bytes, as Linux's aren't, but of what all trees together may take. */
int tmpfs_object(struct tmpfs *fs, size_t size);
void tmpfs_object_gone(struct tmpfs *fs, size_t size);

/* file.c */
extern const struct file_ops tmpfs_file_ops, tmpfs_memfd_ops; /* of trees; of memfd_create */

/* data.c */
int tnode_resize(struct tnode *n, s64 size);
void tnode_free_data(struct tnode *n);
/* Nobody has the file open or mapped any more: a small one gives its memfd back when there are many, because descriptors
 * are few and small files may be many. */
void tnode_settle(struct tnode *n);
/* Puts @size bytes of kernel memory at @pos, as a write of nobody's. 0, -ENOSPC, ... */
int tnode_store(struct tnode *n, const char *data, size_t size, u64 pos);
/* One piece of a write: into memory directly, or by @buf (VFS_PIECE) into the memfd. Bytes or -errno; nothing is consumed on
 * errors. */
long tnode_write(struct tnode *n, struct uio *from, u64 pos, char *buf);
/* As fallocate(2). tnode_allocate() may do a part: see file_ops.fallocate. */
int tnode_punch(struct tnode *n, u64 offset, u64 len);
long tnode_allocate(struct tnode *n, bool keep_size, u64 offset, u64 len);
/* Moves the data to a memfd, if it is in none. */
int tnode_to_memfd(struct tnode *n);
/* Makes sure that a memfd of @size bytes could be filled whole: 0 or -ENOSPC. */
int tnode_reserve(struct tnode *n, u64 size);
/* It is read at @when: noted as Linux's relatime does. */
void tnode_accessed(struct tnode *n, const struct timespec *when);
/* The same now by @f, unless that was opened not to leave a trace. */
void tnode_read_by(struct tnode *n, const struct file *f);
/* Has reads that guests made by themselves in the access time, before that or the file is changed. */
void tnode_note_reads(struct tnode *n);
/* Bytes that the data takes. */
u64 tnode_measure(struct tnode *n);

#endif
