/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace(2): beginning and ending, stopping and going on; the other requests by the table (kernel/ptrace.c,
 * arch/x86/kernel/ptrace.c).
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <signal.h>

#include "core/call_table.h"
#include "core/cred.h"
#include "core/usermem.h"
#include "ptrace/request.h"
#include "task/errand.h"
#include "task/foresee.h"
#include "task/life.h"
#include "task/signal.h"

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU            31
#define PTRACE_SYSEMU_SINGLESTEP 32
#endif
#define OLD_SETOPTIONS 21
#define GETREGS        12
#define SETREGS        13
#define GETFPREGS      14
#define SETFPREGS      15
#define ARCH_PRCTL     30

/* ---- beginning ---- */

static int check_options(const struct task *t, u64 options)
{
	if (options & ~(u64)PTRACE_O_MASK)
		return -EINVAL;
	if (!(options & PTRACE_O_SUSPEND_SECCOMP))
		return 0;
	if (!capable(t, CAP_SYS_ADMIN) || t->seccomp_mode != SECCOMP_MODE_DISABLED ||
	    (t->trace && (t->trace->options & PTRACE_O_SUSPEND_SECCOMP)))
		return -EPERM;
	return 0;
}

static long traceme(struct task *t)
{
	return t->trace ? -EPERM : trace_by_parent(t);
}

/* The task was stopped with its group, and is on its way to a stop for its tracer: that is not seen in between. */
static long reached(struct task *t, struct call *c)
{
	struct task *child = task_find(t->k, (int)c->scratch[0]);

	if (!child || !child->trace || child->trace->tracer != t || !child->trace->reaching ||
	    (t->work & TASK_WORK_EXIT))
		return 0;
	return task_park(t);
}

/* @child: NULL for init. */
static long attach(struct task *t, struct call *c, struct task *child, bool seize)
{
	u64 options = seize ? c->arg[3] : 0;
	int err;

	if (seize) {
		if (c->arg[2] || (options & ~(u64)PTRACE_O_MASK))
			return -EIO;
		err = check_options(t, options);
		if (err)
			return err;
	}
	/* Linux: init may be traced by who has the right. Here: by nobody, for init is husk itself. */
	if (!child || child->group == t->group)
		return -EPERM;
	err = task_may_access(t, child, HUSK_ACCESS_ATTACH);
	if (err)
		return err;
	if (child->ending || child->trace)
		return -EPERM;
	err = trace_begin(t, child, seize, (u32)options);
	if (err || !child->trace->reaching)
		return err;
	c->scratch[0] = (u64)child->tid;
	c->step = reached;
	return reached(t, c);
}

static bool begins(u64 request)
{
	return request == PTRACE_ATTACH || request == PTRACE_SEIZE;
}

/* ---- going on ---- */

static bool valid_signal(u64 signo)
{
	return signo <= 64;
}

static long resume(struct task *child, u64 signo, bool calls, bool emulate, bool step)
{
	if (!valid_signal(signo))
		return -EIO;
	child->trace->calls = calls;
	child->trace->emulate = emulate;
	child->single_step = step;
	if (step)
		trace_see_steps(child);
	trace_resume(child, (int)signo);
	return 0;
}

static long request_cont(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	return resume(child, data, false, false, false);
}

static long request_syscall(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	return resume(child, data, true, false, false);
}

static long request_step(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	return resume(child, data, false, false, true);
}

static long request_emulate(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	return resume(child, data, false, true, false);
}

static long request_emulate_step(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	return resume(child, data, false, true, true);
}

static long request_detach(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	/* Here, and only here, Linux looks at no more than 32 bits. */
	if (!valid_signal((u32)data))
		return -EIO;
	trace_detach(child, (int)data);
	return 0;
}

static long request_kill(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	siginfo_t info = signal_info_from(t, SIGKILL, SI_USER);

	if (!child->ending)
		signal_send_task(child, &info);
	return 0;
}

static long request_interrupt(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	if (!child->trace->seized)
		return -EIO;
	if (!child->ending && !(child->work & TASK_WORK_EXIT))
		trace_interrupt(child);
	return 0;
}

