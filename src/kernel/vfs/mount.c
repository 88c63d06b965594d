/* SPDX-License-Identifier: Apache-2.0 */
/* The mount tree, made at boot: the host's root with other file systems over it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfs/simple.h"
#include "vfs/walk.h"

#define OVERFLOW_TMPFS_BYTES (1UL << 40)

void super_put(struct super *sb)
{
	if (--sb->refs > 0)
		return;
	inode_put(sb->root);
	if (sb->release)
		sb->release(sb);
	free(sb);
}

static int mount_new(struct kernel *k, struct super *sb, const struct path *on, bool read_only)
{
	struct mount *m = calloc(1, sizeof *m);

	if (!m)
		return -ENOMEM;
	m->root = dentry_root(sb);
	if (!m->root) {
		free(m);
		return -ENOMEM;
	}
	m->sb = sb;
	m->id = ++k->vfs->next_mount_id;
	m->read_only = read_only;
	m->refs = 1;
	list_init(&m->on_node);
	if (on) {
		m->parent = on->mnt;
		m->on = dentry_get(on->dentry);
		list_add_tail(&on->dentry->mounts, &m->on_node);
	} else {
		k->vfs->root = m;
	}
	list_add_tail(&k->vfs->mounts, &m->node);
	return 0;
}

/* A directory that a mount needs where a read-only file system has none: it lives in the cache only, pinned
 * by the mount on it. */
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

static bool is_ghost(const struct dentry *d)
{
	return d->inode->ops == &ghost_ops;
}

