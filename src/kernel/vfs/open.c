/* SPDX-License-Identifier: Apache-2.0 */
/* open(2): resolving, creating, checking, opening (fs/namei.c: path_openat, do_open). */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/anon.h"
#include "vfs/notify.h"
#include "vfs/walk.h"

#define ACCMODE(flags) ((flags)&O_ACCMODE)

/* Access mode 3 asks for both permissions, and neither reads nor writes. */
static bool opens_to_write(u32 flags)
{
	return ACCMODE(flags) == O_WRONLY || ACCMODE(flags) == O_RDWR;
}

static const struct file_ops path_only_ops = {.name = "path"};

/* Remembers in @f how it was reached. */
static void set_path(struct file *f, const struct path *p)
{
	if (f->path)
		return;
	f->own_path = *p;
	f->path = &f->own_path;
	path_get(f->path);
}

static int open_path_only(const struct path *p, u32 flags, struct file **out)
{
	struct file *f;
	int err = file_new(p->dentry->k, &path_only_ops, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW),
			   inode_get(path_inode(p)), NULL, &f);

	if (err) {
		inode_put(path_inode(p));
		return err;
	}
	set_path(f, p);
	*out = f;
	return 0;
}

int vfs_open_path(struct task *t, const struct path *p, u32 flags, struct file **out)
{
	struct inode *i = path_inode(p);
	struct file *f;
	int err;

	if (flags & O_PATH)
		return open_path_only(p, flags, out);
	if (i->type == S_IFSOCK || !i->ops->open)
		return -ENXIO;
	if (i->type == S_IFREG && i->runners && (opens_to_write(flags) || flags & O_TRUNC))
		return -ETXTBSY;
	err = i->ops->open(i, t, flags & ~(u32)(O_CREAT | O_EXCL | O_CLOEXEC), &f);
	if (err)
		return err;
	set_path(f, p);
	if (i->type == S_IFREG && opens_to_write(flags)) {
		f->writes = true;
		i->writers++;
	}
	if (flags & O_DIRECT && !file_can_direct(f))
		err = -EINVAL;
	if (err)
		file_put(f);
	else
		*out = f;
	return err;
}

static int wanted_access(u32 flags)
{
	static const int access[] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};

	return access[ACCMODE(flags)] | (flags & O_TRUNC ? MAY_WRITE : 0);
}

/* What may keep an existing object from being opened. */
static int may_open(struct task *t, const struct path *p, u32 flags)
{
	struct inode *i = path_inode(p);
	struct kstat st;
	int err, want = wanted_access(flags);

	if (flags & O_DIRECTORY && i->type != S_IFDIR)
		return -ENOTDIR;
	if (i->type == S_IFLNK)
		return -ELOOP;
	if (i->type == S_IFDIR && (want & MAY_WRITE || flags & O_CREAT))
		return -EISDIR;
	err = path_permission(t, p, want);
	if (!err && flags & O_NOATIME && !capable(t, CAP_FOWNER)) {
		err = i->ops->getattr(i, &st);
		if (!err && st.uid != t->cred->fsuid)
			err = -EPERM;
	}
	return err;
}

static int truncate_opened(struct task *t, const struct path *p)
{
	struct iattr a = {.valid = ATTR_SIZE};

	return path_inode(p)->type == S_IFREG ? path_setattr(t, p, &a) : 0;
}

/* The end that waits for its other side is known by its path, too. */
static long open_fifo(struct task *t, struct call *c, const struct path *p, u32 flags, struct file **out)
{
	long r = t->k->vfs->fifo_open(t, c, path_inode(p), flags, out);

	if (!r)
		set_path(*out, p);
	else if (c->file)
		set_path(c->file, p);
	return r;
}

static long open_existing(struct task *t, struct call *c, const struct path *p, u32 flags, struct file **out)
{
	struct inode *i = path_inode(p);
	long err = may_open(t, p, flags);

	if (err)
		return err;
	/* The host's lead to other guests, not to the host's processes; an inherited one opens by itself. */
	if (i->type == S_IFIFO && !i->ops->open && t->k->vfs->fifo_open)
		return open_fifo(t, c, p, flags, out);
	if (flags & O_TRUNC && i->type == S_IFREG) {
		err = inode_change_wait(t, i, 0);
		if (err)
			return err;
	}
	err = vfs_open_path(t, p, flags, out);
	if (!err && flags & O_TRUNC) {
		notify_open(*out); /* comes before the change */
		err = truncate_opened(t, p);
		if (err)
			file_put(*out);
	}
	return err;
}

static int create(struct task *t, const struct path *dir, const char *name, u32 mode, struct path *out)
{
	struct inode *i = path_inode(dir), *made;
	int err = may_create(t, dir);

	if (err)
		return err;
	if (!i->ops->create)
		return -EACCES;
	err = i->ops->create(i, name, strlen(name), S_IFREG | (mode & 07777 & ~t->fs->umask), 0, t->cred,
			     &made);
	if (err)
		return err;
	out->dentry = dentry_make(dir->dentry, name, strlen(name), made);
	if (!out->dentry)
		return -ENOMEM;
	out->mnt = dir->mnt;
	notify_name(i, IN_CREATE, name, path_inode(out), 0);
	return 0;
}

