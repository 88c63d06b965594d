/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: inodes, from their making to their end, and their attributes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fs/tmpfs/tmpfs.h"
#include "vfs/donate.h"

#define ENTRY_SIZE 20 /* what a directory's size counts for each name, as Linux's tmpfs does */
#define MEMFD_DEV  1

struct timespec tmpfs_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now;
}

void tnode_changed(struct tnode *n)
{
	n->mtime = n->ctime = tmpfs_now();
	n->maybe_read = !timespec_before(&n->host_atime, &n->mtime);
}

int tnode_alloc(struct kernel *k, struct super *sb, struct tmpfs *fs, u32 mode, u32 uid, u32 gid,
		struct inode **out)
{
	struct tnode *n;
	struct inode *i;

	n = zalloc(sizeof *n);
	if (!n)
		return -ENOMEM;
	n->fs = fs;
	n->mode = mode;
	n->nlink = S_ISDIR(mode) ? 2 : 1;
	n->uid = uid;
	n->gid = gid;
	n->memfd = n->read_fd = HOSTFD_NONE;
	n->seals = F_SEAL_SEAL;
	n->next_order = FIRST_ORDER;
	n->atime = n->mtime = n->ctime = n->btime = tmpfs_now();
	i = inode_new(k, sb, inode_ops_of(fs->kinds, mode & S_IFMT), mode & S_IFMT,
		      sb ? ++fs->next_ino : ++k->anon_ino, n);
	if (!i) {
		free(n);
		return -ENOMEM;
	}
	*out = i;
	return 0;
}

/* What one takes of husk's memory, with what malloc() adds. */
#define INODE_SIZE (sizeof(struct inode) + sizeof(struct tnode) + 16)

int tnode_count(struct tnode *n)
{
	int err;

	if (!n->fs || n->counted)
		return 0;
	if (n->fs->used_inodes >= n->fs->max_inodes)
		return -ENOSPC;
	err = tmpfs_object(n->fs, INODE_SIZE);
	if (err)
		return err;
	n->fs->used_inodes++;
	n->counted = true;
	return 0;
}

int tnode_new(struct kernel *k, struct super *sb, struct tmpfs *fs, u32 mode, u32 uid, u32 gid,
	      struct inode **out)
{
	struct inode *i;
	int err = tnode_alloc(k, sb, fs, mode, uid, gid, &i);

	if (err)
		return err;
	err = tnode_count(tnode(i));
	if (err)
		inode_put(i);
	else
		*out = i;
	return err;
}

/* Puts the inodes of directories that went, and of those below them: a loop, for a guest's tree may be deep.
 */
static void drain(struct tmpfs *fs)
{
	if (fs->draining)
		return;
	fs->draining = true;
	while (!list_empty(&fs->doomed)) {
		struct tentry *e = list_first(&fs->doomed, struct tentry, doomed);

		list_del(&e->doomed);
		inode_put(e->inode);
		tentry_free(fs, e);
	}
	fs->draining = false;
}

void tmpfs_release_inode(struct inode *i)
{
	struct tnode *n = tnode(i);
	struct tmpfs *fs = n->fs;
	struct rb_node *rb;

	tnode_free_data(n);
	if (fs)
		tmpfs_charge(fs, n->xattrs.bytes, 0);
	xattrs_free(&n->xattrs);
	while ((rb = n->by_name.node)) {
		struct tentry *e = rb_entry(rb, struct tentry, name_node);

		rb_erase(&n->by_name, rb);
		list_add_tail(&fs->doomed, &e->doomed);
	}
	if (n->counted) {
		fs->used_inodes--;
		tmpfs_object_gone(fs, INODE_SIZE);
	}
	free(n->target);
	free(n->name);
	free(n);
	if (fs) {
		drain(fs);
	}
}

int tmpfs_ownership(struct inode *i, struct ownership *o)
{
	const struct tnode *n = tnode(i);

	*o = (struct ownership){n->mode, n->uid, n->gid};
	return 0;
}

int tmpfs_getattr(struct inode *i, struct kstat *st)
{
	struct tnode *n = tnode(i);

	*st = (struct kstat){
		.dev = i->sb ? i->sb->dev : MEMFD_DEV,
		.ino = i->ino,
		.mode = n->mode,
		.nlink = n->nlink,
		.uid = n->uid,
		.gid = n->gid,
		.rdev = n->rdev,
		.size = n->size,
		.blksize = PAGE_SIZE,
		.mtime = n->mtime,
		.ctime = n->ctime,
		.btime = n->btime,
	};
	if (i->type == S_IFDIR)
		st->size = (2 + (s64)n->nentries) * ENTRY_SIZE;
	else if (i->type == S_IFLNK)
		st->size = (s64)strlen(n->target);
	else if (i->type == S_IFREG)
		st->blocks = (hostfd_valid(n->memfd) ? tnode_measure(n)
						     : align_up(min((u64)n->size, (u64)n->cap), PAGE_SIZE)) /
			     512;
	/* Measuring may have found that it was read. */
	st->atime = n->atime;
	return 0;
}

void tmpfs_used(struct inode *i, const struct file *f, bool written)
{
	if (written)
		tnode_changed(tnode(i));
	else
		tnode_read_by(tnode(i), f);
}

/* Of a guest's own read in the same tick of the clock as its last one nothing would be seen: guests read by husk again, for
 * a while. */
static void set_atime(struct inode *i, const struct timespec *atime)
{
	struct tnode *n = tnode(i);
	struct timespec now = tmpfs_now();

	n->atime = *atime;
	n->maybe_read = false;
	if (n->donated && !timespec_before(&n->host_atime, &now))
		donate_moved(i);
}

int tmpfs_setattr(struct inode *i, const struct iattr *a)
{
	struct tnode *n = tnode(i);

	if (a->valid & ATTR_MODE && n->seals & F_SEAL_EXEC && (a->mode ^ n->mode) & 0111)
		return -EPERM;
	tnode_note_reads(n);
	if (a->valid & ATTR_SIZE) {
		s64 before = n->size;
		int err = tnode_resize(n, a->size);

		if (err)
			return err;
		i->cuts += a->size < before;
		tnode_changed(n);
	}
	if (a->valid & ATTR_MODE)
		n->mode = (n->mode & S_IFMT) | (a->mode & 07777);
	if (a->valid & (ATTR_UID | ATTR_GID) && !(a->valid & ATTR_MODE) && i->type == S_IFREG) {
		n->mode &= ~(u32)S_ISUID;
		if (n->mode & S_IXGRP)
			n->mode &= ~(u32)S_ISGID;
	}
	if (a->valid & ATTR_UID)
		n->uid = a->uid;
	if (a->valid & ATTR_GID)
		n->gid = a->gid;
	if (a->valid & ATTR_ATIME)
		set_atime(i, &a->atime);
	if (a->valid & ATTR_MTIME)
		n->mtime = a->mtime;
	n->ctime = tmpfs_now();
	return 0;
}
