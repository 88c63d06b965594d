/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs: trees in memory: names, attributes, file systems of their own, and the nameless files of
 * memfd_create.
 *
 * A directory's entries own references to their inodes, so that a file lives as long as it has a name or is
 * open. Entries are ordered by name for look-ups and by a number that is never given twice for getdents,
 * whose offsets stay right whatever is made or removed meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "fs/tmpfs_impl.h"
#include "host/file.h"

#define ENTRY_SIZE  20 /* what a directory's size counts for each name, as Linux's tmpfs does */
#define FIRST_ORDER 2  /* after "." and ".." */
#define MEMFD_DEV   1

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

static const struct inode_ops file_inode_ops, dir_inode_ops, link_inode_ops, special_inode_ops;

struct timespec tmpfs_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now;
}

void tnode_changed(struct tnode *n)
{
	n->mtime = n->ctime = tmpfs_now();
}

/* ---- inodes ---- */

static const struct inode_ops *ops_of(u32 type)
{
	switch (type) {
	case S_IFREG:
		return &file_inode_ops;
	case S_IFDIR:
		return &dir_inode_ops;
	case S_IFLNK:
		return &link_inode_ops;
	default:
		return &special_inode_ops;
	}
}

static int new_inode(struct kernel *k, struct super *sb, struct tmpfs *fs, u32 mode, u32 uid, u32 gid,
		     struct inode **out)
{
	struct tnode *n;
	struct inode *i;

	if (fs && fs->used_inodes >= fs->max_inodes)
		return -ENOSPC;
	n = calloc(1, sizeof *n);
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
	i = inode_new(k, sb, ops_of(mode & S_IFMT), mode & S_IFMT, fs ? ++fs->next_ino : ++k->anon_ino, n);
	if (!i) {
		free(n);
		return -ENOMEM;
	}
	if (fs)
		fs->used_inodes++;
	*out = i;
	return 0;
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
		free(e);
	}
	fs->draining = false;
}

static void tmpfs_release_inode(struct inode *i)
{
	struct tnode *n = tnode(i);
	struct tmpfs *fs = n->fs;
	struct rb_node *rb;

	tnode_free_data(n);
	while ((rb = rb_first(&n->by_order))) {
		struct tentry *e = rb_entry(rb, struct tentry, order_node);

		rb_erase(&n->by_order, rb);
		list_add_tail(&fs->doomed, &e->doomed);
	}
	free(n->target);
	free(n->name);
	free(n);
	if (fs) {
		fs->used_inodes--;
		drain(fs);
	}
}

static int tmpfs_getattr(struct inode *i, struct kstat *st)
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
		.atime = n->atime,
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
	return 0;
}

static int tmpfs_setattr(struct inode *i, const struct iattr *a)
{
	struct tnode *n = tnode(i);

	if (a->valid & ATTR_SIZE) {
		int err = tnode_resize(n, a->size);

		if (err)
			return err;
		n->mtime = tmpfs_now();
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
		n->atime = a->atime;
	if (a->valid & ATTR_MTIME)
		n->mtime = a->mtime;
	n->ctime = tmpfs_now();
	return 0;
}

/* ---- names ---- */

static int compare(const char *a, size_t alen, const char *b, size_t blen)
{
	int d = memcmp(a, b, min(alen, blen));

	return d ? d : alen < blen ? -1 : alen > blen;
}

static struct tentry *find(struct tnode *dir, const char *name, size_t len)
{
	struct rb_node *rb = dir->by_name.node;

	while (rb) {
		struct tentry *e = rb_entry(rb, struct tentry, name_node);
		int d = compare(name, len, e->name, e->len);

		if (!d)
			return e;
		rb = d < 0 ? rb->left : rb->right;
	}
	return NULL;
}

/* Enters @inode (consumed on success) as @name, which is free. */
static int enter(struct tnode *dir, const char *name, size_t len, struct inode *inode)
{
	struct rb_node **link = &dir->by_name.node, *parent = NULL;
	struct tentry *e = calloc(1, sizeof *e + len);

	if (!e)
		return -ENOMEM;
	e->inode = inode;
	e->len = (u8)len;
	e->order = dir->next_order++;
	list_init(&e->doomed);
	memcpy(e->name, name, len);
	while (*link) {
		struct tentry *at = rb_entry(*link, struct tentry, name_node);

		parent = *link;
		link = compare(name, len, at->name, at->len) < 0 ? &parent->left : &parent->right;
	}
	rb_insert(&dir->by_name, &e->name_node, parent, link);
	parent = NULL;
	link = &dir->by_order.node;
	while (*link) { /* the highest so far */
		parent = *link;
		link = &parent->right;
	}
	rb_insert(&dir->by_order, &e->order_node, parent, link);
	dir->nentries++;
	tnode_changed(dir);
	return 0;
}

/* Takes a name out; its reference of the inode is the caller's. */
static struct inode *leave(struct tnode *dir, struct tentry *e)
{
	struct inode *i = e->inode;

	rb_erase(&dir->by_name, &e->name_node);
	rb_erase(&dir->by_order, &e->order_node);
	dir->nentries--;
	tnode_changed(dir);
	free(e);
	return i;
}

static int tmpfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct tentry *e = find(tnode(dir), name, len);

	if (!e)
		return -ENOENT;
	*out = inode_get(e->inode);
	return 0;
}

