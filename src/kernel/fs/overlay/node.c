/* SPDX-License-Identifier: Apache-2.0 */
/* The overlay's inodes: found over a lower one, and owned when something is to be changed. */
#include "fs/overlay/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

int lower_attach(struct inode *i, struct inode *lower, const char *path)
{
	struct lower *l = zalloc(sizeof *l);

	if (l && path)
		l->path = strdup(path);
	if (!l || (path && !l->path)) {
		inode_put(lower);
		free(l);
		return -ENOMEM;
	}
	l->self = i;
	l->inode = lower;
	l->merged = lower->type == S_IFDIR;
	l->data_below = lower->type == S_IFREG;
	list_init(&l->pin);
	wait_queue_init(&l->copied);
	tnode(i)->lower = l;
	lower->above = i;
	return 0;
}

int lower_node(struct super *sb, struct inode *lower, struct inode *parent, const char *name, size_t len,
	       struct inode **out)
{
	struct tmpfs *fs = sb->priv;
	struct lower *l;
	struct kstat st;
	struct inode *i;
	int err;

	if (lower->above) {
		*out = inode_get(lower->above);
		inode_put(lower);
		return 0;
	}
	err = lower->ops->getattr(lower, &st);
	if (err)
		goto put_lower;
	err = tnode_alloc(sb->k, sb, fs, lower->type, 0, 0, &i);
	if (err)
		goto put_lower;
	err = lower_attach(i, lower, NULL);
	lower = NULL;
	if (err)
		goto put_inode;
	i->ino = st.ino;
	l = tnode(i)->lower;
	l->name = name ? strndup(name, len) : NULL;
	if (name && !l->name) {
		err = -ENOMEM;
		goto put_inode;
	}
	l->parent = parent ? inode_get(parent) : NULL;
	l->dev = st.dev;
	*out = i;
	return 0;
put_inode:
	inode_put(i);
put_lower:
	inode_put(lower);
	return err;
}

/* Nothing lies below @i any more. */
static void lower_detach(struct inode *i)
{
	struct lower *l = tnode(i)->lower;

	overlay_copy_forget(l);
	l->inode->above = NULL;
	inode_put(l->inode);
	free(l->name);
	free(l->path);
	wait_queue_end(&l->copied);
	free(l);
	tnode(i)->lower = NULL;
}

void overlay_release_inode(struct inode *i)
{
	struct lower *l = tnode(i)->lower;
	struct inode *parent = l ? l->parent : NULL;

	if (l)
		lower_detach(i);
	store_release(i);
	tmpfs_release_inode(i);
	inode_put(parent);
}

int overlay_ownership(struct inode *i, struct ownership *o)
{
	const struct lower *l = tnode(i)->lower;

	return l && !l->owned ? inode_ownership(l->inode, o) : tmpfs_ownership(i, o);
}

int overlay_getattr(struct inode *i, struct kstat *st)
{
	struct lower *l = tnode(i)->lower;
	struct kstat below;
	int err;

	if (l && !l->owned)
		return l->inode->ops->getattr(l->inode, st);
	err = tmpfs_getattr(i, st);
	/* Of a file of the upper layer that nobody has open it is known from its last close. Archivers take a file without
	 * blocks for one great hole. */
	if (!err && i->type == S_IFREG && store_of(i) && !hostfd_valid(tnode(i)->memfd))
		st->blocks = tnode(i)->charged / 512;
	if (err || !l)
		return err;
	st->dev = l->dev;
	if (!l->merged && !l->data_below)
		return 0;
	err = l->inode->ops->getattr(l->inode, &below);
	if (!err) {
		st->size = below.size;
		st->blocks = below.blocks;
		st->blksize = below.blksize;
	}
	return err;
}

/* ---- owning ---- */

static int take_link(struct inode *i, struct inode *lower)
{
	struct tnode *n = tnode(i);
	char text[PATH_MAX];
	long len = lower->ops->readlink ? lower->ops->readlink(lower, text, sizeof text - 1) : -EINVAL;

	if (len < 0)
		return (int)len;
	n->target = strndup(text, (size_t)len);
	return n->target ? 0 : -ENOMEM;
}

/* Makes the attributes of the lower inode its own. */
static int take_attributes(struct inode *i)
{
	struct lower *l = tnode(i)->lower;
	struct tnode *n = tnode(i);
	struct kstat st;
	int err = l->inode->ops->getattr(l->inode, &st);

	if (!err && i->type == S_IFLNK && !n->target)
		err = take_link(i, l->inode);
	if (!err)
		err = tnode_count(n);
	if (!err)
		err = overlay_take_xattrs(i, l->inode);
	if (err)
		return err;
	n->mode = st.mode;
	n->nlink = st.nlink;
	n->uid = st.uid;
	n->gid = st.gid;
	n->rdev = st.rdev;
	n->size = st.size;
	n->atime = st.atime;
	n->mtime = st.mtime;
	n->ctime = st.ctime;
	n->btime = st.btime;
	return 0;
}

