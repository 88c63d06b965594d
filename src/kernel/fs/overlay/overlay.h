/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the overlay: a tmpfs tree whose directories may shine through to a lower tree, which is never written.
 *
 * Every object that a guest reaches has one inode here for its whole life, whatever becomes of it:
 *
 *	seen	nothing of it has been changed. The inode is nothing but a way to the lower one (struct lower), it is in
 *		no directory's entries, and goes when nobody uses it.
 *	owned	its attributes are its own, it is entered in its directory as any file of tmpfs, and so is every
 *		directory above it. The bytes of a regular file may still be the lower file's (data_below), until
 *		the first write; a directory goes on showing the lower one's names (merged) but for those that it
 *		has an entry for. Entries without an inode are whiteouts.
 *	new	made by a guest: nothing lies below. A new directory in the place of a lower one hides it whole.
 *
 * So open files, working directories, mount points and locks never need to be moved when something is changed, st_ino
 * and st_dev stay, and renaming a directory or a big file of the lower tree copies nothing: the inode takes its way
 * to the lower one along. All changes of one call happen between two turns of the service thread, so nobody sees
 * half of them.
 *
 * node.c makes inodes and owns them, names.c holds the operations on names, dir.c lists directories, file.c opens
 * files and copies their bytes, copy.c has a helper thread copy big ones, xattr.c holds extended attributes, super.c makes
 * the file system, changes.c tells what was changed. store.c keeps all of it in a directory of the host's (store.h), with
 * log.c and replay.c, which write and read the log by the words of words.c.
 */
#ifndef HUSK_KERNEL_FS_OVERLAY_OVERLAY_H
#define HUSK_KERNEL_FS_OVERLAY_OVERLAY_H

#include "fs/tmpfs/tmpfs.h"

struct store;
struct copy_job;

struct overlay {
	struct tmpfs fs; /* first: super->priv is a struct tmpfs */
	struct super *lower;
	u64 given_from, given_to; /* numbers of what was made for the mounts, before guests began */
	struct store *store;      /* NULL: the layer is in memory */
	bool hides;               /* something of the layer is kept from this run (--hide) */
	struct list pinned;       /* struct lower of owned files that may have other names below */
};

/* What lies below an inode. */
struct lower {
	struct inode *self;  /* borrowed: the overlay's inode */
	struct inode *inode; /* owned: the lower layer's */
	struct inode *
		parent; /* owned: while it is seen only, the directory where it was found, and its name there */
	char *name;     /* owned; NULL for the root */
	char *path; /* owned: of the lower object from the lower root, once it is owned; "" for that root */
	u64 dev;    /* st_dev of the lower object, kept for good */
	bool owned, merged, data_below;
	bool shown;               /* a mapping of the lower file was made */
	bool changed;             /* content or attributes, for --changes */
	struct copy_job *copying; /* a helper copies the bytes; NULL: none */
	struct wait_queue copied; /* woken when it is done */
	int copy_err;             /* how that ended, for who waited */
	struct list pin;
};

static inline struct overlay *overlay_of(struct inode *i)
{
	return container_of(tnode(i)->fs, struct overlay, fs);
}

static inline bool data_below(struct inode *i)
{
	return tnode(i)->lower && tnode(i)->lower->data_below;
}

extern const struct inode_kinds overlay_kinds; /* super.c */

/* ---- node.c ---- */
/* The inode over @lower (consumed), which was found as @name in @parent (both NULL: the root). */
int lower_node(struct super *sb, struct inode *lower, struct inode *parent, const char *name, size_t len,
	       struct inode **out);
