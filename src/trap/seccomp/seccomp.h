/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the seccomp driver.
 *
 *	zygote.c     the first guest process, from which all others come
 *	space.c      host processes: their beginning and death
 *	region.c     channel regions with socket and doorbell, used again
 *	spawn.c      where spaces and threads come from and go
 *	clone.c      orders for processes and threads, one in flight, let through the gate
 *	batch.c      operations and copies carried along with an answer
 *	event.c      what the ready words announce, and what the slots say
 *	answer.c     what goes back to the guest
 *	idle.c       spinning and sleeping
 *	interrupt.c  taking threads that run; the watchdog
 *	together.c   the service thread and a seldom caller on one CPU
 *	family.c     the service thread and processes that wait for each other on one CPU
 *	apart.c      the service thread and frequent callers on different ones
 *	copy.c       guest memory and vector state
 *	short.c      what the stub may answer without a turn, and how often it did
 *	leave.c      memory calls that the stub makes without a turn
 *	donate.c     files that the stub reads by itself
 *	foreseen.c   what tracers ask next
 *	cpuid.c      what the processor says of itself
 *	driver.c     struct trap_ops
 */
#ifndef HUSK_TRAP_SECCOMP_SECCOMP_H
#define HUSK_TRAP_SECCOMP_SECCOMP_H

#include <linux/seccomp.h>

#include "base/list.h"
#include "channel/channel.h"
#include "host/onecpu.h"
#include "host/poller.h"
#include "trap/fds.h"
#include "trap/oplog.h"
#include "trap/settle.h"
#include "trap/trap.h"
#include "trap/xstate.h"

enum thread_state {
	THREAD_NEW,      /* ordered: not there yet */
	THREAD_STARTING, /* the same, with its first answer: it runs as soon as it is there */
	THREAD_HELD,     /* the kernel has it */
	THREAD_WAITING,  /* held, and to be answered as soon as other threads have acknowledged */
	THREAD_RUNNING,  /* the guest has it */
	THREAD_CLONING,  /* carries out an order */
	THREAD_FREE,     /* its task is gone; parked in its slot, to be used again */
};

struct sthread {
	struct trap_thread base;
	struct sspace *space;
	u32 index;         /* of its slot */
	struct slot *slot; /* shared with the guest */
	int tid;           /* host */
	enum thread_state state;
	bool first;               /* of a process whose clone failed */
	struct list ready_node;   /* in trap->ready: its turn word is to be looked at */
	struct list waiting_node; /* in space->waiting */
	struct list node;         /* in space->threads or space->free */
	struct list out_node;     /* in space->out, while it is out */
	struct list tid_node;     /* in trap->by_tid, while it has a tid */
	enum stub_answer answer;  /* the answer in flight, or to be given when WAITING */
	bool fresh;               /* was given its first answer as STARTING, and has taken no turn since */
	bool partial;         /* in flight is only a part of the log: the rest follows before that answer */
	u64 fs_base, gs_base; /* as the host thread has them */
	bool frame_wanted;    /* whole() is on its way */
	bool at_fault; /* came by a fault, and with base.lazy its registers are all still in the slot */
	struct thread_start *start; /* owned; of a thread that is about to serve again */
	bool watched;               /* in trap->watched */
	int cpu;                    /* where it ran when it was held, as it says */
	/* See family.c. */
	bool bound, far; /* to the service thread's CPU; it computes, or did */
	struct list family_node;
	u64 went; /* cycles: when it was answered, while the family is on */
	/* As the slot has them. */
	struct user_dispatch given_dispatch;
	bool dispatch_given;
	bool tsc_touched; /* its leave to read the time stamp counter was taken once */
	struct user_handler given_handler;
	bool handler_given;
	bool mask_given; /* slot->mask is the thread's, slot->pending too */
	u64 given_mask, given_pending;
	u64 given_leave; /* the version; 0: none */
	bool foreseen_given;
	u8 known_given; /* KNOWN_* */
	u32 deeds_taken;

