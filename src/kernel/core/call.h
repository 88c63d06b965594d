/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one system call.
 *
 *	trap event -> call_enter(): user dispatch, ptrace, seccomp (places kept), then the table's handler
 *	handler returns a result           -> call_finish(): result into rax, call_end(), signals, back to the guest
 *	handler returns call_wait(t)       -> parked; when woken, c->step (or the handler) runs again
 *	a signal comes while it is parked  -> it is woken; its next call_wait() gives -ERESTARTSYS
 *
 * The three shapes of blocking calls (the table's line says which):
 *   condition   try; if not yet, wait_add() to queues and `return call_wait(t)`; runs again from its start when woken,
 *               with what it must remember (deadline, file, bytes done) in struct call. No effect may precede the wait.
 *   completion  queue a waiter record, set c->step, wait; the waker writes the result into the record and calls
 *               task_wake(); the step takes it, or, when a signal is pending and it has not happened, dequeues it.
 *   staged      set c->step to what comes next before waiting or ordering something; a step never runs twice.
 *
 * A handler that has had an effect must never run from its start again. User memory is read before effects, since a
 * read may answer CALL_FETCH, after which the handler runs again from its start: pass every negative value on.
 */
#ifndef HUSK_KERNEL_CORE_CALL_H
#define HUSK_KERNEL_CORE_CALL_H

#include "base/types.h"

struct task;
struct file;

struct call;

typedef long call_fn(struct task *t, struct call *c);

/* Results that never reach a guest. The ERESTART values are Linux's (include/linux/errno.h). */
#define ERESTARTSYS           512     /* restart if the handler has SA_RESTART, or when there is no handler */
#define ERESTARTNOINTR        513     /* always restart */
#define ERESTARTNOHAND        514     /* restart when there is no handler, else EINTR */
#define ERESTART_RESTARTBLOCK 516     /* by restart_syscall when there is no handler, else EINTR */
#define CALL_PARK             (-600L) /* parked: the step runs when woken */
#define CALL_FETCH            (-601L) /* user memory must be fetched by the stub: the handler runs again */
#define CALL_NORETURN         (-602L) /* the registers are already right (execve, rt_sigreturn): leave rax alone */
#define CALL_GONE             (-603L) /* the task has ended or goes on elsewhere: do not touch it */

struct call {
	u32 nr;
	bool active; /* between call_enter() and call_end() */
	u64 arg[6];
	call_fn *step;     /* what runs when woken; NULL: the handler */
	u64 deadline;      /* CLOCK_MONOTONIC ns; 0: none. call_wait() arms the task's timer for it */
	bool timed_out;    /* the deadline has passed */
	bool retried;      /* file_wait() has tried again at once: from now on only a wake counts */
	bool hand_off;     /* if it parks: another guest's next calls end the wait (trap_ops.hand_off) */
	struct file *file; /* nullable, owned: put by call_end() */
	size_t done;       /* bytes (or items) done before a wait */
	u64 scratch[6];    /* the handler's, kept over waits, zero at entry */
	void *priv;        /* the handler's, freed by priv_free (nullable) at call_end() */
	void (*priv_free)(struct task *t, void *priv);
	u64 entered; /* ns, for statistics and strace */
};

/* Parks the call: returns CALL_PARK; or -ERESTARTSYS when a signal is pending (wait entries are removed); or
 * -ETIMEDOUT when c->deadline has passed. The caller returns CALL_PARK, turns the others into what its manual
 * says. */
long call_wait(struct task *t);
/* What a call comes to that has moved c->done bytes and would have waited for more, where waiting said @n. */
static inline long call_partly(const struct call *c, long n)
{
	return n == CALL_PARK || !c->done ? n : (long)c->done;
}

/* Handles one call event. */
void call_enter(struct task *t);
/* Has the guest make the call that it has come with once more. */
void call_again(struct task *t);
/* Ends the task's call with @result, which was parked or staged with CALL_GONE... by an event from outside. */
void call_finish(struct task *t, long result);
/* Counts the call among those that are refused on purpose, whatever the guest may: @err, for the handler to return. */
long call_refuse(struct task *t, long err);
/* Drops everything that the call holds: wait entries, timer, file, priv. */
void call_end(struct task *t);
/* Lets a woken task go on; called by the loop. */
void task_run(struct task *t);
/* Back to the guest: t->work, queued copies, registers. Also for faults and interrupts. */
void task_return(struct task *t);

/* The call anew from the task's registers, which a tracer may have changed, with nothing of what the stub read ahead.
 * False: what another call may need is on its way; the call's step runs again then. */
bool call_reload(struct task *t);
/* Ends the call with what is in rax, as its tracer left it: CALL_GONE, to be returned. */
long call_skip(struct task *t);
/* The handler of the task's call, all stages before it done: what it answers. */
long call_handle(struct task *t, struct call *c);
/* The host has given the task back: whatever EFLAGS.TF was for, the tracer's part of it is over. */
void step_end(struct task *t);
/* The host has refused an operation that was queued for @t: its call fails. */
void call_op_failed(struct task *t, long error);
/* The task goes on after a stop: it is put on the runnable list. */
void task_continue(struct task *t);
/* Has the vector state of a task in the kernel brought, which its thread has not (no_xstate); then task_return(). */
void task_whole(struct task *t);

/* Restart of an interrupted call, on the way out (the one place that decides it; kernel/entry and
 * arch/x86/kernel/signal.c): if rax holds one of the ERESTART values, rewinds the registers or sets EINTR.
 * @handler: a guest handler is about to run; @sa_restart: with SA_RESTART. */
void call_restart(struct task *t, bool handler, bool sa_restart);

#endif
