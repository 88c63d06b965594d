/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Being traced: who traces whom, and the stops that tracers see (ptrace(2); kernel/ptrace.c, kernel/signal.c).
 *
 * A traced task has a struct trace, which hangs on the list of its tracer, a task as well: only that thread may ask
 * things of it (the ptrace room), while any thread of the tracer's group may wait for it.
 *
 * A stop has four parts. trace_stop() notes what is told of it and has the stub carry out what is still queued for the
 * task's memory, so that the tracer sees it; then the task is TASK_TRACED and its tracer hears of it; the tracer looks, and
 * answers with trace_resume(); the task goes on with what task->resume says, or with the step of its call. Where the
 * task was running is known by where it stops:
 *
 *	call_enter()       before a call, and by the verdict of its seccomp filter
 *	call_finish()      after it
 *	signal_deliver()   a signal was taken from the queue; the group stops; the tracer has asked for a stop
 *	task_clone(), task_exec(), task_exit()   events
 *
 * A task that must end does not stop, but for PTRACE_EVENT_EXIT, and goes on from any stop. The thread of a stopped task
 * is held, and its registers are the tracer's to change.
 *
 * The end of a traced thread that is no leader is its tracer's to wait for: it stays as a zombie (group->kept) and holds
 * back its group's end and its siblings' execve until then.
 */
#ifndef HUSK_KERNEL_TASK_TRACE_H
#define HUSK_KERNEL_TASK_TRACE_H

#include <signal.h>

#include "task/task_ops.h"

struct mm;

struct trace {
	struct list node; /* in tracer->tracees */
	struct list
		news; /* in tracer->group->news, from when it was told of something until nothing is left to tell */
	struct task *task, *tracer;
	bool may_all; /* who made the link had CAP_SYS_PTRACE then: set-id programs stay what they are (ptracer_capable()) */
	bool seized;    /* by PTRACE_SEIZE: stops are told apart */
	u32 options;    /* PTRACE_O_* */
	bool calls;     /* PTRACE_SYSCALL: stop before and after the next call */
	bool emulate;   /* PTRACE_SYSEMU: the next call is not made */
	bool want_stop; /* a group stop or PTRACE_INTERRUPT: stop on the way back */
	bool notify;    /* something has happened since PTRACE_EVENT_STOP was told */
	bool listening; /* PTRACE_LISTEN: stopped, but not to be asked anything */
	u64 debug[8];   /* debug registers, by trace_get_debug() */
	u64 watched[4]; /* what the watched words were, */
	u64 known[4];   /* of which words that is (0: it is not known), */
	u64 seen[4];    /* and what they are behind the step, */
	int looking;    /* as far as they have been looked at */
	struct trap_event step;
	bool reaching; /* PTRACE_ATTACH waits until a stopped task is a traced one */
};

/* ---- trace.c: links ---- */

/* PTRACE_TRACEME, PTRACE_ATTACH and PTRACE_SEIZE, rights being checked. 0 or -errno. */
int trace_by_parent(struct task *t);
int trace_begin(struct task *tracer, struct task *t, bool seize, u32 options);
/* PTRACE_DETACH: the task goes on with @signo (0: none). */
void trace_detach(struct task *t, int signo);
/* @child has been made by @t: with @always or where an event of its making is told (@event is not 0), it has the same
 * tracer. 0 or -ENOMEM. */
int trace_inherit(struct task *t, struct task *child, bool always);
/* @t traces nobody any more: it ends. */
void trace_release_all(struct task *t);
/* Nobody traces @t any more, which is about to be forgotten. */
void trace_forget(struct task *t);
/* Whether the tracer of @t belongs to another process than its parent. */
bool trace_by_stranger(const struct task *t);
/* A zombie that its tracer has waited for. */
void trace_reap(struct task *t);
/* Whether a thread that has ended stays until its tracer has waited for it. */
bool trace_keeps(const struct task *t);
/* A traced task has come into the space that it runs on: its stub's short ways end. */
void trace_enter_space(struct task *t);
/* Its instructions are about to be looked at one by one: they are the program's own from now on, in the whole space. */
void trace_see_steps(struct task *t);
/* It is about to leave @mm (nullable): for another space, or for ever. */
void trace_leave_space(struct task *t, struct mm *mm);
void trace_init(struct kernel *k); /* registers operations */

