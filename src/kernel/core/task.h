/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct task: one guest thread, as every room may see it. The operations that make, end and signal tasks are
 * in the task room; this header only holds the data and what the core needs of it.
 */
#ifndef HUSK_KERNEL_CORE_TASK_H
#define HUSK_KERNEL_CORE_TASK_H

#include <signal.h>

#include "base/list.h"
#include "core/call.h"
#include "core/cred.h"
#include "core/kernel.h"
#include "core/timer.h"
#include "core/usermem.h"
#include "core/wait.h"

struct sighand;
struct fdtable;
struct fs_info;

enum task_state {
	TASK_NEW,     /* its host thread is not there yet */
	TASK_RUNNING, /* in the guest (or in the stub) */
	TASK_KERNEL,  /* being served, or on the runnable list */
	TASK_PARKED,  /* waits for task_wake() */
	TASK_STOPPED, /* by a stop signal; SIGCONT or SIGKILL wakes it */
	TASK_TRACED,  /* for its tracer, which lets it go on; SIGKILL wakes it */
	TASK_DEAD,    /* zombie or gone */
};

/* task.work: what is to be done before the task goes back to the guest. */
#define TASK_WORK_SIGNAL 1u /* a signal may be deliverable: signal_pending() */
#define TASK_WORK_EXIT   2u /* its group is exiting or execing: this task must end */
#define TASK_WORK_STOP   4u /* its group is stopping */
#define TASK_WORK_SIGMASK \
	8u /* saved_sigmask is to be restored (sigsuspend, ppoll) unless a handler takes it */
#define TASK_WORK_TRACE  16u /* a stop for the tracer is due, or its answer to one (task/trace.h) */
#define TASK_WORK_ERRAND 32u /* its stub is wanted by others (task/errand.h) */

struct bpf_chain;
struct trace;
struct errand;

struct sigpending {
	u64 set;           /* bit signo - 1 */
	struct list queue; /* struct sigqueue, oldest first */
};

struct task {
	struct kernel *k;
	int tid;
	int refs;
	struct thread_group *group;
	struct list group_node; /* in group->threads */
	struct list hash_node;
	enum task_state state;
	u32 work; /* TASK_WORK_* */

	/* core: the running call */
	struct trap_thread *thread; /* NULL while the task has no host thread */
	struct call call;
	struct list run_node; /* in kernel->runnable */
	/* What comes next when it goes on after a stop; NULL: its call, or the way back. */
	void (*resume)(struct task *t);
	u64 raw_rip, shown_rip; /* where the thread stood, and what the guest may see of it: mm/patch.h */
	bool shown_rcx;         /* rcx held the same */
	bool wake_pending;      /* task_wake() came while the task was being served: do not park it */
	bool returning_call;    /* rax holds the result of a call that is on its way back: a failed operation
				 replaces it */
	bool interrupting;      /* trap_interrupt() was called and no event has come since */
	bool in_host_call; /* taken out of a host call of the stub: resume by resume_call() unless a signal
				 was delivered */
	struct wait_entry *waits;
	struct wait_entry wait_pool[4];
	struct timer call_timer;
	struct usermem mem;
	struct {
		call_fn *fn; /* what restart_syscall runs; NULL: EINTR */
		u64 deadline, arg[4];
	} restart_block;

	/* who and where */
	struct cred *cred;
	struct mm *mm;         /* NULL after exit */
	struct fdtable *files; /* may be shared; NULL after exit */
	struct fs_info *fs;    /* cwd, root, umask; may be shared; NULL after exit */
	char comm[16];
	bool no_new_privs;
	bool no_tsc;     /* reading the time stamp counter is SIGSEGV: PR_SET_TSC, strict mode */
	bool too_many;   /* it has become a user who had more tasks than RLIMIT_NPROC: execve() looks again */
	u8 seccomp_mode; /* SECCOMP_MODE_* */
	struct bpf_chain *
		seccomp; /* counted; NULL but in filter mode, and of a task that has ended (task/seccomp.h) */
	u32 seccomp_filters; /* how many, of a zombie too */
	struct {
		bool known;
		u8 mode;
		const struct bpf_chain *chain; /* borrowed: whose these are */
		u32 ways, constants;           /* what it lets pass always, of what the stub may answer */
	} allowed;                             /* task/short.c */
	struct user_dispatch dispatch;         /* task/dispatch.h */
	int pdeath_signal;

