/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the ptrace driver: the kernel process traces every guest thread, as User Mode Linux did before it had a stub.
 *
 *	zygote.c   the first guest process, from which all others come
 *	space.c    host processes and their threads: making, parking, ending
 *	job.c      what a stopped thread has to do before it is the guest's again, one host call after the other:
 *	batch.c    memory operations
 *	word.c     words that are looked at as the guest's own threads do it
 *	copy.c     copies
 *	event.c    stops and deaths as waitpid() tells of them
 *	near.c     on which CPU tracees run
 *	memory.c   guest memory and registers
 *	driver.c   struct trap_ops
 *
 * PTRACE_SYSEMU stops a thread at each call and keeps the host from making it. Host calls that the guest's memory
 * needs are made by a stopped thread: its registers are set to run one syscall instruction of the stub's image, and an
 * int3 behind it gives the thread back. Only registers say what is called: what other threads of the guest could write
 * to takes no part in it. Such a call stops its thread twice and the kernel process never waits for it.
 *
 * There is no channel and no code of the stub's own on the way: a tracee can neither lie nor refuse.
 */
#ifndef HUSK_TRAP_PTRACE_PTRACE_H
#define HUSK_TRAP_PTRACE_PTRACE_H

#include <sys/ptrace.h>
#include <sys/uio.h>

#include "channel/channel.h"
#include "host/onecpu.h"
#include "host/poller.h"
#include "trap/oplog.h"
#include "trap/settle.h"
#include "trap/trap.h"
#include "trap/xstate.h"

/* The descriptors of every guest process, after HUSK_SOCKET_FD. */
#define TRACER_TRANSFER_FD (HUSK_SOCKET_FD + 1)

#define POKE_MAX 256 /* bytes that are copied word by word rather than by way of the memfd */

enum tracee_state {
	TRACEE_NEW,     /* ordered: not there yet */
	TRACEE_HELD,    /* stopped, the kernel's */
	TRACEE_WAITING, /* stopped; its job begins when another thread of the space has ended its own */
	TRACEE_BUSY,    /* runs a host call of the job */
	TRACEE_RUNNING, /* the guest has it */
	TRACEE_FREE,    /* stopped; its task is gone; to be used again */
};

/* What a held thread was told to do. */
enum tracee_job {
	JOB_RESUME, /* queued operations and copies, then the guest */
	JOB_RUN,    /* queued operations and copies, then held again */
	JOB_FORK,   /* queued operations, then a clone of the process */
	JOB_THREAD, /* queued operations, then a clone of the thread */
};

/* Which call of the job is under way. */
enum tracee_step {
	STEP_NONE,
	STEP_RECEIVE, /* recvmsg() of the batch's descriptors */
	STEP_OPERATION,
	STEP_CLOSE, /* close_range() of them */
	STEP_WORD,
	STEP_TRANSFER, /* pread() or pwrite() of a copy by way of the memfd */
	STEP_CLONE,
	STEP_TSC, /* prctl(PR_SET_TSC) */
};

struct completion {
	struct list node; /* in ptrap->completions */
	trap_done_fn *done;
	void *arg;
	long result;
	bool kept;             /* part of something else: not to be freed */
	struct tracee *failed; /* to be freed afterwards, with its space when that is new */
};

struct tracee {
	struct trap_thread base;
	struct pspace *space;
	int tid; /* host; 0: not known yet */
	enum tracee_state state;
	struct list node;    /* in space->threads or space->free */
	struct list by_tid;  /* in ptrap->by_tid[] */
	struct list waiting; /* in space->waiting, or ptrap->orders of the zygote */

	struct list event_node; /* in ptrap->events */
	struct trap_event event;

	enum tracee_job job;
	enum tracee_step step;
	u64 epoch;      /* space->settling's when it was given to the guest */
	bool tsc_off;   /* the host has been told that reading the time stamp counter is SIGSEGV */
	u64 log_mark;   /* the log up to this number goes along */
	u32 batch_left; /* operations of the batch still to be made */
	u32 batch_fds, batch_next_fd; /* descriptors that were received, and used */
	long error;                   /* the first that failed */
	bool entry_stop;              /* without SYSEMU: its call is still to be cancelled */
	bool interrupt_wanted;        /* as soon as it runs */
	bool interrupting;            /* asked of the host, and not stopped yet */

