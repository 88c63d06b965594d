/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs of stopped threads: host calls one after the other, each begun here and ended by a stop.
 *
 * One thread of a space at a time makes calls, so that operations happen in the order of the log; who has none of its
 * own to make does not wait for it. What the calls are for is in batch.c, word.c and copy.c.
 */
#include "trap/ptrace/ptrace.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub_symbols.h"
#include "trap/fds.h"

#define CALL_AT      STUB_TRACED_CALL_AT       /* the syscall instruction */
#define CALL_DONE    (STUB_TRACED_CALL_AT + 3) /* behind it and the int3 */
#define FORK_FLAGS   (CLONE_PARENT | SIGCHLD)
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

/* ---- running something in the stub ---- */

struct guest_regs job_regs(const struct tracee *th, u64 rip)
{
	struct guest_regs r = regs_at(rip, scratch_at(HUSK_SCRATCH_STACK));

	r.fs_base = th->base.regs.fs_base;
	r.gs_base = th->base.regs.gs_base;
	return r;
}

void job_begin(struct tracee *th, const struct guest_regs *r, enum tracee_step step, int request)
{
	th->step = step;
	th->state = TRACEE_BUSY;
	th->base.held = false;
	th->entry_stop = th->entry_stop && request == PTRACE_SYSCALL;
	regs_set(th, r);
	near_go(th, request);
}

void job_call(struct tracee *th, enum tracee_step step, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	struct guest_regs r = job_regs(th, CALL_AT);

	r.rax = (u64)nr;
	r.rdi = a;
	r.rsi = b;
	r.rdx = c;
	r.r10 = d;
	r.r8 = e;
	r.r9 = f;
	job_begin(th, &r, step, PTRACE_CONT);
}

long call_now(struct ptrap *t, struct tracee *th, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	struct guest_regs r;
	int status;

	job_call(th, STEP_NONE, nr, a, b, c, d, e, f);
	for (;;) {
		if (waitpid(th->tid, &status, __WALL) < 0 || !WIFSTOPPED(status))
			return -ECHILD;
		near_came(th);
		if (status >> 8 == SIGTRAP && !regs_get(th, &r) && r.rip == CALL_DONE)
			break;
		near_go(th, PTRACE_CONT);
	}
	th->state = TRACEE_HELD;
	th->base.held = true;
	return (long)r.rax;
}

void job_go_on(struct tracee *th)
{
	th->state = TRACEE_BUSY;
	near_go(th, th->step == STEP_WORD ? until_call(th->space->trap) : PTRACE_CONT);
}

/* ---- clones ---- */

static void clone_begin(struct tracee *th)
{
	job_call(th, STEP_CLONE, SYS_clone, th->job == JOB_FORK ? FORK_FLAGS : THREAD_FLAGS, 0, 0, 0, 0, 0);
}

/* The host tells of the clone before the call is over. */
static void clone_event(struct tracee *th)
{
	struct ptrap *t = th->space->trap;
	struct tracee *child = th->child;
	unsigned long tid = 0;

	ptrace(PTRACE_GETEVENTMSG, th->tid, 0, &tid);
	if (!child || !tid) {
		job_go_on(th);
		return;
	}
	if (syscall(SYS_tgkill, child->first ? (int)tid : th->space->pid, (int)tid, 0) < 0) {
		/* Killed from outside, and reaped before anybody knew it. */
		job_child_died(child);
		job_go_on(th);
		return;
	}
	tracee_set_tid(child, (int)tid);
	child->cpu = th->cpu;
	if (child->first)
		child->space->pid = (int)tid;
	for (size_t i = 0; i < MAX_EARLY; i++) {
		if (t->early[i] != (int)tid)
			continue;
		t->early[i] = 0;
		child->stopped_once = true;
	}
	job_go_on(th);
}

/* ---- the job ---- */

static void release(struct tracee *th)
{
	struct pspace *s = th->space;
	struct tracee *next;

	if (s->carrier != th)
		return;
	s->carrier = NULL;
	if (s->base.dead || list_empty(&s->waiting))
		return;
	next = list_first(&s->waiting, struct tracee, waiting);
	list_del(&next->waiting);
	s->carrier = next;
	job_advance(next);
}

static void hold(struct tracee *th)
{
	th->step = STEP_NONE;
	th->state = TRACEE_HELD;
	th->base.held = true;
}

static void resume(struct tracee *th)
{
	struct guest_regs r;

	if (restarts(th->base.regs.rax))
		regs_load(&th->base);
	r = th->base.regs;
	r.cs = USER_CS;
	r.ss = USER_DS;
	r.ds = r.es = r.fs = r.gs = 0;
	r.orig_rax = ~0UL; /* restarting calls is the kernel's own affair */
	th->state = TRACEE_RUNNING;
	th->interrupting = false;
	th->epoch = th->space->settling.epoch;
	th->base.held = false;
	th->in_size = 0;
	th->in_ready = false;
	regs_give(th, &r);
	near_go(th, until_call(th->space->trap));
	if (th->interrupt_wanted)
		tracer_interrupt(&th->base);
}

