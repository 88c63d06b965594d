/* SPDX-License-Identifier: Apache-2.0 */
/* fcntl (fs/fcntl.c): descriptors, status flags, owners, hints; locks and leases are in sys/locks.c. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include "sys/files.h"
#include "task/life.h"
#include "vfs/anon.h"
#include "vfs/async.h"
#include "vfs/dnotify.h"

#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif
#ifndef F_CREATED_QUERY
#define F_CREATED_QUERY 1028
#endif
#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

#define SETTABLE_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)
#define MAX_SIGNAL     64
#define MAX_WRITE_HINT 5 /* RWH_WRITE_LIFE_EXTREME */

/* One fcntl call, as the commands below see it. */
struct request {
	struct call *call;
	struct file *f; /* borrowed */
	int fd, cmd;
	u64 arg;
};

typedef long fcntl_fn(struct task *t, struct request *r);

/* ---- descriptors ---- */

static long do_dup(struct task *t, struct request *r)
{
	if ((u32)r->arg >= t->k->ops.limit(t, RLIMIT_NOFILE))
		return -EINVAL;
	return fd_install_from(t, file_get(r->f), r->cmd == F_DUPFD_CLOEXEC, (int)r->arg);
}

static long dup_query(struct task *t, struct request *r)
{
	struct file *other;
	long err = fd_get_path(t, (int)r->arg, &other);

	if (err)
		return err;
	file_put(other);
	return other == r->f;
}

static long created_query(struct task *t, struct request *r)
{
	return r->f->created;
}

static long get_fd_flags(struct task *t, struct request *r)
{
	return fd_cloexec(t->files, r->fd) ? FD_CLOEXEC : 0;
}

static long set_fd_flags(struct task *t, struct request *r)
{
	fd_set_cloexec(t->files, r->fd, r->arg & FD_CLOEXEC);
	return 0;
}

/* ---- status flags ---- */

static long get_flags(struct task *t, struct request *r)
{
	return file_status_flags(r->f);
}

static long set_flags(struct task *t, struct request *r)
{
	struct file *f = r->f;
	u32 flags = (u32)r->arg;
	struct kstat st;
	int err;

	if (flags & O_NOATIME && !(f->flags & O_NOATIME) && !capable(t, CAP_FOWNER)) {
		err = file_getattr(f, &st);
		if (err)
			return err;
		if (st.uid != t->cred->fsuid)
			return -EPERM;
	}
	/* In a pipe O_DIRECT means packets. */
	if (flags & O_DIRECT && !(f->inode && f->inode->type == S_IFIFO) && !file_can_direct(f))
		return -EINVAL;
	if ((flags ^ f->flags) & O_ASYNC && file_can_async(f)) {
		err = file_set_async(f, r->fd, flags & O_ASYNC);
		if (err)
			return err;
	}
	f->flags = (f->flags & ~(u32)SETTABLE_FLAGS) | (flags & SETTABLE_FLAGS);
	return 0;
}

/* ---- owners ---- */

static bool pid_known(struct kernel *k, int id)
{
	return id == HUSK_INIT_PID || task_find(k, id) || pgrp_first(k, id);
}

static long own(struct task *t, struct file *f, int type, int id)
{
	if (id && !pid_known(t->k, id))
		return -ESRCH;
	f->owner.type = type;
	f->owner.id = id;
	f->owner.uid = t->cred->uid;
	f->owner.euid = t->cred->euid;
	return 0;
}

/* The owner, while there is one. */
static int owner_id(struct file *f)
{
	const struct file_owner *o = &f->owner;
	bool there = o->type == F_OWNER_PGRP ? pgrp_first(f->k, o->id) != NULL
					     : o->id == HUSK_INIT_PID || task_find(f->k, o->id);

	return o->id && there ? o->id : 0;
}

long file_get_owner(struct file *f)
{
	return f->owner.type == F_OWNER_PGRP ? -owner_id(f) : owner_id(f);
}

long file_set_owner(struct task *t, struct file *f, int who)
{
	if (who == INT32_MIN)
		return -EINVAL;
	return own(t, f, who < 0 ? F_OWNER_PGRP : F_OWNER_PID, who < 0 ? -who : who);
}

static long get_owner(struct task *t, struct request *r)
{
	return file_get_owner(r->f);
}

static long set_owner(struct task *t, struct request *r)
{
	return file_set_owner(t, r->f, (int)r->arg);
}

static long get_owner_ex(struct task *t, struct request *r)
{
	struct f_owner_ex ex = {.type = r->f->owner.type, .pid = owner_id(r->f)};

	return user_put(t, r->arg, &ex);
}

static long set_owner_ex(struct task *t, struct request *r)
{
	struct f_owner_ex ex;
	long err = user_get(t, &ex, r->arg);

	if (err)
		return err;
	switch (ex.type) {
	case F_OWNER_TID:
	case F_OWNER_PID:
	case F_OWNER_PGRP:
		return own(t, r->f, ex.type, ex.pid);
	}
	return -EINVAL;
}