/* A new inode below @dir: of the directory's group when that is set-group-id, which directories inherit. */
static int new_below(struct inode *dir, u32 mode, const struct cred *cred, struct inode **out)
{
	struct tnode *d = tnode(dir);
	u32 gid = cred->fsgid;

	if (d->mode & S_ISGID) {
		gid = d->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
		else if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && !cred_in_group(cred, gid) &&
			 !(cred->cap_effective >> CAP_FSETID & 1))
			mode &= ~(u32)S_ISGID;
	}
	return new_inode(dir->k, dir->sb, d->fs, mode, cred->fsuid, gid, out);
}

/* Names the new @i in @dir: one reference for the name, one for the caller. */
static int name_new(struct inode *dir, const char *name, size_t len, struct inode *i, struct inode **out)
{
	int err = find(tnode(dir), name, len) ? -EEXIST : enter(tnode(dir), name, len, i);

	if (err) {
		inode_put(i);
		return err;
	}
	if (i->type == S_IFDIR)
		tnode(dir)->nlink++;
	*out = inode_get(i);
	return 0;
}

static int tmpfs_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev,
			const struct cred *cred, struct inode **out)
{
	struct inode *i;
	int err = new_below(dir, mode, cred, &i);

	if (err)
		return err;
	tnode(i)->rdev = rdev;
	return name_new(dir, name, len, i, out);
}

static int tmpfs_symlink(struct inode *dir, const char *name, size_t len, const char *target,
			 const struct cred *cred, struct inode **out)
{
	struct inode *i;
	int err = new_below(dir, S_IFLNK | 0777, cred, &i);

	if (err)
		return err;
	tnode(i)->target = strdup(target);
	if (!tnode(i)->target) {
		inode_put(i);
		return -ENOMEM;
	}
	return name_new(dir, name, len, i, out);
}

static int tmpfs_tmpfile(struct inode *dir, u32 mode, bool linkable, const struct cred *cred,
			 struct inode **out)
{
	int err = new_below(dir, mode, cred, out);

	if (err)
		return err;
	tnode(*out)->nlink = 0;
	tnode(*out)->linkable = linkable;
	return 0;
}

static int tmpfs_link(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct tnode *n = tnode(target);
	int err;

	if (!n->nlink && !n->linkable)
		return -ENOENT;
	if (find(tnode(dir), name, len))
		return -EEXIST;
	err = enter(tnode(dir), name, len, inode_get(target));
	if (err) {
		inode_put(target);
		return err;
	}
	n->nlink++;
	n->linkable = false;
	n->ctime = tmpfs_now();
	return 0;
}

static int tmpfs_unlink(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct tentry *e = find(tnode(dir), name, len);

	if (!e)
		return -ENOENT;
	tnode(e->inode)->nlink--;
	tnode(e->inode)->ctime = tmpfs_now();
	inode_put(leave(tnode(dir), e));
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct tentry *e = find(tnode(dir), name, len);
	struct tnode *n;

	if (!e)
		return -ENOENT;
	n = tnode(e->inode);
	if (e->inode->type != S_IFDIR)
		return -ENOTDIR;
	if (n->nentries)
		return -ENOTEMPTY;
	n->nlink = 0;
	n->ctime = tmpfs_now();
	tnode(dir)->nlink--;
	inode_put(leave(tnode(dir), e));
	return 0;
}

