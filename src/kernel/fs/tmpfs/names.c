/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs: the names in a directory: finding, making and removing them.
 *
 * A directory's entries own references to their inodes, so that a file lives as long as it has a name or is
 * open. Entries are ordered by their names' hashes for look-ups and by a number that is never given twice for getdents,
 * whose offsets stay right whatever is made or removed meanwhile.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fs/tmpfs/tmpfs.h"

/* Names are ordered by a hash, so that a look-up compares numbers on its way down. */
static u32 hash_of(const char *name, size_t len)
{
	u64 h = len;

	for (size_t i = 0; i < len; i++)
		h = name_hash_add(h, name[i]);
	return (u32)(h * 0x9e3779b97f4a7c15UL >> 32);
}

static int compare(u32 hash, const char *name, size_t len, const struct tentry *e)
{
	if (hash != e->hash)
		return hash < e->hash ? -1 : 1;
	return len != e->len ? (len < e->len ? -1 : 1) : memcmp(name, e->name, len);
}

struct tentry *tentry_any(struct tnode *dir, const char *name, size_t len)
{
	struct rb_node *rb = dir->by_name.node;
	u32 hash = rb ? hash_of(name, len) : 0;

	while (rb) {
		struct tentry *e = rb_entry(rb, struct tentry, name_node);
		int d = compare(hash, name, len, e);

		if (!d)
			return e;
		rb = d < 0 ? rb->left : rb->right;
	}
	return NULL;
}

struct tentry *tentry_find(struct tnode *dir, const char *name, size_t len)
{
	struct tentry *e = tentry_any(dir, name, len);

	return e && e->inode ? e : NULL;
}

static void insert_by_name(struct tnode *dir, struct tentry *e)
{
	struct rb_node **link = &dir->by_name.node, *parent = NULL;

	while (*link) {
		struct tentry *at = rb_entry(*link, struct tentry, name_node);

		parent = *link;
		link = compare(e->hash, e->name, e->len, at) < 0 ? &parent->left : &parent->right;
	}
	rb_insert(&dir->by_name, &e->name_node, parent, link);
}

/* Gives @e the highest number so far. */
static void insert_by_order(struct tnode *dir, struct tentry *e)
{
	struct rb_node *last = rb_last(&dir->by_order);

	e->order = dir->next_order++;
	rb_insert(&dir->by_order, &e->order_node, last, last ? &last->right : &dir->by_order.node);
	dir->nentries++;
}

static size_t entry_size(size_t len)
{
	return align_up(sizeof(struct tentry) + len + 8, 16UL);
}

static struct tentry *entry_new(struct tmpfs *fs, const char *name, size_t len)
{
	struct tentry *e = tmpfs_object(fs, entry_size(len)) ? NULL : zalloc(sizeof *e + len);

	if (!e)
		return NULL;
	fs->used_names++;
	e->hash = hash_of(name, len);
	e->len = (u8)len;
	list_init(&e->doomed);
	memcpy(e->name, name, len);
	return e;
}

void tentry_free(struct tmpfs *fs, struct tentry *e)
{
	tmpfs_object_gone(fs, entry_size(e->len));
	fs->used_names--;
	free(e);
}

int tentry_enter(struct tnode *dir, const char *name, size_t len, struct inode *inode)
{
	struct tentry *e = tentry_any(dir, name, len);

	if (!e) {
		e = entry_new(dir->fs, name, len);
		if (!e)
			return -ENOSPC;
		insert_by_name(dir, e);
	}
	e->inode = inode;
	if (inode)
		insert_by_order(dir, e);
	tnode_changed(dir);
	return 0;
}

struct inode *tentry_leave(struct tnode *dir, struct tentry *e)
{
	struct inode *i = e->inode;

	rb_erase(&dir->by_order, &e->order_node);
	dir->nentries--;
	tnode_changed(dir);
	if (e->covers) {
		e->inode = NULL;
	} else {
		rb_erase(&dir->by_name, &e->name_node);
		tentry_free(dir->fs, e);
	}
	return i;
}

int tmpfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct tentry *e = tentry_find(tnode(dir), name, len);

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
	return tnode_new(dir->k, dir->sb, d->fs, mode, cred->fsuid, gid, out);
}

/* Names the new @i in @dir: one reference for the name, one for the caller. */
static int name_new(struct inode *dir, const char *name, size_t len, struct inode *i, struct inode **out)
{
	int err = tentry_find(tnode(dir), name, len) ? -EEXIST : tentry_enter(tnode(dir), name, len, i);

	if (err) {
		inode_put(i);
		return err;
	}
	if (i->type == S_IFDIR)
		tnode(dir)->nlink++;
	*out = inode_get(i);
	return 0;
}

int tmpfs_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, const struct cred *cred,
		 struct inode **out)
{
	struct inode *i;
	int err = new_below(dir, mode, cred, &i);

	if (err)
		return err;
	tnode(i)->rdev = rdev;
	return name_new(dir, name, len, i, out);
}

int tmpfs_symlink(struct inode *dir, const char *name, size_t len, const char *target,
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

int tmpfs_tmpfile(struct inode *dir, u32 mode, bool linkable, const struct cred *cred, struct inode **out)
{
	int err = new_below(dir, mode, cred, out);

	if (err)
		return err;
	tnode(*out)->nlink = 0;
	tnode(*out)->linkable = linkable;
	return 0;
}

int tmpfs_link(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct tnode *n = tnode(target);
	int err;

	if (!n->nlink && !n->linkable)
		return -ENOENT;
	if (tentry_find(tnode(dir), name, len))
		return -EEXIST;
	err = tentry_enter(tnode(dir), name, len, inode_get(target));
	if (err) {
		inode_put(target);
		return err;
	}
	n->nlink++;
	n->linkable = false;
	n->ctime = tmpfs_now();
	return 0;
}

int tmpfs_unlink(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct tentry *e = tentry_find(tnode(dir), name, len);

	if (!e)
		return -ENOENT;
	tnode(e->inode)->nlink--;
	tnode(e->inode)->ctime = tmpfs_now();
	inode_put(tentry_leave(tnode(dir), e));
	return 0;
}

int tmpfs_rmdir(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct tentry *e = tentry_find(tnode(dir), name, len);
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
	inode_put(tentry_leave(tnode(dir), e));
	return 0;
}
