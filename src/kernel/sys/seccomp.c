/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp(2) and prctl(PR_SET_SECCOMP): arguments checked in Linux's order, then task/seccomp.c. */
#include "sys/seccomp.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "core/call.h"
#include "core/cred.h"
#include "core/kernel.h"
#include "core/usermem.h"
#include "mm/mm.h"
#include "sys/settle.h"
#include "task/seccomp.h"
#include "task/seccomp_notify.h"
#include "task/task_ops.h"
#include "vfs/file.h"

#define FLAGS_KNOWN                                                                             \
	(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | \
	 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |                   \
	 SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)

/* struct sock_fprog as a guest has it. */
struct guest_fprog {
	u16 len;
	u8 pad[6];
	u64 filter;
};

/* The other threads have been seen outside the stub's short ways. */
static long settled(struct task *t, struct call *c)
{
	return (long)c->scratch[5];
}

/* The last step of each mode: calls that the stub answered alone may have to be seen from now on, those of the @others
 * that got the filter too. */
static long finish(struct task *t, struct call *c, long result, bool others)
{
	bool futexes = seccomp_sees_futex(t) && !t->mm->own_futexes;

	if (!futexes && !(others && t->group->nthreads > 1))
		return result;
	seccomp_enter_space(t);
	c->scratch[5] = (u64)result;
	return call_settle(t, c, settled);
}

static bool may_become(const struct task *t, int mode)
{
	return t->seccomp_mode == SECCOMP_MODE_DISABLED || t->seccomp_mode == mode;
}

static long set_strict(struct task *t, struct call *c)
{
	if (!may_become(t, SECCOMP_MODE_STRICT))
		return -EINVAL;
	t->seccomp_mode = SECCOMP_MODE_STRICT;
	t->no_tsc = true;
	seccomp_mind_files(t);
	return finish(t, c, 0, false);
}

/* The guest's program: checked and converted in *@out, which is the caller's. */
static long read_program(struct task *t, u64 addr, struct bpf_program **out)
{
	struct sock_filter *f;
	struct guest_fprog prog;
	long r;

	r = user_get(t, &prog, addr);
	if (r < 0)
		return r;
	if (!prog.len || prog.len > BPF_MAXINSNS)
		return -EINVAL;
	if (!t->no_new_privs && !capable(t, CAP_SYS_ADMIN))
		return -EACCES;
	if (!prog.filter)
		return -EINVAL;
	f = malloc(prog.len * sizeof *f);
	if (!f)
		return -ENOMEM;
	r = user_read(t, f, prog.filter, prog.len * sizeof *f);
	if (r >= 0)
		r = bpf_program_create(f, prog.len, BPF_KIND_SECCOMP, out, NULL);
	free(f);
	return r < 0 ? r : 0;
}

/* The program is in force: 0, -errno, or the thread that cannot be synchronised. Consumes @p. @listener: nullable,
 * borrowed. */
static long attach(struct task *t, u64 flags, struct bpf_program *p, struct file *listener)
{
	struct bpf_chain *chain;
	int other;
	long r;

	if (!may_become(t, SECCOMP_MODE_FILTER))
		r = -EINVAL;
	else if (listener && seccomp_has_listener(t))
		r = -EBUSY;
	else
		r = seccomp_prepare(t, p, flags & SECCOMP_FILTER_FLAG_LOG, &chain);
	if (r < 0) {
		bpf_program_free(p);
		return r;
	}
	if (flags & SECCOMP_FILTER_FLAG_TSYNC) {
		other = seccomp_can_sync(t);
		if (other) {
			bpf_chain_put(chain);
			return flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -ESRCH : other;
		}
	}
	if (listener)
		seccomp_filter_listen(chain->user, listener);
	seccomp_assign(t, chain);
	if (flags & SECCOMP_FILTER_FLAG_TSYNC)
		seccomp_sync(t);
	return 0;
}

/* As attach(), with a new listener, whose descriptor is the result. */
static long attach_listener(struct task *t, u64 flags, struct bpf_program *p)
{
	struct file *f;
	long fd, r;

	r = fd_room(t);
	if (!r)
		r = seccomp_listener_open(t->k, flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &f);
	if (r < 0) {
		bpf_program_free(p);
		return r;
	}
	fd = fd_install(t, f, true);
	if (fd < 0) {
		bpf_program_free(p);
		return fd;
	}
	r = attach(t, flags, p, f);
	if (!r)
		return fd;
	fd_close(t, (int)fd);
	return r;
}

static long set_filter(struct task *t, struct call *c, u64 flags, u64 addr)
{
	bool listens = flags & SECCOMP_FILTER_FLAG_NEW_LISTENER;
	struct bpf_program *p = NULL;
	long r;

	if (flags & ~(u64)FLAGS_KNOWN)
		return -EINVAL;
	/* A positive result must not be a thread and a descriptor. */
	if (listens && flags & SECCOMP_FILTER_FLAG_TSYNC && !(flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH))
		return -EINVAL;
	if (!listens && flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		return -EINVAL;
	r = read_program(t, addr, &p);
	if (r < 0)
		return r;
	r = listens ? attach_listener(t, flags, p) : attach(t, flags, p, NULL);
	return r < 0 || (r && !listens) ? r : finish(t, c, r, flags & SECCOMP_FILTER_FLAG_TSYNC);
}

static long notification_sizes(struct task *t, u64 addr)
{
	static const struct seccomp_notif_sizes sizes = {.seccomp_notif = sizeof(struct seccomp_notif),
							 .seccomp_notif_resp =
								 sizeof(struct seccomp_notif_resp),
							 .seccomp_data = sizeof(struct seccomp_data)};

	return user_put(t, addr, &sizes);
}

static long action_available(struct task *t, u64 addr)
{
	static const u32 actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
				      SECCOMP_RET_ERRNO,        SECCOMP_RET_USER_NOTIF,  SECCOMP_RET_TRACE,
				      SECCOMP_RET_LOG,          SECCOMP_RET_ALLOW};
	u32 action;
	long r = user_get(t, &action, addr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (actions[i] == action)
			return 0;
	return -EOPNOTSUPP;
}

static long do_seccomp(struct task *t, struct call *c, u32 op, u32 flags, u64 addr)
{
	switch (op) {
	case SECCOMP_SET_MODE_STRICT:
		return flags || addr ? -EINVAL : set_strict(t, c);
	case SECCOMP_SET_MODE_FILTER:
		return set_filter(t, c, flags, addr);
	case SECCOMP_GET_ACTION_AVAIL:
		return flags ? -EINVAL : action_available(t, addr);
	case SECCOMP_GET_NOTIF_SIZES:
		return flags ? -EINVAL : notification_sizes(t, addr);
	default:
		return -EINVAL;
	}
}

long sys_seccomp(struct task *t, struct call *c)
{
	return do_seccomp(t, c, (u32)c->arg[0], (u32)c->arg[1], c->arg[2]);
}

long prctl_set_seccomp(struct task *t, struct call *c)
{
	if (c->arg[1] == SECCOMP_MODE_STRICT)
		return do_seccomp(t, c, SECCOMP_SET_MODE_STRICT, 0, 0);
	if (c->arg[1] == SECCOMP_MODE_FILTER)
		return do_seccomp(t, c, SECCOMP_SET_MODE_FILTER, 0, c->arg[2]);
	return -EINVAL;
}