/* The ghost right below @dir on the way up from @d, or NULL. */
static struct dentry *ghost_below(struct dentry *dir, struct dentry *d)
{
	for (; d && d->parent && is_ghost(d); d = d->parent)
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

int vfs_list_ghosts(struct file *f, struct dir_context *ctx, u64 base)
{
	struct vfs *v = f->k->vfs;
	struct dentry *dir = f->path ? f->path->path.dentry : NULL;
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
	return dir_emit_dots(f, ctx) ? vfs_list_ghosts(f, ctx, 2) : 0;
}

static const struct file_ops ghost_file_ops = {.iterate = ghost_iterate, .seek = dir_seek};

static int ghost_open(struct inode *i, struct task *t, u32 flags, struct file **out)
{
	return file_of_inode(i, &ghost_file_ops, flags, NULL, out);
}

static const struct inode_ops ghost_ops = {
	.getattr = ghost_getattr, .lookup = ghost_lookup, .open = ghost_open};

static int ghost_child(struct path *dir, const char *name)
{
	struct inode *i =
		inode_new(dir->dentry->k, dir->dentry->sb, &ghost_ops, S_IFDIR, (u64)dir->dentry ^ 1, NULL);
	struct dentry *d = i ? dentry_make(dir->dentry, name, strlen(name), i) : NULL;

	if (!d)
		return -ENOMEM;
	dentry_put(dir->dentry);
	dir->dentry = d;
	return 0;
}

static int make_directory(struct path *dir, const char *name)
{
	struct inode *i = path_inode(dir), *made;
	struct cred *root;
	int err;

	if (dir->mnt->sb->read_only || !i->ops->create)
		return ghost_child(dir, name);
	root = cred_new(i->k, 0, 0);
	if (!root)
		return -ENOMEM;
	err = i->ops->create(i, name, strlen(name), S_IFDIR | 0755, 0, root, &made);
	cred_put(root);
	if (err)
		return err;
	inode_put(made);
	return 0;
}

/* Walks to @path from the root, making what is missing; symlinks in it are followed. */
static int mount_point(struct kernel *k, const char *path, struct path *out)
{
	char text[PATH_MAX], target[PATH_MAX], *name, *save;
	struct path at = {k->vfs->root, k->vfs->root->root}, next;
	int err;

	if (strlen(path) >= sizeof text)
		return -ENAMETOOLONG;
	strcpy(text, path);
	path_get(&at);
	for (name = strtok_r(text, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		err = path_child(&at, name, strlen(name), &next);
		if (err == -ENOENT) {
			err = make_directory(&at, name);
			if (err)
				goto fail;
			if (at.dentry->inode->ops == &ghost_ops && !strcmp(at.dentry->name, name))
				continue;
			err = path_child(&at, name, strlen(name), &next);
		}
		if (err)
			goto fail;
		if (path_inode(&next)->type == S_IFLNK) {
			char whole[2 * PATH_MAX];

			err = read_link(&next, target);
			path_put(&next);
			if (err)
				goto fail;
			if (*target != '/') {
				err = -EINVAL;
				goto fail;
			}
			snprintf(whole, sizeof whole, "%s/%s", target, save && *save ? save : "");
			path_put(&at);
			return mount_point(k, whole, out);
		}
		path_put(&at);
		at = next;
	}
	*out = at;
	return 0;
fail:
	path_put(&at);
	return err;
}

int vfs_mount_super(struct kernel *k, struct super *sb, const char *path, bool read_only)
{
	struct path on;
	int err = mount_point(k, path, &on);

	sb->refs = 1;
	if (!err) {
		err = mount_new(k, sb, &on, read_only);
		path_put(&on);
	}
	if (err)
		super_put(sb);
	return err;
}

/* As much as Linux lets a tmpfs take. */
static u64 memory_half(void)
{
	u64 half = (u64)sysconf(_SC_PHYS_PAGES) * PAGE_SIZE / 2;

	return half ? half : OVERFLOW_TMPFS_BYTES;
}

int vfs_mount_tmpfs(struct kernel *k, const char *path, u32 mode, u32 uid, u32 gid)
{
	struct super *sb;
	int err = tmpfs_super(k, mode, uid, gid, memory_half(), &sb);

	return err ? err : vfs_mount_super(k, sb, path, false);
}

/* The host's tree at @host_path as a file system. */
static int open_host(struct kernel *k, const char *host_path, struct super **out)
{
	struct hostfd dir = {open(host_path, O_PATH | O_DIRECTORY | O_CLOEXEC)};
	int err;

	if (dir.fd < 0)
		return -errno;
	/* An O_PATH descriptor is to be had of any directory: whether names can be looked up in it shows now. */
	if (faccessat(dir.fd, ".", X_OK, AT_EACCESS)) {
		err = -errno;
		close(dir.fd);
		return err;
	}
	return host_super(k, dir, host_path, out);
}

int vfs_bind_host(struct kernel *k, const char *host_path, const char *path)
{
	struct super *sb;
	int err = open_host(k, host_path, &sb);

	return err ? err : vfs_mount_super(k, sb, path, true);
}

int vfs_mount_overlay(struct kernel *k, const char *host_path, const char *path)
{
	struct super *sb;
	int err = open_host(k, host_path, &sb);

	if (!err)
		err = overlay_super(sb, memory_half(), &sb);
	return err ? err : vfs_mount_super(k, sb, path, false);
}

int vfs_init(struct kernel *k, const char *host_root, char *why, size_t size)
{
	struct vfs *v = calloc(1, sizeof *v);
	struct super *sb;
	int err;

	if (!v)
		return -ENOMEM;
	v->k = k;
	v->next_dev = 32;
	list_init(&v->mounts);
	list_init(&v->lru);
	list_init(&v->lock_waiters);
	k->vfs = v;
	k->ops.file_put = file_put;
	/* Linux: what memfds hold is bounded by memory alone. Here: by half of it, all together, because one
	 * fallocate of a guest's must not end in the host's memory killer. */
	err = tmpfs_super(k, 0, 0, 0, memory_half(), &v->memfds);
	if (err)
		return err;
	v->memfds->refs = 1;
	err = open_host(k, host_root, &sb);
	if (err && err != -EACCES) {
		snprintf(why, size, "cannot use %s as the root: %s; name an existing directory with --root",
			 host_root, strerror(-err));
		return err;
	}
	if (!err)
		err = overlay_super(sb, memory_half(), &sb);
	if (!err) {
		sb->refs = 1;
		err = mount_new(k, sb, NULL, false);
	}
	if (err)
		snprintf(why, size, "cannot read %s: %s; choose a readable directory with --root", host_root,
			 strerror(-err));
	return err;
}

void vfs_shutdown(struct kernel *k)
{
	struct vfs *v = k->vfs;

	if (!v)
		return;
	dentries_shrink(k, 0);
	while (!list_empty(&v->mounts)) {
		struct mount *m = list_last(&v->mounts, struct mount, node);

		list_del(&m->node);
		list_del(&m->on_node);
		dentry_put(m->root);
		dentry_put(m->on);
		dentries_shrink(k, 0);
		super_put(m->sb);
		free(m);
	}
	if (v->memfds)
		super_put(v->memfds);
	free(v->dentries);
	free(v);
	k->vfs = NULL;
}
