/* SPDX-License-Identifier: Apache-2.0 */
/* Ghosts: directories that are there for a mount's sake. */
#include "vfs/ghost.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "vfs/simple.h"

static int ghost_getattr(struct inode *i, struct kstat *st)
{
	memset(st, 0, sizeof *st);
	st->dev = i->sb->dev;
	st->ino = i->ino;
	st->mode = S_IFDIR | 0755;
	st->nlink = 2;
	st->blksize = PAGE_SIZE;
	return 0;
}

static int ghost_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	return -ENOENT;
}

static const struct inode_ops ghost_ops;

bool inode_is_ghost(const struct inode *i)
{
	return i->ops == &ghost_ops;
}

/* The ghost right below @dir on the way up from @d, or NULL. */
static struct dentry *ghost_below(struct dentry *dir, struct dentry *d)
{
	for (; d && d->parent && inode_is_ghost(d->inode); d = d->parent)
		if (d->parent == dir)
			return d;
	return NULL;
}

/* Whether a mount before @m has a mount point on or below the same ghost. */
static bool listed_before(struct vfs *v, struct mount *m, struct dentry *dir, struct dentry *ghost)
{
	struct mount *e;

	list_for_each (e, &v->mounts, node) {
		if (e == m)
			return false;
		if (ghost_below(dir, e->on) == ghost)
			return true;
	}
	return false;
}

int ghosts_emit(struct file *f, struct dir_context *ctx, u64 base)
{
	struct vfs *v = f->k->vfs;
	struct dentry *dir = f->path ? f->path->dentry : NULL;
	struct mount *m;
	u64 at = base;

	list_for_each (m, &v->mounts, node) {
		struct dentry *d = dir ? ghost_below(dir, m->on) : NULL;

		if (!d || listed_before(v, m, dir, d) || at++ < f->pos)
			continue;
		if (!ctx->emit(ctx, d->name, d->len, d->inode->ino, DT_DIR, at))
			return 0;
		f->pos = at;
	}
	return 0;
}

static int ghost_iterate(struct file *f, struct dir_context *ctx)
{
	return dir_emit_dots(f, ctx) ? ghosts_emit(f, ctx, 2) : 0;
}

static const struct file_ops ghost_file_ops = {.iterate = ghost_iterate, .seek = dir_seek};

static int ghost_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	return file_of_inode(i, &ghost_file_ops, flags, NULL, out);
}

static const struct inode_ops ghost_ops = {
	.getattr = ghost_getattr, .lookup = ghost_lookup, .open = ghost_open};

int ghost_child(struct path *dir, const char *name)
{
	struct kernel *k = dir->dentry->k;
	/* From the top down: what is there begins at the bottom. */
	struct inode *i = inode_new(k, dir->dentry->sb, &ghost_ops, S_IFDIR, ~k->vfs->nghosts++, NULL);
	struct dentry *d = i ? dentry_make(dir->dentry, name, strlen(name), i) : NULL;

	if (!d)
		return -ENOMEM;
	dentry_put(dir->dentry);
	dir->dentry = d;
	return 0;
}