	/* See near.c. */
	int cpu;                 /* that it is bound to; -1: none */
	bool is_out, far;        /* runs; on a CPU of the scheduler's choice */
	bool gone;               /* reaped: its number may be another's */
	u64 went, mean_out;      /* when it was last let go; ns from there to its stop, of late */
	struct list beside_node; /* in near->beside */

	struct guest_regs host_regs; /* as the host has them */
	bool host_regs_known;

	/* Copies that go along. */
	struct iovec to[32];
	u32 ncopies, out_used;
	u32 out_next, out_at; /* the copy that is transferred next, and where its bytes begin */
	bool transferred;     /* has a place in the memfd */
	u64 in_addr;
	u32 in_size;
	bool in_ready;
	struct trap_word *word;

	struct tracee *child;  /* of JOB_FORK, JOB_THREAD */
	struct tracee *parent; /* whose child it is; NULL: none, or it is made */
	bool first;            /* of a space of its own */
	bool stopped_once;     /* a clone has come to its first stop */
	struct completion run;
	struct completion *order; /* of the clone that makes this thread; NULL: none outstanding */

	/* What is copied. Last, and not cleared at the start: most of it is never touched. */
	u8 out[TRAP_COPY_MAX], in[TRAP_COPY_MAX];
};

struct pspace {
	struct trap_space base;
	struct ptrap *trap;
	struct list node; /* in ptrap->spaces */
	int pid;          /* host; 0 before the clone and after reaping */
	bool put, killed;
	struct list threads, free, waiting;
	struct tracee *carrier; /* the one thread that makes calls now */
	struct oplog log;
	struct settling settling;
	struct list dead_node; /* in ptrap->dead */
	int death_signo;
};

#define TID_BUCKETS 256
#define MAX_EARLY   64

/* See near.c. */
struct near {
	bool one_cpu; /* all of us have but one */
	bool refused;
	bool bound; /* the service thread, to the CPU below */
	int timer;
	struct watch watch;
	struct list beside; /* tracees that are out, on our CPU */
	u64 stops, seen;    /* of those, counted; when the timer last rang */
	u32 out;            /* tracees that are out, wherever */
	u32 yields;         /* since one was let go */
	u32 in_a_row;       /* yields since nobody was left who had stopped */
	u32 sleepy;         /* resumptions to come without any */
	u32 sleepier;       /* how many that were the last time */
	u64 now;            /* ns: read not long ago */
	u64 away;           /* in yields, since timers were last looked at */
	u64 since;          /* bound */
	u64 choosing_until; /* not to be bound */
	u32 alone;          /* stops in a row at which nobody else was out */
	struct onecpu one;  /* the last CPU, and what the service thread may use else */
};

struct ptrap {
	struct poller *poller;
	struct trap_config config;
	int sigchld;
	struct watch sigchld_watch;
	bool stops; /* there may be stops to collect */
	bool sysemu;
	bool no_call_info; /* the host has no PTRACE_GET_SYSCALL_INFO (Linux < 5.3) */
	struct list spaces, dead, events, completions, orders;
	struct list by_tid[TID_BUCKETS];
	struct pspace *zygote, *spare;
	bool spare_ordered;
	int early[MAX_EARLY]; /* clones that stopped before their parent told of them; 0: none */
	/* Descriptors go to guest processes over one socket, one batch at a time. */
	int socket, guest_socket;
	int transfer; /* memfd: bytes on their way where the host has no process_vm_writev(); -1: it has neither */
	int first_fd; /* the number that guest processes receive the first descriptor of a batch as */
	struct tracee *receiver;
	struct completion reserve[8]; /* for failures that have no thread of their own */
	struct xstate_layout xstate;
	size_t regset_size; /* of NT_X86_XSTATE */
	u64 vdso_start, vdso_end, vdso_code;
	struct near near;
};

