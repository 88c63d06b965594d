/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests' own filters (kernel/seccomp.c): the verdict on a call, and how filters spread.
 *
 * A task under filters has its chain's table looked at before each call; only where the verdict depends on more than
 * the number is struct seccomp_data filled. Calls that the stub answers itself are taken from it when a filter would
 * see more of them than a constant ALLOW.
 */
#include "task/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "core/call.h"
#include "core/kernel.h"
#include "mm/mm.h"
#include "task/seccomp_notify.h"
#include "task/dispatch.h"
#include "task/signal.h"
#include "task/trace.h"
#include "vfs/donate.h"

/* ---- the verdict ---- */

static struct seccomp_data data_of(const struct guest_regs *r)
{
	return (struct seccomp_data){.nr = (int)r->orig_rax,
				     .arch = AUDIT_ARCH_X86_64,
				     .instruction_pointer = r->rip,
				     .args = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9}};
}

static u32 verdict_on(const struct task *t, const struct guest_regs *r, u32 nr)
{
	const struct bpf_table *table = bpf_chain_table(t->seccomp, AUDIT_ARCH_X86_64);
	struct seccomp_data d;
	u32 verdict;

	if (nr < BPF_TABLE_SIZE && bpf_table_constant(table, nr, &verdict))
		return verdict;
	d = data_of(r);
	return bpf_table_run(t->seccomp, table, nr, &d);
}

/* Whose verdict it is. The tables have forgotten: each filter is asked once more. NULL: nobody's. */
static const struct seccomp_filter *filter_of(const struct task *t, const struct seccomp_data *d)
{
	const struct bpf_chain *match;

	bpf_chain_run_plain(t->seccomp, d, &match);
	return match ? match->user : NULL;
}

/* SIGSYS, with the registers as before the call. */
static long trap_call(struct task *t, u32 nr, u32 data, bool fatal)
{
	struct guest_regs *r = task_regs(t);
	siginfo_t info = signal_info(SIGSYS, 1 /* SYS_SECCOMP */);

	info.si_errno = (int)data;
	info.si_call_addr = (void *)r->rip;
	info.si_syscall = (int)nr;
	info.si_arch = AUDIT_ARCH_X86_64;
	r->rax = r->orig_rax;
	if (fatal) {
		t->sighand->action[SIGSYS - 1].handler = (u64)SIG_DFL;
		t->sighand->action[SIGSYS - 1].flags |= HUSK_SA_IMMUTABLE;
		task_set_blocked(t, t->blocked & ~SIG_BIT(SIGSYS));
	}
	signal_force(t, &info);
	return CALL_NORETURN;
}

long seccomp_result(struct task *t, s64 value)
{
	bool ours = value <= -ERESTARTSYS && value >= CALL_GONE;

	if (!ours || (value >= -ERESTART_RESTARTBLOCK && signal_pending(t)))
		return value;
	task_regs(t)->rax = (u64)value;
	return CALL_NORETURN;
}

static long kill_task(struct task *t, int signo)
{
	task_exit(t, signo);
	return CALL_GONE;
}

/* True: the call goes on. */
static bool strict_allows(u32 nr)
{
	return bpf_passes_all(AUDIT_ARCH_X86_64, nr) || nr == SYS_read || nr == SYS_write || nr == SYS_exit ||
	       nr == SYS_rt_sigreturn;
}

static call_fn traced;
static bool filter_call(struct task *t, long *result);

/* Everything but ALLOW: as filter_call(). */
static bool act_on(struct task *t, u32 verdict, long *result)
{
	const struct seccomp_filter *top = t->seccomp->user, *filter = NULL;
	struct seccomp_data d = data_of(task_regs(t));
	u32 nr = (u32)d.nr, action = verdict & SECCOMP_RET_ACTION_FULL, data = verdict & SECCOMP_RET_DATA;

	if (action == SECCOMP_RET_USER_NOTIF || top->chain_logs)
		filter = filter_of(t, &d);
	switch (action) {
	case SECCOMP_RET_LOG:
		seccomp_log(t, &d, 0, action, true);
		return false;
	case SECCOMP_RET_ERRNO:
		seccomp_log(t, &d, 0, action, filter && filter->log);
		*result = seccomp_result(t, -(s64)min(data, 4095u));
		return true;
	case SECCOMP_RET_TRAP:
		seccomp_log(t, &d, 0, action, filter && filter->log);
		*result = trap_call(t, nr, data, false);
		return true;
	case SECCOMP_RET_TRACE:
		if (t->call.step == traced)
			return false;
		t->call.step = traced;
		*result = CALL_GONE;
		if (trace_event(t, PTRACE_EVENT_SECCOMP, data))
			return true;
		seccomp_log(t, &d, 0, action, filter && filter->log);
		*result = -ENOSYS;
		return true;
	case SECCOMP_RET_USER_NOTIF:
		*result = seccomp_notify(t, filter, &d);
		return true;
	default:
		seccomp_log(t, &d, SIGSYS, action, true);
		*result = action == SECCOMP_RET_KILL_THREAD && t->group->nthreads > 1
				  ? kill_task(t, SIGSYS)
				  : trap_call(t, nr, data, true);
		return true;
	}
}

/* The tracer has decided on a call of SECCOMP_RET_TRACE: it may be another now, so that the filters are asked again; but
 * there is no second such stop. */
static long traced(struct task *t, struct call *c)
{
	long result;

	if (!call_reload(t))
		return CALL_GONE;
	if ((t->work & TASK_WORK_EXIT) || (int)task_regs(t)->orig_rax < 0)
		return call_skip(t);
	if (filter_call(t, &result))
		return result;
	return call_handle(t, c);
}

