/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path walking: from a guest's text to a mount and a dentry (path_resolution(7), openat2(2); fs/namei.c).
 *
 * Symlinks are followed here, against the guest's root, never by the host. A text of a link is walked by
 * recursion, at most 40 links deep.
 */
#include "vfs/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <string.h>

#include "vfs/anon.h"

#define NAME_LIMIT 255

/* The mount that covers @p, if any, and so on upwards. */
static void cross_mounts(struct path *p)
{
	struct mount *m, *found;

	do {
		found = NULL;
		list_for_each (m, &p->dentry->mounts, on_node)
			if (m->parent == p->mnt)
				found = m;
		if (found) {
			struct path top = {found, found->root};

			path_get(&top);
			path_put(p);
			*p = top;
		}
	} while (found);
}

/* As path_child(); @st: where attributes alone are enough, a symlink's own with @link: 1, and they are there. */
static int child(const struct path *dir, const char *name, size_t len, bool remember, struct kstat *st,
		 bool link, struct path *out)
{
	struct inode *i = dir->dentry->inode, *found;
	struct dentry *d;
	int err;

	if (i->type != S_IFDIR || !i->ops->lookup)
		return -ENOTDIR;
	if (dir->dentry->unlinked)
		return -ENOENT;
	err = dentry_find(dir->dentry, name, len, &d);
	if (err == -EAGAIN) {
		if (st && i->ops->glance)
			err = i->ops->glance(i, name, len, link, st);
		if (!err)
			return 1;
		if (err == -EAGAIN)
			err = i->ops->lookup(i, name, len, &found);
		if (err == -ENOENT && remember)
			dentry_absent(dir->dentry, name, len);
		if (err)
			return err;
		d = dentry_make(dir->dentry, name, len, found);
		if (!d)
			return -ENOMEM;
	} else if (err) {
		return err;
	}
	*out = (struct path){dir->mnt, d};
	cross_mounts(out);
	return 0;
}

int path_child(const struct path *dir, const char *name, size_t len, struct path *out)
{
	return child(dir, name, len, true, NULL, false, out);
}

int path_child_new(const struct path *dir, const char *name, size_t len, struct path *out)
{
	return child(dir, name, len, false, NULL, false, out);
}

int walk_up(struct walk *w)
{
	struct path up;

	w->rooted = true;
	if (path_equal(&w->cur, &w->root))
		return w->resolve & RESOLVE_BENEATH ? -EXDEV : 0;
	up = w->cur;
	while (up.dentry == up.mnt->root && up.mnt->parent) {
		if (w->resolve & RESOLVE_NO_XDEV)
			return -EXDEV;
		up = (struct path){up.mnt->parent, up.mnt->on};
		if (path_equal(&up, &w->root))
			break;
	}
	if (up.dentry->parent && !path_equal(&up, &w->root))
		up.dentry = up.dentry->parent;
	path_get(&up);
	path_put(&w->cur);
	w->cur = up;
	cross_mounts(&w->cur);
	return 0;
}

static int read_link(struct path *link, char *buf)
{
	struct inode *i = path_inode(link);
	long n = i->ops->readlink ? i->ops->readlink(i, buf, PATH_MAX - 1) : -EINVAL;

	if (n < 0)
		return (int)n;
	buf[n] = 0;
	return n ? 0 : -ENOENT;
}

int walk_read_link(struct walk *w, struct path *link, char *buf)
{
	int err = read_link(link, buf);

	if (err || *buf != '/')
		return err;
	/* A root that it has not met yet is elsewhere for Linux, wherever it is. */
	if (w->resolve & RESOLVE_NO_XDEV && (!w->rooted || w->cur.mnt != w->root.mnt))
		return -EXDEV;
	w->rooted = true;
	return 0;
}

int may_follow_link(const struct walk *w, const struct path *link)
{
	struct ownership dir, own;
	u32 fsuid = w->task->cred->fsuid;
	int err = inode_ownership(path_inode(&w->cur), &dir);

	if (err || (dir.mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH))
		return err;
	err = inode_ownership(path_inode(link), &own);
	return err ? err : own.uid == fsuid || own.uid == dir.uid ? 0 : -EACCES;
}

