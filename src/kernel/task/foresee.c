/* SPDX-License-Identifier: Apache-2.0 */
/* What tracers ask next, answered beforehand: foresee.h. */
#include "task/foresee.h"

#include <linux/audit.h>
#include <stddef.h>
#include <string.h>

#include "core/call.h"
#include "task/signal.h"
#include "task/trace.h"

#define LEAVE_NS 1000000 /* how long a task may have to wait until it goes on */

static size_t what_call(struct task *child, struct ptrace_syscall_info *info)
{
	const struct guest_regs *r = task_regs(child);
	const u64 args[6] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};
	int code = child->stop.has_info ? child->stop.info.si_code : 0;

	if (code == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
		info->op = PTRACE_SYSCALL_INFO_SECCOMP;
		info->seccomp.nr = r->orig_rax;
		memcpy(info->seccomp.args, args, sizeof args);
		info->seccomp.ret_data = (u32)child->stop.message;
		return offsetof(struct ptrace_syscall_info, seccomp.ret_data) + sizeof info->seccomp.ret_data;
	}
	if (code == (SIGTRAP | 0x80) && child->stop.message == PTRACE_EVENTMSG_SYSCALL_ENTRY) {
		info->op = PTRACE_SYSCALL_INFO_ENTRY;
		info->entry.nr = r->orig_rax;
		memcpy(info->entry.args, args, sizeof args);
		return offsetof(struct ptrace_syscall_info, entry.args) + sizeof info->entry.args;
	}
	if (code == (SIGTRAP | 0x80) && child->stop.message == PTRACE_EVENTMSG_SYSCALL_EXIT) {
		info->op = PTRACE_SYSCALL_INFO_EXIT;
		info->exit.rval = (s64)r->rax;
		info->exit.is_error = r->rax >= (u64)-4095;
		return offsetof(struct ptrace_syscall_info, exit.is_error) + sizeof info->exit.is_error;
	}
	return offsetof(struct ptrace_syscall_info, entry);
}

size_t trace_call_info(struct task *child, struct ptrace_syscall_info *info)
{
	const struct guest_regs *r = task_regs(child);

	memset(info, 0, sizeof *info);
	info->op = PTRACE_SYSCALL_INFO_NONE;
	info->arch = AUDIT_ARCH_X86_64;
	info->instruction_pointer = r->rip;
	info->stack_pointer = r->rsp;
	return what_call(child, info);
}

/* ---- letting go ---- */

/* The task goes on, as it would have at the call; where it is still as it was then. */
static void go_on(struct task *t)
{
	struct task *child = task_find(t->k, t->foreseen);

	if (!child || !child->trace || child->trace->tracer != t || !trace_is_stopped(child))
		return;
	child->trace->calls = true;
	child->trace->emulate = child->single_step = false;
	trace_resume(child, 0);
}

/* kernel_ops.foreseen_asked: what was foreseen has been taken back. */
static void let_go(struct task *t)
{
	timer_cancel(t->k, &t->foreseen_timer);
	go_on(t);
	t->foreseen = 0;
}

void foresee_end(struct task *t)
{
	if (!t->foreseen)
		return;
	if (t->thread && !t->thread->space->dead && t->k->trap_ops->foreseen_take(t->thread))
		go_on(t);
	timer_cancel(t->k, &t->foreseen_timer);
	t->foreseen = 0;
}

static void time_is_over(struct timer *timer)
{
	foresee_end(container_of(timer, struct task, foreseen_timer));
}

/* ---- foreseeing ---- */

bool foresee_may(const struct task *t, const struct task *child)
{
	return child->state == TASK_TRACED && child->trace && child->trace->tracer == t && !t->trace &&
	       !t->k->tracer && t->k->trap_ops->foreseen_take && t->group->nthreads == 1 && !t->seccomp_mode;
}

void foresee(struct task *t, struct task *child, bool quiet)
{
	struct trap_foreseen *f = &t->thread->foreseen;
	struct ptrace_syscall_info info;

	f->pid = child->tid;
	f->quiet = quiet;
	f->size = (u32)trace_call_info(child, &info);
	memcpy(f->info, &info, f->size);
	t->foreseen = child->tid;
	timer_arm(t->k, &t->foreseen_timer, kernel_now(t->k) + LEAVE_NS, time_is_over);
}

void wait_has_news(struct thread_group *g)
{
	struct task *t;

	list_for_each (t, &g->threads, group_node)
		if (t->foreseen && t->thread)
			t->k->trap_ops->foreseen_noise(t->thread);
	wake_all(&g->child_wait);
}

/* Killed while it was stopped: nothing that is known of it holds any more. */
static void stop_ends(struct task *child)
{
	if (child->trace && child->trace->tracer->foreseen == child->tid)
		foresee_end(child->trace->tracer);
}

void foresee_init(struct kernel *k)
{
	k->ops.foreseen_asked = let_go;
	k->ops.trace_stop_ends = stop_ends;
}