	/* signals (task/signal.h) */
	struct sighand *sighand; /* handlers; may be shared */
	u64 blocked, saved_sigmask;
	u64 real_blocked; /* the mask outside sigtimedwait, while one waits; else 0 */
	struct {
		u32 trapno;
		u64 error, addr;
	} last_fault;              /* what sigcontext shows: set by mm_fault() */
	struct sigpending pending; /* for this thread; the group's are in struct thread_group */
	struct {
		u64 sp, size;
		int flags;
	} altstack;

	/* being traced, tracing (task/trace.h) */
	struct trace *trace; /* owned; NULL: nobody traces it */
	struct list tracees; /* struct trace, by node */
	struct {
		int code; /* what wait4() tells of the stop, without its last 7f; then what the tracer answered */
		int why;       /* CLD_TRAPPED, or CLD_STOPPED for part in a group stop */
		bool has_info; /* PTRACE_GETSIGINFO has something to tell */
		siginfo_t info;
		u64 message;   /* PTRACE_GETEVENTMSG */
		bool emulated; /* the call at whose entry it stopped is not made */
		bool signal;   /* the stop is for a signal that has been taken from the queue */
		bool may_stop; /* that signal may stop the group: no SIGCONT has come since */
	} stop;
	struct {                        /* work of its stub for others: task/errand.h */
		bool busy;              /* its stub is at it: it goes on when that is done */
		bool go_on;             /* and is to go on then */
		int asker;              /* tid of who has it busy */
		struct errand *now;     /* owned; what the stub is at; nullable */
		struct list waiting;    /* struct errand, owned: for its way back */
		bool pending;           /* it has asked another for one */
		struct errand *brought; /* owned; what came of that */
	} errands;
	int foreseen; /* the task whose stop it knows all of that it may ask next (task/foresee.h); 0: none */
	struct timer foreseen_timer;
	int stop_signal;  /* of the group stop that it has part in */
	bool single_step; /* its tracer has it make one instruction */
	bool watched; /* one instruction after the other: a debug register is enabled (task/trace_watch.c) */
	bool settled; /* the call's operations have been carried out, on the way back */
	bool forced_tf; /* EFLAGS.TF is the tracer's, not the program's */

	/* life */
	bool ending; /* task_exit() has begun: its state is TASK_DEAD, its host thread may still do last work */
	struct mm_release *release; /* last work on guest memory that is under way; nullable */
	u64 cpu_base;               /* CPU time of its host thread before it was this task's, ns */
	int exit_code;              /* as wait4() gives it */
	int exit_signal;            /* sent to the parent when the last thread ends; -1: none (a thread) */
	u64 clear_child_tid, set_child_tid;
	u64 robust_list;
	struct task *vfork_parent; /* waits for our exec or exit */
	struct wait_queue
		vfork_wait; /* on which our parent's clone waits for us, when we are a vfork child */
	u64 start_ns;
	u64 utime_ns, stime_ns;
	u64 min_flt, maj_flt, nvcsw, nivcsw;
	u64 timer_slack_ns;
	struct task_io { /* /proc/PID/io */
		u64 rchar, wchar, syscr, syscw;
	} io;
	u64 cpu_mask[16]; /* sched_setaffinity: 1,024 CPUs */
	int nice, sched_policy, sched_priority;
	bool sched_reset_on_fork;
	u16 ioprio; /* as ioprio_set(2) has it */
	u32 personality;
};

/* The task whose host thread an event belongs to. */
static inline struct task *thread_task(struct trap_thread *thread)
{
	return thread->owner;
}

static inline bool signal_pending(const struct task *t)
{
	return t->work & (TASK_WORK_SIGNAL | TASK_WORK_EXIT | TASK_WORK_STOP | TASK_WORK_TRACE);
}

/* Brings what task_regs() has not yet. */
void task_load_regs(struct task *t);

static inline struct guest_regs *task_regs(struct task *t)
{
	if (t->thread->lazy)
		task_load_regs(t);
	return &t->thread->regs;
}

/* Makes the task look at t->work soon: interrupts it in the guest, wakes it where it is parked or stopped; from a stop for
 * its tracer only to end. */
void task_kick(struct task *t);

#endif