/* open with O_CREAT: w->cur is where @path begins; goes round again at a symlink. */
static long open_create(struct walk *w, struct call *c, const char *path, u32 flags, u32 mode,
			struct file **out)
{
	char last[256], target[PATH_MAX];
	enum last_type type;
	struct path p;
	bool slashes;
	long err = walk_parent(w, path, last, &type, &slashes);

	if (err)
		return err;
	err = type == LAST_DOTDOT ? walk_up(w) : 0;
	if (err)
		return err;
	if (type != LAST_NORM)
		return flags & O_EXCL ? -EEXIST : -EISDIR;
	if (slashes)
		return -EISDIR;
	err = path_child_new(&w->cur, last, strlen(last), &p);
	if (err == -ENOENT) {
		err = create(w->task, &w->cur, last, mode, &p);
		if (!err) {
			err = vfs_open_path(w->task, &p, flags, out);
			path_put(&p);
		}
		if (!err)
			(*out)->created = true;
		return err;
	}
	if (err)
		return err;
	if (flags & O_EXCL)
		err = -EEXIST;
	else if (w->resolve & RESOLVE_NO_XDEV && p.mnt != w->cur.mnt)
		err = -EXDEV;
	else if (path_inode(&p)->type != S_IFLNK)
		err = open_existing(w->task, c, &p, flags, out);
	else if (flags & O_NOFOLLOW || ++w->links > MAX_LINKS)
		err = -ELOOP;
	else if (may_follow_link(w, &p))
		err = -EACCES;
	else if (w->resolve & RESOLVE_NO_SYMLINKS)
		err = -ELOOP;
	else if (path_inode(&p)->ops->follow) {
		err = walk_link(w, &p, true);
		if (!err)
			err = open_existing(w->task, c, &w->cur, flags, out);
	} else {
		err = walk_read_link(w, &p, target);
		if (!err) {
			path_put(&p);
			return open_create(w, c, target, flags, mode, out);
		}
	}
	path_put(&p);
	return err;
}

static long open_tmpfile(struct walk *w, u32 flags, u32 mode, struct file **out)
{
	struct inode *dir = path_inode(&w->cur), *made;
	struct path p;
	char name[24];
	long err;
	int len;

	if (dir->type != S_IFDIR)
		return -ENOTDIR;
	err = path_permission(w->task, &w->cur, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if (!dir->ops->tmpfile)
		return -EOPNOTSUPP;
	err = dir->ops->tmpfile(dir, S_IFREG | (mode & 07777 & ~w->task->fs->umask), !(flags & O_EXCL),
				w->task->cred, &made);
	if (err)
		return err;
	/* fs/dcache.c: d_tmpfile() */
	len = snprintf(name, sizeof name, "#%lu", made->ino);
	p.dentry = dentry_make(w->cur.dentry, name, (size_t)len, made);
	if (!p.dentry)
		return -ENOMEM;
	dentry_drop(p.dentry, true);
	p.mnt = w->cur.mnt;
	err = vfs_open_path(w->task, &p, flags & ~(u32)O_TMPFILE, out);
	if (!err)
		(*out)->flags |= O_TMPFILE;
	path_put(&p);
	return err;
}

long vfs_open_at(struct task *t, struct call *c, int dirfd, const char *path, u32 flags, u32 mode,
		 u32 resolve, struct file **out)
{
	struct walk w;
	long err;

	if (c->file) {
		err = t->k->vfs->fifo_open(t, c, c->file->inode, flags, out);
		if (!err)
			notify_open(*out);
		return err;
	}
	if (!*path)
		return -ENOENT;
	err = walk_begin(&w, t, dirfd, path, LOOKUP_RESOLVE(resolve));
	if (!err && flags & O_CREAT && !(flags & O_PATH)) {
		err = open_create(&w, c, path, flags, mode, out);
	} else if (!err) {
		err = walk_path(&w, path, !(flags & O_NOFOLLOW));
		if (!err && flags & O_PATH)
			err = flags & O_DIRECTORY && path_inode(&w.cur)->type != S_IFDIR
				      ? -ENOTDIR
				      : open_path_only(&w.cur, flags, out);
		else if (!err && (flags & O_TMPFILE) == O_TMPFILE)
			err = open_tmpfile(&w, flags, mode, out);
		else if (!err)
			err = open_existing(t, c, &w.cur, flags, out);
	}
	walk_end(&w);
	if (!err && !(*out)->opened)
		notify_open(*out);
	return err;
}

int vfs_open_exec(struct task *t, int dirfd, const char *path, int at_flags, struct file **out)
{
	u32 flags = (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
		    (at_flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct path p;
	int err = path_lookup(t, dirfd, path, flags, &p);

	if (err)
		return err;
	if (path_inode(&p)->type == S_IFLNK)
		err = -ELOOP;
	else if (path_inode(&p)->type != S_IFREG || path_inode(&p)->hollow)
		err = -EACCES;
	else
		err = inode_permission(t->cred, path_inode(&p), MAY_EXEC);
	if (!err && path_inode(&p)->writers)
		err = -ETXTBSY;
	if (!err)
		err = vfs_open_path(t, &p, O_RDONLY, out);
	if (!err) {
		(*out)->runs = true;
		path_inode(&p)->runners++;
		notify_open(*out);
	}
	path_put(&p);
	return err;
}
