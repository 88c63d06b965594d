/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syscall User Dispatch, as merged in Linux (kernel/entry/syscall_user_dispatch.c): the first stage of a call's entry.
 *
 * A call is dispatched by where it comes from and by the selector alone: the number is not looked at, since it may be
 * one of another system. What is dispatched has not happened: no filter, tracer or statistics sees it, and the handler
 * finds the registers as they were.
 *
 * The stub asks the same questions first (stub/dispatch.c), of a copy of this state in the thread's slot. That a call
 * goes on is its word then, which costs nothing: the selector is the guest's own to write. Where it does not say so
 * (the ptrace trap, a selector that cannot be read at once, a call to be dispatched) the kernel looks for itself.
 */
#include "task/dispatch.h"

#include <errno.h>
#include <linux/audit.h>

#include "core/call.h"
#include "task/signal.h"
#include "task/task_ops.h"

#define MODE_OFF          0
#define MODE_EXCLUSIVE_ON 1 /* all but what comes from the range */
#define MODE_INCLUSIVE_ON 2 /* what comes from the range: Linux 6.17 */

#define SS_AUTODISARM_BIT (1u << 31)

#define FILTER_ALLOW 0
#define FILTER_BLOCK 1

#define CODE_USER_DISPATCH 2 /* SYS_USER_DISPATCH */

/* access_ok()'s border: where the host's own addresses begin, whatever the guest can map. */
#define USER_TOP 0x7ffffffff000UL

static void mirror(struct task *t)
{
	if (!t->thread)
		return;
	t->thread->dispatch = t->dispatch;
	if (!t->dispatch.on)
		t->thread->user_handler.on = 0;
}

long dispatch_set(struct task *t, u64 mode, u64 offset, u64 len, u64 selector)
{
	switch (mode) {
	case MODE_OFF:
		if (offset || len || selector)
			return -EINVAL;
		break;
	case MODE_EXCLUSIVE_ON:
		/* Who can make a call from an address need not be asked whether it exists. */
		if (offset && offset + len <= offset)
			return -EINVAL;
		break;
	case MODE_INCLUSIVE_ON:
		if (!len || offset + len <= offset)
			return -EINVAL;
		/* All but the rest. */
		offset += len;
		len = -len;
		break;
	default:
		return -EINVAL;
	}
	if (mode != MODE_OFF && selector > USER_TOP)
		return -EFAULT;
	t->dispatch = (struct user_dispatch){mode != MODE_OFF, offset, len, selector};
	mirror(t);
	return 0;
}

void dispatch_clear(struct task *t)
{
	t->dispatch = (struct user_dispatch){0};
	mirror(t);
}

static siginfo_t call_info(const struct guest_regs *r)
{
	siginfo_t info = signal_info(SIGSYS, CODE_USER_DISPATCH);

	info.si_call_addr = (void *)r->rip;
	info.si_syscall = (int)r->orig_rax;
	info.si_arch = AUDIT_ARCH_X86_64;
	return info;
}

/* force_exit_sig(): no handler and no mask holds it. */
static void end_by(struct task *t, int signo)
{
	siginfo_t info = signal_info(signo, SI_KERNEL);

	t->sighand->action[signo - 1].handler = (u64)SIG_DFL;
	t->sighand->action[signo - 1].flags |= HUSK_SA_IMMUTABLE;
	task_set_blocked(t, t->blocked & ~SIG_BIT(signo));
	signal_force(t, &info);
}

/* kernel_ops.dispatch_call: 0: the call goes on; 1: it has become a signal; CALL_FETCH. */
static long dispatch_call(struct task *t)
{
	const struct user_dispatch *d = &t->dispatch;
	struct guest_regs *r = task_regs(t);
	u8 state = FILTER_BLOCK;
	siginfo_t info;
	int error;

	if (r->rip - d->offset < d->len)
		return 0;
	if (d->selector) {
		error = user_get(t, &state, d->selector);
		if (error == CALL_FETCH)
			return error;
		if (error) {
			end_by(t, SIGSEGV);
			return 1;
		}
	}
	if (state == FILTER_ALLOW)
		return 0;
	if (state != FILTER_BLOCK) {
		end_by(t, SIGSYS);
		return 1;
	}
	info = call_info(r);
	signal_force(t, &info);
	return 1;
}

/* ---- the stub's leave to deliver ---- */

/* Handlers of the usual kind, where nobody else wants to see the signal. */
static bool may_deliver(const struct task *t, const struct k_sigaction *a)
{
	return a->handler != (u64)SIG_DFL && a->handler != (u64)SIG_IGN && (a->flags & HUSK_SA_RESTORER) &&
	       !(a->flags & SA_RESETHAND) && !((u32)t->altstack.flags & SS_AUTODISARM_BIT) &&
	       !t->seccomp_mode && !t->k->tracer && !t->trace && t->sighand->refs == t->group->nthreads;
}

static void dispatch_ready(struct task *t)
{
	const struct k_sigaction *a = &t->sighand->action[SIGSYS - 1];
	struct user_handler *h = &t->thread->user_handler;

	h->on = t->k->trap_ops->handler_off && may_deliver(t, a);
	if (!h->on)
		return;
	*h = (struct user_handler){
		.on = 1,
		.handler = a->handler,
		.restorer = a->restorer,
		.flags = a->flags,
		.adds = a->mask | (a->flags & SA_NODEFER ? 0 : SIG_BIT(SIGSYS)),
		.alt_sp = t->altstack.sp,
		.alt_size = t->altstack.size,
		.alt_flags = (u32)t->altstack.flags,
		.err = t->last_fault.error,
		.trapno = t->last_fault.trapno,
		.fault_addr = t->last_fault.addr,
	};
}

void dispatch_withdraw(struct task *t)
{
	if (t->dispatch.on && t->thread && t->thread->user_handler.on)
		t->k->trap_ops->handler_off(t->thread);
}

void dispatch_withdraw_group(struct task *t)
{
	struct task *other;

	list_for_each (other, &t->group->threads, group_node)
		dispatch_withdraw(other);
}

void dispatch_init(struct kernel *k)
{
	k->ops.dispatch_ready = dispatch_ready;
	k->ops.dispatch_call = dispatch_call;
}
