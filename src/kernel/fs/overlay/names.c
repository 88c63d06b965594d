/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overlay's names. What an operation needs is owned first; then it is tmpfs's own, whose entries know that they
 * cover a lower name and leave a whiteout behind.
 */
#include "fs/overlay/store.h"

#include <errno.h>
#include <linux/fs.h>

int overlay_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct lower *l = tnode(dir)->lower;
	struct tentry *e = tentry_any(tnode(dir), name, len);
	struct inode *below;
	int err;

	if (e && e->inode) {
		*out = inode_get(e->inode);
		return 0;
	}
	if (e || !l || !l->merged)
		return -ENOENT;
	err = l->inode->ops->lookup(l->inode, name, len, &below);
	return err ? err : lower_node(dir->sb, below, dir, name, len, out);
}

/* Names that nothing was done about are the lower layer's. */
int overlay_glance(struct inode *dir, const char *name, size_t len, bool link, struct kstat *st)
{
	struct lower *l = tnode(dir)->lower;

	if (!l || !l->merged || !l->inode->ops->glance || tentry_any(tnode(dir), name, len))
		return -EAGAIN;
	return l->inode->ops->glance(l->inode, name, len, link, st);
}

/* Each name that is made here has a number of its own; what comes on the host shows when the lower layer says. */
u64 overlay_absence(struct inode *dir)
{
	struct lower *l = tnode(dir)->lower;
	u64 below = l && l->merged && l->inode->ops->absence ? l->inode->ops->absence(l->inode) : 0;

	return below ? below ^ tnode(dir)->next_order << 40 : 0;
}

/* A whiteout that is nobody's change. What an earlier run had put there stays in the upper layer, unseen. */
int overlay_hide(struct inode *dir, const char *name, size_t len)
{
	struct tnode *d = tnode(dir);
	struct tentry *e;
	int err = overlay_own(dir);

	if (err)
		return err;
	e = tentry_any(d, name, len);
	if (!e) {
		err = tentry_enter(d, name, len, NULL);
		if (err)
			return err;
		e = tentry_any(d, name, len);
	} else if (e->inode) {
		struct inode *i;

		e->covers = true;
		i = tentry_leave(d, e);
		inode_put(i);
	}
	e->covers = e->hidden = true;
	overlay_of(dir)->hides = true;
	return 0;
}

u64 overlay_revalidate(struct inode *dir, const char *name, size_t len, struct inode *i)
{
	struct tentry *e = tentry_any(tnode(dir), name, len);
	struct lower *d = tnode(dir)->lower, *l;

	if (e)
		return e->inode == i ? ~0UL : 0;
	if (i->ops->getattr != overlay_getattr)
		return ~0UL;
	l = tnode(i)->lower;
	if (!d || !d->merged || !l)
		return 0;
	return d->inode->ops->revalidate ? d->inode->ops->revalidate(d->inode, name, len, l->inode) : ~0UL;
}

/* The end of a call that has changed @name in @dir. */
static int named(struct inode *dir, const char *name, size_t len, int err)
{
	if (!err) {
		store_inode(dir);
		store_name(dir, name, len);
	}
	return store_commit(dir, err);
}

int overlay_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev,
		   const struct cred *cred, struct inode **out)
{
	int err = overlay_own(dir);

	if (!err)
		err = tmpfs_create(dir, name, len, mode, rdev, cred, out);
	return named(dir, name, len, err);
}

int overlay_symlink(struct inode *dir, const char *name, size_t len, const char *target,
		    const struct cred *cred, struct inode **out)
{
	int err = overlay_own(dir);

	if (!err)
		err = tmpfs_symlink(dir, name, len, target, cred, out);
	return named(dir, name, len, err);
}

int overlay_tmpfile(struct inode *dir, u32 mode, bool linkable, const struct cred *cred, struct inode **out)
{
	int err = overlay_own(dir);

	if (!err)
		err = tmpfs_tmpfile(dir, mode, linkable, cred, out);
	return store_commit(dir, err);
}

int overlay_link(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	int err = overlay_own(dir);

	if (!err)
		err = overlay_own(target);
	if (!err)
		err = tmpfs_link(dir, name, len, target);
	if (!err)
		store_inode(target);
	return named(dir, name, len, err);
}

int overlay_unlink(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	int err = overlay_own(dir);

	if (!err)
		err = overlay_own_name(dir, name, len, target);
	if (!err)
		err = tmpfs_unlink(dir, name, len, target);
	if (!err) {
		store_inode(target);
		overlay_unpin(target);
	}
	return named(dir, name, len, err);
}

int overlay_rmdir(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	int err = overlay_check_empty(target);

	if (!err)
		err = overlay_own(dir);
	if (!err)
		err = overlay_own_name(dir, name, len, target);
	if (!err)
		err = tmpfs_rmdir(dir, name, len, target);
	return named(dir, name, len, err);
}

int overlay_rename(struct inode *dir, const char *name, size_t len, struct inode *target,
		   struct inode *new_dir, const char *new_name, size_t new_len, struct inode *over, u32 flags,
		   const struct cred *cred)
{
	int err = 0;

	if (over && over->type == S_IFDIR && target->type == S_IFDIR && !(flags & RENAME_EXCHANGE))
		err = overlay_check_empty(over);
	if (!err)
		err = overlay_own(dir);
	if (!err)
		err = overlay_own(new_dir);
	if (!err)
		err = overlay_own_name(dir, name, len, target);
	if (!err && over)
		err = overlay_own_name(new_dir, new_name, new_len, over);
	if (!err)
		err = tmpfs_rename(dir, name, len, target, new_dir, new_name, new_len, over, flags, cred);
	if (!err) {
		store_inode(target);
		if (over)
			store_inode(over);
		if (over && !(flags & RENAME_EXCHANGE))
			overlay_unpin(over);
		store_inode(new_dir);
		store_name(new_dir, new_name, new_len);
	}
	return named(dir, name, len, err);
}
