/* SPDX-License-Identifier: Apache-2.0 */
/* The mount tree, made at boot: the host's root with other file systems over it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfs/ghost.h"
#include "vfs/walk.h"

#define UPPER_BYTES          (1UL << 50) /* the host says when it is full */
#define OVERFLOW_TMPFS_BYTES (1UL << 40)

void super_put(struct super *sb)
{
	if (--sb->refs > 0)
		return;
	inode_put(sb->root); /* none yet: it could not be made */
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

/* Makes @name in @dir: a directory or, for a file to be bound there, an empty file. */
static int make_place(struct path *dir, const char *name, u32 type)
{
	struct inode *i = path_inode(dir), *made;
	struct cred *root;
	int err;

	if (dir->mnt->sb->read_only || !i->ops->create)
		return type == S_IFDIR ? ghost_child(dir, name) : -EROFS;
	root = cred_new(i->k, 0, 0);
	if (!root)
		return -ENOMEM;
	err = i->ops->create(i, name, strlen(name), type | 0755, 0, root, &made);
	cred_put(root);
	if (err)
		return err;
	inode_put(made);
	return 0;
}

/* Below @at: finds or makes all that @path names. */
static int make_places(struct task *t, const char *path, u32 type, struct path *out)
{
	char last[256];
	enum last_type kind;
	struct path dir, child;
	bool slashes;
	int err = path_lookup(t, AT_FDCWD, path, LOOKUP_FOLLOW, out);

	if (err != -ENOENT)
		return err;
	err = path_parent(t, AT_FDCWD, path, LOOKUP_FOLLOW, &dir, last, &kind, &slashes);
	if (err == -ENOENT) {
		char *above = strdup(path), *end;

		if (!above)
			return -ENOMEM;
		end = above + strlen(above);
		while (end > above && end[-1] == '/')
			*--end = 0;
		end = strrchr(above, '/');
		*end = 0;
		err = end > above ? make_places(t, above, S_IFDIR, &dir) : -ENOENT;
		free(above);
		if (!err) {
			path_put(&dir);
			err = path_parent(t, AT_FDCWD, path, LOOKUP_FOLLOW, &dir, last, &kind, &slashes);
		}
	}
	if (err)
		return err;
	err = kind == LAST_NORM ? make_place(&dir, last, type) : -EINVAL;
	if (!err && inode_is_ghost(path_inode(&dir)) && !strcmp(dir.dentry->name, last)) {
		*out = dir;
		return 0;
	}
	if (!err)
		err = path_child(&dir, last, strlen(last), &child);
	path_put(&dir);
	if (!err)
		*out = child;
	return err;
}

/* A task that stands at the root and may do everything, for walking. 0 or -ENOMEM; walker_end() in any case. */
static int walker_begin(struct kernel *k, struct task *t)
{
	*t = (struct task){.k = k, .fs = fs_info_new(k), .cred = cred_new(k, 0, 0)};
	return t->fs && t->cred ? 0 : -ENOMEM;
}

static void walker_end(struct task *t)
{
	fs_info_put(t->fs);
	cred_put(t->cred);
}

/* Walks to @path, an absolute one, making what is missing. */
static int mount_point(struct kernel *k, const char *path, u32 type, struct path *out)
{
	struct task t;
	int err = walker_begin(k, &t);

	if (!err)
		err = strlen(path) < PATH_MAX ? make_places(&t, path, type, out) : -ENAMETOOLONG;
	walker_end(&t);
	/* Walks begin at the root, below whatever were mounted on it. */
	if (!err && !out->dentry->parent && !out->mnt->parent) {
		path_put(out);
		err = -EBUSY;
	}
	return err;
}

static int hide_name(struct path *dir, const char *name)
{
	struct inode *i = path_inode(dir);
	int err = i->ops->hide ? i->ops->hide(i, name, strlen(name)) : -EOPNOTSUPP;

	dentries_shrink(i->k, 0);
	return err;
}

int vfs_hide(struct kernel *k, const char *path)
{
	char last[256];
	enum last_type kind;
	struct path dir, to = {0};
	bool slashes;
	struct task t;
	int err = walker_begin(k, &t);

	if (!err)
		err = path_parent(&t, AT_FDCWD, path, LOOKUP_FOLLOW, &dir, last, &kind, &slashes);
	if (!err) {
		struct path up;

		/* What a symlink leads to is hidden too. */
		if (!path_lookup(&t, AT_FDCWD, path, LOOKUP_FOLLOW, &to) && !to.dentry->parent) {
			err = -EBUSY;
		} else if (to.dentry) {
			up = (struct path){to.mnt, to.dentry->parent};
			err = hide_name(&up, to.dentry->name);
		}
		if (!err && kind == LAST_NORM)
			err = hide_name(&dir, last);
		path_put(&to);
		path_put(&dir);
	}
	walker_end(&t);
	dentries_shrink(k, 0);
	return err == -ENOENT || err == -ENOTDIR ? 0 : err;
}

int vfs_mount_super(struct kernel *k, struct super *sb, const char *path, bool read_only)
{
	struct path on;
	int err = mount_point(k, path, sb->root->type == S_IFDIR ? S_IFDIR : S_IFREG, &on);

	if (!err && (path_inode(&on)->type == S_IFDIR) != (sb->root->type == S_IFDIR)) {
		err = path_inode(&on)->type == S_IFDIR ? -EISDIR : -ENOTDIR;
		path_put(&on);
	}

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

int vfs_mount_tmpfs(struct kernel *k, const char *path, u32 mode, u32 uid, u32 gid, u64 max_bytes)
{
	struct super *sb;
	int err = tmpfs_super(k, mode, uid, gid, max_bytes ? max_bytes : memory_half(), &sb);

	return err ? err : vfs_mount_super(k, sb, path, false);
}

/* The host's object at @host_path as a file system. */
static int open_host(struct kernel *k, const char *host_path, bool writable, struct super **out)
{
	struct hostfd fd = {open(host_path, O_PATH | O_CLOEXEC)};
	struct stat st;
	int err;

	if (fd.fd < 0)
		return -errno;
	/* An O_PATH descriptor is to be had of any directory: whether names can be looked up in it shows now. */
	err = fstat(fd.fd, &st) || (S_ISDIR(st.st_mode) && faccessat(fd.fd, ".", X_OK, AT_EACCESS)) ? -errno
												    : 0;
	if (!err && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		err = -EOPNOTSUPP;
	if (err) {
		close(fd.fd);
		return err;
	}
	return host_super(k, fd, host_path, writable, out);
}

int vfs_bind_host(struct kernel *k, const char *host_path, const char *path, bool writable)
{
	struct super *sb;
	int err = open_host(k, host_path, writable, &sb);

	return err ? err : vfs_mount_super(k, sb, path, !writable);
}

int vfs_mount_overlay(struct kernel *k, const char *host_path, const char *path)
{
	struct super *sb;
	int err = open_host(k, host_path, false, &sb);

	if (!err)
		err = overlay_super(sb, memory_half(), NULL, &sb, NULL, 0);
	return err ? err : vfs_mount_super(k, sb, path, false);
}

int vfs_init(struct kernel *k, const char *host_root, const char *upper, char *why, size_t size)
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
	list_init(&v->donated);
	list_init(&v->locks);
	for (int i = 0; i < LOCK_WAITER_LISTS; i++)
		list_init(&v->lock_waiters[i]);
	k->vfs = v;
	k->ops.file_put = file_put;
	v->memory_max = memory_half();
	err = tmpfs_super(k, 0, 0, 0, memory_half(), &v->memfds);
	if (err)
		return err;
	v->memfds->refs = 1;
	err = open_host(k, host_root, false, &sb);
	if (!err && sb->root->type != S_IFDIR) {
		super_put(sb);
		err = -ENOTDIR;
	}
	if (err && err != -EACCES) {
		snprintf(why, size, "cannot use %s as the root: %s; name an existing directory with --root",
			 host_root, strerror(-err));
		return err;
	}
	if (!err)
		err = overlay_super(sb, upper ? UPPER_BYTES : memory_half(), upper, &sb, why, size);
	if (!err) {
		sb->refs = 1;
		err = mount_new(k, sb, NULL, false);
	}
	if (err && !*why)
		snprintf(why, size, "cannot read %s: %s; choose a readable directory with --root", host_root,
			 strerror(-err));
	return err;
}

void vfs_begin(struct kernel *k)
{
	struct mount *m;

	list_for_each (m, &k->vfs->mounts, node)
		if (m->sb->begin)
			m->sb->begin(m->sb);
}

/* Puts the mount's place before a path. */
struct placed {
	change_fn *tell;
	void *arg;
	char place[PATH_MAX];
};

static int tell_placed(void *arg, char what, const char *path)
{
	struct placed *p = arg;
	char *whole;
	int err;

	if (!strcmp(p->place, "/"))
		return p->tell(p->arg, what, path);
	if (asprintf(&whole, "%s%s", p->place, path) < 0)
		return -ENOMEM;
	err = p->tell(p->arg, what, whole);
	free(whole);
	return err;
}

int vfs_changes(struct kernel *k, change_fn *tell, void *arg)
{
	struct placed p = {.tell = tell, .arg = arg};
	struct mount *m;
	struct task t;
	int err = walker_begin(k, &t);

	list_for_each (m, &k->vfs->mounts, node) {
		struct path top = {m, m->root};
		long n;

		if (err || !m->sb->changes)
			continue;
		n = path_text(&t, &top, p.place, sizeof p.place, false);
		err = n < 0 ? (int)n : m->sb->changes(m->sb, tell_placed, &p);
	}
	walker_end(&t);
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
	inode_put(v->nameless);
	free(v->dentries);
	free(v);
	k->vfs = NULL;
}
