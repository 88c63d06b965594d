/* SPDX-License-Identifier: Apache-2.0 */
/* read, write and their vectors, lseek, truncate, fallocate. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/pipe.h"
#include "sys/files.h"
#include "vfs/donate.h"
#include "vfs/notify.h"

#define HUSK_USER_TOP 0x7ffffffff000UL

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES 0x80
#endif

#define RWF_KNOWN        0x1ff /* HIPRI, DSYNC, SYNC, NOWAIT, APPEND, NOAPPEND, ATOMIC, DONTCACHE, NOSIGNAL */
#define RWF_HIPRI_BIT    1
#define RWF_DSYNC_BIT    2
#define RWF_SYNC_BIT     4
#define RWF_NOWAIT_BIT   8
#define RWF_APPEND_BIT   16
#define RWF_NOAPPEND_BIT 32
#define RWF_NO_FILE      0xc0 /* ATOMIC, DONTCACHE: no file here does so, as on Linux's tmpfs and overlayfs */
#define RWF_NOSIGNAL_BIT 0x100

/* The file behind @fd, open for the direction; it stays in c->file while the call waits. */
static int get_file(struct task *t, struct call *c, int fd, bool write, bool at, struct file **out)
{
	int err;

	if (c->file) {
		*out = c->file;
		return 0;
	}
	err = fd_get(t, fd, &c->file);
	if (err)
		return err;
	*out = c->file;
	if (at && (c->file->ops->stream || (write && c->file->ops->rw & RW_NO_PWRITE)))
		return -ESPIPE;
	return (write ? file_writable(c->file) : file_readable(c->file)) ? 0 : -EBADF;
}

static long rw_one(struct task *t, struct call *c, bool write, bool at)
{
	u64 pos = c->arg[3];
	struct file *f;
	struct uio u;
	long n;
	int err;

	if (at && (s64)pos < 0)
		return -EINVAL;
	err = get_file(t, c, (int)c->arg[0], write, at, &f);
	if (err)
		return err;
	if (!(write ? f->ops->write : f->ops->read))
		return -EINVAL;
	/* access_ok(): nothing is moved of a buffer that goes beyond what a program could have. So no size is EINVAL. */
	if (c->arg[1] + c->arg[2] < c->arg[1] || c->arg[1] + c->arg[2] > HUSK_USER_TOP)
		return -EFAULT;
	uio_init(&u, t, c->arg[1], c->arg[2]);
	n = file_rw(t, c, f, &u, at ? &pos : NULL, write);
	if (n >= 0 && (!write || f->ops->device))
		donate_used(t, (int)c->arg[0], f, c->arg[2], (u64)n);
	return n;
}

long sys_read(struct task *t, struct call *c)
{
	return rw_one(t, c, false, false);
}

long sys_write(struct task *t, struct call *c)
{
	return rw_one(t, c, true, false);
}

long sys_pread64(struct task *t, struct call *c)
{
	return rw_one(t, c, false, true);
}

long sys_pwrite64(struct task *t, struct call *c)
{
	return rw_one(t, c, true, true);
}

/* FIFOs that were opened by name know no RWF_NOWAIT, only those of pipe(2). */
static bool knows_nowait(const struct file *f)
{
	return f->ops->rw & RW_NOWAIT && !(f->path && file_is_pipe(f));
}

/* Which flags a file knows: 0, -EOPNOTSUPP, -EINVAL (include/linux/fs.h: kiocb_set_rw_flags(); fs/read_write.c). Of the
 * regular files none knows RWF_NOWAIT, as on Linux's tmpfs and overlayfs. */
static int check_rw_flags(const struct file *f, bool write, u32 flags)
{
	if (f->ops->rw & (write ? RW_WRITE_PLAIN : RW_READ_PLAIN))
		return flags & ~(u32)RWF_HIPRI_BIT ? -EOPNOTSUPP : 0;
	if (flags & ~(u32)RWF_KNOWN)
		return -EOPNOTSUPP;
	if (flags & RWF_APPEND_BIT && flags & RWF_NOAPPEND_BIT)
		return -EINVAL;
	if (flags & RWF_NO_FILE)
		return -EOPNOTSUPP;
	return flags & RWF_NOWAIT_BIT && !knows_nowait(f) ? -EOPNOTSUPP : 0;
}