/* ---- rename ---- */

/* One directory less in @from, one more in @to. */
static void move_directory(struct tnode *from, struct tnode *to)
{
	from->nlink--;
	to->nlink++;
}

static void exchange(struct tnode *dir, struct tentry *e, struct tnode *new_dir, struct tentry *n)
{
	struct inode *i = e->inode;

	if (dir != new_dir && i->type != n->inode->type) {
		if (i->type == S_IFDIR)
			move_directory(dir, new_dir);
		else if (n->inode->type == S_IFDIR)
			move_directory(new_dir, dir);
	}
	e->inode = n->inode;
	n->inode = i;
	tnode(e->inode)->ctime = tnode(n->inode)->ctime = tmpfs_now();
	tnode_changed(dir);
	tnode_changed(new_dir);
}

/* Ends what @n names in @new_dir, and lets it name @i (the reference is consumed) instead. */
static int replace(struct tnode *new_dir, struct tentry *n, struct inode *i)
{
	struct inode *over = n->inode;
	struct tnode *o = tnode(over);

	if (over->type == S_IFDIR) {
		if (i->type != S_IFDIR)
			return -EISDIR;
		if (o->nentries)
			return -ENOTEMPTY;
		o->nlink = 0;
		new_dir->nlink--;
	} else {
		if (i->type == S_IFDIR)
			return -ENOTDIR;
		o->nlink--;
	}
	o->ctime = tmpfs_now();
	n->inode = i;
	tnode_changed(new_dir);
	inode_put(over);
	return 0;
}

static int tmpfs_rename(struct inode *dir, const char *name, size_t len, struct inode *target,
			struct inode *new_dir, const char *new_name, size_t new_len, struct inode *over,
			u32 flags)
{
	struct tnode *d = tnode(dir), *nd = tnode(new_dir);
	struct tentry *e = find(d, name, len), *n = find(nd, new_name, new_len);
	struct inode *i;
	int err;

	if (!e)
		return -ENOENT;
	i = e->inode;
	if (flags & RENAME_EXCHANGE) {
		if (!n)
			return -ENOENT;
		exchange(d, e, nd, n);
		return 0;
	}
	if (flags & RENAME_NOREPLACE && n)
		return -EEXIST;
	if (n && n->inode == i) /* two names of one file: nothing happens */
		return 0;
	err = n ? replace(nd, n, inode_get(i)) : enter(nd, new_name, new_len, inode_get(i));
	if (err) {
		inode_put(i);
		return err;
	}
	inode_put(leave(d, e));
	if (i->type == S_IFDIR && d != nd)
		move_directory(d, nd);
	tnode(i)->ctime = tmpfs_now();
	return 0;
}

/* ---- reading links and directories, opening ---- */

static long tmpfs_readlink(struct inode *i, char *buf, size_t size)
{
	size_t len = min(strlen(tnode(i)->target), size);

	memcpy(buf, tnode(i)->target, len);
	return (long)len;
}

/* The first entry with a number of @order or above. */
static struct tentry *entry_from(struct tnode *dir, u64 order)
{
	struct rb_node *rb = dir->by_order.node, *found = NULL;

	while (rb) {
		if (rb_entry(rb, struct tentry, order_node)->order >= order) {
			found = rb;
			rb = rb->left;
		} else {
			rb = rb->right;
		}
	}
	return rb_entry_or_null(found, struct tentry, order_node);
}

static int dir_iterate(struct file *f, struct dir_context *ctx)
{
	struct tnode *dir = tnode(f->inode);
	struct dentry *d = f->path ? f->path->path.dentry : NULL;
	struct tentry *e;

	dir->atime = tmpfs_now();
	if (f->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, f->inode->ino, DT_DIR, 1))
			return 0;
		f->pos = 1;
	}
	if (f->pos == 1) {
		u64 up = d && d->parent ? d->parent->inode->ino : f->inode->ino;

		if (!ctx->emit(ctx, "..", 2, up, DT_DIR, FIRST_ORDER))
			return 0;
		f->pos = FIRST_ORDER;
	}
	for (e = entry_from(dir, f->pos); e; e = entry_from(dir, f->pos)) {
		if (!ctx->emit(ctx, e->name, e->len, e->inode->ino, IFTODT(e->inode->type), e->order + 1))
			return 0;
		f->pos = e->order + 1;
	}
	return 0;
}

