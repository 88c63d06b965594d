/* SPDX-License-Identifier: Apache-2.0 */
/* Changing attributes: chmod, chown, utimes and their relatives (fs/attr.c, fs/utimes.c). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sys/time.h>

#include "sys/files.h"
#include "vfs/anon.h"

struct inode *target_inode(struct target *g)
{
	return g->bare ? g->bare : path_inode(&g->path);
}

void target_put(struct target *g)
{
	inode_put(g->bare);
	path_put(&g->path);
}

long target_fd(struct task *t, int fd, struct target *g)
{
	struct file *f;
	long err = fd_get(t, fd, &f);

	*g = (struct target){0};
	if (err)
		return err;
	if (f->path) {
		g->path = *f->path;
		path_get(&g->path);
	} else {
		g->bare = file_inode(f);
		err = g->bare ? 0 : -ENOMEM;
		if (g->bare)
			inode_get(g->bare);
	}
	file_put(f);
	return err;
}

long target_path(struct task *t, int dirfd, u64 addr, int at_flags, struct target *g)
{
	u32 flags = (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
		    (at_flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);

	*g = (struct target){0};
	return user_lookup(t, dirfd, addr, flags, &g->path);
}

long target_at(struct task *t, int dirfd, u64 addr, int at_flags, struct target *g)
{
	char path[PATH_MAX];
	long n = 0;

	*g = (struct target){0};
	if (!(at_flags & AT_EMPTY_PATH))
		return target_path(t, dirfd, addr, at_flags, g);
	path[0] = 0;
	if (addr)
		n = user_path(t, addr, path, true);
	if (n < 0)
		return n;
	if (!*path && dirfd >= 0)
		return target_fd(t, dirfd, g);
	return path_lookup(t, dirfd, path,
			   LOOKUP_EMPTY | (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW), &g->path);
}

static long change(struct task *t, struct target *g, struct iattr *a)
{
	struct inode *i = target_inode(g);

	if (!g->bare)
		return path_setattr(t, &g->path, a);
	return i->ops->setattr ? i->ops->setattr(i, a) : -EPERM;
}

/* Permissions are the file system's affair (setattr_prepare()), and some have nothing that they would be asked for. */
static bool never_changes(const struct target *g)
{
	return target_inode((struct target *)g)->ops->setattr == fixed_setattr;
}

bool target_read_only(struct target *g)
{
	return !g->bare && path_read_only(&g->path);
}

/* ---- mode ---- */

static long do_chmod(struct task *t, struct target *g, u32 mode)
{
	struct iattr a = {.valid = ATTR_MODE, .mode = mode & 07777};
	struct kstat st;
	long err;

	if (target_read_only(g))
		return -EROFS;
	if (target_inode(g)->type == S_IFLNK || never_changes(g))
		return -EOPNOTSUPP;
	err = target_inode(g)->ops->getattr(target_inode(g), &st);
	if (err)
		return err;
	if (t->cred->fsuid != st.uid && !capable(t, CAP_FOWNER))
		return -EPERM;
	if (!cred_in_group(t->cred, st.gid) && !capable(t, CAP_FSETID))
		a.mode &= ~(u32)S_ISGID;
	return change(t, g, &a);
}

static long chmod_path(struct task *t, int dirfd, u64 addr, u32 mode, int flags)
{
	struct target g;
	long err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = target_path(t, dirfd, addr, flags, &g);
	if (!err)
		err = do_chmod(t, &g, mode);
	target_put(&g);
	return err;
}

long sys_chmod(struct task *t, struct call *c)
{
	return chmod_path(t, AT_FDCWD, c->arg[0], (u32)c->arg[1], 0);
}

long sys_fchmodat(struct task *t, struct call *c)
{
	return chmod_path(t, (int)c->arg[0], c->arg[1], (u32)c->arg[2], 0);
}

long sys_fchmodat2(struct task *t, struct call *c)
{
	return chmod_path(t, (int)c->arg[0], c->arg[1], (u32)c->arg[2], (int)c->arg[3]);
}

long sys_fchmod(struct task *t, struct call *c)
{
	struct target g;
	long err = target_fd(t, (int)c->arg[0], &g);

	if (!err)
		err = do_chmod(t, &g, (u32)c->arg[1]);
	target_put(&g);
	return err;
}

/* ---- owner ---- */

static long do_chown(struct task *t, struct target *g, u32 uid, u32 gid)
{
	struct iattr a = {.uid = uid, .gid = gid};
	struct kstat st;
	long err;

	if (target_read_only(g))
		return -EROFS;
	if (never_changes(g))
		return -EOPNOTSUPP;
	err = target_inode(g)->ops->getattr(target_inode(g), &st);
	if (err)
		return err;
	if (uid != ~0U && !capable(t, CAP_CHOWN) && (t->cred->fsuid != st.uid || uid != st.uid))
		return -EPERM;
	if (gid != ~0U && !capable(t, CAP_CHOWN) &&
	    (t->cred->fsuid != st.uid || (gid != st.gid && !cred_in_group(t->cred, gid))))
		return -EPERM;
	a.valid = (uid != ~0U ? ATTR_UID : 0) | (gid != ~0U ? ATTR_GID : 0);
	/* A change of owner takes the set-id bits away, one that changes nothing too, and that is for who may change them. */
	if (target_inode(g)->type != S_IFDIR && st.mode & (S_ISUID | S_ISGID)) {
		a.mode = st.mode & 07777 & ~(u32)S_ISUID;
		if (st.mode & S_IXGRP || (!cred_in_group(t->cred, st.gid) && !capable(t, CAP_FSETID)))
			a.mode &= ~(u32)S_ISGID;
		a.valid |= a.mode != (st.mode & 07777) ? ATTR_MODE : 0;
		if (a.valid & ATTR_MODE && t->cred->fsuid != st.uid && !capable(t, CAP_FOWNER))
			return -EPERM;
	}
	return change(t, g, &a);
}