int walk_link(struct walk *w, struct path *link, bool follow)
{
	struct inode *i = path_inode(link);
	char text[PATH_MAX];
	int err;

	if (w->resolve & RESOLVE_NO_SYMLINKS || ++w->links > MAX_LINKS)
		return -ELOOP;
	if (i->ops->follow) {
		struct path to;

		if (w->resolve & RESOLVE_NO_MAGICLINKS)
			return -ELOOP;
		if (w->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
			return -EXDEV;
		err = i->ops->follow(i, w->task, &to);
		if (!err && w->resolve & RESOLVE_NO_XDEV && to.mnt != w->cur.mnt) {
			path_put(&to);
			err = -EXDEV;
		}
		if (err)
			return err;
		path_put(&w->cur);
		w->cur = to;
		return 0;
	}
	err = walk_read_link(w, link, text);
	return err ? err : walk_path(w, text, follow);
}

/* Goes down to @name; @last: no component follows; @slashes: but a slash does. */
static int walk_component(struct walk *w, const char *name, size_t len, bool last, bool slashes, bool follow)
{
	struct path next;
	int err;

	/* What it leads to must be a directory. */
	if (last && slashes)
		w->attributes = NULL;
	if (len == 1 && name[0] == '.')
		return 0;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		return walk_up(w);
	err = child(&w->cur, name, len, true, last && !w->inner ? w->attributes : NULL, !follow, &next);
	w->told = err == 1;
	if (err)
		return min(err, 0);
	if (w->resolve & RESOLVE_NO_XDEV && next.mnt != w->cur.mnt)
		err = -EXDEV;
	else if (path_inode(&next)->type == S_IFLNK && (!last || follow || slashes)) {
		err = last && !w->inner ? may_follow_link(w, &next) : 0;
		w->inner += !last;
		if (!err)
			err = walk_link(w, &next, true);
		w->inner -= !last;
	} else {
		path_put(&w->cur);
		w->cur = next;
		return 0;
	}
	path_put(&next);
	return err;
}

/* A directory that may be searched. */
static int may_search(struct walk *w)
{
	if (path_inode(&w->cur)->type != S_IFDIR)
		return -ENOTDIR;
	return inode_permission(w->task->cred, path_inode(&w->cur), MAY_EXEC);
}

static int walk_start(struct walk *w, const char *path)
{
	struct path root = w->root;

	if (*path != '/')
		return 0;
	if (w->resolve & RESOLVE_BENEATH)
		return -EXDEV;
	path_get(&root);
	path_put(&w->cur);
	w->cur = root;
	return 0;
}

/* Names are short: a loop beats the library's calls. */
static inline const char *skip_slashes(const char *s)
{
	while (*s == '/')
		s++;
	return s;
}

static inline const char *end_of_name(const char *s)
{
	while (*s && *s != '/')
		s++;
	return s;
}

static inline bool is_dots(const char *s, size_t len)
{
	return *s == '.' && (len == 1 || (len == 2 && s[1] == '.'));
}

/* Goes down @path as far as all is known, without asking file systems or counting references on the way: where the rest
 * begins; NULL: there is no such name. What is not plain, other errors too, is left to the way that asks. */
static const char *walk_known(struct walk *w, const char *path)
{
	bool searches_all = w->task->cred->cap_effective >> CAP_DAC_OVERRIDE & 1;
	struct path at = w->cur;

	for (;;) {
		const char *name = skip_slashes(path), *end = name;
		struct inode *dir = path_inode(&at);
		struct dentry *d;
		u64 hash = 0;

		for (; *end && *end != '/'; end++)
			hash = name_hash_add(hash, *end);
		if (end == name || end - name > NAME_LIMIT || is_dots(name, (size_t)(end - name)) ||
		    dir->type != S_IFDIR || at.dentry->unlinked ||
		    (!searches_all && inode_permission(w->task->cred, dir, MAY_EXEC)))
			break;
		d = dentry_cached(at.dentry, name, (size_t)(end - name), hash);
		if (d && !d->inode)
			return NULL;
		if (!d || !list_empty(&d->mounts) || d->inode->type == S_IFLNK ||
		    (*end && d->inode->type != S_IFDIR))
			break;
		at.dentry = d;
		path = end;
	}
	if (at.dentry != w->cur.dentry) {
		path_get(&at);
		path_put(&w->cur);
		w->cur = at;
	}
	return path;
}

/* A removed directory is not even asked for a name. */
static int name_too_long(const struct walk *w)
{
	return w->cur.dentry->unlinked ? -ENOENT : -ENAMETOOLONG;
}

int walk_path(struct walk *w, const char *path, bool follow)
{
	int err = walk_start(w, path);

	while (!err) {
		const char *end, *rest;

		if (!w->resolve)
			path = walk_known(w, path);
		if (!path)
			return -ENOENT;
		path = skip_slashes(path);
		if (!*path)
			break;
		end = end_of_name(path);
		rest = skip_slashes(end);
		err = may_search(w);
		if (!err && end - path > NAME_LIMIT)
			err = name_too_long(w);
		if (!err)
			err = walk_component(w, path, (size_t)(end - path), !*rest, *end == '/', follow);
		if (!err && *end == '/' && path_inode(&w->cur)->type != S_IFDIR)
			err = -ENOTDIR;
		path = rest;
	}
	return err;
}

int walk_parent(struct walk *w, const char *path, char *last, enum last_type *type, bool *slashes)
{
	char head[PATH_MAX];
	size_t len = strlen(path), end = len, start;
	int err;

	while (end && path[end - 1] == '/')
		end--;
	*slashes = end < len;
	if (!end) {
		*type = LAST_ROOT;
		last[0] = 0;
		return len ? walk_path(w, "/", true) : -ENOENT;
	}
	start = end;
	while (start && path[start - 1] != '/')
		start--;
	memcpy(head, path, start);
	head[start] = 0;
	w->inner++;
	err = walk_path(w, head, true);
	w->inner--;
	if (!err)
		err = may_search(w);
	if (err)
		return err;
	if (end - start > NAME_LIMIT) {
		*type = LAST_LONG;
		return w->long_last ? 0 : name_too_long(w);
	}
	memcpy(last, path + start, end - start);
	last[end - start] = 0;
	*type = !strcmp(last, ".") ? LAST_DOT : !strcmp(last, "..") ? LAST_DOTDOT : LAST_NORM;
	return 0;
}

int walk_begin(struct walk *w, struct task *t, int dirfd, const char *path, u32 flags)
{
	struct file *f;
	int err;

	memset(w, 0, sizeof *w);
	w->task = t;
	w->resolve = flags >> 16;
	w->long_last = flags & LOOKUP_LONG;
	w->root = t->fs->root;
	if ((*path == '/' && !(w->resolve & RESOLVE_IN_ROOT)) || dirfd == AT_FDCWD) {
		w->cur = *path == '/' && !(w->resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) ? t->fs->root
											     : t->fs->cwd;
		path_get(&w->cur);
	} else {
		err = fd_get_path(t, dirfd, &f);
		if (err) {
			w->root = (struct path){0};
			return err;
		}
		if (flags & LOOKUP_LINKED && f->cred != t->cred && !capable(t, CAP_DAC_READ_SEARCH))
			err = -ENOENT;
		else if (!*path || (f->path && path_inode(f->path)->type == S_IFDIR))
			err = file_place(f, &w->cur);
		file_put(f);
		if (err) {
			w->root = (struct path){0};
			return err;
		}
	}
	if (w->cur.dentry && w->resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH))
		w->root = w->cur;
	w->rooted = *path == '/' || w->resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH);
	path_get(&w->root);
	return w->cur.dentry ? 0 : -ENOTDIR;
}