	u64 epoch;     /* space->settling's when the answer was decided that it has, or that it waits for */
	u64 log_mark;  /* the log up to this number goes along: what is queued later belongs to others */
	u64 held_mark; /* the log's number when the thread came to the kernel: what is older is others' */

	/* The batch in flight. */
	u32 batch;
	struct list carried;         /* struct log_entry, in order */
	bool alone;                  /* among them is one that no other thread may run beside */
	u32 ncarried, first_carried; /* index in the slot's operations of the first */
	u32 nops;
	struct stub_op ops[HUSK_MAX_OPS]; /* the batch, as it is put into the slot */
	struct list unacked_node;         /* in space->unacked: some of it may not be carried out yet */
	bool with_fds;
	bool ack_asked;                              /* slot->ack_wanted is set */
	u32 first_copy, carried_copies, carried_out; /* its copies: index of the first, how many, bytes */

	/* Copies for the next batch. */
	struct stub_op copies[24];
	u32 ncopies, out_used;
	bool line_copy; /* the answer in flight says of one copy in its own line */
	bool line_op;   /* or of one operation, ops[0] */
	u64 copy_addr, copy_size;
	struct trap_word *word;
	u8 *mincore_vec;
	u64 mincore_pages;

	/* What the stub read ahead, checked. */
	u32 nin;
	struct slot_piece in[HUSK_MAX_IN];
	u32 order_word;         /* the turn word of the last order to copy ahead */
	struct slot_piece next; /* what it was for; len 0: none is on its way */
	bool no_ahead;          /* one was not carried out in time: no more in this call */
	u32 uc_offset, fpstate_offset;

	trap_done_fn *run_done;
	void *run_arg;
	struct order *order; /* as parent */
	u32 short_calls;     /* slot->stub_calls when it was last looked at, and slot->counts */
	u32 short_counts[NR_CONSTANT_CALLS + NR_SHORT_CALLS];
	bool published; /* the slot has base.short_ways and base.constants as in: */
	u32 short_ways;
	u32 constants[NR_CONSTANT_CALLS];

	bool interrupt_wanted;  /* asked for while it could not be taken */
	u64 interrupted_at;     /* ns; 0: no interrupt outstanding */
	u64 interrupted_cpu;    /* its CPU time then, in clock ticks */
	u32 interrupted_asleep; /* looks in a row that found it asleep with the interrupt delivered */
	struct list interrupt_node;
};

struct sspace {
	struct trap_space base;
	struct strap *trap;
	struct list node;     /* in trap->spaces */
	struct list out_node; /* in trap->out, while threads are out */
	struct list pid_node; /* in trap->by_pid, while it has a pid */
	int pid;              /* host; 0 before the clone and after reaping */
	bool put;             /* the kernel has let it go */
	bool killed;
	struct region *region;
	struct region_pool *pool; /* of what its children leave; NULL: it has had none */
	struct region_pool *from; /* nullable: where its own region goes */
	u32 alone;                /* threads that carry out such operations */
	struct list threads, free, waiting;
	struct list out, unacked; /* threads of which that is so: most of a thousand sleep */
	struct sthread *by_index[HUSK_NR_SLOTS];
	struct oplog log;
	struct settling settling;
	struct donations *donations; /* owned; NULL: it has been given no file */
	u32 batches;
	int running;            /* threads that are out: thread_is_out() */
	struct list dead_node;  /* in trap->dead: its death is to be reported */
	struct list dying_node; /* in trap->dying: it was killed, and is not reaped */
	int death_signo;
};

/* A channel region, the kernel's mapping of it, and the doorbell and the socket that go with it. */
struct region {
	struct list node; /* in a pool when unused */
	int fd, bell;
	int socket, guest_socket; /* the kernel's end; the process's, kept open to be sent to the next one */
	char *base;
	struct watch watch;
};

/* Regions that may be used again by a child of one and the same process. */
struct region_pool {
	struct strap *trap;
	struct list regions;
	int refs;    /* that process, and its children that live */
	bool closed; /* the process is gone */
};

