/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing files to disk, and hints about what will be read: sync, fsync, fdatasync, syncfs, sync_file_range, fadvise64,
 * readahead.
 */
#include <errno.h>

#include "sys/files.h"

static long sync_file(struct task *t, int fd, bool data_only)
{
	struct file *f;
	long err = fd_get(t, fd, &f);

	if (err)
		return err;
	err = f->ops->fsync                           ? f->ops->fsync(f, data_only)
	      : f->inode && f->inode->type == S_IFREG ? 0
						      : -EINVAL;
	file_put(f);
	return err;
}

long sys_fsync(struct task *t, struct call *c)
{
	return sync_file(t, (int)c->arg[0], false);
}

long sys_fdatasync(struct task *t, struct call *c)
{
	return sync_file(t, (int)c->arg[0], true);
}

/* Nothing that a guest writes outlives the sandbox: there is nothing to bring to a disk. */
long sys_sync(struct task *t, struct call *c)
{
	return 0;
}

long sys_syncfs(struct task *t, struct call *c)
{
	struct file *f;
	long err = fd_get(t, (int)c->arg[0], &f);

	if (!err)
		file_put(f);
	return err;
}

/* 0, or what the arguments of sync_file_range(2) are refused with. */
static long check_range(const struct file *f, s64 offset, s64 size, u32 flags)
{
	s64 end;

	if (flags > 7 || offset < 0 || __builtin_add_overflow(offset, size, &end) || end < offset)
		return -EINVAL;
	if (!f->inode || f->ops->stream || (f->inode->type != S_IFREG && f->inode->type != S_IFDIR))
		return -ESPIPE;
	return 0;
}

long sys_sync_file_range(struct task *t, struct call *c)
{
	struct file *f;
	long err = fd_get(t, (int)c->arg[0], &f);

	if (err)
		return err;
	err = check_range(f, (s64)c->arg[1], (s64)c->arg[2], (u32)c->arg[3]);
	file_put(f);
	return err;
}

/* Advice is accepted and not needed: the host reads ahead by itself. */
long sys_fadvise64(struct task *t, struct call *c)
{
	struct file *f;
	long err = fd_get(t, (int)c->arg[0], &f);

	if (err)
		return err;
	err = f->ops->stream ? -ESPIPE : (u32)c->arg[3] > 5 || (s64)c->arg[2] < 0 ? -EINVAL : 0;
	file_put(f);
	return err;
}

long sys_readahead(struct task *t, struct call *c)
{
	struct file *f;
	long err = fd_get(t, (int)c->arg[0], &f);

	if (err)
		return err;
	err = !file_readable(f) ? -EBADF : !f->inode || f->inode->type != S_IFREG ? -EINVAL : 0;
	file_put(f);
	return err;
}
