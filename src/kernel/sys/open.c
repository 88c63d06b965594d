/* SPDX-License-Identifier: Apache-2.0 */
/* open, openat, openat2, creat, close, close_range, dup, umask. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/openat2.h>

#include "sys/files.h"

#define VALID_FLAGS                                                                                      \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | O_ASYNC | \
	 O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_SYNC | O_PATH | O_TMPFILE |     \
	 HUSK_O_LARGEFILE)
#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

static long do_open(struct task *t, struct call *c, int dirfd, u64 addr, u32 flags, u32 mode, u32 resolve)
{
	char path[PATH_MAX];
	struct file *f;
	long err;

	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if (flags & TMPFILE_BIT) {
		if ((flags & O_TMPFILE) != O_TMPFILE || !(flags & O_ACCMODE) || flags & O_CREAT)
			return -EINVAL;
	} else if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY)) {
		return -EINVAL;
	}
	err = user_path(t, addr, path, true);
	if (err < 0)
		return err;
	err = fd_room(t);
	if (!err)
		err = vfs_open_at(t, c, dirfd, path, flags, mode, resolve, &f);
	if (err)
		return err;
	return fd_install(t, f, flags & O_CLOEXEC);
}

long sys_open(struct task *t, struct call *c)
{
	return do_open(t, c, AT_FDCWD, c->arg[0], (u32)c->arg[1] & VALID_FLAGS, (u32)c->arg[2], 0);
}

long sys_creat(struct task *t, struct call *c)
{
	return do_open(t, c, AT_FDCWD, c->arg[0], O_CREAT | O_WRONLY | O_TRUNC, (u32)c->arg[1], 0);
}

long sys_openat(struct task *t, struct call *c)
{
	return do_open(t, c, (int)c->arg[0], c->arg[1], (u32)c->arg[2] & VALID_FLAGS, (u32)c->arg[3], 0);
}

/* openat2(2): fs/open.c, build_open_flags(). */
long sys_openat2(struct task *t, struct call *c)
{
	struct open_how how;
	u64 size = c->arg[3], resolve;
	int err;

	if (size < sizeof how)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = (int)user_read_struct(t, &how, sizeof how, c->arg[2], size);
	if (err)
		return err;
	resolve = how.resolve;
	if (how.flags & ~(u64)VALID_FLAGS)
		return -EINVAL;
	if (resolve & ~(u64)(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH |
			     RESOLVE_IN_ROOT | RESOLVE_CACHED))
		return -EINVAL;
	if ((resolve & RESOLVE_BENEATH) && (resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if (how.flags & (O_CREAT | TMPFILE_BIT) ? how.mode & ~07777UL : how.mode != 0)
		return -EINVAL;
	if (how.flags & O_PATH && how.flags & ~(u64)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
		return -EINVAL;
	if (resolve & RESOLVE_CACHED && how.flags & (O_TRUNC | O_CREAT | TMPFILE_BIT))
		return -EAGAIN;
	return do_open(t, c, (int)c->arg[0], c->arg[1], (u32)how.flags, (u32)how.mode,
		       (u32)resolve & ~(u32)RESOLVE_CACHED);
}

long sys_close(struct task *t, struct call *c)
{
	return fd_close(t, (int)c->arg[0]);
}

long sys_close_range(struct task *t, struct call *c)
{
	u32 first = (u32)c->arg[0], last = (u32)c->arg[1], flags = (u32)c->arg[2];
	struct file *f;

	if (flags & ~(u32)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE) {
		struct fdtable *own = fdtable_copy(t->files);

		if (!own)
			return -ENOMEM;
		fdtable_put(t->files);
		t->files = own;
	}
	for (int fd = (int)min(first, (u32)INT_MAX);
	     (fd = fdtable_next(t->files, fd, &f)) >= 0 && (u32)fd <= last; fd++) {
		if (flags & CLOSE_RANGE_CLOEXEC)
			fd_set_cloexec(t->files, fd, true);
		else
			fd_close(t, fd);
	}
	return 0;
}

long sys_dup(struct task *t, struct call *c)
{
	struct file *f;
	int err = fd_get_path(t, (int)c->arg[0], &f);

	return err < 0 ? err : fd_install(t, f, false);
}

static long dup_at(struct task *t, int from, int to, bool cloexec)
{
	struct file *f;
	int err = fd_get_path(t, from, &f);

	return err < 0 ? err : fd_install_at(t, f, cloexec, to);
}

long sys_dup2(struct task *t, struct call *c)
{
	int from = (int)c->arg[0], to = (int)c->arg[1];
	struct file *f;

	if (from == to) {
		long err = fd_get_path(t, from, &f);

		if (err)
			return err;
		file_put(f);
		return to;
	}
	return dup_at(t, from, to, false);
}

long sys_dup3(struct task *t, struct call *c)
{
	int from = (int)c->arg[0], to = (int)c->arg[1], flags = (int)c->arg[2];

	if (flags & ~O_CLOEXEC || from == to)
		return -EINVAL;
	return dup_at(t, from, to, flags & O_CLOEXEC);
}

long sys_umask(struct task *t, struct call *c)
{
	u32 old = t->fs->umask;

	t->fs->umask = (u32)c->arg[0] & 0777;
	return old;
}