/* A clone on its way: at most one in flight. */
struct order {
	struct list node;
	struct sthread *parent, *child;
	struct sspace *space; /* of a fork: the child's; NULL for a thread */
	bool started, gated, parent_done, child_ready;
	u32 looks;      /* at whether the clone has come */
	int dead_child; /* a child of no space that has ended meanwhile; 0: none */
	long result;
	u64 log_mark; /* the log as it was when the kernel copied its store for the child */
	u64 started_at;
	trap_done_fn *done;
	void *arg;
};

/* A callback that is due. */
struct completion {
	struct list node;
	trap_done_fn *done;
	void *arg;
	long result;
	struct sthread
		*child; /* nullable: of a clone that failed, to be freed when the kernel has heard of it */
};

/* See together.c. */
struct together {
	struct sthread *thread; /* who made the last turn; nullable */
	bool mixed;             /* others did, too, in this window */
	bool on, refused;
	u32 turns, seen; /* in this window; at the watchdog's last look */
	u32 quick;       /* short sleeps in a row */
	u64 since;
	struct onecpu own, callers; /* while on: that CPU, and what each might use before */
};

/* See family.c. */
struct family {
	bool on, refused;
	int timer; /* -1: not made yet */
	struct watch watch;
	struct list bound;             /* sthreads */
	int out;                       /* those of them that are out: they cannot run while we do */
	u64 since, forked, not_before; /* cycles: when it began; the last fork; the next trial */
	u64 ended;                     /* ns */
	u32 turns, strangers,
		beside; /* since the last look: of those bound, of others; who ran beside, summed up */
	struct onecpu
		one; /* while on: that CPU, and what all may use else; kept for children that come later */
};

/* See apart.c. */
struct apart {
	bool on;
	u32 near, needed; /* calls in a row of sleepers on our own processor; that make us act */
	u64 since;        /* cycles: the first of these, or when it began */
	u32 turns;        /* taken since it began */
};

#define PID_BUCKETS 256

struct strap {
	struct poller *poller;
	struct trap_config config;
	struct kpage *kpage;
	int kpage_fd, listener, sigchld, watchdog, procfs;
	struct watch listener_watch, sigchld_watch, watchdog_watch;
	struct sspace *zygote;
	struct list out;                 /* spaces of which threads are out */
	struct list by_pid[PID_BUCKETS]; /* spaces */
	struct list by_tid[PID_BUCKETS]; /* threads */
	struct list spaces, ready, orders, completions, dead, dying, interrupts;
	u32 ndying;
	bool reap_all;        /* the watchdog is to ask after all children */
	int nkept;            /* regions in pools */
	struct sspace *spare; /* forked ahead of need, held */
	bool spare_ordered;
	bool multiplies; /* a guest has made a process or thread: more spaces will be wanted than the first program's */
	bool gate, watching;
	bool cpuid_wanted;
	u32 cpuid_asked; /* questions */
	enum dispatch_mode dispatch;
	struct region
		*prepared; /* made ahead of the next clone, while there was nothing else to do; NULL: none */
	struct xstate_layout xstate;
	u64 vdso_start, vdso_end, vdso_code;
	u32 nslots; /* that a region has room for: fewer than its mapping where files must be small */
	int ncpus, page_cpu;
	bool one_cpu;           /* all of us run on one: nobody spins */
	u64 patience, slept_at; /* how long to poll, ns; when the service thread fell asleep */
	u64 cycles_per_us;
	int running; /* threads of all spaces that the guest has */
	struct together together;
	struct family family;
	struct apart apart;
	u64 far_wake_ns; /* what it takes to wake a thread on another processor, of late */
	u64 short_calls[HUSK_COUNTED_CALLS];
	/* Threads whose turn word is looked at without waiting for their announcement: those answered last. */
	struct sthread *watched[4];
	u32 next_watched;
	bool answered;                /* just now, a thread that may run at once */
	struct completion reserve[8]; /* for failures when there is no memory */
};

static inline struct strap *strap_of(struct trap *t)
{
	return (struct strap *)t;
}
static inline struct sthread *sthread_of(struct trap_thread *t)
{
	return container_of(t, struct sthread, base);
}
/* The guest has it, or will. */
static inline bool thread_is_out(const struct sthread *th)
{
	return th->state == THREAD_RUNNING || th->state == THREAD_CLONING || th->state == THREAD_STARTING;
}
static inline struct sspace *sspace_of(struct trap_space *s)
{
	return container_of(s, struct sspace, base);
}

