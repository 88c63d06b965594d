/* SPDX-License-Identifier: Apache-2.0 */
/* Record locks and leases of fcntl, and flock (fs/locks.c). */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>

#include "sys/files.h"
#include "vfs/anon.h"
#include "vfs/lock.h"

#undef LOCK_SH
#undef LOCK_EX
#undef LOCK_NB
#undef LOCK_UN
#define FLOCK_SH   1
#define FLOCK_EX   2
#define FLOCK_NB   4
#define FLOCK_UN   8
#define FLOCK_MAND 32

/* The guest's struct flock. */
struct user_flock {
	s16 type, whence;
	s32 pad;
	s64 start, len;
	s32 pid, pad2;
};

/* The range that @l names, absolute and inclusive: 0, -EINVAL, -EOVERFLOW. */
static int lock_range(struct file *f, const struct user_flock *l, u64 *start, u64 *end)
{
	struct kstat st;
	s64 base = 0;

	switch (l->whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = f->ops->stream ? 0 : (s64)*file_pos(f);
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

static long get_lock(struct task *t, struct inode *i, const struct lock_request *r, struct user_flock *l,
		     u64 addr)
{
	struct file_lock *other = lock_conflict(i, r);

	if (!other) {
		l->type = F_UNLCK;
		return user_put(t, addr, l);
	}
	l->type = other->write ? F_WRLCK : F_RDLCK;
	l->whence = SEEK_SET;
	l->start = (s64)other->start;
	l->len = other->end == INT64_MAX ? 0 : (s64)(other->end - other->start + 1);
	l->pid = other->kind == LOCK_OFD ? -1 : other->pid;
	return user_put(t, addr, l);
}

static bool may_lock(const struct file *f, int type)
{
	return type == F_RDLCK ? file_readable(f) : type == F_WRLCK ? file_writable(f) : true;
}

long fcntl_lock(struct task *t, struct call *c, struct file *f, int cmd, u64 addr)
{
	bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	bool get = cmd == F_GETLK || cmd == F_OFD_GETLK;
	struct lock_request r = {.kind = ofd ? LOCK_OFD : LOCK_POSIX,
				 .owner = ofd ? (const void *)f : (const void *)t->files,
				 .pid = t->k->ops.tgid(t)};
	struct inode *i = file_inode(f);
	struct user_flock l;
	long err = user_get(t, &l, addr);

	if (err)
		return err;
	if (get && l.type != F_RDLCK && l.type != F_WRLCK && !(ofd && l.type == F_UNLCK))
		return -EINVAL;
	if (ofd && l.pid)
		return -EINVAL;
	if (!i)
		return -ENOLCK;
	err = lock_range(f, &l, &r.start, &r.end);
	if (err)
		return err;
	r.type = l.type;
	if (get)
		return get_lock(t, i, &r, &l, addr);
	if (l.type != F_RDLCK && l.type != F_WRLCK && l.type != F_UNLCK)
		return -EINVAL;
	if (!may_lock(f, l.type))
		return -EBADF;
	err = lock_set(i, &r);
	if (err == -EAGAIN && (cmd == F_SETLKW || cmd == F_OFD_SETLKW))
		err = lock_wait(t, c, i, &r);
	return err;
}

/*
 * Linux: a lease is given, and broken when somebody opens the file. Here: none is given, as when the file is in use,
 * because the host may change its files without a word; who asks for one must do without on network file systems too.
 */
long fcntl_set_lease(struct task *t, struct file *f, u64 arg)
{
	struct kstat st;
	int err;

	if (arg != F_RDLCK && arg != F_WRLCK && arg != F_UNLCK)
		return -EINVAL;
	err = file_getattr(f, &st);
	if (err)
		return err;
	if (t->cred->fsuid != st.uid && !capable(t, CAP_LEASE))
		return -EACCES;
	return f->inode && f->inode->type == S_IFREG ? -EAGAIN : -EINVAL;
}

long sys_flock(struct task *t, struct call *c)
{
	u32 op = (u32)c->arg[1] & ~(u32)FLOCK_NB;
	struct lock_request r = {.kind = LOCK_FLOCK, .pid = t->k->ops.tgid(t), .end = INT64_MAX};
	struct inode *i;
	long err = 0;

	if (op & FLOCK_MAND)
		return 0; /* gone from Linux, which answers so */
	if (op != FLOCK_SH && op != FLOCK_EX && op != FLOCK_UN)
		return -EINVAL;
	if (!c->file)
		err = fd_get(t, (int)c->arg[0], &c->file);
	if (err)
		return err;
	r.type = op == FLOCK_SH ? F_RDLCK : op == FLOCK_EX ? F_WRLCK : F_UNLCK;
	r.owner = c->file;
	i = file_inode(c->file);
	err = i ? lock_set(i, &r) : -ENOLCK;
	if (err == -EAGAIN && !(c->arg[1] & FLOCK_NB))
		err = lock_wait(t, c, i, &r);
	return err;
}
