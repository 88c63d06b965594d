/* SPDX-License-Identifier: Apache-2.0 */
/* prctl(2), arch_prctl(2), personality(2). */
#include <asm/prctl.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "mm/leave.h"
#include "task/life.h"
#include "sys/seccomp.h"
#include "task/dispatch.h"

#define CAP_LAST  40
#define MAX_SLACK (~0UL >> 1)

/* ---- prctl ---- */

typedef long prctl_fn(struct task *t, const u64 *arg);

static bool none(const u64 *arg, int from)
{
	for (int i = from; i < 5; i++)
		if (arg[i])
			return false;
	return true;
}

static long set_pdeathsig(struct task *t, const u64 *arg)
{
	if (arg[1] > 64)
		return -EINVAL;
	t->pdeath_signal = (int)arg[1];
	return 0;
}

static long get_pdeathsig(struct task *t, const u64 *arg)
{
	return user_put(t, arg[1], &t->pdeath_signal);
}

static long get_dumpable(struct task *t, const u64 *arg)
{
	return t->mm->dumpable;
}

static long set_dumpable(struct task *t, const u64 *arg)
{
	if (arg[1] > 1)
		return -EINVAL;
	t->mm->dumpable = (int)arg[1];
	return 0;
}

static long set_name(struct task *t, const u64 *arg)
{
	char name[16] = "";
	long n = user_string(t, name, arg[1], sizeof name - 1);

	if (n < 0 && n != -ENAMETOOLONG)
		return n;
	memcpy(t->comm, name, sizeof t->comm);
	return 0;
}

static long get_name(struct task *t, const u64 *arg)
{
	return user_write(t, arg[1], t->comm, sizeof t->comm);
}

static long get_timing(struct task *t, const u64 *arg)
{
	return 0; /* PR_TIMING_STATISTICAL */
}

static long set_timing(struct task *t, const u64 *arg)
{
	return arg[1] ? -EINVAL : 0;
}

static long get_tsc(struct task *t, const u64 *arg)
{
	const int mode = t->no_tsc ? PR_TSC_SIGSEGV : PR_TSC_ENABLE;

	return user_put(t, arg[1], &mode);
}

static long set_tsc(struct task *t, const u64 *arg)
{
	u32 mode = (u32)arg[1];

	if (mode != PR_TSC_ENABLE && mode != PR_TSC_SIGSEGV)
		return -EINVAL;
	t->no_tsc = mode == PR_TSC_SIGSEGV;
	return 0;
}

static long change_cred(struct task *t, void (*change)(struct cred *c, u64 value), u64 value)
{
	struct cred *new = cred_copy(t->cred);

	if (!new)
		return -ENOMEM;
	change(new, value);
	task_set_cred(t, new);
	return 0;
}

static void drop_bounding(struct cred *c, u64 cap)
{
	c->cap_bounding &= ~(1UL << cap);
}

static long capbset_read(struct task *t, const u64 *arg)
{
	return arg[1] > CAP_LAST ? -EINVAL : (long)(t->cred->cap_bounding >> arg[1] & 1);
}

static long capbset_drop(struct task *t, const u64 *arg)
{
	if (!capable(t, CAP_SETPCAP))
		return -EPERM;
	if (arg[1] > CAP_LAST)
		return -EINVAL;
	return change_cred(t, drop_bounding, arg[1]);
}

static void set_bits(struct cred *c, u64 bits)
{
	c->securebits = (u32)bits;
}

static long get_keepcaps(struct task *t, const u64 *arg)
{
	return !!(t->cred->securebits & SECBIT_KEEP_CAPS);
}

static long set_keepcaps(struct task *t, const u64 *arg)
{
	u32 bits = t->cred->securebits & ~(u32)SECBIT_KEEP_CAPS;

	if (arg[1] > 1)
		return -EINVAL;
	if (t->cred->securebits & SECBIT_KEEP_CAPS_LOCKED)
		return -EPERM;
	return change_cred(t, set_bits, arg[1] ? bits | SECBIT_KEEP_CAPS : bits);
}

static long get_securebits(struct task *t, const u64 *arg)
{
	return t->cred->securebits;
}

static long set_securebits(struct task *t, const u64 *arg)
{
	u32 old = t->cred->securebits;
	u64 new = arg[1];

	if ((old & SECURE_ALL_LOCKS & ~new) || (((old & SECURE_ALL_LOCKS) >> 1) & (old ^ new)) ||
	    (new & ~(u64)(SECURE_ALL_LOCKS | SECURE_ALL_BITS)) || !capable(t, CAP_SETPCAP))
		return -EPERM;
	return change_cred(t, set_bits, new);
}

static void clear_ambient(struct cred *c, u64 unused)
{
	c->cap_ambient = 0;
}

static void raise_ambient(struct cred *c, u64 cap)
{
	c->cap_ambient |= 1UL << cap;
}

static void lower_ambient(struct cred *c, u64 cap)
{
	c->cap_ambient &= ~(1UL << cap);
}

static long ambient(struct task *t, const u64 *arg)
{
	const struct cred *c = t->cred;
	u64 bit;

	if (arg[1] == PR_CAP_AMBIENT_CLEAR_ALL)
		return none(arg, 2) ? change_cred(t, clear_ambient, 0) : -EINVAL;
	if (arg[2] > CAP_LAST || arg[3] || arg[4])
		return -EINVAL;
	bit = 1UL << arg[2];
	switch (arg[1]) {
	case PR_CAP_AMBIENT_IS_SET:
		return !!(c->cap_ambient & bit);
	case PR_CAP_AMBIENT_RAISE:
		if (!(c->cap_permitted & bit) || !(c->cap_inheritable & bit) ||
		    (c->securebits & SECBIT_NO_CAP_AMBIENT_RAISE))
			return -EPERM;
		return change_cred(t, raise_ambient, arg[2]);
	case PR_CAP_AMBIENT_LOWER:
		return change_cred(t, lower_ambient, arg[2]);
	}
	return -EINVAL;
}