/* ---- trace_stop.c: stops ---- */

/* What comes next when the task goes on: see task->resume. */
typedef void trace_next(struct task *t);

/* Stops with PTRACE_EVENT_@event where the tracer asked for it: true; then the task goes on with the step of its call. With
 * EXEC and no such wish, SIGTRAP is sent in the old way. */
bool trace_event(struct task *t, int event, u64 message);
/* The same for PTRACE_EVENT_EXIT: it goes on with @next. */
bool trace_exit_event(struct task *t, int code, trace_next *next);
bool trace_event_wanted(const struct task *t, int event);
/* A signal has been taken from the queue: true when the task stops for it. */
bool trace_signal(struct task *t, const siginfo_t *info);
/* What the tracer made of it: true, and *info, when it is to have its effect. */
bool trace_answer(struct task *t, siginfo_t *info);
/* A handler's frame has been made for a task that was told to make one step: true when it stops. */
bool trace_handler(struct task *t);
/* On the way back: true when the task stops because of its group or because its tracer asked for it. */
bool trace_stop_due(struct task *t);
/* The group has stopped or goes on: a seized task tells its tracer. */
void trace_notify(struct task *t);
/* Asks for a stop on the way back, or a new one out of a listening task. */
void trace_interrupt(struct task *t);
/* Lets a stopped task go on with @answer, a signal or 0. */
void trace_resume(struct task *t, int answer);
/* Tells the tracer by SIGCHLD and wakes who waits: CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED; CLD_EXITED for an end. */
void trace_tell(struct task *t, int why);
/* Stopped, and to be asked things. */
bool trace_is_stopped(const struct task *t);

/* ---- trace_watch.c: debug registers ---- */

/* What debug register @number of @child holds; and sets it, for @t: 0, -EINVAL, -EIO for one that there is not, -ENOMEM, or
 * CALL_PARK as below. */
u64 trace_get_debug(const struct task *child, int number);
long trace_set_debug(struct task *t, struct task *child, int number, u64 value);
/* A call has written to memory: that is no hit. */
void trace_watch_refresh(struct task *t);
/* It has made a step, and is about to stop for that. */
void trace_stepped(struct task *t);
/* kernel_ops.trace_step */
bool trace_watch_step(struct task *t, struct trap_event *event);

/* ---- trace_memory.c: memory ---- */

#define HUSK_TRACE_PIECE 4096UL

/* Reads (writes) up to HUSK_TRACE_PIECE bytes at @addr in the memory of @child, which has stopped for its tracer, whatever
 * their protection: @size, -EIO, -ENOMEM; or CALL_PARK: to be passed on, the handler runs again from its start and asks
 * the same. */
long trace_access(struct task *t, struct task *child, u64 addr, void *buf, size_t size, bool write);
/* Brings the vector state of @child, which has stopped for its tracer: 0, or CALL_PARK as above. */
long trace_whole(struct task *t, struct task *child);
/* A task that runs on @mm and whose stub may be asked; NULL: none. Borrowed. */
struct task *trace_stopped_on(struct kernel *k, const struct mm *mm);

/* ---- trace_access.c: who may look into whom ---- */

#define HUSK_ACCESS_ATTACH 1u /* PTRACE_MODE_ATTACH: Yama is asked, too */
#define HUSK_ACCESS_FS     2u /* PTRACE_MODE_FSCREDS: the ids that count for files */

/* security_ptrace_traceme(): whether @parent may trace its child @t that asks for it. */
bool trace_parent_may(const struct task *parent, const struct task *t);
/* __ptrace_may_access(): 0 or -EPERM. */
int task_may_access(struct task *t, struct task *target, u32 mode);

#endif
