/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount and umount2 (fs/namespace.c): nobody may, but what is wrong with the arguments or the names comes first, as for
 * Linux's ordinary users. Programs tell "no such directory" from "not allowed" by it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>

#include "sys/files.h"

#define UMOUNT_FLAGS (MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)
#define NO_USER      (1UL << 31) /* MS_NOUSER: Linux's own mounts */

/* A string that is not a path, and may be left out: 0 or -errno. */
static long check_string(struct task *t, u64 addr)
{
	char text[PATH_MAX];
	long n = addr ? user_string(t, text, addr, PATH_MAX) : 0;

	return n == -ENAMETOOLONG ? -EINVAL : n > 0 ? 0 : n;
}

static long refuse(struct task *t, u64 addr, u32 lookup, long answer)
{
	struct path p;
	long err = user_lookup(t, AT_FDCWD, addr, lookup, &p);

	if (err)
		return err;
	path_put(&p);
	return answer;
}

long sys_mount(struct task *t, struct call *c)
{
	u64 flags = c->arg[3];
	u8 options;
	long err = check_string(t, c->arg[2]);

	/* What programs put there before Linux 2.4. */
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(u64)MS_MGC_MSK;

	if (!err)
		err = check_string(t, c->arg[0]);
	if (!err && c->arg[4])
		err = user_get(t, &options, c->arg[4]);
	if (err)
		return err;
	return refuse(t, c->arg[1], LOOKUP_FOLLOW, flags & NO_USER ? -EINVAL : -EPERM);
}

long sys_umount2(struct task *t, struct call *c)
{
	if ((u32)c->arg[1] & ~(u32)UMOUNT_FLAGS)
		return -EINVAL;
	return refuse(t, c->arg[0], (u32)c->arg[1] & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, -EPERM);
}
