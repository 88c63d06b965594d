/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing files to disk, hints about what will be read, and what is in memory: sync, fsync, fdatasync, syncfs,
 * sync_file_range, fadvise64, readahead, cachestat.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>

#include "host/file.h"
#include "sys/files.h"
#include "task/life.h"
#include "vfs/anon.h"
#include "vfs/sync.h"

#define SYNC_FLAGS (u32)(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)

static long sync_file(struct task *t, struct call *c, bool data_only)
{
	long err = c->file ? 0 : fd_get(t, (int)c->arg[0], &c->file);
	struct file *f = c->file;

	if (err)
		return err;
	return f->ops->sync ? file_sync(t, c, f, data_only) : -EINVAL;
}

long sys_fsync(struct task *t, struct call *c)
{
	return sync_file(t, c, false);
}

long sys_fdatasync(struct task *t, struct call *c)
{
	return sync_file(t, c, true);
}

/* One mount after the other; which have been, c->done says. What goes wrong is nobody's to hear. */
long sys_sync(struct task *t, struct call *c)
{
	struct mount *m;
	size_t n = 0;

	list_for_each (m, &t->k->vfs->mounts, node) {
		if (n++ < c->done)
			continue;
		if (super_sync(t, c, m->sb) == CALL_PARK)
			return CALL_PARK;
		c->done = n;
	}
	return 0;
}

long sys_syncfs(struct task *t, struct call *c)
{
	long err = c->file ? 0 : fd_get(t, (int)c->arg[0], &c->file);
	struct inode *i = err ? NULL : c->file->inode;

	return i && i->sb ? super_sync(t, c, i->sb) : err;
}

/* 0, or what the arguments of sync_file_range(2) are refused with. */
static long check_range(const struct file *f, s64 offset, s64 size, u32 flags)
{
	s64 end;

	if (flags & ~SYNC_FLAGS || offset < 0 || __builtin_add_overflow(offset, size, &end) || end < offset)
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
	if (f->inode && f->inode->type == S_IFIFO)
		err = -ESPIPE;
	else
		err = (u32)c->arg[3] > POSIX_FADV_NOREUSE || (s64)c->arg[2] < 0 ? -EINVAL : 0;
	file_put(f);
	return err;
}

long sys_readahead(struct task *t, struct call *c)
{
	struct file *f;
	long err = fd_get(t, (int)c->arg[0], &f);

	if (err)
		return err;
	if (!file_readable(f))
		err = -EBADF;
	else if (!f->inode || f->inode->type != S_IFREG || inode_is_pidfd(f->inode) || (s64)c->arg[2] < 0)
		err = -EINVAL;
	file_put(f);
	return err;
}

/* What a file's readers have made the host bring in is for its writers to know (mm/filemap.c: can_do_cachestat()). */
static bool may_see_cache(struct task *t, struct file *f)
{
	struct inode *i = file_inode(f);
	struct ownership o;

	if (file_writable(f) || capable(t, CAP_FOWNER))
		return true;
	if (!i || inode_ownership(i, &o))
		return false;
	return o.uid == t->cred->fsuid ||
	       (!(i->sb && i->sb->read_only) && !inode_permission(t->cred, i, MAY_WRITE));
}

static long cache_of(struct task *t, struct file *f, const u64 *range, u64 addr, u32 flags)
{
	struct host_cache cache = {0};
	long err;

	if (!may_see_cache(t, f))
		return -EPERM;
	if (flags)
		return -EINVAL;
	err = f->ops->cachestat ? f->ops->cachestat(f, range[0], range[1], &cache) : 0;
	return err ? err : user_put(t, addr, &cache);
}

long sys_cachestat(struct task *t, struct call *c)
{
	struct file *f;
	u64 range[2];
	long err = fd_get(t, (int)c->arg[0], &f);

	if (err)
		return err;
	err = user_get(t, &range, c->arg[1]);
	if (!err)
		err = cache_of(t, f, range, c->arg[2], (u32)c->arg[3]);
	file_put(f);
	return err;
}
