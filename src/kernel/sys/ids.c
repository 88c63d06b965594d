/* SPDX-License-Identifier: Apache-2.0 */
/* System calls about users, groups and capabilities (credentials(7); kernel/sys.c, security/commoncap.c). */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>

#include "core/cred.h"
#include "core/task.h"
#include "mm/mm.h"
#include "task/life.h"

#define KEEP       ((u32)-1)
#define MAX_GROUPS 65536
#define CAP_LAST   40
#define ALL_CAPS   ((1UL << (CAP_LAST + 1)) - 1)
#define CAP_BIT(c) (1UL << (c))
#define FS_CAPS                                                                     \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_DAC_OVERRIDE) |      \
	 CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) | \
	 CAP_BIT(CAP_LINUX_IMMUTABLE) | CAP_BIT(CAP_MAC_OVERRIDE))

/* ---- reading ---- */

long sys_getuid(struct task *t, struct call *c)
{
	return t->cred->uid;
}

long sys_geteuid(struct task *t, struct call *c)
{
	return t->cred->euid;
}

long sys_getgid(struct task *t, struct call *c)
{
	return t->cred->gid;
}

long sys_getegid(struct task *t, struct call *c)
{
	return t->cred->egid;
}

static long put_three(struct task *t, const u64 *addr, const u32 *value)
{
	for (int i = 0; i < 3; i++)
		if (user_write(t, addr[i], &value[i], sizeof value[i]) < 0)
			return -EFAULT;
	return 0;
}

long sys_getresuid(struct task *t, struct call *c)
{
	return put_three(t, c->arg, (const u32[]){t->cred->uid, t->cred->euid, t->cred->suid});
}

long sys_getresgid(struct task *t, struct call *c)
{
	return put_three(t, c->arg, (const u32[]){t->cred->gid, t->cred->egid, t->cred->sgid});
}

long sys_getgroups(struct task *t, struct call *c)
{
	const struct cred *cred = t->cred;
	int size = (int)c->arg[0];
	int err;

	if (size < 0)
		return -EINVAL;
	if (!size)
		return cred->ngroups;
	if (cred->ngroups > size)
		return -EINVAL;
	err = user_write(t, c->arg[1], cred->groups, (size_t)cred->ngroups * sizeof(u32));
	return err < 0 ? err : cred->ngroups;
}

/* ---- changing ---- */