static long get_owner_uids(struct task *t, struct request *r)
{
	u32 ids[2] = {r->f->owner.uid, r->f->owner.euid};

	return user_put(t, r->arg, &ids);
}

static long get_signal(struct task *t, struct request *r)
{
	return r->f->owner.signal;
}

static long set_signal(struct task *t, struct request *r)
{
	if (r->arg > MAX_SIGNAL)
		return -EINVAL;
	r->f->owner.signal = (int)r->arg;
	return 0;
}

/* ---- the rest ---- */

static long get_hint(struct task *t, struct request *r)
{
	const struct inode *i = file_inode(r->f);
	u64 hint = i ? i->write_hint : 0;

	return user_put(t, r->arg, &hint);
}

static long set_hint(struct task *t, struct request *r)
{
	struct kstat st;
	u64 hint;
	long err = file_getattr(r->f, &st);

	if (err)
		return err;
	if (st.uid != t->cred->fsuid && !capable(t, CAP_FOWNER))
		return -EPERM;
	err = user_get(t, &hint, r->arg);
	if (err)
		return err;
	if (hint > MAX_WRITE_HINT)
		return -EINVAL;
	if (!file_inode(r->f))
		return -ENOMEM;
	file_inode(r->f)->write_hint = (u8)hint;
	return 0;
}

static long lock(struct task *t, struct request *r)
{
	return fcntl_lock(t, r->call, r->f, r->cmd, r->arg);
}

static long set_lease(struct task *t, struct request *r)
{
	return fcntl_set_lease(t, r->f, (u32)r->arg);
}

static long notify_signals(struct task *t, struct request *r)
{
	int err = file_dnotify(r->f, t->files, r->fd, (u32)r->arg);

	if (!err && r->arg & ~(u64)DN_MULTISHOT && !r->f->owner.id)
		err = (int)own(t, r->f, F_OWNER_PID, t->k->ops.tgid(t));
	return err;
}

static long get_lease(struct task *t, struct request *r)
{
	return F_UNLCK;
}

static long pipe_size(struct task *t, struct request *r)
{
	return r->f->inode && r->f->inode->type == S_IFIFO && r->f->ops->fcntl
		       ? r->f->ops->fcntl(r->f, t, r->cmd, (u32)r->arg)
		       : -EBADF;
}

/* mm/memfd.c: memfd_fcntl(). Who may not write may not seal, whatever it is. */
static long seals(struct task *t, struct request *r)
{
	if (r->cmd == F_ADD_SEALS && !file_writable(r->f))
		return -EPERM;
	return r->f->ops->fcntl ? r->f->ops->fcntl(r->f, t, r->cmd, (u32)r->arg) : -EINVAL;
}

static const struct {
	int cmd;
	fcntl_fn *fn;
	bool by_path; /* on O_PATH descriptors too */
} commands[] = {
	{F_DUPFD, do_dup, true},
	{F_DUPFD_CLOEXEC, do_dup, true},
	{F_DUPFD_QUERY, dup_query, true},
	{F_CREATED_QUERY, created_query, true},
	{F_GETFD, get_fd_flags, true},
	{F_SETFD, set_fd_flags, true},
	{F_GETFL, get_flags, true},
	{F_SETFL, set_flags},
	{F_GETLK, lock},
	{F_SETLK, lock},
	{F_SETLKW, lock},
	{F_OFD_GETLK, lock},
	{F_OFD_SETLK, lock},
	{F_OFD_SETLKW, lock},
	{F_GETOWN, get_owner},
	{F_SETOWN, set_owner},
	{F_GETOWN_EX, get_owner_ex},
	{F_SETOWN_EX, set_owner_ex},
	{F_GETOWNER_UIDS, get_owner_uids},
	{F_GETSIG, get_signal},
	{F_SETSIG, set_signal},
	{F_GETLEASE, get_lease},
	{F_SETLEASE, set_lease},
	{F_NOTIFY, notify_signals},
	{F_GETPIPE_SZ, pipe_size},
	{F_SETPIPE_SZ, pipe_size},
	{F_ADD_SEALS, seals},
	{F_GET_SEALS, seals},
	{F_GET_RW_HINT, get_hint},
	{F_SET_RW_HINT, set_hint},
};

long sys_fcntl(struct task *t, struct call *c)
{
	struct request r = {
		.call = c, .f = c->file, .fd = (int)c->arg[0], .cmd = (int)c->arg[1], .arg = c->arg[2]};
	long n;

	/* A wait for a lock goes on with the file that it began with. */
	if (!r.f) {
		n = fd_get_path(t, r.fd, &c->file);
		if (n)
			return n;
		r.f = c->file;
	}
	n = r.f->flags & O_PATH ? -EBADF : -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i].cmd != r.cmd)
			continue;
		if (commands[i].by_path || !(r.f->flags & O_PATH))
			n = commands[i].fn(t, &r);
		break;
	}
	return n;
}
