/* SPDX-License-Identifier: Apache-2.0 */
/* Making, removing and renaming names: mkdir, mknod, link, symlink, unlink, rmdir, rename (fs/namei.c). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <string.h>

#include "sys/files.h"
#include "vfs/notify.h"

/* The place of a name that is to be made: its directory, with the errors that come before it is asked who may. */
static long free_name(struct task *t, int dirfd, u64 addr, bool is_dir, struct parent *out)
{
	struct path there;
	long err = user_parent(t, dirfd, addr, 0, out);

	if (err)
		return err;
	if (out->type != LAST_NORM) {
		err = -EEXIST;
	} else {
		err = path_child_new(&out->dir, out->last, strlen(out->last), &there);
		if (!err) {
			path_put(&there);
			err = -EEXIST;
		} else if (err == -ENOENT) {
			/* A removed directory gets no names, whoever asks and whatever for. */
			err = (out->slashes && !is_dir) || out->dir.dentry->unlinked ? -ENOENT : 0;
		}
	}
	if (!err && path_inode(&out->dir)->sb->lookup_first)
		err = may_create(t, &out->dir);
	if (!err && path_read_only(&out->dir))
		err = -EROFS;
	if (err)
		path_put(&out->dir);
	return err;
}

/* The same, where the task may make one. */
static long create_parent(struct task *t, int dirfd, u64 addr, bool is_dir, struct parent *out)
{
	long err = free_name(t, dirfd, addr, is_dir, out);

	if (!err) {
		err = may_create(t, &out->dir);
		if (err)
			path_put(&out->dir);
	}
	return err;
}

/* Tells who watches of @made (owned), unless it could not be made: ends with @err, and with the name's place. */
static long created(struct parent *p, struct inode *made, long err)
{
	if (!err) {
		notify_name(path_inode(&p->dir), IN_CREATE, p->last, made, 0);
		inode_put(made);
	}
	path_put(&p->dir);
	return err;
}

/* The mark of an overlay's removed name is no device, and anybody's to make, but not in an overlay (fs/overlayfs/dir.c:
 * ovl_mknod()). */
static bool makes_whiteout(const struct inode *dir, u32 mode, u64 dev)
{
	return S_ISCHR(mode) && !dev && !strcmp(dir->sb->type, "tmpfs");
}

static long do_mknod(struct task *t, int dirfd, u64 addr, u32 mode, u64 dev)
{
	struct inode *dir, *made = NULL;
	struct parent p;
	long err;

	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFDIR:
		break;
	case S_IFCHR:
	case S_IFBLK:
		break;
	default:
		return -EINVAL;
	}
	err = create_parent(t, dirfd, addr, S_ISDIR(mode), &p);
	if (err)
		return err;
	dir = path_inode(&p.dir);
	/* Linux: with CAP_MKNOD, anywhere. Here: never, because husk's devices are its own. */
	if ((S_ISCHR(mode) || S_ISBLK(mode)) && !makes_whiteout(dir, mode, dev))
		return created(&p, NULL, -EPERM);
	err = dir->ops->create ? dir->ops->create(dir, p.last, strlen(p.last), mode & ~t->fs->umask, dev,
						  t->cred, &made)
	      : S_ISREG(mode)  ? -EACCES
			       : -EPERM;
	return created(&p, made, err);
}

long sys_mknod(struct task *t, struct call *c)
{
	u32 mode = (u32)c->arg[1];

	return S_ISDIR(mode) ? -EPERM : do_mknod(t, AT_FDCWD, c->arg[0], mode & (S_IFMT | 07777), c->arg[2]);
}

long sys_mknodat(struct task *t, struct call *c)
{
	u32 mode = (u32)c->arg[2];

	return S_ISDIR(mode) ? -EPERM
			     : do_mknod(t, (int)c->arg[0], c->arg[1], mode & (S_IFMT | 07777), c->arg[3]);
}

long sys_mkdir(struct task *t, struct call *c)
{
	return do_mknod(t, AT_FDCWD, c->arg[0], S_IFDIR | ((u32)c->arg[1] & 01777), 0);
}

long sys_mkdirat(struct task *t, struct call *c)
{
	return do_mknod(t, (int)c->arg[0], c->arg[1], S_IFDIR | ((u32)c->arg[2] & 01777), 0);
}

static long do_symlink(struct task *t, u64 target_addr, int dirfd, u64 addr)
{
	char target[PATH_MAX];
	struct inode *dir, *made = NULL;
	struct parent p;
	long err = user_path(t, target_addr, target, false);

	if (err < 0)
		return err;
	err = create_parent(t, dirfd, addr, false, &p);
	if (err)
		return err;
	dir = path_inode(&p.dir);
	err = dir->ops->symlink ? dir->ops->symlink(dir, p.last, strlen(p.last), target, t->cred, &made)
				: -EPERM;
	return created(&p, made, err);
}

long sys_symlink(struct task *t, struct call *c)
{
	return do_symlink(t, c->arg[0], AT_FDCWD, c->arg[1]);
}

long sys_symlinkat(struct task *t, struct call *c)
{
	return do_symlink(t, c->arg[0], (int)c->arg[1], c->arg[2]);
}