static long request_listen(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	struct trace *tr = child->trace;

	if (!tr->seized || !child->stop.has_info || child->stop.info.si_code >> 8 != PTRACE_EVENT_STOP)
		return -EIO;
	tr->listening = true;
	if (tr->notify)
		trace_notify(child);
	return 0;
}

static long request_options(struct task *t, struct call *c, struct task *child, u64 addr, u64 data)
{
	int err = check_options(t, data);

	if (!err)
		child->trace->options = (u32)data;
	return err;
}

/* ---- the call ---- */

static const struct request {
	u64 number;
	request_fn *fn;
	bool any_state; /* the child need not have stopped */
} requests[] = {
	{PTRACE_PEEKTEXT, request_peek},
	{PTRACE_PEEKDATA, request_peek},
	{PTRACE_PEEKUSR, request_peek_user},
	{PTRACE_POKETEXT, request_poke},
	{PTRACE_POKEDATA, request_poke},
	{PTRACE_POKEUSR, request_poke_user},
	{PTRACE_CONT, request_cont},
	{PTRACE_KILL, request_kill, .any_state = true},
	{PTRACE_SINGLESTEP, request_step},
	/* Linux: to the next branch, where the processor can. Here: one instruction, as on machines that cannot. */
	{HUSK_SINGLEBLOCK, request_step},
	{GETREGS, request_get_regs},
	{SETREGS, request_set_regs},
	{GETFPREGS, request_get_fpregs},
	{SETFPREGS, request_set_fpregs},
	{PTRACE_DETACH, request_detach},
	{OLD_SETOPTIONS, request_options},
	{PTRACE_SYSCALL, request_syscall},
	{ARCH_PRCTL, request_arch_prctl},
	{PTRACE_SYSEMU, request_emulate},
	{PTRACE_SYSEMU_SINGLESTEP, request_emulate_step},
	{PTRACE_SETOPTIONS, request_options},
	{PTRACE_GETEVENTMSG, request_event_message},
	{PTRACE_GETSIGINFO, request_get_siginfo},
	{PTRACE_SETSIGINFO, request_set_siginfo},
	{PTRACE_GETREGSET, request_get_regset},
	{PTRACE_SETREGSET, request_set_regset},
	{PTRACE_INTERRUPT, request_interrupt, .any_state = true},
	{PTRACE_LISTEN, request_listen},
	{PTRACE_PEEKSIGINFO, request_peek_siginfo},
	{PTRACE_GETSIGMASK, request_get_sigmask},
	{PTRACE_SETSIGMASK, request_set_sigmask},
	{PTRACE_SECCOMP_GET_FILTER, request_get_filter},
	{PTRACE_SECCOMP_GET_METADATA, request_get_metadata},
	{PTRACE_GET_SYSCALL_INFO, request_syscall_info},
	{HUSK_SET_SYSCALL_INFO, request_set_syscall_info},
	{HUSK_GET_DISPATCH, request_get_dispatch},
	{HUSK_SET_DISPATCH, request_set_dispatch},
	{PTRACE_GET_RSEQ_CONFIGURATION, request_get_rseq},
	/* Linux: 32-bit segments (PTRACE_GET_THREAD_AREA). Here: EIO, as by kernels without 32-bit programs. */
};

static const struct request *find(u64 number)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].number == number)
			return &requests[i];
	return NULL;
}

long sys_ptrace(struct task *t, struct call *c)
{
	const struct request *r = find(c->arg[0]);
	struct task *child;

	foresee_end(t);
	if (c->arg[0] == PTRACE_TRACEME)
		return traceme(t);
	child = task_find(t->k, (int)c->arg[1]);
	if (!child && ((int)c->arg[1] != HUSK_INIT_PID || !begins(c->arg[0])))
		return -ESRCH;
	if (begins(c->arg[0]))
		return attach(t, c, child, c->arg[0] == PTRACE_SEIZE);
	if (!child->trace || child->trace->tracer != t || (!(r && r->any_state) && !trace_is_stopped(child)))
		return -ESRCH;
	if (errand_busy(child) && !(r && r->any_state))
		return task_park(t);
	return r ? r->fn(t, c, child, c->arg[2], c->arg[3]) : -EIO;
}