#define load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_seq(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define read_once(x)    (*(const volatile __typeof__(x) *)&(x))

u64 now_ns(void);

/* zygote.c: starts it and waits for its first turn: 0 or -errno and a sentence. */
int zygote_start(struct strap *t, char *why, size_t size);

/* space.c */
/* A space that is to be forked from @parent's (NULL: the zygote itself). */
int space_alloc(struct strap *t, struct sspace *parent, struct sspace **out);
/* Somebody else may have its region: it is not used again. */
void space_keep_region(struct sspace *s);
void space_prepare(struct strap *t); /* makes the next space's region ahead of need */
struct sthread *thread_alloc(struct sspace *s, u32 index);
u32 thread_free_index(struct sspace *s); /* 0: none */
void thread_free(struct sthread *th);
void thread_out(struct sthread *th); /* it counts as one that is out, or no more */
void thread_in(struct sthread *th);
void thread_named(struct sthread *th, int tid); /* the host's number */
void space_named(struct sspace *s, int pid);    /* its host process is known */
struct sspace *space_find(struct strap *t, int pid);
void space_kill(struct sspace *s); /* its death will be reported by SIGCHLD */
void space_free(struct sspace *s);
void space_meddled(struct sspace *s); /* its shared memory makes no sense: kill, report as SIGKILL */
void spaces_reap(struct strap *t);
void spaces_reap_some(struct strap *t, int pid); /* SIGCHLD came for the child @pid, and maybe for others */
bool space_death_due(struct strap *t);           /* whether space_next_dead() has one to tell of */
bool space_next_dead(struct strap *t, struct trap_event *event);

/* region.c */
int region_new(struct strap *t, struct region **out);
void region_free(struct region *r);
/* Its process is gone: emptied and into @pool (nullable), or freed. */
void region_put(struct region *r, struct region_pool *pool);
struct region *region_take(struct region_pool *pool); /* NULL: there is none */
struct region_pool *region_pool_new(struct strap *t); /* NULL: no memory */
struct region_pool *region_pool_get(struct region_pool *pool);
void region_pool_put(struct region_pool *pool);
/* The process whose children it serves is gone: puts its reference, too. */
void region_pool_close(struct region_pool *pool);

/* clone.c */
void order_fork(struct strap *t, struct sthread *parent, struct sspace *space, struct sthread *child,
		trap_done_fn *done, void *arg);
void order_thread(struct strap *t, struct sthread *parent, struct sthread *child, trap_done_fn *done,
		  void *arg);
void orders_poll(struct strap *t); /* starts the first one, or sees to it */
bool orders_due(struct strap *t);  /* the first one waits to be started */
void order_parent_event(struct sthread *parent, long result);
void order_child_ready(struct sthread *child);
/* Whether the host process of @s is still on its way. */
bool order_makes(struct sspace *s);
/* Where the child of the order in flight is to be; NULL: there is none. */
struct sspace *order_space(struct strap *t);
/* Whether memory operations behind @th's mark must wait for a fork of its space that was ordered before them. */
bool order_fork_before(struct sthread *th);
void orders_space_died(struct strap *t, struct sspace *s);
/* The host process @pid, of no space yet, has ended and been reaped. */
void orders_child_died(struct strap *t, int pid);
void gate_poll(struct strap *t); /* answers a clone that waits at the gate, if there is one */
/* Waits a moment for the clone of the order that has just been given: it is long on its way, and none of our work. */
void gate_await(struct strap *t);
void kill_strays(struct strap *t);
int order_send(struct sthread *parent); /* the descriptors of a new process, to the stub that will fork it */
void complete(struct strap *t, trap_done_fn *done, void *arg, long result);
void completion_run(struct strap *t, struct completion *c);
void completion_free(struct strap *t, struct completion *c);
void completions_forget(struct strap *t, struct sthread *child);