static long chown_path(struct task *t, int dirfd, u64 addr, u32 uid, u32 gid, int flags)
{
	struct target g;
	long err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = target_path(t, dirfd, addr, flags, &g);
	if (!err)
		err = do_chown(t, &g, uid, gid);
	target_put(&g);
	return err;
}

long sys_chown(struct task *t, struct call *c)
{
	return chown_path(t, AT_FDCWD, c->arg[0], (u32)c->arg[1], (u32)c->arg[2], 0);
}

long sys_lchown(struct task *t, struct call *c)
{
	return chown_path(t, AT_FDCWD, c->arg[0], (u32)c->arg[1], (u32)c->arg[2], AT_SYMLINK_NOFOLLOW);
}

long sys_fchownat(struct task *t, struct call *c)
{
	return chown_path(t, (int)c->arg[0], c->arg[1], (u32)c->arg[2], (u32)c->arg[3], (int)c->arg[4]);
}

long sys_fchown(struct task *t, struct call *c)
{
	struct target g;
	long err = target_fd(t, (int)c->arg[0], &g);

	if (!err)
		err = do_chown(t, &g, (u32)c->arg[1], (u32)c->arg[2]);
	target_put(&g);
	return err;
}

/* ---- times ---- */

static bool valid_nsec(long nsec)
{
	return nsec == UTIME_NOW || nsec == UTIME_OMIT || (nsec >= 0 && nsec < 1000000000);
}

/* @times: two, or NULL for now; tv_nsec may be UTIME_NOW or UTIME_OMIT. */
static long do_utimes(struct task *t, struct target *g, const struct timespec *times)
{
	struct iattr a = {0};
	struct timespec now;
	bool touch = !times || (times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW);
	struct kstat st;
	long err;

	if (times && (!valid_nsec(times[0].tv_nsec) || !valid_nsec(times[1].tv_nsec)))
		return -EINVAL;
	if (target_read_only(g))
		return -EROFS;
	err = target_inode(g)->ops->getattr(target_inode(g), &st);
	if (err)
		return err;
	if (t->cred->fsuid != st.uid && !capable(t, CAP_FOWNER)) {
		if (!touch)
			return never_changes(g) ? -EOPNOTSUPP : -EPERM;
		err = inode_permission(t->cred, target_inode(g), MAY_WRITE);
		if (err)
			return err;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	a.atime = touch || times[0].tv_nsec == UTIME_NOW ? now : times[0];
	a.mtime = touch || times[1].tv_nsec == UTIME_NOW ? now : times[1];
	a.valid = (!times || times[0].tv_nsec != UTIME_OMIT ? ATTR_ATIME : 0) |
		  (!times || times[1].tv_nsec != UTIME_OMIT ? ATTR_MTIME : 0);
	return change(t, g, &a);
}

long sys_utimensat(struct task *t, struct call *c)
{
	int flags = (int)c->arg[3];
	struct timespec times[2];
	struct target g;
	long err;

	if (c->arg[2]) {
		err = user_read(t, times, c->arg[2], sizeof times);
		if (err)
			return err;
		/* Nothing to do: nothing is looked at. */
		if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
			return 0;
	}
	if (!c->arg[1] && (int)c->arg[0] != AT_FDCWD) {
		if (flags)
			return -EINVAL;
		err = target_fd(t, (int)c->arg[0], &g);
	} else {
		if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
			return -EINVAL;
		err = target_path(t, (int)c->arg[0], c->arg[1], flags, &g);
	}
	if (!err)
		err = do_utimes(t, &g, c->arg[2] ? times : NULL);
	target_put(&g);
	return err;
}

/* Without a path: what @dirfd is. */
static long utimes_path(struct task *t, int dirfd, u64 addr, const struct timespec *times)
{
	struct target g;
	long err = !addr && dirfd != AT_FDCWD ? target_fd(t, dirfd, &g) : target_path(t, dirfd, addr, 0, &g);

	if (!err)
		err = do_utimes(t, &g, times);
	target_put(&g);
	return err;
}

static long do_futimesat(struct task *t, int dirfd, u64 addr, u64 times_addr)
{
	struct timeval tv[2];
	struct timespec times[2];
	long err;

	if (!times_addr)
		return utimes_path(t, dirfd, addr, NULL);
	err = user_read(t, tv, times_addr, sizeof tv);
	if (err)
		return err;
	for (int i = 0; i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return -EINVAL;
		times[i] = (struct timespec){tv[i].tv_sec, tv[i].tv_usec * 1000};
	}
	return utimes_path(t, dirfd, addr, times);
}

long sys_futimesat(struct task *t, struct call *c)
{
	return do_futimesat(t, (int)c->arg[0], c->arg[1], c->arg[2]);
}

long sys_utimes(struct task *t, struct call *c)
{
	return do_futimesat(t, AT_FDCWD, c->arg[0], c->arg[1]);
}

long sys_utime(struct task *t, struct call *c)
{
	struct timespec times[2] = {0};
	s64 seconds[2];
	long err;

	if (!c->arg[1])
		return utimes_path(t, AT_FDCWD, c->arg[0], NULL);
	err = user_read(t, seconds, c->arg[1], sizeof seconds);
	if (err)
		return err;
	times[0].tv_sec = seconds[0];
	times[1].tv_sec = seconds[1];
	return utimes_path(t, AT_FDCWD, c->arg[0], times);
}