/* Of what belongs to another only regular files are linked, by who may read and write them, and no set-id programs: one that
 * was mended would live on in such a link (fs.protected_hardlinks; fs/namei.c: may_linkat). */
static long may_link(struct task *t, struct inode *i)
{
	const u32 runs_as_group = S_ISGID | S_IXGRP;
	struct ownership o;
	long err = inode_ownership(i, &o);

	if (err || o.uid == t->cred->fsuid || capable(t, CAP_FOWNER))
		return err;
	if (i->type != S_IFREG || o.mode & S_ISUID || (o.mode & runs_as_group) == runs_as_group)
		return -EPERM;
	return inode_permission(t->cred, i, MAY_READ | MAY_WRITE) ? -EPERM : 0;
}

/* An open file without a name of its own (O_TMPFILE) is linked by its descriptor. What has a place in no tree (a pipe, a
 * memfd: vfs/anon.h) has one in the first mount for want of a better: only its file system tells that it does not belong
 * there. */
static long do_link(struct task *t, int old_fd, u64 old_addr, int new_fd, u64 new_addr, int flags)
{
	u32 lookup = (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) |
		     (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY | LOOKUP_LINKED : 0);
	struct inode *i, *dir;
	struct parent p;
	struct path old;
	long err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = user_lookup(t, old_fd, old_addr, lookup, &old);
	if (err)
		return err;
	err = free_name(t, new_fd, new_addr, false, &p);
	if (err)
		goto put_old;
	i = path_inode(&old);
	dir = path_inode(&p.dir);
	if (old.mnt != p.dir.mnt || i->sb != dir->sb)
		err = -EXDEV;
	else
		err = may_link(t, i);
	if (!err)
		err = may_create(t, &p.dir);
	if (!err && (i->type == S_IFDIR || !dir->ops->link))
		err = -EPERM;
	if (!err)
		err = dir->ops->link(dir, p.last, strlen(p.last), i);
	if (!err) {
		notify_inode(i, IN_ATTRIB);
		notify_name(dir, IN_CREATE, p.last, i, 0);
	}
	path_put(&p.dir);
put_old:
	path_put(&old);
	return err;
}

long sys_link(struct task *t, struct call *c)
{
	return do_link(t, AT_FDCWD, c->arg[0], AT_FDCWD, c->arg[1], 0);
}

long sys_linkat(struct task *t, struct call *c)
{
	return do_link(t, (int)c->arg[0], c->arg[1], (int)c->arg[2], c->arg[3], (int)c->arg[4]);
}

/* ---- removing ---- */

static long remove_name(struct task *t, int dirfd, u64 addr, bool is_dir)
{
	struct parent p;
	long err = user_parent(t, dirfd, addr, 0, &p);

	if (err)
		return err;
	if (p.type != LAST_NORM) {
		static const int rmdir_error[] = {
			[LAST_DOT] = -EINVAL, [LAST_DOTDOT] = -ENOTEMPTY, [LAST_ROOT] = -EBUSY};

		err = is_dir ? rmdir_error[p.type] : -EISDIR;
		goto put_dir;
	}
	err = vfs_remove(t, &p.dir, p.last, p.slashes, is_dir);
put_dir:
	path_put(&p.dir);
	return err;
}

long sys_unlink(struct task *t, struct call *c)
{
	return remove_name(t, AT_FDCWD, c->arg[0], false);
}

long sys_rmdir(struct task *t, struct call *c)
{
	return remove_name(t, AT_FDCWD, c->arg[0], true);
}

long sys_unlinkat(struct task *t, struct call *c)
{
	if ((int)c->arg[2] & ~AT_REMOVEDIR)
		return -EINVAL;
	return remove_name(t, (int)c->arg[0], c->arg[1], c->arg[2] & AT_REMOVEDIR);
}

/* ---- renaming ---- */

static bool is_below(const struct dentry *d, const struct dentry *above)
{
	for (; d; d = d->parent)
		if (d == above)
			return true;
	return false;
}

/* Everything is found; @over is a zero path when the new name is free. */
static long check_rename(struct task *t, struct parent *from, struct path *old, struct parent *to,
			 struct path *over, u32 flags)
{
	bool old_dir = path_inode(old)->type == S_IFDIR, exchange = flags & RENAME_EXCHANGE;
	bool over_dir = over->dentry && path_inode(over)->type == S_IFDIR;
	long err;

