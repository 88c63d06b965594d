/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file's flags (chattr(1)): the four ioctls, file_getattr(2) and file_setattr(2) (fs/file_attr.c).
 *
 * They are kept for files and directories of trees in memory; what is beside them on disks (extents, projects) is not
 * there, as in tmpfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>

#include "sys/files.h"

/* struct file_attr, and struct fsxattr's fields but for the size of its own. */
struct file_attr {
	u64 xflags;
	u32 extsize, nextents, projid, cowextsize;
};

#define FILE_ATTR_MIN 24 /* FILE_ATTR_SIZE_VER0 */
#define AT_FLAGS      (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)

_Static_assert(sizeof(struct file_attr) == FILE_ATTR_MIN, "struct file_attr");

/* The flags by the names that XFS gave them. */
static const struct {
	u32 flag, xflag;
} flag_names[] = {
	{FS_IMMUTABLE_FL, FS_XFLAG_IMMUTABLE}, {FS_APPEND_FL, FS_XFLAG_APPEND}, {FS_SYNC_FL, FS_XFLAG_SYNC},
	{FS_NOATIME_FL, FS_XFLAG_NOATIME},     {FS_NODUMP_FL, FS_XFLAG_NODUMP},
};

#define KEPT_FLAGS (FS_NODUMP_FL | FS_NOATIME_FL | FS_IMMUTABLE_FL | FS_APPEND_FL)
/* What is told and never set: that there are extents laid out ahead, or attributes. */
#define TOLD_XFLAGS (FS_XFLAG_PREALLOC | FS_XFLAG_HASATTR)
/* All that have a name (FS_XFLAGS_MASK). */
#define NAMED_XFLAGS (0x1fffbu | FS_XFLAG_HASATTR)

/* Whether @i is in a tree that keeps attributes: those in memory, and memfds. */
static bool keeps_flags(const struct inode *i)
{
	if (!i || i->hollow || (i->type != S_IFREG && i->type != S_IFDIR))
		return false;
	return i->sb ? !i->sb->read_only && !i->sb->no_cache : i->type == S_IFREG;
}

static u64 xflags_of(const struct inode *i)
{
	u64 xflags = 0;

	for (size_t k = 0; k < ARRAY_SIZE(flag_names); k++)
		if (i->fs_flags & flag_names[k].flag)
			xflags |= flag_names[k].xflag;
	return xflags;
}

/* vfs_fileattr_set(), and what tmpfs keeps; @more: something that it does not. */
static long change_flags(struct task *t, struct inode *i, u32 flags, bool more)
{
	struct kstat st;
	long err = i->ops->getattr(i, &st);

	if (err)
		return err;
	if (st.uid != t->cred->fsuid && !capable(t, CAP_FOWNER))
		return -EPERM;
	/* Linux: CAP_LINUX_IMMUTABLE may make files immutable. Here: nobody, since a tree in memory ends with husk. */
	if (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL))
		return -EPERM;
	if (flags & ~(u32)KEPT_FLAGS || more)
		return -EOPNOTSUPP;
	i->fs_flags = flags;
	return 0;
}

/* The same by names. */
static long change_xflags(struct task *t, struct inode *i, struct file_attr *a)
{
	u32 flags = 0, xflags = (u32)a->xflags & ~TOLD_XFLAGS;

	/* fileattr_set_prepare() */
	if ((xflags & FS_XFLAG_EXTSIZE && i->type != S_IFREG) ||
	    (xflags & FS_XFLAG_EXTSZINHERIT && i->type != S_IFDIR) || a->projid == ~0u)
		return -EINVAL;
	if (!a->extsize)
		xflags &= ~(u32)(FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT);
	if (!a->cowextsize)
		xflags &= ~(u32)FS_XFLAG_COWEXTSIZE;
	for (size_t k = 0; k < ARRAY_SIZE(flag_names); k++) {
		if (!(xflags & flag_names[k].xflag))
			continue;
		flags |= flag_names[k].flag;
		xflags &= ~flag_names[k].xflag;
	}
	return change_flags(t, i, flags, xflags || a->extsize || a->projid || a->cowextsize);
}

/* ---- the ioctls ---- */

static bool on_read_only(const struct file *f)
{
	return f->path && path_read_only(f->path);
}

long ioctl_get_flags(struct task *t, struct file *f, int fd, u64 arg)
{
	return keeps_flags(f->inode) ? user_put(t, arg, &f->inode->fs_flags) : -ENOTTY;
}

long ioctl_set_flags(struct task *t, struct file *f, int fd, u64 arg)
{
	u32 flags;
	long err = keeps_flags(f->inode) ? user_get(t, &flags, arg) : -ENOTTY;

	if (err)
		return err;
	return on_read_only(f) ? -EROFS : change_flags(t, f->inode, flags, false);
}

long ioctl_get_xflags(struct task *t, struct file *f, int fd, u64 arg)
{
	struct fsxattr x = {0};

	if (!keeps_flags(f->inode))
		return -ENOTTY;
	x.fsx_xflags = (u32)xflags_of(f->inode);
	return user_put(t, arg, &x);
}

long ioctl_set_xflags(struct task *t, struct file *f, int fd, u64 arg)
{
	struct fsxattr x;
	struct file_attr a;
	long err = keeps_flags(f->inode) ? user_get(t, &x, arg) : -ENOTTY;

	if (err)
		return err;
	if (x.fsx_xflags & ~NAMED_XFLAGS)
		return -EOPNOTSUPP;
	a = (struct file_attr){x.fsx_xflags, x.fsx_extsize, x.fsx_nextents, x.fsx_projid, x.fsx_cowextsize};
	return on_read_only(f) ? -EROFS : change_xflags(t, f->inode, &a);
}

/* ---- the calls ---- */

static long check_arguments(u64 size, u32 at_flags)
{
	if (at_flags & ~(u32)AT_FLAGS)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return size < FILE_ATTR_MIN ? -EINVAL : 0;
}

static long get_attr(struct task *t, struct inode *i, u64 addr, u64 size)
{
	struct {
		struct file_attr known;
		u8 more[PAGE_SIZE - FILE_ATTR_MIN];
	} a = {0};

	if (!keeps_flags(i))
		return -EOPNOTSUPP;
	a.known.xflags = xflags_of(i);
	return user_write(t, addr, &a, size);
}

long sys_file_getattr(struct task *t, struct call *c)
{
	struct target g = {0};
	long err = check_arguments(c->arg[3], (u32)c->arg[4]);

	if (!err)
		err = target_at(t, (int)c->arg[0], c->arg[1], (int)c->arg[4], &g);
	if (!err)
		err = get_attr(t, target_inode(&g), c->arg[2], c->arg[3]);
	target_put(&g);
	return err;
}

long sys_file_setattr(struct task *t, struct call *c)
{
	struct target g = {0};
	struct file_attr a;
	long err = check_arguments(c->arg[3], (u32)c->arg[4]);

	if (!err)
		err = user_read_struct(t, &a, sizeof a, c->arg[2], c->arg[3]);
	if (!err && a.xflags & ~(u64)NAMED_XFLAGS)
		err = -EINVAL;
	if (!err)
		err = target_at(t, (int)c->arg[0], c->arg[1], (int)c->arg[4], &g);
	if (!err && target_read_only(&g))
		err = -EROFS;
	if (!err)
		err = keeps_flags(target_inode(&g)) ? change_xflags(t, target_inode(&g), &a) : -EOPNOTSUPP;
	target_put(&g);
	return err;
}
