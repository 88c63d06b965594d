/* SPDX-License-Identifier: Apache-2.0 */
/* stat and its relatives, access, readlink, statfs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "sys/files.h"
#include "task/life.h"
#include "vfs/anon.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U /* Linux 6.8; here numbers of mounts are never used again anyway */
#endif

/* What statfs(2) shows of file systems that are nowhere mounted (linux/magic.h). */
#define PIPE_MAGIC      0x50495045
#define SOCKET_MAGIC    0x534f434b
#define ANON_MAGIC      0x09041934
#define PIDFD_MAGIC     0x50494446
#define NSFS_MAGIC      0x6e736673
#define STATFS_VALID    0x20   /* ST_VALID */
#define STATFS_RELATIME 0x1000 /* as /proc/mounts says */

/* The attributes of what @dirfd and @addr name; *root: whether it is a mount's root. */
static long get_attributes(struct task *t, int dirfd, u64 addr, int at_flags, struct kstat *st, bool *root)
{
	u32 flags = (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
		    (at_flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	char path[PATH_MAX];
	long err = 0;

	path[0] = 0;

	/* A NULL path stands for an empty one (Linux 6.11). */
	if (addr || !(at_flags & AT_EMPTY_PATH))
		err = user_path(t, addr, path, at_flags & AT_EMPTY_PATH);
	if (err < 0)
		return err;
	if (!*path && dirfd != AT_FDCWD) {
		struct file *f;

		err = fd_get_path(t, dirfd, &f);
		if (err)
			return err;
		err = file_getattr(f, st);
		*root = f->path && path_is_mount_root(f->path);
		file_put(f);
		return err;
	}
	return path_attributes(t, dirfd, path, flags, st, root);
}

static long do_stat(struct task *t, int dirfd, u64 addr, int at_flags, u64 buf)
{
	struct kstat st;
	bool root;
	long err = get_attributes(t, dirfd, addr, at_flags, &st, &root);

	return err ? err : put_stat(t, buf, &st);
}

long sys_stat(struct task *t, struct call *c)
{
	return do_stat(t, AT_FDCWD, c->arg[0], 0, c->arg[1]);
}

long sys_lstat(struct task *t, struct call *c)
{
	return do_stat(t, AT_FDCWD, c->arg[0], AT_SYMLINK_NOFOLLOW, c->arg[1]);
}

long sys_fstat(struct task *t, struct call *c)
{
	struct kstat st;
	struct file *f;
	long err = fd_get_path(t, (int)c->arg[0], &f);

	if (err)
		return err;
	err = file_getattr(f, &st);
	file_put(f);
	return err ? err : put_stat(t, c->arg[1], &st);
}

long sys_newfstatat(struct task *t, struct call *c)
{
	int flags = (int)c->arg[3];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	return do_stat(t, (int)c->arg[0], c->arg[1], flags, c->arg[2]);
}

/* The same bits as FS_IOC_GETFLAGS'. */
#define INODE_ATTRIBUTES (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP)

static struct statx_timestamp statx_time(struct timespec ts)
{
	return (struct statx_timestamp){.tv_sec = ts.tv_sec, .tv_nsec = (u32)ts.tv_nsec};
}

long sys_statx(struct task *t, struct call *c)
{
	int flags = (int)c->arg[2];
	u32 mask = (u32)c->arg[3];
	struct statx out;
	struct kstat st;
	bool root;
	long err;

	if (mask & STATX__RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	err = get_attributes(t, (int)c->arg[0], c->arg[1], flags, &st, &root);
	if (err)
		return err;
	memset(&out, 0, sizeof out);
	out.stx_mask = STATX_BASIC_STATS | (st.btime.tv_sec ? mask & STATX_BTIME : 0) |
		       (mask & STATX_MNT_ID_UNIQUE ? STATX_MNT_ID_UNIQUE : STATX_MNT_ID);
	/* Who keeps the one keeps the other. */
	out.stx_attributes_mask = STATX_ATTR_AUTOMOUNT | STATX_ATTR_DAX | STATX_ATTR_MOUNT_ROOT |
				  (st.btime.tv_sec ? INODE_ATTRIBUTES : 0);
	out.stx_attributes = (root ? STATX_ATTR_MOUNT_ROOT : 0) | (st.fs_flags & INODE_ATTRIBUTES);
	out.stx_blksize = st.blksize;
	out.stx_nlink = st.nlink;
	out.stx_uid = st.uid;
	out.stx_gid = st.gid;
	out.stx_mode = (u16)st.mode;
	out.stx_ino = st.ino;
	out.stx_size = (u64)st.size;
	out.stx_blocks = st.blocks;
	out.stx_atime = statx_time(st.atime);
	if (mask & STATX_BTIME)
		out.stx_btime = statx_time(st.btime);
	out.stx_ctime = statx_time(st.ctime);
	out.stx_mtime = statx_time(st.mtime);
	out.stx_rdev_major = major(st.rdev);
	out.stx_rdev_minor = minor(st.rdev);
	out.stx_dev_major = major(st.dev);
	out.stx_dev_minor = minor(st.dev);
	out.stx_mnt_id = st.mnt_id;
	return user_put(t, c->arg[4], &out);
}

/* access(2) asks for the real ids, with the capabilities that they would have (fs/open.c:
 * access_override_creds). */
static long do_access(struct task *t, int dirfd, u64 addr, u32 mode, int flags)
{
	u32 lookup = (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
		     (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct cred *own = t->cred;
	struct path p;
	long err;

	if (mode & ~7U || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!(flags & AT_EACCESS)) {
		struct cred *real = cred_copy(own);

		if (!real)
			return -ENOMEM;
		real->fsuid = own->uid;
		real->fsgid = own->gid;
		real->cap_effective = own->uid ? 0 : own->cap_permitted;
		t->cred = real;
	}
	err = user_lookup(t, dirfd, addr, lookup, &p);
	if (!err) {
		if (mode & MAY_EXEC && path_inode(&p)->hollow)
			err = -EACCES;
		else if (mode)
			err = path_permission(t, &p, (int)mode);
		path_put(&p);
	}
	if (t->cred != own) {
		cred_put(t->cred);
		t->cred = own;
	}
	return err;
}

long sys_access(struct task *t, struct call *c)
{
	return do_access(t, AT_FDCWD, c->arg[0], (u32)c->arg[1], 0);
}

long sys_faccessat(struct task *t, struct call *c)
{
	return do_access(t, (int)c->arg[0], c->arg[1], (u32)c->arg[2], 0);
}

long sys_faccessat2(struct task *t, struct call *c)
{
	return do_access(t, (int)c->arg[0], c->arg[1], (u32)c->arg[2], (int)c->arg[3]);
}

static long do_readlink(struct task *t, int dirfd, u64 addr, u64 buf, s64 size)
{
	char text[PATH_MAX], path[PATH_MAX];
	struct inode *i;
	struct path p;
	long n;

	if ((int)size <= 0)
		return -EINVAL;
	n = user_path(t, addr, path, true);
	if (n >= 0)
		n = path_lookup(t, dirfd, path, LOOKUP_EMPTY, &p);
	if (n)
		return n;
	i = path_inode(&p);
	if (i->type != S_IFLNK)
		n = *path ? -EINVAL : -ENOENT;
	else if (i->ops->follow && !i->ops->readlink) {
		struct path to;

		n = i->ops->follow(i, t, &to);
		if (!n) {
			n = path_text(t, &to, text, sizeof text, true);
			path_put(&to);
		}
	} else
		n = i->ops->readlink ? i->ops->readlink(i, text, sizeof text) : -EINVAL;
	path_put(&p);
	if (n >= 0) {
		long err;

		n = min(n, (long)(int)size);
		err = user_write(t, buf, text, (size_t)n);
		if (err)
			return err;
	}
	return n;
}

long sys_readlink(struct task *t, struct call *c)
{
	return do_readlink(t, AT_FDCWD, c->arg[0], c->arg[1], (int)c->arg[2]);
}

long sys_readlinkat(struct task *t, struct call *c)
{
	return do_readlink(t, (int)c->arg[0], c->arg[1], c->arg[2], (int)c->arg[3]);
}

static long put_statfs(struct task *t, struct super *sb, bool read_only, u64 buf)
{
	struct statfs st;
	int err;

	memset(&st, 0, sizeof st);
	err = sb->statfs ? sb->statfs(sb, &st) : -ENOSYS;
	if (err)
		return err;
	st.f_flags |= STATFS_VALID | STATFS_RELATIME | (read_only ? ST_RDONLY : 0);
	return user_put(t, buf, &st);
}

/* Pipes, sockets and the like live in file systems without size, which are mounted nowhere. */
static long put_anon_statfs(struct task *t, const struct inode *i, u64 buf)
{
	struct statfs st = {.f_bsize = PAGE_SIZE, .f_namelen = 255, .f_frsize = PAGE_SIZE};
	int err = i->sb && i->sb->statfs ? i->sb->statfs(i->sb, &st) : 0;

	if (!i->sb)
		st.f_type = i->type == S_IFIFO    ? PIPE_MAGIC
			    : i->type == S_IFSOCK ? SOCKET_MAGIC
			    : inode_is_pidfd(i)   ? PIDFD_MAGIC
			    : i->hollow           ? NSFS_MAGIC
			    : i->type == S_IFREG  ? TMPFS_MAGIC /* a memfd */
						  : ANON_MAGIC;
	st.f_flags |= STATFS_VALID;
	return err ? err : user_put(t, buf, &st);
}

static long put_path_statfs(struct task *t, const struct path *p, u64 buf)
{
	return path_is_anon(p) ? put_anon_statfs(t, path_inode(p), buf)
			       : put_statfs(t, p->mnt->sb, p->mnt->read_only, buf);
}

long sys_statfs(struct task *t, struct call *c)
{
	struct path p;
	long err = user_lookup(t, AT_FDCWD, c->arg[0], LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = put_path_statfs(t, &p, c->arg[1]);
	path_put(&p);
	return err;
}

long sys_fstatfs(struct task *t, struct call *c)
{
	struct file *f;
	long err = fd_get_path(t, (int)c->arg[0], &f);

	if (err)
		return err;
	if (f->path)
		err = put_path_statfs(t, f->path, c->arg[1]);
	else
		err = file_inode(f) ? put_anon_statfs(t, file_inode(f), c->arg[1]) : -ENOMEM;
	file_put(f);
	return err;
}

/* ---- file handles (fs/fhandle.c): no file system here has any ---- */

#define HANDLE_FID         0x200u /* AT_HANDLE_FID */
#define HANDLE_UNIQUE      1u     /* AT_HANDLE_MNT_ID_UNIQUE */
#define HANDLE_CONNECTABLE 2u     /* AT_HANDLE_CONNECTABLE */
#define HANDLE_FLAGS       (AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | HANDLE_FID | HANDLE_UNIQUE | HANDLE_CONNECTABLE)
#define HANDLE_MAX         128u
#define HANDLE_TYPES       0x3ffff /* what open_by_handle_at() may find in handle_type */

/* Linux: every file has a handle to be told by (AT_HANDLE_FID), if not to be opened by. Here: none, as on Linux's file
 * systems without them (EOPNOTSUPP), because a handle opens a file past all directories that were closed to the guest. */
long sys_name_to_handle_at(struct task *t, struct call *c)
{
	u32 flags = (u32)c->arg[4];
	struct path p;
	long err;

	if (flags & ~(u32)HANDLE_FLAGS ||
	    (flags & HANDLE_CONNECTABLE && flags & (HANDLE_FID | AT_EMPTY_PATH)))
		return -EINVAL;
	err = user_lookup(t, (int)c->arg[0], c->arg[1],
			  (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) |
				  (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
			  &p);
	if (err)
		return err;
	path_put(&p);
	return call_refuse(t, -EOPNOTSUPP);
}

/* After Linux's checks: EPERM for who must not, ESTALE for who may. */
long sys_open_by_handle_at(struct task *t, struct call *c)
{
	struct {
		u32 bytes;
		int type;
	} handle;
	struct file *f;
	long err = user_get(t, &handle, c->arg[1]);

	if (err)
		return err;
	if (!handle.bytes || handle.bytes > HANDLE_MAX || handle.type < 0 || handle.type & ~HANDLE_TYPES)
		return -EINVAL;
	if ((int)c->arg[0] != AT_FDCWD) {
		err = fd_get(t, (int)c->arg[0], &f);
		if (err)
			return err;
		file_put(f);
	}
	return call_refuse(t, capable(t, CAP_DAC_READ_SEARCH) ? -ESTALE : -EPERM);
}