void walk_end(struct walk *w)
{
	path_put(&w->root);
	path_put(&w->cur);
}

int path_lookup(struct task *t, int dirfd, const char *path, u32 flags, struct path *out)
{
	struct walk w;
	int err;

	if (!*path && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	err = walk_begin(&w, t, dirfd, path, flags);
	if (!err)
		err = walk_path(&w, path, flags & LOOKUP_FOLLOW);
	if (!err && flags & LOOKUP_DIRECTORY && path_inode(&w.cur)->type != S_IFDIR)
		err = -ENOTDIR;
	if (!err) {
		*out = w.cur;
		w.cur = (struct path){0};
	}
	walk_end(&w);
	return err;
}

int path_attributes(struct task *t, int dirfd, const char *path, u32 flags, struct kstat *st, bool *root)
{
	struct walk w;
	int err;

	if (!*path && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	err = walk_begin(&w, t, dirfd, path, flags);
	w.attributes = st;
	if (!err)
		err = walk_path(&w, path, flags & LOOKUP_FOLLOW);
	if (!err && w.told) {
		st->mnt_id = (u64)w.cur.mnt->id;
		st->fs_flags = 0;
		*root = false;
	} else if (!err) {
		err = path_getattr(&w.cur, st);
		*root = path_is_mount_root(&w.cur);
	}
	walk_end(&w);
	return err;
}

int path_parent(struct task *t, int dirfd, const char *path, u32 flags, struct path *dir, char *last,
		enum last_type *last_type, bool *slashes)
{
	struct walk w;
	int err;

	if (!*path)
		return -ENOENT;
	err = walk_begin(&w, t, dirfd, path, flags);
	if (!err)
		err = walk_parent(&w, path, last, last_type, slashes);
	if (!err) {
		*dir = w.cur;
		w.cur = (struct path){0};
	}
	walk_end(&w);
	return err;
}

long user_path(struct task *t, u64 addr, char *buf, bool empty_ok)
{
	long n = user_string(t, buf, addr, PATH_MAX);

	return n == 0 && !empty_ok ? -ENOENT : n;
}