static long get_slack(struct task *t, const u64 *arg)
{
	return (long)min(t->timer_slack_ns, MAX_SLACK);
}

static long set_slack(struct task *t, const u64 *arg)
{
	t->timer_slack_ns = (s64)arg[1] > 0 ? arg[1] : 50000;
	return 0;
}

static long get_no_new_privs(struct task *t, const u64 *arg)
{
	return none(arg, 1) ? t->no_new_privs : -EINVAL;
}

static long set_no_new_privs(struct task *t, const u64 *arg)
{
	if (arg[1] != 1 || !none(arg, 2))
		return -EINVAL;
	t->no_new_privs = true;
	return 0;
}

static long set_subreaper(struct task *t, const u64 *arg)
{
	t->group->subreaper = arg[1];
	return 0;
}

static long get_subreaper(struct task *t, const u64 *arg)
{
	const int on = t->group->subreaper;

	return user_put(t, arg[1], &on);
}

static long set_ptracer(struct task *t, const u64 *arg)
{
	struct task *chosen;

	/* PR_SET_PTRACER_ANY, also as an int. */
	if (!arg[1] || (int)arg[1] == -1) {
		t->group->ptracer = arg[1] ? -1 : 0;
		return 0;
	}
	chosen = task_find(t->k, (int)arg[1]);
	if (!chosen)
		return -EINVAL;
	t->group->ptracer = chosen->group->tgid;
	t->group->ptracer_start_ns = chosen->group->start_ns;
	return 0;
}

static long get_seccomp(struct task *t, const u64 *arg)
{
	return t->seccomp_mode;
}

static long get_thp_disable(struct task *t, const u64 *arg)
{
	return none(arg, 1) ? t->group->thp_disabled : -EINVAL;
}

static long set_thp_disable(struct task *t, const u64 *arg)
{
	if (!none(arg, 2))
		return -EINVAL;
	t->group->thp_disabled = arg[1];
	return 0;
}

static long set_dispatch(struct task *t, const u64 *arg)
{
	return dispatch_set(t, arg[1], arg[2], arg[3], arg[4]);
}

/* What is not here answers EINVAL: SET_MM, MCE_KILL, SPECULATION_CTRL,
 * SET_VMA... */
static const struct {
	int option;
	prctl_fn *fn;
} prctls[] = {
	{PR_SET_PDEATHSIG, set_pdeathsig},
	{PR_GET_PDEATHSIG, get_pdeathsig},
	{PR_GET_DUMPABLE, get_dumpable},
	{PR_SET_DUMPABLE, set_dumpable},
	{PR_GET_KEEPCAPS, get_keepcaps},
	{PR_SET_KEEPCAPS, set_keepcaps},
	{PR_GET_TIMING, get_timing},
	{PR_SET_TIMING, set_timing},
	{PR_SET_NAME, set_name},
	{PR_GET_NAME, get_name},
	{PR_GET_SECCOMP, get_seccomp},
	{PR_SET_PTRACER, set_ptracer},
	{PR_CAPBSET_READ, capbset_read},
	{PR_CAPBSET_DROP, capbset_drop},
	{PR_GET_TSC, get_tsc},
	{PR_SET_TSC, set_tsc},
	{PR_GET_SECUREBITS, get_securebits},
	{PR_SET_SECUREBITS, set_securebits},
	{PR_SET_TIMERSLACK, set_slack},
	{PR_GET_TIMERSLACK, get_slack},
	{PR_SET_CHILD_SUBREAPER, set_subreaper},
	{PR_GET_CHILD_SUBREAPER, get_subreaper},
	{PR_SET_NO_NEW_PRIVS, set_no_new_privs},
	{PR_GET_NO_NEW_PRIVS, get_no_new_privs},
	{PR_SET_THP_DISABLE, set_thp_disable},
	{PR_GET_THP_DISABLE, get_thp_disable},
	{PR_CAP_AMBIENT, ambient},
	{PR_SET_SYSCALL_USER_DISPATCH, set_dispatch},
};

long sys_prctl(struct task *t, struct call *c)
{
	/* The one that may have to wait for other threads. */
	if (c->arg[0] == PR_SET_SECCOMP)
		return prctl_set_seccomp(t, c);
	for (size_t i = 0; i < ARRAY_SIZE(prctls); i++)
		if (prctls[i].option == (int)c->arg[0])
			return prctls[i].fn(t, c->arg);
	return -EINVAL;
}

/* ---- arch_prctl ---- */

long sys_arch_prctl(struct task *t, struct call *c)
{
	struct guest_regs *r = task_regs(t);
	u64 value = c->arg[1];

	switch ((int)c->arg[0]) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (value >= TRAP_GUEST_TOP)
			return -EPERM;
		*((int)c->arg[0] == ARCH_SET_FS ? &r->fs_base : &r->gs_base) = value;
		return 0;
	case ARCH_GET_FS:
		return user_put(t, value, &r->fs_base);
	case ARCH_GET_GS:
		return user_put(t, value, &r->gs_base);
	}
	/* CPUID faulting, shadow stacks, XSAVE permissions: as on processors without them. */
	return -EINVAL;
}

long sys_personality(struct task *t, struct call *c)
{
	u32 old = t->personality;

	if ((u32)c->arg[0] != 0xffffffff) {
		t->personality = (u32)c->arg[0];
		mm_leave_revoke(t->mm);
	}
	return old;
}