/* Enters @i in the owned @dir, where the lower layer has it as @name. Directory times are left as they are: nobody
 * has made a name. */
static int enter_lower(struct inode *dir, const char *name, size_t len, struct inode *i)
{
	struct tnode *d = tnode(dir);
	struct timespec mtime = d->mtime, ctime = d->ctime;
	int err = tentry_enter(d, name, len, inode_get(i));

	if (err) {
		inode_put(i);
		return err;
	}
	d->mtime = mtime;
	d->ctime = ctime;
	tentry_any(d, name, len)->covers = true;
	return 0;
}

void overlay_pin(struct inode *i)
{
	struct lower *l = tnode(i)->lower;

	if (!l || i->type == S_IFDIR || !list_empty(&l->pin))
		return;
	list_add_tail(&overlay_of(i)->pinned, &l->pin);
	inode_get(i);
}

/* Where the lower object is, from the lower root: the directory's is known. */
static int take_path(struct lower *l)
{
	const char *above = l->parent ? tnode(l->parent)->lower->path : "";

	if (l->path)
		return 0;
	if (!l->parent)
		l->path = strdup("");
	else if (asprintf(&l->path, "%s/%s", above, l->name) < 0)
		l->path = NULL;
	return l->path ? 0 : -ENOMEM;
}

/* @i, whose directory is owned (or which is the root). */
static int own_one(struct inode *i)
{
	struct lower *l = tnode(i)->lower;
	struct inode *parent = l->parent;
	int err = take_path(l);

	if (!err)
		err = take_attributes(i);
	if (!err && parent && !tentry_any(tnode(parent), l->name, strlen(l->name)))
		err = enter_lower(parent, l->name, strlen(l->name), i);
	if (err)
		return err;
	l->owned = true;
	if (parent)
		store_name(parent, l->name, strlen(l->name)); /* with the inode, the first time */
	else
		store_inode(i);
	l->parent = NULL;
	free(l->name);
	l->name = NULL;
	if (tnode(i)->nlink > 1)
		overlay_pin(i);
	inode_put(parent);
	return 0;
}

static bool is_seen(struct inode *i)
{
	return tnode(i)->lower && !tnode(i)->lower->owned;
}

int overlay_own(struct inode *i)
{
	struct inode **chain, *at;
	size_t n = 0;
	int err = 0;

	if (!is_seen(i))
		return 0;
	for (at = i; at && is_seen(at); at = tnode(at)->lower->parent)
		n++;
	chain = malloc(n * sizeof(struct inode *));
	if (!chain)
		return -ENOMEM;
	n = 0;
	for (at = i; at && is_seen(at); at = tnode(at)->lower->parent)
		chain[n++] = at;
	while (!err && n)
		err = own_one(chain[--n]);
	free(chain);
	return err;
}

int overlay_own_name(struct inode *dir, const char *name, size_t len, struct inode *i)
{
	int err = overlay_own(i);

	if (err || tentry_any(tnode(dir), name, len))
		return err;
	err = enter_lower(dir, name, len, i);
	if (!err)
		store_name(dir, name, len);
	return err;
}

void overlay_unpin(struct inode *i)
{
	struct lower *l = tnode(i)->lower;

	if (!l || list_empty(&l->pin) || tnode(i)->nlink)
		return;
	list_del(&l->pin);
	inode_put(i);
}

/* ---- changing ---- */

int overlay_setattr(struct inode *i, const struct iattr *a)
{
	int err = overlay_own(i);

	if (!err && a->valid & ATTR_SIZE)
		err = data_below(i) ? overlay_copy_data(i, (u64)a->size, false) : 0;
	if (!err && a->valid & ATTR_SIZE && !a->size && tnode(i)->lost)
		tnode(i)->lost = tnode(i)->kept = false; /* begun anew */
	if (!err && a->valid & ATTR_SIZE && (a->size || tnode(i)->size))
		err = store_open_data(i);
	if (!err)
		err = tmpfs_setattr(i, a);
	if (!err) {
		overlay_changed(i);
		store_inode(i);
		if (a->valid & (ATTR_SIZE | ATTR_ATIME | ATTR_MTIME))
			store_times(i);
	}
	store_close_data(i);
	return store_commit(i, err);
}

void overlay_used(struct inode *i, const struct file *f, bool written)
{
	if (!is_seen(i))
		tmpfs_used(i, f, written);
}

long overlay_readlink(struct inode *i, char *buf, size_t size)
{
	struct lower *l = tnode(i)->lower;

	if (l && !l->owned)
		return l->inode->ops->readlink(l->inode, buf, size);
	return tmpfs_readlink(i, buf, size);
}
