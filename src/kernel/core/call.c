/* SPDX-License-Identifier: Apache-2.0 */
/* System calls: from the trap's event to the way back. call.h tells the life of one. */
#include "core/call.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "core/call_table.h"
#include "core/task.h"
#include "core/tracer.h"

/* ---- parking ---- */

static void deadline_passed(struct timer *timer)
{
	struct task *t = container_of(timer, struct task, call_timer);

	task_wake(t);
}

long call_wait(struct task *t)
{
	struct call *c = &t->call;

	if (signal_pending(t)) {
		wait_remove_all(t);
		return -ERESTARTSYS;
	}
	if (c->deadline) {
		if (kernel_now(t->k) >= c->deadline) {
			c->timed_out = true;
			wait_remove_all(t);
			return -ETIMEDOUT;
		}
		timer_arm(t->k, &t->call_timer, c->deadline, deadline_passed);
	}
	return CALL_PARK;
}

static void park(struct task *t)
{
	t->state = TASK_PARKED;
	if (t->wake_pending) {
		task_wake(t);
		return;
	}
	t->nvcsw++;
	if (t->thread && t->call.hand_off)
		t->k->trap_ops->hand_off(t->thread);
	else if (t->thread)
		t->k->trap_ops->park(t->thread);
	if ((t->work & TASK_WORK_ERRAND) && t->thread && t->thread->held)
		(void)t->k->ops.errand(t);
}

/* ---- running ---- */

static long no_handler(const struct call_entry *e, struct stats *stats)
{
	if (!e->name)
		stats->unknown_calls++;
	if (e->refuse)
		stats->refused++;
	return e->refuse ? -e->refuse : -ENOSYS;
}

long call_refuse(struct task *t, long err)
{
	t->k->stats.refused++;
	return err;
}

static void take_result(struct task *t, long result)
{
	switch (result) {
	case CALL_PARK:
		park(t);
		break;
	case CALL_FETCH:
		usermem_fetch(t);
		break;
	case CALL_GONE:
		break;
	default:
		call_finish(t, result);
	}
}

static void call_unwait(struct task *t)
{
	if (t->waits)
		wait_remove_all(t);
	if (t->call_timer.expires)
		timer_cancel(t->k, &t->call_timer);
}

void task_run(struct task *t)
{
	struct call *c = &t->call;
	const struct call_entry *e = &t->k->calls[c->nr];
	call_fn *fn = c->step ? c->step : e->fn;
	struct kernel *k = t->k;
	long result;

	t->wake_pending = false;
	if (t->resume) {
		void (*resume)(struct task * t) = t->resume;

		t->resume = NULL;
		resume(t);
		return;
	}
	call_unwait(t);
	if (!c->active) {
		task_return(t);
		return;
	}
	k->current = t;
	result = fn ? fn(t, c) : no_handler(e, &k->stats);
	k->current = NULL;
	take_result(t, result);
}

/* ---- entry ---- */

/* Of @r these alone are looked at, which are there even when the others are not yet. */
static void call_fill(struct call *c, const struct guest_regs *r)
{
	c->nr = r->orig_rax < HUSK_NR_CALLS ? (u32)r->orig_rax : HUSK_NR_CALLS - 1;
	c->arg[0] = r->rdi;
	c->arg[1] = r->rsi;
	c->arg[2] = r->rdx;
	c->arg[3] = r->r10;
	c->arg[4] = r->r8;
	c->arg[5] = r->r9;
}

static void framed(void *arg, long result)
{
	task_run(arg);
}

bool call_reload(struct task *t)
{
	u32 was = t->call.nr;

	call_fill(&t->call, task_regs(t));
	usermem_stale(t);
	if (t->call.nr == was || !t->thread->no_xstate)
		return true;
	t->k->trap_ops->whole(t->thread, framed, t);
	return false;
}

long call_handle(struct task *t, struct call *c)
{
	const struct call_entry *e = &t->k->calls[c->nr];

	c->step = NULL;
	return e->fn ? e->fn(t, c) : no_handler(e, &t->k->stats);
}