/* What a change of user ids does to capabilities: cap_emulate_setxuid(). */
static void adjust_caps(struct cred *new, const struct cred *old)
{
	bool had_root = !old->uid || !old->euid || !old->suid;
	bool has_root = !new->uid || !new->euid || !new->suid;

	if (new->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (had_root && !has_root) {
		if (!(new->securebits &SECBIT_KEEP_CAPS))
			new->cap_permitted = new->cap_effective = 0;
		new->cap_ambient = 0;
	}
	if (!old->euid && new->euid)
		new->cap_effective = 0;
	if (old->euid && !new->euid)
		new->cap_effective = new->cap_permitted;
}

/* Linux: who changes its ids is not dumpable until the next exec. */
static void commit(struct task *t, struct cred *new)
{
	const struct cred *old = t->cred;

	if (old->euid != new->euid || old->egid != new->egid || old->fsuid != new->fsuid ||
	    old->fsgid != new->fsgid || (new->cap_permitted & ~old->cap_permitted)) {
		t->mm->dumpable = 0;
		t->pdeath_signal = 0;
	}
	task_set_cred(t, new);
}

static void commit_uids(struct task *t, struct cred *new)
{
	/* A change of user is not refused for their number of tasks: programs don't expect it (setuid(2)). */
	if (new->uid != t->cred->uid)
		t->too_many = new->uid &&user_tasks(t->k, new->uid) > t->group->limits[RLIMIT_NPROC].rlim_cur;
	new->fsuid = new->euid;
	adjust_caps(new, t->cred);
	commit(t, new);
}

long sys_setuid(struct task *t, struct call *c)
{
	u32 uid = (u32)c->arg[0];
	struct cred *new;

	if (uid == KEEP)
		return -EINVAL;
	if (!capable(t, CAP_SETUID) && uid != t->cred->uid && uid != t->cred->suid)
		return -EPERM;
	new = cred_copy(t->cred);
	if (!new)
		return -ENOMEM;
	if (capable(t, CAP_SETUID))
		new->uid = new->suid = uid;
	new->euid = uid;
	commit_uids(t, new);
	return 0;
}

long sys_setreuid(struct task *t, struct call *c)
{
	u32 ruid = (u32)c->arg[0], euid = (u32)c->arg[1];
	const struct cred *old = t->cred;
	bool privileged = capable(t, CAP_SETUID);
	struct cred *new;

	if (ruid != KEEP && ruid != old->uid && ruid != old->euid && !privileged)
		return -EPERM;
	if (euid != KEEP && euid != old->uid && euid != old->euid && euid != old->suid && !privileged)
		return -EPERM;
	new = cred_copy(old);
	if (!new)
		return -ENOMEM;
	if (ruid != KEEP)
		new->uid = ruid;
	if (euid != KEEP)
		new->euid = euid;
	if (ruid != KEEP || (euid != KEEP && euid != old->uid))
		new->suid = new->euid;
	commit_uids(t, new);
	return 0;
}

static bool one_of(u32 id, u32 a, u32 b, u32 c)
{
	return id == KEEP || id == a || id == b || id == c;
}

long sys_setresuid(struct task *t, struct call *c)
{
	const u32 id[3] = {(u32)c->arg[0], (u32)c->arg[1], (u32)c->arg[2]};
	const struct cred *old = t->cred;
	struct cred *new;

	for (int i = 0; i < 3; i++)
		if (!one_of(id[i], old->uid, old->euid, old->suid) && !capable(t, CAP_SETUID))
			return -EPERM;
	new = cred_copy(old);
	if (!new)
		return -ENOMEM;
	if (id[0] != KEEP)
		new->uid = id[0];
	if (id[1] != KEEP)
		new->euid = id[1];
	if (id[2] != KEEP)
		new->suid = id[2];
	commit_uids(t, new);
	return 0;
}

static void commit_gids(struct task *t, struct cred *new)
{
	new->fsgid = new->egid;
	commit(t, new);
}

long sys_setgid(struct task *t, struct call *c)
{
	u32 gid = (u32)c->arg[0];
	struct cred *new;

	if (gid == KEEP)
		return -EINVAL;
	if (!capable(t, CAP_SETGID) && gid != t->cred->gid && gid != t->cred->sgid)
		return -EPERM;
	new = cred_copy(t->cred);
	if (!new)
		return -ENOMEM;
	if (capable(t, CAP_SETGID))
		new->gid = new->sgid = gid;
	new->egid = gid;
	commit_gids(t, new);
	return 0;
}

long sys_setregid(struct task *t, struct call *c)
{
	u32 rgid = (u32)c->arg[0], egid = (u32)c->arg[1];
	const struct cred *old = t->cred;
	bool privileged = capable(t, CAP_SETGID);
	struct cred *new;

	if (rgid != KEEP && rgid != old->gid && rgid != old->egid && !privileged)
		return -EPERM;
	if (egid != KEEP && egid != old->gid && egid != old->egid && egid != old->sgid && !privileged)
		return -EPERM;
	new = cred_copy(old);
	if (!new)
		return -ENOMEM;
	if (rgid != KEEP)
		new->gid = rgid;
	if (egid != KEEP)
		new->egid = egid;
	if (rgid != KEEP || (egid != KEEP && egid != old->gid))
		new->sgid = new->egid;
	commit_gids(t, new);
	return 0;
}

long sys_setresgid(struct task *t, struct call *c)
{
	const u32 id[3] = {(u32)c->arg[0], (u32)c->arg[1], (u32)c->arg[2]};
	const struct cred *old = t->cred;
	struct cred *new;

	for (int i = 0; i < 3; i++)
		if (!one_of(id[i], old->gid, old->egid, old->sgid) && !capable(t, CAP_SETGID))
			return -EPERM;
	new = cred_copy(old);
	if (!new)
		return -ENOMEM;
	if (id[0] != KEEP)
		new->gid = id[0];
	if (id[1] != KEEP)
		new->egid = id[1];
	if (id[2] != KEEP)
		new->sgid = id[2];
	commit_gids(t, new);
	return 0;
}

/* The file system ids: both calls answer the old one and report no error. */
long sys_setfsuid(struct task *t, struct call *c)
{
	u32 uid = (u32)c->arg[0], old = t->cred->fsuid;
	const struct cred *cred = t->cred;
	struct cred *new;

	if (uid == old || uid == KEEP)
		return old;
	if (uid != cred->uid && uid != cred->euid && uid != cred->suid && !capable(t, CAP_SETUID))
		return old;
	new = cred_copy(cred);
	if (!new)
		return old;
	new->fsuid = uid;
	if (!(new->securebits &SECBIT_NO_SETUID_FIXUP)) {
		if (!old)
			new->cap_effective &= ~FS_CAPS;
		if (!uid)
			new->cap_effective |= new->cap_permitted &FS_CAPS;
	}
	commit(t, new);
	return old;
}

long sys_setfsgid(struct task *t, struct call *c)
{
	u32 gid = (u32)c->arg[0], old = t->cred->fsgid;
	const struct cred *cred = t->cred;
	struct cred *new;

	if (gid == old || gid == KEEP)
		return old;
	if (gid != cred->gid && gid != cred->egid && gid != cred->sgid && !capable(t, CAP_SETGID))
		return old;
	new = cred_copy(cred);
	if (!new)
		return old;
	new->fsgid = gid;
	commit(t, new);
	return old;
}

static int compare_gids(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

long sys_setgroups(struct task *t, struct call *c)
{
	int n = (int)c->arg[0], err = 0;
	u32 *groups = NULL;
	struct cred *new;

	if (!capable(t, CAP_SETGID))
		return -EPERM;
	if ((unsigned)n > MAX_GROUPS)
		return -EINVAL;
	if (n) {
		groups = malloc((size_t)n * sizeof *groups);
		if (!groups)
			return -ENOMEM;
		err = user_read(t, groups, c->arg[1], (size_t)n * sizeof *groups);
	}
	for (int i = 0; !err && i < n; i++)
		if (groups[i] == KEEP)
			err = -EINVAL;
	new = err ? NULL : cred_copy(t->cred);
	if (!new) {
		free(groups);
		return err ? err : -ENOMEM;
	}
	if (n)
		qsort(groups, (size_t)n, sizeof *groups, compare_gids);
	free(new->groups);
	new->groups = groups;
	new->ngroups = n;
	task_set_cred(t, new);
	return 0;
}

/* ---- capabilities ---- */

/* Answers with the version that husk speaks when it does not know the caller's: 1 when that was only asked
 * for. */
static int check_version(struct task *t, u64 header, u32 *words, int *pid, bool may_ask)
{
	struct __user_cap_header_struct h;
	u32 known = _LINUX_CAPABILITY_VERSION_3;
	int err = user_get(t, &h, header);

	if (err)
		return err;
	*pid = h.pid;
	switch (h.version) {
	case _LINUX_CAPABILITY_VERSION_1:
		*words = 1;
		return 0;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		*words = 2;
		return 0;
	}
	if (user_write(t, header, &known, sizeof known) < 0)
		return -EFAULT;
	return may_ask ? 1 : -EINVAL;
}

long sys_capget(struct task *t, struct call *c)
{
	struct __user_cap_data_struct data[2];
	const struct cred *cred;
	struct task *target;
	u32 words = 0;
	int pid = 0, err;

	err = check_version(t, c->arg[0], &words, &pid, !c->arg[1]);
	if (err)
		return err < 0 ? err : 0;
	if (pid < 0)
		return -EINVAL;
	target = pid ? task_find(t->k, pid) : t;
	if (!target)
		return -ESRCH;
	cred = target->cred;
	for (int i = 0; i < 2; i++) {
		data[i].effective = (u32)(cred->cap_effective >> 32 * i);
		data[i].permitted = (u32)(cred->cap_permitted >> 32 * i);
		data[i].inheritable = (u32)(cred->cap_inheritable >> 32 * i);
	}
	if (!c->arg[1])
		return 0;
	return user_write(t, c->arg[1], data, words * sizeof data[0]);
}

static u64 join(u32 low, u32 high)
{
	return (low | (u64)high << 32) & ALL_CAPS;
}

long sys_capset(struct task *t, struct call *c)
{
	struct __user_cap_data_struct data[2] = {0};
	const struct cred *old = t->cred;
	u64 effective, permitted, inheritable;
	struct cred *new;
	u32 words = 0;
	int pid = 0, err;

	err = check_version(t, c->arg[0], &words, &pid, false);
	if (err)
		return err;
	if (pid && pid != t->tid)
		return -EPERM;
	err = user_read(t, data, c->arg[1], words * sizeof data[0]);
	if (err)
		return err;
	effective = join(data[0].effective, data[1].effective);
	permitted = join(data[0].permitted, data[1].permitted);
	inheritable = join(data[0].inheritable, data[1].inheritable);
	if (!capable(t, CAP_SETPCAP) && (inheritable & ~(old->cap_inheritable | old->cap_permitted)))
		return -EPERM;
	if (inheritable & ~(old->cap_inheritable | old->cap_bounding))
		return -EPERM;
	if ((permitted & ~old->cap_permitted) || (effective & ~permitted))
		return -EPERM;
	new = cred_copy(old);
	if (!new)
		return -ENOMEM;
	new->cap_effective = effective;
	new->cap_permitted = permitted;
	new->cap_inheritable = inheritable;
	new->cap_ambient &= permitted &inheritable;
	task_set_cred(t, new);
	return 0;
}