/* spawn.c: the trap_ops of these names */
void spawn_space_new(struct trap *trap, struct trap_thread **thread, trap_done_fn *done, void *arg);
void spawn_space_fork(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done, void *arg);
void spawn_thread_new(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done, void *arg);
void spawn_thread_put(struct trap_thread *thread);
void spawn_space_put(struct trap_space *space);
bool spawn_space_clear(struct trap_thread *thread);
bool spawn_spaces_dying(struct trap *trap);
/* Forks a space ahead of need, when there is nothing else to do. */
void space_spare(struct strap *t);
/* @done will never be called: frees @arg if it is this file's. */
void spawn_forget(trap_done_fn *done, void *arg);

/* batch.c */
void batch_answer(struct sthread *th,
		  enum stub_answer answer); /* now, or when other threads have acknowledged */
void batch_retry(struct sspace *s);
/* The stub's report on the batch in flight: true when the kernel is to be told of a failure (*error,
 * negative). */
bool batch_report(struct sthread *th, long result, u32 op_index, long *error);
/* The batch in flight has been carried out: any event of the thread says so. */
void batch_acknowledge(struct sthread *th);
bool batch_pending(struct sspace *s);

/* event.c */
int event_next(struct trap *trap, struct trap_event *event);
/* Puts the threads that have news on trap->ready. */
void events_collect(struct strap *t);
void load_regs(struct trap_thread *thread);
/* @th is about to be answered: the kernel will look for its next call by itself. */
void watch(struct sthread *th);

/* answer.c */
/* Hands @th's slot over, with what is queued for it. */
void answer_now(struct sthread *th);
void handler_off(struct trap_thread *thread);
u64 mask_now(const struct trap_thread *thread);
void tell_pending(struct trap_thread *thread, u64 pending);

/* idle.c */
void idle_begin(struct strap *t); /* the processors and their clock are known */
u64 event_spin_ns(struct trap *trap);
bool event_sleep_begin(struct trap *trap);
void event_sleep_end(struct trap *trap);

/* driver.c: has a held thread without a signal frame get one: done(arg, 0), held again. */
void get_frame(struct sthread *th, trap_done_fn *done, void *arg);
/* The kernel looks no more at @th's turn word by itself: it announces from now on. */
void unwatch(struct sthread *th);
/* Whether husk uses the GS base of guests that don't, to find a thread's slot from patched call sites. */
static inline bool borrows_gs(const struct strap *t)
{
	return t->kpage->fsgsbase && !t->config.no_patch;
}

/* short.c */
void count_short_calls(struct sthread *th);
void short_publish(struct sthread *th); /* into the slot, before the guest gets it */
void short_constant(struct trap_thread *thread, enum constant_call call, u32 value);
void short_calls(struct trap *trap, u64 *count);

/* cpuid.c: asks the processor what guests want to know of it; there is nothing else to do. One question, or as many as it
 * takes until there is, while a processor is free. */
void cpuid_ask(struct strap *t);

/* leave.c */
void leave_init(struct sthread *th);
void leave_publish(struct sthread *th); /* where memory calls may be made: as short_publish() */
bool leave_has_deeds(const struct sthread *th);
u32 leave_deeds(struct trap_space *space, struct memory_deed *deeds);

/* foreseen.c */
void foreseen_init(struct sthread *th);
void foreseen_publish(struct sthread *th); /* as short_publish() */
bool foreseen_asked(const struct sthread *th);
bool foreseen_take(struct trap_thread *thread);
void foreseen_noise(struct trap_thread *thread);

/* donate.c: the trap_ops of these names */
int donate(struct trap_space *space, struct hostfd file, u32 *number);
void donate_name(struct trap_space *space, int fd, u32 number, bool at_only);
void donate_device(struct trap_space *space, int fd, u32 what);
void donate_unname(struct trap_space *space, int fd);
void donate_end(struct trap_space *space, u32 number);
/* @child is about to be forked from @parent, with all that it has been given, and is to close that: 0 or -ENOMEM. */
int donations_fork(struct sspace *parent, struct sspace *child);
/* Has the stub close all that @s has been given; the kernel has ended it. 0 or -ENOMEM. */
int donations_clear(struct sspace *s);
void donations_free(struct sspace *s);