static inline struct ptrap *ptrap_of(struct trap *t)
{
	return (struct ptrap *)t;
}

/* The ptrace request that stops a thread at its next call; the host makes none that was stopped so, but where there is
 * no SYSEMU each must be cancelled. */
static inline int until_call(const struct ptrap *t)
{
	return t->sysemu ? PTRACE_SYSEMU : PTRACE_SYSCALL;
}

static inline struct pspace *pspace_of(struct trap_space *s)
{
	return (struct pspace *)s;
}

static inline struct tracee *tracee_of(struct trap_thread *t)
{
	return (struct tracee *)t;
}

/* zygote.c */
int tracer_zygote(struct ptrap *t, char *why, size_t size);

/* space.c */
struct pspace *pspace_new(struct ptrap *t); /* NULL: no memory */
struct tracee *tracee_new(struct pspace *s);
void tracee_set_tid(struct tracee *th, int tid);
struct tracee *tracee_find(struct ptrap *t, int tid);
void tracee_free(struct tracee *th);
void pspace_kill(struct pspace *s);
void pspace_free(struct pspace *s);
/* The host process of @s is gone and reaped. */
void pspace_died(struct pspace *s, int signo);
/* Orders a clone of @parent (held) as @child: a new process when @child's space is another. */
void order_clone(struct tracee *parent, struct tracee *child);
/* The zygote is idle: the next order, or a space ahead of need. */
void orders_next(struct ptrap *t);
/* A record of a callback to come. Never NULL. */
struct completion *completion_new(struct ptrap *t, trap_done_fn *done, void *arg);
/* The callback is to be made; @failed: nullable. */
void completion_due(struct ptrap *t, struct completion *c, long result, struct tracee *failed);
/* The clone that was to make @child has ended: @result 0 or -errno. */
void order_end(struct tracee *child, long result);
/* Calls back all that has ended. */
void completions_run(struct ptrap *t);
/* Frees all that nobody will hear of. */
void completions_drop(struct ptrap *t);
void tracer_space_new(struct trap *trap, struct trap_thread **thread, trap_done_fn *done, void *arg);
void tracer_space_fork(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done,
		       void *arg);
void tracer_thread_new(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done,
		       void *arg);
void tracer_thread_put(struct trap_thread *thread);
void tracer_space_put(struct trap_space *space);
bool tracer_spaces_dying(struct trap *trap);

/* Address of a place in the scratch memory, HUSK_SCRATCH_... */
static inline u64 scratch_at(u64 offset)
{
	return HUSK_CHAN_BASE + offset;
}