/* From here on the call is one: it is counted, seen and filtered. */
static long enter_table(struct task *t, struct call *c)
{
	struct kernel *k = t->k;
	long result;

	c->step = NULL;
	k->stats.calls[c->nr]++;
	if (t->thread->by_patch)
		k->stats.by_patch++;
	else
		k->stats.by_signal++;
	if (!t->thread->by_patch && k->ops.call_seen)
		k->ops.call_seen(t);
	if (k->stats.timing || k->tracer)
		c->entered = kernel_now(k);
	if (k->tracer)
		k->tracer->enter(k->tracer, t);
	if (t->seccomp_mode && k->ops.filter_call(t, &result))
		return result;
	return call_handle(t, c);
}

static void leave(struct task *t)
{
	call_end(t);
	if (t->trace && t->k->ops.trace_exit(t))
		return;
	task_return(t);
}

long call_skip(struct task *t)
{
	t->returning_call = true;
	leave(t);
	return CALL_GONE;
}

/* The tracer has seen the call, and may have made another of it, or none. */
static long enter_seen(struct task *t, struct call *c)
{
	if (!call_reload(t))
		return CALL_GONE;
	if (!(t->work & TASK_WORK_EXIT) && !t->k->ops.trace_skips(t))
		return enter_table(t, c);
	return call_skip(t);
}

static long enter_traced(struct task *t, struct call *c)
{
	if (!t->trace)
		return enter_table(t, c);
	/* What a tracer sees as the result of a call that has none yet. */
	task_regs(t)->rax = (u64)-ENOSYS;
	c->step = enter_seen;
	return t->k->ops.trace_entry(t) ? CALL_GONE : enter_table(t, c);
}

/* User dispatch, as a step: it may have to fetch the selector. What is dispatched was never a call. */
static long enter_dispatch(struct task *t, struct call *c)
{
	long result = t->k->ops.dispatch_call(t);

	if (result == CALL_FETCH)
		return result;
	if (!result)
		return enter_traced(t, c);
	if (!t->thread->by_patch && t->k->ops.call_seen)
		t->k->ops.call_seen(t);
	task_regs(t)->orig_rax = ~0UL;
	call_end(t);
	task_return(t);
	return CALL_GONE;
}

/*
 * The entry pipeline, in Linux's order (kernel/entry/common.c): user dispatch, ptrace, seccomp, then the
 * table. Each stage may stop the task and change the call; it then answers with what a handler would.
 */
void call_enter(struct task *t)
{
	struct call *c = &t->call;

	clear(c, sizeof *c);
	c->active = true;
	call_fill(c, &t->thread->regs);
	c->step = t->dispatch.on && !t->thread->not_dispatched ? enter_dispatch : enter_traced;
	task_run(t);
}

void call_end(struct task *t)
{
	struct call *c = &t->call;

	call_unwait(t);
	if (c->file) {
		struct file *f = c->file;

		c->file = NULL;
		t->k->ops.file_put(f);
	}
	if (c->priv && c->priv_free)
		c->priv_free(t, c->priv);
	c->priv = NULL;
	c->active = false;
	c->step = NULL;
}

void call_finish(struct task *t, long result)
{
	struct kernel *k = t->k;
	struct call *c = &t->call;

	if (result != CALL_NORETURN) {
		t->thread->regs.rax = (u64)result;
		t->thread->answered = true;
		t->returning_call = true;
	} else if (!t->trace) {
		task_regs(t)->orig_rax = ~0UL;
	}
	if (result < 0 && result >= -4095 && result != CALL_NORETURN)
		k->stats.errors[c->nr]++;
	if (k->stats.timing)
		k->stats.call_ns[c->nr] += kernel_now(k) - c->entered;
	if (k->tracer)
		k->tracer->exit(k->tracer, t, result);
	leave(t);
}

/* ---- the way back ---- */

static void rewind_call(struct task *t, u64 nr)
{
	struct guest_regs *r = task_regs(t);

	r->rax = nr;
	r->rip -= 2;
}

/* Whether @rax may be one of the ERESTART values. */
static bool is_restart(u64 rax)
{
	return -rax - ERESTARTSYS <= ERESTART_RESTARTBLOCK - ERESTARTSYS;
}