	if (flags & RENAME_NOREPLACE && over->dentry)
		return -EEXIST;
	if (exchange && !over->dentry)
		return -ENOENT;
	if (!old_dir && from->slashes)
		return -ENOTDIR;
	if (!old_dir && !exchange && to->slashes)
		return -ENOTDIR;
	if (exchange && !over_dir && to->slashes)
		return -ENOTDIR;
	if (is_below(to->dir.dentry, old->dentry))
		return -EINVAL;
	if (over->dentry && is_below(from->dir.dentry, over->dentry))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (over->dentry && over->dentry->inode == old->dentry->inode)
		return 0;
	err = may_delete(t, &from->dir, path_inode(old), old_dir);
	if (err)
		return err;
	if (!over->dentry)
		err = may_create(t, &to->dir);
	else
		err = may_delete(t, &to->dir, path_inode(over), exchange ? over_dir : old_dir);
	/* A directory that gets another parent is written to: its "..". */
	if (!err && from->dir.dentry != to->dir.dentry && old_dir)
		err = inode_permission(t->cred, path_inode(old), MAY_WRITE);
	if (!err && from->dir.dentry != to->dir.dentry && exchange && over_dir)
		err = inode_permission(t->cred, path_inode(over), MAY_WRITE);
	if (!err && (path_is_mount_point(old) || (over->dentry && path_is_mount_point(over))))
		err = -EBUSY;
	return err;
}

static void move_names(struct parent *from, struct path *old, struct parent *to, struct path *over, u32 flags)
{
	if (flags & RENAME_EXCHANGE) {
		dentry_drop(over->dentry, false);
		dentry_move(old->dentry, to->dir.dentry, to->last, strlen(to->last));
		dentry_move(over->dentry, from->dir.dentry, from->last, strlen(from->last));
		return;
	}
	if (over->dentry)
		dentry_drop(over->dentry, true);
	dentry_move(old->dentry, to->dir.dentry, to->last, strlen(to->last));
}

/* One name has moved: @over is what lost its name by that, nullable. */
static void tell_move(struct parent *from, struct parent *to, struct inode *moved, struct inode *over)
{
	u32 cookie = notify_cookie(moved->k);

	notify_name(path_inode(&from->dir), IN_MOVED_FROM, from->last, moved, cookie);
	notify_name(path_inode(&to->dir), IN_MOVED_TO, to->last, moved, cookie);
	if (over)
		notify_inode(over, IN_ATTRIB);
	notify_inode(moved, IN_MOVE_SELF);
}

static void tell_rename(struct parent *from, struct path *old, struct parent *to, struct path *over,
			u32 flags)
{
	struct inode *other = over->dentry ? path_inode(over) : NULL;

	tell_move(from, to, path_inode(old), flags & RENAME_EXCHANGE ? NULL : other);
	if (flags & RENAME_EXCHANGE)
		tell_move(to, from, other, NULL);
}

static long rename_between(struct task *t, struct parent *from, struct parent *to, u32 flags)
{
	struct inode *dir = path_inode(&from->dir);
	struct path old, over = {0};
	long err;

	if (from->dir.mnt != to->dir.mnt)
		return -EXDEV;
	if (from->type != LAST_NORM && from->type != LAST_LONG)
		return -EBUSY;
	if (to->type != LAST_NORM && to->type != LAST_LONG)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (path_read_only(&from->dir))
		return -EROFS;
	/* A removed directory is not even asked for a name. */
	if (from->dir.dentry->unlinked)
		return -ENOENT;
	if (from->type == LAST_LONG)
		return -ENAMETOOLONG;
	err = path_child(&from->dir, from->last, strlen(from->last), &old);
	if (err)
		return err;
	if (to->dir.dentry->unlinked) {
		path_put(&old);
		return -ENOENT;
	}
	err = to->type == LAST_LONG ? -ENAMETOOLONG
				    : path_child_new(&to->dir, to->last, strlen(to->last), &over);
	if (!err || (err == -ENOENT && !dir->sb->lookup_first))
		err = check_rename(t, from, &old, to, &over, flags);
	if (!err && !(over.dentry && over.dentry->inode == old.dentry->inode)) {
		err = dir->ops->rename
			      ? dir->ops->rename(dir, from->last, strlen(from->last), path_inode(&old),
						 path_inode(&to->dir), to->last, strlen(to->last),
						 over.dentry ? path_inode(&over) : NULL, flags, t->cred)
			      : -EPERM;
		if (!err) {
			move_names(from, &old, to, &over, flags);
			tell_rename(from, &old, to, &over, flags);
		}
	}
	path_put(&over);
	path_put(&old);
	return err;
}

static long do_rename(struct task *t, int old_fd, u64 old_addr, int new_fd, u64 new_addr, u32 flags)
{
	struct parent from, to;
	long err;

	if (flags & ~(u32)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT) && flags & RENAME_EXCHANGE)
		return -EINVAL;
	err = user_parent(t, old_fd, old_addr, LOOKUP_LONG, &from);
	if (err)
		return err;
	err = user_parent(t, new_fd, new_addr, LOOKUP_LONG, &to);
	if (!err) {
		err = rename_between(t, &from, &to, flags);
		path_put(&to.dir);
	}
	path_put(&from.dir);
	return err;
}

long sys_rename(struct task *t, struct call *c)
{
	return do_rename(t, AT_FDCWD, c->arg[0], AT_FDCWD, c->arg[1], 0);
}

long sys_renameat(struct task *t, struct call *c)
{
	return do_rename(t, (int)c->arg[0], c->arg[1], (int)c->arg[2], c->arg[3], 0);
}

long sys_renameat2(struct task *t, struct call *c)
{
	return do_rename(t, (int)c->arg[0], c->arg[1], (int)c->arg[2], c->arg[3], (u32)c->arg[4]);
}