static long rw_vector(struct task *t, struct call *c, bool write, bool at, u32 flags)
{
	u64 pos = c->arg[3];
	struct user_iovec *iov;
	struct file *f;
	struct uio u;
	u32 saved;
	long n, err;

	if (at && (s64)pos < 0)
		return -EINVAL;
	n = get_file(t, c, (int)c->arg[0], write, at, &f);
	if (n)
		return n;
	if (!(write ? f->ops->write : f->ops->read))
		return -EINVAL;
	n = uio_read_iovec(t, c->arg[1], c->arg[2], &iov);
	if (n < 0)
		return n;
	err = n ? check_rw_flags(f, write, flags) : 0;
	if (err || !n) {
		if (!err && !write)
			notify_file(f, IN_ACCESS);
		free(iov);
		return err;
	}
	uio_init_iov(&u, t, iov, (int)c->arg[2]);
	u.quiet = flags & RWF_NOSIGNAL_BIT;
	saved = f->flags;
	if (flags & RWF_NOWAIT_BIT)
		f->flags |= O_NONBLOCK;
	if (flags & (RWF_DSYNC_BIT | RWF_SYNC_BIT))
		f->flags |= flags & RWF_SYNC_BIT ? O_SYNC : O_DSYNC;
	if (flags & RWF_APPEND_BIT)
		f->flags |= O_APPEND;
	if (flags & RWF_NOAPPEND_BIT)
		f->flags &= ~(u32)O_APPEND;
	n = file_rw(t, c, f, &u, at ? &pos : NULL, write);
	/* A vector that met the end is an access too (fs/read_write.c: vfs_readv()). */
	if (!n && !write)
		notify_file(f, IN_ACCESS);
	f->flags = saved;
	free(iov);
	return n;
}

long sys_readv(struct task *t, struct call *c)
{
	long n = rw_vector(t, c, false, false, 0);

	if (n >= 0)
		donate_used(t, (int)c->arg[0], c->file, (u64)n, (u64)n);
	return n;
}

long sys_writev(struct task *t, struct call *c)
{
	return rw_vector(t, c, true, false, 0);
}

long sys_preadv(struct task *t, struct call *c)
{
	return rw_vector(t, c, false, true, 0);
}

long sys_pwritev(struct task *t, struct call *c)
{
	return rw_vector(t, c, true, true, 0);
}

long sys_preadv2(struct task *t, struct call *c)
{
	return rw_vector(t, c, false, c->arg[3] != ~0UL, (u32)c->arg[5]);
}

long sys_pwritev2(struct task *t, struct call *c)
{
	return rw_vector(t, c, true, c->arg[3] != ~0UL, (u32)c->arg[5]);
}

static long seek(struct file *f, s64 offset, u32 whence)
{
	if (whence > SEEK_HOLE)
		return -EINVAL;
	if (!f->ops->seek)
		return -ESPIPE;
	file_pos(f);
	return f->ops->seek(f, offset, (int)whence);
}

long sys_lseek(struct task *t, struct call *c)
{
	struct file *f;
	long pos = fd_get(t, (int)c->arg[0], &f);

	if (pos)
		return pos;
	pos = offset_wait(t, f);
	if (pos) {
		file_put(f);
		return pos;
	}
	pos = seek(f, (s64)c->arg[1], (u32)c->arg[2]);
	if (pos >= 0)
		donate_used(t, (int)c->arg[0], f, 0, 0);
	file_put(f);
	return pos;
}

static long truncate_path(struct task *t, const struct path *p, s64 size)
{
	struct iattr a = {.valid = ATTR_SIZE, .size = size};
	long err;

	if (path_inode(p)->type == S_IFDIR)
		return -EISDIR;
	if (path_inode(p)->type != S_IFREG)
		return -EINVAL;
	err = file_size_limit(t, path_inode(p), (u64)size);
	if (!err)
		err = inode_change_wait(t, path_inode(p), (u64)size);
	return err ? err : path_setattr(t, p, &a);
}

