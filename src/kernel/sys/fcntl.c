/* SPDX-License-Identifier: Apache-2.0 */
/* fcntl, flock (fs/fcntl.c, fs/locks.c). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "sys/files.h"
#include "vfs/lock.h"

#undef LOCK_SH
#undef LOCK_EX
#undef LOCK_NB
#undef LOCK_UN
#define FLOCK_SH 1
#define FLOCK_EX 2
#define FLOCK_NB 4
#define FLOCK_UN 8

#define SETTABLE_FLAGS (O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME)

/* The guest's struct flock. */
struct user_flock {
	s16 type, whence;
	s32 pad;
	s64 start, len;
	s32 pid, pad2;
};

static long dup_from(struct task *t, struct file *f, u64 from, bool cloexec)
{
	long fd;

	if (from >= t->k->ops.limit(t, RLIMIT_NOFILE))
		return -EINVAL;
	fd = fd_install_from(t, file_get(f), cloexec, (int)from);
	if (fd < 0)
		file_put(f);
	return fd;
}

/* The range that @l names, absolute and inclusive: 0, -EINVAL, -EOVERFLOW. */
static int lock_range(struct file *f, const struct user_flock *l, u64 *start, u64 *end)
{
	struct kstat st;
	s64 base = 0;

	switch (l->whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = (s64)f->pos;
		break;
	case SEEK_END:
		if (!file_getattr(f, &st))
			base = st.size;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, l->start, &base))
		return -EOVERFLOW;
	if (base < 0)
		return -EINVAL;
	if (l->len > 0) {
		s64 last;

		if (__builtin_add_overflow(base, l->len - 1, &last))
			return -EOVERFLOW;
		*start = (u64)base;
		*end = (u64)last;
	} else if (l->len < 0) {
		if (base + l->len < 0)
			return -EINVAL;
		*start = (u64)(base + l->len);
		*end = (u64)base - 1;
	} else {
		*start = (u64)base;
		*end = INT64_MAX;
	}
	return 0;
}

static long record_lock(struct task *t, struct file *f, int cmd, u64 addr)
{
	bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	bool wait = cmd == F_SETLKW || cmd == F_OFD_SETLKW;
	enum lock_kind kind = ofd ? LOCK_OFD : LOCK_POSIX;
	const void *owner = ofd ? (const void *)f : (const void *)t->files;
	struct user_flock l;
	u64 start, end;
	long err = user_get(t, &l, addr);

	if (err)
		return err;
	if (ofd && l.pid)
		return -EINVAL;
	if (!f->inode)
		return -EINVAL;
	err = lock_range(f, &l, &start, &end);
	if (err)
		return err;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK) {
		struct file_lock *other;

		if (l.type != F_RDLCK && l.type != F_WRLCK)
			return -EINVAL;
		other = lock_conflict(f->inode, kind, owner, l.type, start, end);
		if (!other) {
			l.type = F_UNLCK;
			return user_put(t, addr, &l);
		}
		l.type = other->write ? F_WRLCK : F_RDLCK;
		l.whence = SEEK_SET;
		l.start = (s64)other->start;
		l.len = other->end == INT64_MAX ? 0 : (s64)(other->end - other->start + 1);
		l.pid = other->kind == LOCK_OFD ? -1 : other->pid;
		return user_put(t, addr, &l);
	}
	switch (l.type) {
	case F_RDLCK:
		if (!file_readable(f))
			return -EBADF;
		break;
	case F_WRLCK:
		if (!file_writable(f))
			return -EBADF;
		break;
	case F_UNLCK:
		break;
	default:
		return -EINVAL;
	}
	err = lock_set(f->inode, kind, owner, t->k->ops.tgid(t), l.type, start, end);
	if (err != -EAGAIN || !wait)
		return err;
	err = wait_add(&f->inode->lock_wait, t);
	return err ? err : call_wait(t);
}

static long set_flags(struct file *f, u32 flags)
{
	f->flags = (f->flags & ~(u32)SETTABLE_FLAGS) | (flags & SETTABLE_FLAGS);
	return 0;
}

static long do_fcntl(struct task *t, struct file *f, int fd, int cmd, u64 arg)
{
	switch (cmd) {
	case F_DUPFD:
		return dup_from(t, f, arg, false);
	case F_DUPFD_CLOEXEC:
		return dup_from(t, f, arg, true);
	case F_GETFD:
		return fd_cloexec(t->files, fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		fd_set_cloexec(t->files, fd, arg & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		/* open() sets O_LARGEFILE on every 64-bit program's files; pipe() and the like don't. */
		return f->flags | (f->path && !(f->flags & O_PATH) ? 0100000 : 0);
	}
	if (f->flags & O_PATH)
		return -EBADF;
	switch (cmd) {
	case F_SETFL:
		return set_flags(f, (u32)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return record_lock(t, f, cmd, arg);
	case F_GETOWN:
		return f->owner_type == F_OWNER_PGRP ? -f->owner : f->owner;
	case F_SETOWN:
		if ((int)arg == INT32_MIN)
			return -EINVAL;
		f->owner = (int)arg < 0 ? -(int)arg : (int)arg;
		f->owner_type = (int)arg < 0 ? F_OWNER_PGRP : F_OWNER_PID;
		return 0;
	case F_GETSIG:
		return f->owner_signal;
	case F_SETSIG:
		if (arg > 64)
			return -EINVAL;
		f->owner_signal = (int)arg;
		return 0;
	case F_SETLEASE:
		/* Linux gives leases on local files; here nobody else can open them in a way to be told of. */
		return -EAGAIN;
	case F_GETLEASE:
		return F_UNLCK;
	case F_NOTIFY:
		return f->inode && f->inode->type == S_IFDIR ? -EINVAL : -ENOTDIR;
	case F_SETPIPE_SZ:
	case F_GETPIPE_SZ:
		return f->ops->fcntl ? f->ops->fcntl(f, t, cmd, arg) : -EBADF;
	case F_ADD_SEALS:
	case F_GET_SEALS:
		return f->ops->fcntl ? f->ops->fcntl(f, t, cmd, arg) : -EINVAL;
	}
	return -EINVAL;
}

long sys_fcntl(struct task *t, struct call *c)
{
	int fd = (int)c->arg[0];
	struct file *f;
	long n = fd_get_path(t, fd, &f);

	if (n)
		return n;
	n = do_fcntl(t, f, fd, (int)c->arg[1], c->arg[2]);
	file_put(f);
	return n;
}

long sys_flock(struct task *t, struct call *c)
{
	u32 op = (u32)c->arg[1] & ~(u32)FLOCK_NB;
	int type = op == FLOCK_SH ? F_RDLCK : op == FLOCK_EX ? F_WRLCK : F_UNLCK;
	struct file *f;
	long err;

	if (op != FLOCK_SH && op != FLOCK_EX && op != FLOCK_UN)
		return -EINVAL;
	err = fd_get(t, (int)c->arg[0], &f);
	if (err)
		return err;
	if (!f->inode)
		err = -EINVAL;
	else
		err = lock_set(f->inode, LOCK_FLOCK, f, t->tid, type, 0, INT64_MAX);
	if (err == -EAGAIN && !(c->arg[1] & FLOCK_NB)) {
		err = wait_add(&f->inode->lock_wait, t);
		if (!err)
			err = call_wait(t);
	}
	file_put(f);
	return err;
}