/* Lets @i lie over @lower (consumed) at the lower layer's @path, NULL: not to be told yet. -ENOMEM. */
int lower_attach(struct inode *i, struct inode *lower, const char *path);
/* Keeps the owned @i while lower names may lead to it. */
void overlay_pin(struct inode *i);
/* Lets @i be changed: owned from now on, with all directories above it. -ENOSPC, -ENOMEM, what the lower layer says. */
int overlay_own(struct inode *i);
/* Owns @i, and enters it as @name of the owned @dir, where it is seen. */
int overlay_own_name(struct inode *dir, const char *name, size_t len, struct inode *i);
/* A name of @i went: if it was the last, nothing keeps it but its users. */
void overlay_unpin(struct inode *i);
int overlay_getattr(struct inode *i, struct kstat *st);
/* inode_ops.used */
void overlay_used(struct inode *i, const struct file *f, bool written);
int overlay_ownership(struct inode *i, struct ownership *o);
int overlay_setattr(struct inode *i, const struct iattr *a);
long overlay_readlink(struct inode *i, char *buf, size_t size);
void overlay_release_inode(struct inode *i);

/* Notes that @f is read: of what is only seen the lower layer knows better. */
static inline void overlay_accessed(struct file *f)
{
	struct tnode *n = tnode(f->inode);

	if (!n->lower || n->lower->owned)
		tnode_read_by(n, f);
}

/* Notes that content or attributes of @i were changed. */
static inline void overlay_changed(struct inode *i)
{
	if (tnode(i)->lower)
		tnode(i)->lower->changed = true;
}

/* ---- xattr.c ---- */
long overlay_getxattr(struct inode *i, const char *name, void *buf, size_t size);
int overlay_setxattr(struct inode *i, const char *name, const void *value, size_t size, int flags);
long overlay_listxattr(struct inode *i, char *buf, size_t size);
int overlay_removexattr(struct inode *i, const char *name);
/* Copies those of the lower inode. */
int overlay_take_xattrs(struct inode *i, struct inode *below);

/* ---- names.c ---- */
int overlay_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int overlay_glance(struct inode *dir, const char *name, size_t len, bool link, struct kstat *st);
u64 overlay_absence(struct inode *dir);
int overlay_hide(struct inode *dir, const char *name, size_t len);
u64 overlay_revalidate(struct inode *dir, const char *name, size_t len, struct inode *i);
int overlay_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev,
		   const struct cred *cred, struct inode **out);
int overlay_symlink(struct inode *dir, const char *name, size_t len, const char *target,
		    const struct cred *cred, struct inode **out);
int overlay_tmpfile(struct inode *dir, u32 mode, bool linkable, const struct cred *cred, struct inode **out);
int overlay_link(struct inode *dir, const char *name, size_t len, struct inode *target);
int overlay_unlink(struct inode *dir, const char *name, size_t len, struct inode *target);
int overlay_rmdir(struct inode *dir, const char *name, size_t len, struct inode *target);
int overlay_rename(struct inode *dir, const char *name, size_t len, struct inode *target,
		   struct inode *new_dir, const char *new_name, size_t new_len, struct inode *over, u32 flags,
		   const struct cred *cred);

/* ---- dir.c ---- */
/* 0 when @dir has no name left, -ENOTEMPTY, or what the lower layer says. */
int overlay_check_empty(struct inode *dir);
int overlay_open_dir(struct inode *i, struct task *t, u32 flags, struct file **out);

/* ---- copy.c ---- */
/* Makes the first @size bytes of the lower file, UINT64_MAX: all, the overlay's own: 0; -EAGAIN: a helper copies them (all
 * of them), wait on lower->copied and ask again; or why it cannot be. */
int overlay_copy_later(struct inode *i, u64 size);
/* The inode goes; a copy that is under way ends by itself. */
void overlay_copy_forget(struct lower *l);

/* ---- changes.c ---- */
int overlay_changes(struct super *sb, change_fn *tell, void *arg);

/* ---- file.c ---- */
int overlay_open(struct inode *i, struct task *t, u32 flags, struct file **out);
/* inode_ops.before_change */
int overlay_before_change(struct inode *i, u64 size, struct wait_queue **wait);
/* Copies the first @size bytes of the lower file, which is cut there; the rest is the owned inode's own affair. @nowait:
 * -EAGAIN, and nothing is done, when the host would have to read its disk. */
int overlay_copy_data(struct inode *i, u64 size, bool nowait);
/* The bytes of @i are the overlay's own from now on. */
void overlay_data_moved(struct inode *i);

#endif