/* Most calls are allowed by their number alone: that is seen without the registers, which have to be copied. */
static bool allowed_by_number(const struct task *t)
{
	u32 nr = t->call.nr, verdict;

	/* The last number stands for all that are not known. */
	return t->seccomp_mode == SECCOMP_MODE_FILTER && nr < BPF_TABLE_SIZE && nr < HUSK_NR_CALLS - 1 &&
	       bpf_table_constant(bpf_chain_table(t->seccomp, AUDIT_ARCH_X86_64), nr, &verdict) &&
	       verdict == SECCOMP_RET_ALLOW;
}

/* kernel_ops.filter_call: false when the call goes on, else *result is what a handler would have answered. */
static bool filter_call(struct task *t, long *result)
{
	struct guest_regs *r;
	struct seccomp_data d;
	u32 nr, verdict;

	if (t->trace && (t->trace->options & PTRACE_O_SUSPEND_SECCOMP))
		return false;
	if (allowed_by_number(t))
		return false;
	r = task_regs(t);
	nr = (u32)r->orig_rax;
	if (t->seccomp_mode == SECCOMP_MODE_STRICT) {
		if (strict_allows(nr))
			return false;
		d = data_of(r);
		seccomp_log(t, &d, SIGKILL, SECCOMP_RET_KILL_THREAD, true);
		*result = kill_task(t, SIGKILL);
		return true;
	}
	verdict = verdict_on(t, r, nr);
	return verdict != SECCOMP_RET_ALLOW && act_on(t, verdict, result);
}

void seccomp_init(struct kernel *k)
{
	k->ops.filter_call = filter_call;
}

/* ---- chains ---- */

static void filter_gone(void *user)
{
	seccomp_filter_ended(user);
	free(user);
}

int seccomp_prepare(struct task *t, struct bpf_program *p, bool log, struct bpf_chain **out)
{
	static const u32 arch = AUDIT_ARCH_X86_64;
	const struct seccomp_filter *below = t->seccomp ? t->seccomp->user : NULL;
	struct seccomp_filter *filter = calloc(1, sizeof *filter);
	int err;

	if (!filter)
		return -ENOMEM;
	err = bpf_chain_add(t->seccomp, p, &arch, 1, t->k->bpf_arena, out);
	if (err) {
		free(filter);
		return err;
	}
	filter->log = log;
	filter->chain_logs = log || (below && below->chain_logs);
	(*out)->user = filter;
	(*out)->user_gone = filter_gone;
	return 0;
}

bool seccomp_has_listener(const struct task *t)
{
	const struct bpf_chain *c;

	for (c = t->seccomp; c; c = c->older)
		if (((const struct seccomp_filter *)c->user)->listener)
			return true;
	return false;
}

void seccomp_mind_files(struct task *t)
{
	static const u32 calls[] = {SYS_read, SYS_pread64, SYS_readv, SYS_lseek};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (seccomp_always_allows(t, calls[i]))
			continue;
		donate_forbid(t);
		return;
	}
}

void seccomp_assign(struct task *t, struct bpf_chain *chain)
{
	bpf_chain_put(t->seccomp);
	t->seccomp = chain;
	t->seccomp_filters = chain->depth;
	t->seccomp_mode = SECCOMP_MODE_FILTER;
	seccomp_mind_files(t);
}

int seccomp_can_sync(struct task *t)
{
	struct task *other;

	list_for_each (other, &t->group->threads, group_node) {
		if (other == t || other->ending || other->seccomp_mode == SECCOMP_MODE_DISABLED)
			continue;
		if (other->seccomp_mode != SECCOMP_MODE_FILTER ||
		    !bpf_chain_is_under(other->seccomp, t->seccomp))
			return other->tid;
	}
	return 0;
}

void seccomp_sync(struct task *t)
{
	struct task *other;

	list_for_each (other, &t->group->threads, group_node) {
		if (other == t || other->ending)
			continue;
		dispatch_withdraw(other);
		seccomp_assign(other, bpf_chain_get(t->seccomp));
		other->no_new_privs |= t->no_new_privs;
	}
}

void seccomp_inherit(const struct task *t, struct task *child)
{
	child->seccomp_mode = t->seccomp_mode;
	child->seccomp = bpf_chain_get(t->seccomp);
	child->seccomp_filters = t->seccomp_filters;
}

void seccomp_release(struct task *t)
{
	bpf_chain_put(t->seccomp);
	t->seccomp = NULL;
}

/* ---- the stub's short ways ---- */

bool seccomp_always_allows(const struct task *t, u32 nr)
{
	u32 verdict;

	switch (t->seccomp_mode) {
	case SECCOMP_MODE_DISABLED:
		return true;
	case SECCOMP_MODE_STRICT:
		return strict_allows(nr);
	default:
		return t->seccomp && nr < BPF_TABLE_SIZE &&
		       bpf_table_constant(bpf_chain_table(t->seccomp, AUDIT_ARCH_X86_64), nr, &verdict) &&
		       verdict == SECCOMP_RET_ALLOW;
	}
}

bool seccomp_sees_futex(const struct task *t)
{
	return !seccomp_always_allows(t, SYS_futex);
}

void seccomp_enter_space(struct task *t)
{
	if (!seccomp_sees_futex(t) || t->mm->own_futexes)
		return;
	t->mm->own_futexes = true;
}

int seccomp_start(struct task *first, const struct sock_filter *f, unsigned size)
{
	struct bpf_program *p;
	struct bpf_chain *chain;
	int error = bpf_program_create(f, size, BPF_KIND_SECCOMP, &p, NULL);

	if (error)
		return error;
	error = seccomp_prepare(first, p, false, &chain);
	if (error) {
		bpf_program_free(p);
		return error;
	}
	seccomp_assign(first, chain);
	if (first->mm && first->mm->space)
		seccomp_enter_space(first);
	return 0;
}