long sys_truncate(struct task *t, struct call *c)
{
	struct path p;
	long err;

	if ((s64)c->arg[1] < 0)
		return -EINVAL;
	err = user_lookup(t, AT_FDCWD, c->arg[0], LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	if (path_inode(&p)->type == S_IFREG)
		err = path_permission(t, &p, MAY_WRITE);
	if (!err && path_inode(&p)->runners)
		err = -ETXTBSY;
	if (!err)
		err = truncate_path(t, &p, (s64)c->arg[1]);
	path_put(&p);
	return err;
}

long sys_ftruncate(struct task *t, struct call *c)
{
	struct iattr a = {.valid = ATTR_SIZE, .size = (s64)c->arg[1]};
	struct file *f;
	long err;

	if (a.size < 0)
		return -EINVAL;
	err = fd_get(t, (int)c->arg[0], &f);
	if (err)
		return err;
	if (!f->inode || f->inode->type != S_IFREG || !file_writable(f))
		err = -EINVAL;
	else
		err = file_size_limit(t, f->inode, (u64)a.size);
	if (!err)
		err = inode_change_wait(t, f->inode, (u64)a.size);
	if (!err)
		attr_drop_privileges(t, f->inode, &a);
	a.file = f;
	if (!err)
		err = f->inode->ops->setattr ? f->inode->ops->setattr(f->inode, &a) : -EINVAL;
	if (!err && f->path)
		notify_change(f->path->dentry, &a);
	else if (!err)
		notify_file(f, IN_MODIFY | (a.valid & ATTR_MODE ? IN_ATTRIB : 0));
	file_put(f);
	return err;
}

/* What was allocated behind the end of a file whose size stays goes back. */
static void take_back(struct file *f, u64 from, u64 to)
{
	struct kstat st;

	if (file_getattr(f, &st) || to <= (u64)st.size)
		return;
	from = max(from, align_up((u64)st.size, PAGE_SIZE));
	if (from < to)
		f->ops->fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
}

/* A step: one piece of the file in c->file; others have their turns between two. */
static long allocate(struct task *t, struct call *c)
{
	u64 offset = c->arg[2] + c->done, len = c->arg[3] - c->done;
	int mode = (int)c->arg[1];
	struct file *f = c->file;
	struct iattr a = {0};
	long n = f->ops->fallocate(f, mode, offset, len);

	if (n > 0) {
		c->done += (size_t)n;
		c->step = allocate;
		task_wake(t);
		n = call_wait(t);
	}
	if (n == CALL_PARK)
		return n;
	if (n && c->done)
		take_back(f, c->arg[2], c->arg[2] + c->done);
	if (n)
		return n == -ERESTARTSYS ? -EINTR : n;
	if (f->inode)
		attr_drop_privileges(t, f->inode, &a);
	if (a.valid && f->inode->ops->setattr && !f->inode->ops->setattr(f->inode, &a) && f->path)
		notify_change(f->path->dentry, &a);
	notify_file(f, IN_MODIFY);
	return 0;
}

/* fs/open.c: vfs_fallocate(). */
static bool knows_mode(u32 mode)
{
	switch (mode & ~(u32)FALLOC_FL_KEEP_SIZE) {
	case 0:
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_UNSHARE_RANGE:
		return true;
	case FALLOC_FL_PUNCH_HOLE:
		return mode & FALLOC_FL_KEEP_SIZE;
	case FALLOC_FL_COLLAPSE_RANGE:
	case FALLOC_FL_INSERT_RANGE:
	case FALLOC_FL_WRITE_ZEROES:
		return !(mode & FALLOC_FL_KEEP_SIZE);
	}
	return false;
}

long sys_fallocate(struct task *t, struct call *c)
{
	long err = c->file ? 0 : fd_get(t, (int)c->arg[0], &c->file);
	struct file *f = c->file;

	if (err)
		return err;
	if ((s64)c->arg[2] < 0 || (s64)c->arg[3] <= 0)
		return -EINVAL;
	if (!knows_mode((u32)c->arg[1]))
		return -EOPNOTSUPP;
	if (!file_writable(f))
		return -EBADF;
	if (f->inode && f->inode->type == S_IFIFO)
		return -ESPIPE;
	if (!f->inode || f->inode->type != S_IFREG)
		return f->inode && f->inode->type == S_IFDIR ? -EISDIR : -ENODEV;
	if ((s64)(c->arg[2] + c->arg[3]) < 0)
		return -EFBIG;
	if (!f->ops->fallocate)
		return -EOPNOTSUPP;
	err = inode_change_wait(t, f->inode, UINT64_MAX);
	return err ? err : allocate(t, c);
}