/* interrupt.c */
void thread_interrupt(struct sthread *th);
/* Tells who waited for all threads of @s, after one of them has taken a turn or ended. */
void space_settled(struct sspace *s);
/* The lowest epoch of the threads that run, or will by what was decided; ~0: none does. */
u64 space_oldest_epoch(struct sspace *s);
int space_settle(struct trap_space *space, trap_done_fn *done, void *arg);
void watch_answer(struct sthread *th); /* @th must take a turn soon: the watchdog sees to it */
/* Runs watchdog_check() every few milliseconds while an interrupt or an order is outstanding. */
void watchdog_start(struct strap *t);
void watchdog_check(struct strap *t);

/* together.c */
void together_other(struct sthread *th);
void together_not(struct strap *t); /* who makes calls is best on another CPU, for the time being */
/* Both may run anywhere again. */
void together_end(struct strap *t);
/* @th has no task any more, or ends. */
void together_forget(struct sthread *th);
/* The service thread has slept for so long. */
void together_woke(struct strap *t, u64 now, u64 slept);
void together_check(struct strap *t); /* the watchdog's look */
/* @th has taken a turn. */
static inline void together_turn(struct sthread *th)
{
	struct together *w = &th->space->trap->together;

	if (w->thread != th)
		together_other(th);
	w->turns++;
}

/* family.c */
void family_init(struct strap *t);
void family_stop(struct strap *t);
/* @parent's process is about to be forked; @child is the new one's first thread. */
void family_fork(struct sthread *parent, struct sthread *child);
/* It is there, ordered at @ordered (ns): has inherited what its parent had in between. */
void family_child(struct sthread *child, u64 ordered);
/* @parent is about to clone a thread. */
void family_thread(struct sthread *parent);
/* @th has no task any more, or ends. */
void family_forget(struct sthread *th);
void family_see_answer(struct sthread *th);
void family_see_turn(struct sthread *th);
/* @th is about to be answered. */
static inline void family_answer(struct sthread *th)
{
	if (th->space->trap->family.on)
		family_see_answer(th);
}
/* @th has taken a turn. */
static inline void family_turn(struct sthread *th)
{
	if (th->space->trap->family.on)
		family_see_turn(th);
}
/* Whether the service thread and its callers are on one CPU: nobody spins. */
static inline bool on_one_cpu(const struct strap *t)
{
	return t->one_cpu || t->family.on;
}

/* known.c */
u8 known_now(const struct sthread *th); /* what @th, not out yet, may be told */
void known_publish(struct sthread *th, u8 bits);
void known_read(struct sthread *th); /* with its turn: which descriptors it has closed */
u8 known_take(struct trap_thread *thread);

/* apart.c */
void apart_init(struct strap *t);
void apart_wake(struct sthread *th);       /* from its sleep in the slot's futex */
void apart_rouse(struct sthread *th);      /* the same, a little before its answer is there */
void apart_slept(struct strap *t, u64 ns); /* the service thread, for so long */
/* A turn was taken. */
static inline void apart_turn(struct strap *t)
{
	t->apart.turns++;
}

/* copy.c */
bool copy_can_ahead(struct trap_thread *thread);
void copy_ahead(struct trap_thread *thread, u64 addr, size_t size);
size_t copy_precopied(struct trap_thread *thread, void *to, u64 addr, size_t size);
size_t copy_out(struct trap_thread *thread, u64 addr, const void *from, size_t size);
int copy_in(struct trap_thread *thread, u64 addr, size_t size);
size_t copy_direct_max(const struct trap *trap);
long copy_read(struct trap_space *space, void *to, u64 addr, size_t size);
long copy_write(struct trap_space *space, u64 addr, const void *from, size_t size);
size_t xstate_size(struct trap *trap);
void xstate_get(struct trap_thread *thread, void *to);
int xstate_set(struct trap_thread *thread, const void *from, size_t size);
int xstate_out(struct trap_thread *thread, u64 addr);

#endif
