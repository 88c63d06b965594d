/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: rename(2) within one tree: moving, replacing, exchanging. */
#include <errno.h>
#include <linux/fs.h>

#include "fs/tmpfs/tmpfs.h"

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

/* Moves the name @e to @new_name, where @n is what is there now (nullable). */
static int move(struct tnode *d, struct tentry *e, struct tnode *nd, const char *new_name, size_t new_len,
		struct tentry *n)
{
	struct inode *i = e->inode;
	int err = n ? replace(nd, n, inode_get(i)) : tentry_enter(nd, new_name, new_len, inode_get(i));

	if (err) {
		inode_put(i);
		return err;
	}
	inode_put(tentry_leave(d, e));
	if (i->type == S_IFDIR && d != nd)
		move_directory(d, nd);
	tnode(i)->ctime = tmpfs_now();
	return 0;
}

int tmpfs_rename(struct inode *dir, const char *name, size_t len, struct inode *target, struct inode *new_dir,
		 const char *new_name, size_t new_len, struct inode *over, u32 flags, const struct cred *cred)
{
	struct tnode *d = tnode(dir), *nd = tnode(new_dir);
	struct tentry *e = tentry_find(d, name, len), *n = tentry_find(nd, new_name, new_len);
	struct inode *left = NULL;
	int err = 0;

	if (!e)
		return -ENOENT;
	if (flags & RENAME_EXCHANGE) {
		if (!n)
			return -ENOENT;
		exchange(d, e, nd, n);
		return 0;
	}
	if (flags & RENAME_NOREPLACE && n)
		return -EEXIST;
	if (n && n->inode == e->inode) /* two names of one file: nothing happens */
		return 0;
	if (flags & RENAME_WHITEOUT)
		err = tnode_new(dir->k, dir->sb, d->fs, S_IFCHR, cred->fsuid,
				d->mode & S_ISGID ? d->gid : cred->fsgid, &left);
	if (!err)
		err = move(d, e, nd, new_name, new_len, n);
	/* A name that went has left room for another; without memory even for that, there is none. */
	if (!err && left && tentry_enter(d, name, len, left))
		inode_put(left);
	if (err)
		inode_put(left);
	return err;
}