static s64 dir_seek(struct file *f, s64 offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += (s64)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (offset < 0)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

static long dir_read(struct file *f, struct uio *to, u64 *pos)
{
	return -EISDIR;
}

static int dir_fsync(struct file *f, bool data_only)
{
	return 0;
}

static const struct file_ops dir_file_ops = {
	.read = dir_read, .seek = dir_seek, .iterate = dir_iterate, .fsync = dir_fsync};

static int tmpfs_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	const struct file_ops *ops = i->type == S_IFDIR ? &dir_file_ops
				     : tnode(i)->name   ? &tmpfs_memfd_ops
							: &tmpfs_file_ops;
	int err = file_new(i->k, ops, flags, inode_get(i), NULL, out);

	if (err)
		inode_put(i);
	return err;
}

static const struct inode_ops file_inode_ops = {
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.open = tmpfs_open,
	.release = tmpfs_release_inode,
};

static const struct inode_ops dir_inode_ops = {
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.lookup = tmpfs_lookup,
	.create = tmpfs_create,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
	.tmpfile = tmpfs_tmpfile,
	.open = tmpfs_open,
	.release = tmpfs_release_inode,
};

static const struct inode_ops link_inode_ops = {
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.readlink = tmpfs_readlink,
	.release = tmpfs_release_inode,
};

/* FIFOs are opened by fs/pipe, sockets by connect, devices not at all (ENXIO). */
static const struct inode_ops special_inode_ops = {
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.release = tmpfs_release_inode,
};

/* ---- file systems ---- */

static int tmpfs_statfs(struct super *sb, struct statfs *st)
{
	struct tmpfs *fs = sb->priv;

	memset(st, 0, sizeof *st);
	st->f_type = TMPFS_MAGIC;
	st->f_bsize = st->f_frsize = PAGE_SIZE;
	st->f_blocks = fs->max_bytes / PAGE_SIZE;
	st->f_bfree = fs->max_bytes > fs->used_bytes ? (fs->max_bytes - fs->used_bytes) / PAGE_SIZE : 0;
	st->f_bavail = st->f_bfree;
	st->f_files = fs->max_inodes;
	st->f_ffree = fs->max_inodes - fs->used_inodes;
	st->f_namelen = 255;
	return 0;
}

static void tmpfs_release_super(struct super *sb)
{
	free(sb->priv);
}

int tmpfs_super(struct kernel *k, u32 mode, u32 uid, u32 gid, u64 max_bytes, struct super **out)
{
	struct super *sb = calloc(1, sizeof *sb);
	struct tmpfs *fs = calloc(1, sizeof *fs);
	int err;

	if (!sb || !fs) {
		free(sb);
		free(fs);
		return -ENOMEM;
	}
	fs->max_bytes = max_bytes;
	fs->max_inodes = max_bytes / PAGE_SIZE / 2;
	list_init(&fs->doomed);
	sb->k = k;
	sb->type = sb->source = "tmpfs";
	sb->dev = makedev(0, k->vfs->next_dev++);
	sb->priv = fs;
	sb->statfs = tmpfs_statfs;
	sb->release = tmpfs_release_super;
	err = new_inode(k, sb, fs, S_IFDIR | (mode & 07777), uid, gid, &sb->root);
	if (err) {
		free(fs);
		free(sb);
		return err;
	}
	*out = sb;
	return 0;
}

int tmpfs_anonymous(struct kernel *k, const char *name, u32 flags, const struct cred *cred, struct file **out)
{
	u32 mode = flags & MFD_NOEXEC_SEAL ? 0666 : 0777;
	struct inode *i;
	struct tnode *n;
	int err = new_inode(k, NULL, NULL, S_IFREG | mode, cred->fsuid, cred->fsgid, &i);

	if (err)
		return err;
	n = tnode(i);
	n->nlink = 0;
	n->name = strdup(name);
	if (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL))
		n->seals = flags & MFD_NOEXEC_SEAL ? F_SEAL_EXEC : 0;
	if (n->name)
		err = file_new(k, &tmpfs_memfd_ops, O_RDWR | O_LARGEFILE, i, NULL, out);
	else
		err = -ENOMEM;
	if (err)
		inode_put(i);
	return err;
}
