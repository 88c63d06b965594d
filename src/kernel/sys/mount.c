/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount and its like (fs/namespace.c): nobody may, but what is wrong with the arguments or the names comes first, as for
 * Linux's ordinary users. Programs tell "no such directory" from "not allowed" by it. open_tree that clones nothing is an
 * open(O_PATH), for everybody.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sys/mount.h>

#include "sys/files.h"

/* linux/mount.h, which does not go together with sys/mount.h. */
#define TREE_CLONE 1
#define TREE_FLAGS \
	(AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | TREE_CLONE | O_CLOEXEC)

#define UMOUNT_FLAGS (MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)
#define NO_USER      (1UL << 31) /* MS_NOUSER: Linux's own mounts */

/* A string that is not a path, and may be left out: 0 or -errno. */
static long check_string(struct task *t, u64 addr)
{
	char text[PATH_MAX];
	long n = addr ? user_string(t, text, addr, PATH_MAX) : 0;

	return n == -ENAMETOOLONG ? -EINVAL : n > 0 ? 0 : n;
}

long sys_mount(struct task *t, struct call *c)
{
	u64 flags = c->arg[3];
	struct path p;
	u8 options;
	long err = check_string(t, c->arg[2]);

	/* What programs put there before Linux 2.4. */
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(u64)MS_MGC_MSK;

	if (!err)
		err = check_string(t, c->arg[0]);
	if (!err && c->arg[4])
		err = user_get(t, &options, c->arg[4]);
	if (!err)
		err = user_lookup(t, AT_FDCWD, c->arg[1], LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	path_put(&p);
	return flags & NO_USER ? -EINVAL : call_refuse(t, -EPERM);
}

long sys_umount2(struct task *t, struct call *c)
{
	u32 flags = (u32)c->arg[1];
	struct path p;
	bool mounted;
	long err;

	if (flags & ~(u32)UMOUNT_FLAGS)
		return -EINVAL;
	err = user_lookup(t, AT_FDCWD, c->arg[0], flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	mounted = p.dentry == p.mnt->root;
	path_put(&p);
	return capable(t, CAP_SYS_ADMIN) && !mounted ? -EINVAL : call_refuse(t, -EPERM);
}

long sys_open_tree(struct task *t, struct call *c)
{
	u32 flags = (u32)c->arg[2];
	struct path p;
	struct file *f;
	long err;

	if (flags & ~(u32)TREE_FLAGS || (flags & (AT_RECURSIVE | TREE_CLONE)) == AT_RECURSIVE)
		return -EINVAL;
	if (flags & TREE_CLONE)
		return call_refuse(t, -EPERM);
	err = user_lookup(t, (int)c->arg[0], c->arg[1],
			  (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
				  (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
			  &p);
	if (err)
		return err;
	err = vfs_open_path(t, &p, O_PATH, &f);
	path_put(&p);
	if (err)
		return err;
	return fd_install(t, f, flags & O_CLOEXEC);
}

/* With attributes for the mount: as by who may not clone it. */
long sys_open_tree_attr(struct task *t, struct call *c)
{
	if (!c->arg[3] && c->arg[4])
		return -EINVAL;
	return c->arg[3] ? call_refuse(t, -EPERM) : sys_open_tree(t, c);
}