void call_restart(struct task *t, bool handler, bool sa_restart)
{
	struct guest_regs *r = &t->thread->regs;

	if (r->orig_rax == ~0UL)
		return;
	switch (-(s64)r->rax) {
	case ERESTART_RESTARTBLOCK:
		if (handler)
			r->rax = (u64)-EINTR;
		else
			rewind_call(t, 219 /* restart_syscall */);
		break;
	case ERESTARTNOHAND:
		if (handler)
			r->rax = (u64)-EINTR;
		else
			rewind_call(t, r->orig_rax);
		break;
	case ERESTARTSYS:
		if (handler && !sa_restart)
			r->rax = (u64)-EINTR;
		else
			rewind_call(t, r->orig_rax);
		break;
	case ERESTARTNOINTR:
		rewind_call(t, r->orig_rax);
		break;
	}
	r->orig_rax = ~0UL;
}

void call_again(struct task *t)
{
	struct guest_regs *r = task_regs(t);

	rewind_call(t, r->orig_rax);
	r->orig_rax = ~0UL;
	task_return(t);
}

void task_load_regs(struct task *t)
{
	t->k->trap_ops->load(t->thread);
	if (t->k->ops.place_shown)
		t->k->ops.place_shown(t, NULL);
}

void call_op_failed(struct task *t, long error)
{
	if (t->k->ops.own_op_refused && t->k->ops.own_op_refused(t))
		; /* what husk tried for itself is nothing to the guest */
	else if (t->returning_call)
		task_regs(t)->rax = (u64)t->k->ops.op_refused(t, error);
	else
		t->k->ops.force_signal(t, SIGSEGV, SEGV_MAPERR, 0);
}

/* What was queued has been carried out on the way. */
static void whole_now(void *arg, long result)
{
	struct task *t = arg;

	if (result < 0)
		call_op_failed(t, result);
	task_return(t);
}

void task_whole(struct task *t)
{
	(void)task_regs(t);
	t->k->trap_ops->whole(t->thread, whole_now, t);
}

static void settled_now(struct task *t)
{
	t->settled = true;
	task_return(t);
}

#define EFLAGS_TF 0x100UL

/* One instruction, then SIGTRAP. A program that steps itself sees no difference. */
static void step_begin(struct task *t)
{
	struct guest_regs *r = task_regs(t);

	t->forced_tf = !(r->eflags & EFLAGS_TF);
	r->eflags |= EFLAGS_TF;
}

void step_end(struct task *t)
{
	if (t->forced_tf)
		task_regs(t)->eflags &= ~EFLAGS_TF;
	t->forced_tf = false;
}

void task_continue(struct task *t)
{
	if (t->errands.busy) {
		t->errands.go_on = true;
		return;
	}
	t->state = TASK_KERNEL;
	list_add_tail(&t->k->runnable, &t->run_node);
}

void task_return(struct task *t)
{
	struct kernel *k = t->k;

	t->state = TASK_KERNEL;
	/* Stops want all of the thread's state, and some handlers' frames. */
	if (t->work && t->thread->no_xstate && !k->ops.frames_suffice(t)) {
		task_whole(t);
		return;
	}
	/* Frames and stops tell the call's result: what it has ordered is to have happened. */
	if (t->work && t->returning_call && !t->settled && k->trap_ops->ops_pending(t->thread->space) &&
	    usermem_settle(t, settled_now))
		return;
	t->settled = false;
	if (t->work && !k->ops.return_work(t))
		return;
	if (t->mem.out && usermem_flush(t))
		return;
	if (t->mem.error && t->returning_call)
		task_regs(t)->rax = (u64)t->mem.error;
	usermem_reset(t);
	if (t->dispatch.on)
		k->ops.dispatch_ready(t);
	t->state = TASK_RUNNING;
	if (t->single_step || t->watched)
		step_begin(t);
	k->ops.short_ways(t);
	if (!t->in_host_call && is_restart(t->thread->regs.rax))
		call_restart(t, false, false);
	else if (!t->in_host_call)
		t->thread->regs.orig_rax = ~0UL;
	if (k->ops.place_real && !t->thread->lazy)
		k->ops.place_real(t);
	if (k->lent)
		k->ops.known_end(k);
	k->ops.known_tell(t);
	if (t->in_host_call) {
		t->in_host_call = false;
		k->trap_ops->resume_call(t->thread);
		return;
	}
	k->trap_ops->resume(t->thread);
}