/* job.c */
void job_start(struct tracee *th, enum tracee_job job);
/* A busy thread has stopped: @status as of waitpid(). */
void job_stop(struct tracee *th, int status);
/* Nothing will come of what @th is doing: it has died or was let go. */
void job_abandon(struct tracee *th);
/* @child, which is being made, has come to its first stop, or has died before. */
void job_child_stopped(struct tracee *child);
void job_child_died(struct tracee *child);
/* The next call of the job, or its end. */
void job_advance(struct tracee *th);
/* Sets a stopped thread going in the stub. One that has just been killed is told of by waitpid(). */
void job_begin(struct tracee *th, const struct guest_regs *r, enum tracee_step step, int request);
/* Has a stopped thread begin the host call @nr. */
void job_call(struct tracee *th, enum tracee_step step, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
/* Lets a busy thread go on after a stop that does not end its step. */
void job_go_on(struct tracee *th);
/* Registers for code of the stub's at @rip. */
struct guest_regs job_regs(const struct tracee *th, u64 rip);
/* Makes one host call by a stopped thread and waits for it, before the first guest runs: its result. */
long call_now(struct ptrap *t, struct tracee *th, long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);

/* batch.c */
/* Begins a batch of the log's operations; false when another space is receiving: job_advance() comes again then. */
bool batch_begin(struct tracee *th);
/* The call that received the descriptors has ended; false: it failed, which is the guest's own doing (somebody has
 * written into the message) and its end. */
bool batch_received(struct tracee *th, long result);
void operation_begin(struct tracee *th);
void operation_end(struct tracee *th, long result);
/* Begins the call that closes the batch's descriptors. */
void batch_close(struct tracee *th);
/* @th, which may be receiving, has died or was let go. */
void batch_abandon(struct tracee *th);

/* word.c */
void word_begin(struct tracee *th);
/* The thread that looks at a word has stopped by @signo. */
void word_stop(struct tracee *th, int signo, struct guest_regs *r);

/* copy.c */
/* Makes the copies of @th's job that are left: 0 or -EFAULT. */
long copies_make(struct tracee *th);
/* Whether copies of @th's job are too large to be written word by word: transfer_begin() makes the next of them. */
bool transfer_wanted(const struct tracee *th);
void transfer_begin(struct tracee *th);
void transfer_end(struct tracee *th, long result);
/* Frees @th's place in the memfd. */
void transfer_drop(struct tracee *th);
size_t tracer_precopied(struct trap_thread *thread, void *to, u64 addr, size_t size);
size_t tracer_copy_out(struct trap_thread *thread, u64 addr, const void *from, size_t size);
int tracer_copy_in(struct trap_thread *thread, u64 addr, size_t size);

/* near.c */
int near_start(struct ptrap *t); /* 0 or -errno */
void near_stop(struct ptrap *t);
/* Lets the stopped @th go by the ptrace request @request: every way for a tracee to run but the trials of zygote.c. */
void near_go(struct tracee *th, int request);
/* It has stopped; or nobody waits for that any more; or it has been reaped. */
void near_came(struct tracee *th);
void near_forget(struct tracee *th);
void near_gone(struct tracee *th);
/* Gives way to tracees on our CPU: whether one may have stopped meanwhile. */
bool near_give_way(struct ptrap *t);
/* The tracee on our CPU that was let go first; NULL: there is none. */
struct tracee *near_expected(struct ptrap *t);
/* Nobody is left who has stopped. */
void near_none_left(struct ptrap *t);
/* The service thread has slept. */
void near_slept(struct ptrap *t);

/* event.c */
int tracer_next(struct trap *trap, struct trap_event *event);
void tracer_interrupt(struct trap_thread *thread);
/* Tells who waited for all threads of @s, after one of them has stopped. */
void tracer_settled(struct pspace *s);
int tracer_settle(struct trap_space *space, trap_done_fn *done, void *arg);
void event_add(struct tracee *th, enum trap_event_type type);

/* memory.c */
int regs_get(struct tracee *th, struct guest_regs *regs);
int regs_set(struct tracee *th, const struct guest_regs *regs);
/* The guest's own, of a thread that has stopped in its code: into base.regs; and back, as far as they have changed. */
int regs_take(struct tracee *th);
void regs_load(struct trap_thread *thread); /* the rest of those of a call that is lazy */
/* Whether, with @rax and the number of a call, the host would begin that call anew. */
bool restarts(u64 rax);
void regs_give(struct tracee *th, const struct guest_regs *regs);
/* Word by word, through a stopped thread: bytes, or -EFAULT. */
long memory_peek(struct tracee *th, void *to, u64 addr, size_t size);
long memory_poke(struct tracee *th, u64 addr, const void *from, size_t size);
size_t tracer_direct_max(const struct trap *trap);
long tracer_read(struct trap_space *space, void *to, u64 addr, size_t size);
long tracer_write(struct trap_space *space, u64 addr, const void *from, size_t size);
size_t tracer_xstate_size(struct trap *trap);
void tracer_xstate_get(struct trap_thread *thread, void *to);
int tracer_xstate_set(struct trap_thread *thread, const void *from, size_t size);
/* Learns the layout of vector state from the stopped @th: 0 or -errno. */
int xstate_layout(struct ptrap *t, struct tracee *th);

#endif
