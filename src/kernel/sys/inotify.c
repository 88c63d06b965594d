/* SPDX-License-Identifier: Apache-2.0 */
/* inotify_init, inotify_add_watch, inotify_rm_watch. */
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>

#include "fs/inotify.h"
#include "sys/files.h"

#define KNOWN_BITS                                                                               \
	(IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW | \
	 IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | (u32)IN_ONESHOT)

static long make(struct task *t, u32 flags)
{
	struct file *f;
	int err;

	if (flags & ~(u32)(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	err = inotify_open(t->k, flags & O_NONBLOCK, &f);
	return err < 0 ? err : fd_install(t, f, flags & O_CLOEXEC);
}

long sys_inotify_init(struct task *t, struct call *c)
{
	return make(t, 0);
}

long sys_inotify_init1(struct task *t, struct call *c)
{
	return make(t, (u32)c->arg[0]);
}

static long add_watch(struct task *t, struct file *f, u64 addr, u32 mask)
{
	struct path p;
	long r;

	if ((mask & IN_MASK_ADD && mask & IN_MASK_CREATE) || !file_is_inotify(f))
		return -EINVAL;
	r = user_lookup(
		t, AT_FDCWD, addr,
		(mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) | (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0), &p);
	if (r)
		return r;
	r = inode_permission(t->cred, path_inode(&p), MAY_READ);
	if (!r)
		r = inotify_watch(f, p.dentry, mask);
	path_put(&p);
	return r;
}

long sys_inotify_add_watch(struct task *t, struct call *c)
{
	u32 mask = (u32)c->arg[2];
	struct file *f;
	long r;

	if (!(mask & KNOWN_BITS))
		return -EINVAL;
	r = fd_get(t, (int)c->arg[0], &f);
	if (r)
		return r;
	r = add_watch(t, f, c->arg[1], mask);
	file_put(f);
	return r;
}

long sys_inotify_rm_watch(struct task *t, struct call *c)
{
	struct file *f;
	long r = fd_get(t, (int)c->arg[0], &f);

	if (r)
		return r;
	r = file_is_inotify(f) ? inotify_unwatch(f, (int)c->arg[1]) : -EINVAL;
	file_put(f);
	return r;
}