/* Takes the child from its parent, which may have its next job. */
static void clone_ended(struct tracee *parent, long result)
{
	struct tracee *child = parent->child;
	struct ptrap *t = parent->space->trap;

	parent->child = NULL;
	child->parent = NULL;
	order_end(child, result);
	if (parent->space == t->zygote)
		orders_next(t);
}

static void finish_clone(struct tracee *th)
{
	struct tracee *child = th->child;

	if (!child || (!th->error && !child->stopped_once))
		return;
	if (!th->error) {
		child->state = TRACEE_HELD;
		child->base.held = true;
	}
	clone_ended(th, th->error);
}

static void finish(struct tracee *th)
{
	struct ptrap *t = th->space->trap;

	hold(th);
	if (th->job == JOB_FORK || th->job == JOB_THREAD) {
		finish_clone(th);
		return;
	}
	if (!th->error)
		th->error = copies_make(th);
	if (th->job == JOB_RUN) {
		th->run.result = th->error;
		list_del(&th->run.node);
		list_add_tail(&t->completions, &th->run.node);
		return;
	}
	if (th->error) {
		event_add(th, TRAP_OP_FAILED);
		th->event.error = (u64)th->error;
		return;
	}
	resume(th);
}

/* Whether the guest may read the time stamp counter is another thing now than the host knows of this thread. */
static bool tsc_wanted(const struct tracee *th)
{
	return th->job == JOB_RESUME && th->tsc_off != th->base.no_tsc;
}

void job_advance(struct tracee *th)
{
	struct pspace *s = th->space;

	if (s->base.dead)
		return;
	th->state = TRACEE_WAITING;
	if (!th->error && oplog_has(&s->log, th->log_mark)) {
		if (!th->batch_left && !th->batch_fds) {
			/* Another space is receiving: wake_receivers() comes back here. */
			if (!batch_begin(th) || th->step == STEP_RECEIVE || s->base.dead)
				return;
		}
		if (th->batch_left) {
			operation_begin(th);
			return;
		}
	}
	if (th->batch_fds) {
		batch_close(th);
		return;
	}
	if (!th->error && th->word) {
		word_begin(th);
		return;
	}
	if (!th->error && transfer_wanted(th)) {
		transfer_begin(th);
		return;
	}
	if (!th->error && th->child && th->step != STEP_CLONE) {
		clone_begin(th);
		return;
	}
	if (!th->error && tsc_wanted(th)) {
		job_call(th, STEP_TSC, SYS_prctl, PR_SET_TSC,
			 th->base.no_tsc ? PR_TSC_SIGSEGV : PR_TSC_ENABLE, 0, 0, 0, 0);
		return;
	}
	release(th);
	finish(th);
}

void job_start(struct tracee *th, enum tracee_job job)
{
	struct pspace *s = th->space;

	th->job = job;
	th->error = 0;
	th->step = STEP_NONE;
	th->batch_left = th->batch_fds = 0;
	th->log_mark = s->log.number;
	th->base.held = false;
	th->state = TRACEE_WAITING;
	if (s->base.dead)
		return;
	if (!oplog_has(&s->log, th->log_mark) && !th->word && !th->child && !transfer_wanted(th) &&
	    !tsc_wanted(th)) {
		finish(th);
		return;
	}
	regs_load(&th->base);
	if (s->carrier) {
		list_add_tail(&s->waiting, &th->waiting);
		return;
	}
	s->carrier = th;
	job_advance(th);
}

void job_child_stopped(struct tracee *child)
{
	struct tracee *parent = child->parent;

	child->stopped_once = true;
	if (parent && parent->state == TRACEE_HELD)
		finish_clone(parent);
}

void job_child_died(struct tracee *child)
{
	if (child->parent)
		clone_ended(child->parent, -EAGAIN);
}

void job_abandon(struct tracee *th)
{
	batch_abandon(th);
	if (th->child)
		clone_ended(th, -EAGAIN);
}

static void call_end(struct tracee *th, long result)
{
	switch (th->step) {
	case STEP_RECEIVE:
		th->step = STEP_NONE;
		if (!batch_received(th, result))
			return;
		break;
	case STEP_OPERATION:
		th->step = STEP_NONE;
		operation_end(th, result);
		break;
	case STEP_TRANSFER:
		th->step = STEP_NONE;
		transfer_end(th, result);
		break;
	case STEP_TSC:
		th->step = STEP_NONE;
		th->tsc_off = th->base.no_tsc;
		break;
	case STEP_CLONE:
		if (result < 0)
			th->error = result;
		break;
	default:
		th->step = STEP_NONE;
	}
	job_advance(th);
}

void job_stop(struct tracee *th, int status)
{
	int event = status >> 16, signo = WSTOPSIG(status);
	struct guest_regs r;

	th->state = TRACEE_WAITING;
	if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_CLONE) {
		clone_event(th);
		return;
	}
	if (event || regs_get(th, &r)) {
		job_go_on(th);
		return;
	}
	if (th->step == STEP_WORD) {
		word_stop(th, signo, &r);
		return;
	}
	if (signo == SIGTRAP && r.rip == CALL_DONE)
		call_end(th, (long)r.rax);
	else
		job_go_on(th);
}
