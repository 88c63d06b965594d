/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How guests are caught: the one interface between the kernel and the trap drivers.
 *
 * A *space* is a host process with one address space. A *thread* is a host thread in it that runs one guest
 * task. A thread is either *running* (the guest or the stub has it) or *held* (the kernel has it). Only a
 * held thread's registers, vector state and copies may be touched. A running thread becomes held by an event
 * from trap_next(); a held one becomes running by trap_resume(), trap_run() or trap_resume_call().
 *
 * Memory operations (struct trap_op) are queued per space in one log and carried out late, by whichever held
 * thread of the space is resumed or run next, in the order in which they were queued and before that thread's
 * copies. One that overlaps an operation which another thread may still be carrying out waits for that
 * thread's acknowledgement.
 *
 * Completion callbacks (trap_done_fn) are called from inside trap_next(), never from inside the ordering
 * call.
 *
 * Everything that comes from a guest process is a lie until proved: drivers bound every offset and index that
 * they read from shared memory, and learn host pids from the host alone. A space whose shared memory makes no
 * sense is killed and reported by TRAP_DIED.
 */
#ifndef HUSK_TRAP_TRAP_H
#define HUSK_TRAP_TRAP_H

#include "base/list.h"
#include "channel/foreseen.h"
#include "channel/known.h"
#include "channel/memory.h"
#include "channel/short.h"
#include "channel/user_state.h"
#include "host/types.h"

struct trap;
struct trap_space;
struct donee;
struct poller;
struct trap_config;

/* General registers, in the order of Linux's struct user_regs_struct (arch/x86/include/asm/user_64.h). */
struct guest_regs {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 orig_rax; /* the call's number on TRAP_CALL, else ~0 */
	u64 rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

/* Those of a thread that is to begin at @rip, with the stack @rsp. */
static inline struct guest_regs regs_at(u64 rip, u64 rsp)
{
	return (struct guest_regs){
		.rip = rip, .rsp = rsp, .cs = USER_CS, .ss = USER_DS, .eflags = USER_FLAGS, .orig_rax = ~0UL};
}

enum trap_event_type {
	TRAP_CALL = 1, /* a system call: its number, an int, in orig_rax, rax as the guest had it, the six
			     arguments in the registers, rip behind the instruction */
	TRAP_SITE, /* registers as for TRAP_CALL, of one that came by a signal and that the stub will answer: to be
			     made again */
	TRAP_FAULT,       /* signo, code, addr, error, trapno */
	TRAP_INTERRUPTED, /* trap_interrupt() took it in guest code; or, with in_call, out of a host call of
			     the stub */
	TRAP_OP_FAILED, /* a queued operation failed with `error`; its undo() has been called; the rest stays
			   queued */
	TRAP_DIED,      /* `space` is gone (thread is NULL): killed by signo, or by husk for meddling (signo
			 * SIGKILL); told once the space has an owner */
	TRAP_DEEDS,     /* a running stub of `space` has made memory calls: deeds() has them (no thread) */
	TRAP_LOST, /* the driver's own process is gone: no space can be made any more (no thread, no space) */
};

/* x86's page fault, by the names of arch/x86/include/asm/trapnr.h and trap_pf.h: trap number, bits of its error code. */
#define X86_TRAP_PF  14
#define X86_PF_WRITE 0x2
#define X86_PF_INSTR 0x10

struct trap_event {
	enum trap_event_type type;
	struct trap_thread *thread;
	struct trap_space *space;
	int signo, code;
	u64 addr, error; /* fault address; hardware error code, or the negative errno of TRAP_OP_FAILED */
	u32 trapno;      /* x86 trap number of a fault */
	bool in_call;    /* TRAP_INTERRUPTED: the call in orig_rax was blocking in the host */
	bool timed;      /* in_call: the call had a timeout */
};

/* A thread's Syscall User Dispatch: what comes from [offset, offset + len), wrapping around, is left alone. */
struct user_dispatch {
	bool on;
	u64 offset, len;
	u64 selector; /* guest address of the byte that says whether; 0: always */
};

/* What a stub needs to make a dispatched call the thread's SIGSYS by itself, and to come back from the handler: as of
 * struct k_sigaction, sigaltstack(2) and the thread's last fault. */
struct user_handler {
	u64 on;
	u64 handler, restorer, flags;
	u64 adds; /* signals that are blocked in the handler, beside the thread's mask */
	u64 alt_sp, alt_size, alt_flags;
	u64 err, trapno, fault_addr;
};

/* The driver embeds these two at the start of its own structures; owner is the kernel's. */
struct trap_thread {
	struct trap_space *space;
	struct guest_regs regs; /* valid while held; the kernel edits it in place */
	/* Of a call: only orig_rax, rax and the arguments are in regs, and of these only rax may be changed; load()
	 * brings the rest. */
	bool lazy;
	bool answered; /* the kernel's, of a call that is lazy: rax has been changed */
	void *owner;   /* struct task */
	bool held;
	bool by_patch;  /* this call came from a patched site, not by a signal */
	bool no_xstate; /* its vector state is still in the CPU: whole() brings it */
	/* The kernel's, while held: a driver with a stub has calls looked at by it before they take any short way, and
	 * says not_dispatched of those that are to go on. */
	struct user_dispatch dispatch;
	bool not_dispatched;
	struct user_handler user_handler; /* off: dispatched calls are the kernel's */
	/* The thread's signal mask, and what is pending for it: the kernel's, while held. With mask_lent a stub may change
	 * the mask, and has the thread take a turn when it unblocks something pending; mask_told: it has changed it since,
	 * to what is in mask, the guest's to lie about. */
	bool mask_lent, mask_told;
	u64 mask, pending;
	/* The kernel's, while held: what a stub may answer without it (channel/short.h): SHORT_BIT()s; and the results of
	 * calls with a constant one, plus 1 (0: ask). */
	u32 short_ways;
	bool no_tsc; /* to read the time stamp counter is SIGSEGV for the guest */
	u32 constants[NR_CONSTANT_CALLS];
	/* With SHORT_MEMORY: where the stub may make memory calls by itself; borrowed while the thread is held; another
	 * version, another content. What it has made: deeds() says, and must be asked before anything else is done. */
	const struct memory_leave *leave;
	u64 leave_version;
	bool has_deeds;
	/* The kernel's, while held and as far as the driver has foreseen_take(): what is known of the thread's next calls, until
	 * it is taken back (channel/foreseen.h). asked: PTRACE_SYSCALL has been answered, and is to be carried out before
	 * anything else. */
	struct trap_foreseen {
		int pid; /* 0: nothing */
		bool quiet;
		u32 size;
		u8 info[HUSK_FORESEEN_INFO];
	} foreseen;
	bool foreseen_asked;
	/* The kernel's, while held and as far as the driver has known_take(): what a stub may be told of two descriptors
	 * (channel/known.h), until it is taken back. closed: KNOWN_CLOSE_* of those that it has closed since. */
	struct trap_known {
		u8 bits;
		int fd[2];
		u32 flags;
	} known;
	u8 closed;
};

struct trap_space {
	struct trap *trap;
	void *owner; /* struct mm */
	bool dead;   /* the host process is gone or being killed */
	/* The kernel's (vfs/donate.h): */
	struct donee *donee; /* owned; NULL: it has been given no file */
	bool no_files;       /* and is not to be given any */
};

typedef void trap_done_fn(void *arg, long result);

enum trap_op_kind {
	TRAP_OP_MAP = 1, /* mmap(addr, len, prot, flags, fd or anonymous, offset): flags must hold MAP_FIXED
			    or NOREPLACE */
	TRAP_OP_UNMAP,   /* munmap(addr, len) */
	TRAP_OP_PROTECT, /* mprotect(addr, len, prot) */
	TRAP_OP_REMAP,   /* mremap(addr, len, new_len, flags, new_addr) */
	TRAP_OP_ADVISE,  /* madvise(addr, len, flags = advice) */
	TRAP_OP_SEAL,    /* mseal(addr, len), where the host has it */
	TRAP_OP_MINCORE, /* mincore(addr, len), vector into *vec, one byte a page, at most 4096 pages */
	/* The driver's own: */
	TRAP_OP_DONATE, /* fd is donated file number addr from now on, as the word offset says */
	TRAP_OP_CLOSE,  /* donated files from number addr on, len of them, go */
};

struct trap_op {
	enum trap_op_kind kind;
	u64 addr, len;
	int prot, flags;
	struct hostfd fd; /* TRAP_OP_MAP: borrowed until trap_op() returns (the driver keeps a duplicate) */
	u64 offset;
	u64 new_addr, new_len;
	bool alone;         /* no thread of the space goes back to the guest before it is carried out */
	u8 *vec;            /* TRAP_OP_MINCORE: borrowed until done */
	trap_done_fn *undo; /* nullable; called exactly once: with -errno when the operation failed (put the
			     * store back), with 0 when it is known to have been carried out (free arg) */
	void *arg;
};

/* One word that the stub changes atomically for a dying thread, or reads, in the guest's own memory. */
enum trap_word_kind {
	TRAP_ROBUST_EXIT = 1, /* walk the robust list at addr for tid; *result gets the words to wake */
	TRAP_CMPXCHG,         /* 32 bits at addr: if old then new */
};

struct trap_word {
	enum trap_word_kind kind;
	u64 addr;
	u32 old, new; /* TRAP_ROBUST_EXIT: old = the dying thread's tid */
	u64 wake[64]; /* out: addresses of robust futex words whose waiters are to be woken */
	u32 nwake;    /* out */
	s64 result;   /* out: the old value of TRAP_CMPXCHG, or -EFAULT */
};

/* What became of queued copies: a copy that failed leaves -EFAULT here until the next trap_run() or
 * trap_resume(). */

struct trap_ops {
	const char *name;
	bool traces;      /* the kernel process makes ptrace(2) calls */
	bool resumes_new; /* threads of space_fork() may be resumed before they are there */

	/* Starts the driver: the zygote, its filter, descriptors in @poller. 0 or -errno with a sentence in
	 * @why. */
	int (*start)(struct trap **out, struct poller *poller, const struct trap_config *config, char *why,
		     size_t size);
	/* Kills every host process and does not wait for it: nothing but stop() and what puts things away is called
	 * afterwards. */
	void (*end)(struct trap *trap);
	void (*stop)(struct trap *trap); /* kills and reaps every space; frees @trap */

	/* The next event, without waiting: 1 and *event filled, or 0. */
	int (*next)(struct trap *trap, struct trap_event *event);
	/* How long polling next() pays now, in ns; 0: sleep at once. */
	u64 (*spin_ns)(struct trap *trap);
	/* Announces that the service thread is about to sleep; false when an event has come meanwhile. */
	bool (*sleep_begin)(struct trap *trap);
	void (*sleep_end)(struct trap *trap);

	/* A new, empty space with one held thread whose vector state is that of a fresh program. done(arg, 0
	 * or -errno); *thread is set before. */
	void (*space_new)(struct trap *trap, struct trap_thread **thread, trap_done_fn *done, void *arg);
	/* fork: a copy of @parent's space and of @parent (held) as its one held thread. With resumes_new the thread may
	 * be resumed at once, before done(): it then runs the guest as soon as the host has made it. */
	void (*space_fork)(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done,
			   void *arg);
	/* clone: another thread in @parent's space, held, with @parent's (held) registers and vector state. */
	void (*thread_new)(struct trap_thread *parent, struct trap_thread **thread, trap_done_fn *done,
			   void *arg);
	/* The task has left its (held) thread: the host thread is parked and used again. Consumes @thread. */
	void (*thread_put)(struct trap_thread *thread);
	/* No task is left: the host process is killed and reaped in its time; running threads end. Consumes
	 * @space and all its threads. */
	void (*space_put)(struct trap_space *space);
	/* exec without another space: what @thread, held in a call that came by a signal, has mapped and been given goes (before
	 * anything that is queued from now on; what was queued and not carried out is forgotten), and its vector state is
	 * that of a fresh program. False: this space cannot serve again, and is only good for space_put(). NULL: no space
	 * can. */
	bool (*space_clear)(struct trap_thread *thread);
	/* True while host processes that were let go still hold what they had mapped. */
	bool (*spaces_dying)(struct trap *trap);

	/* Runs the guest on @thread->regs, after the queued operations and copies. */
	void (*resume)(struct trap_thread *thread);
	/* As resume, after TRAP_INTERRUPTED with in_call: goes on with the interrupted host call. */
	void (*resume_call)(struct trap_thread *thread);
	/* Carries out the queued operations and copies and comes back: done(arg, 0 or the first -errno); held
	 * again. Of a space that dies before, nobody is called. */
	void (*run)(struct trap_thread *thread, trap_done_fn *done, void *arg);
	/* Completes the registers of a held thread that is lazy. */
	void (*load)(struct trap_thread *thread);
	/* Brings the vector state of a held thread that has no_xstate: done(arg, 0); held again. */
	void (*whole)(struct trap_thread *thread, trap_done_fn *done, void *arg);
	/* Whether no thread of @space runs: all are held. */
	bool (*quiet)(const struct trap_space *space);
	/* Where patched call sites enter the stub (trap/site.h); 0: they cannot, here. */
	u64 (*patch_entry)(struct trap *trap);
	/* The same for `cpuid`: guests are about to come there, so that the answers are to be collected. Only where there is a
	 * patch_entry. */
	u64 (*cpuid_entry)(struct trap *trap);
	/* The kernel parks the call: the thread may sleep at once. A hint. */
	void (*park)(struct trap_thread *thread);
	/* The same, where another guest's next calls end the wait, as between tracer and traced. */
	void (*hand_off)(struct trap_thread *thread);
	/* The call of a held thread will be answered in some ten microseconds: if it sleeps it may wake up meanwhile. A hint.
	 * NULL: threads don't wait for answers that way. */
	void (*rouse)(struct trap_thread *thread);
	/* Whether a running thread sleeps in a host call of the stub: a hint, for /proc. */
	bool (*blocked)(const struct trap_thread *thread);
	/* Takes a running thread: an event of it follows soon (any event), or TRAP_DIED. May be called at any
	 * time. */
	void (*interrupt)(struct trap_thread *thread);

	/* A constant of @thread, which may run, has another value now. */
	void (*constant)(struct trap_thread *thread, enum constant_call call, u32 value);
	/* A running thread with mask_lent: its mask as it is now, the guest's to lie about; more is pending for it. Who tells
	 * first and asks then misses no change of the mask: see stub/mask.c. Drivers that never lend have neither. */
	u64 (*mask_now)(const struct trap_thread *thread);
	void (*tell_pending)(struct trap_thread *thread, u64 pending);
	/* Takes back a running thread's user_handler: from now on dispatched calls come to the kernel. */
	void (*handler_off)(struct trap_thread *thread);
	/* Takes back what was foreseen of a thread, which may run: whether the stub has answered PTRACE_SYSCALL since. And
	 * only that wait4() has nothing to tell. NULL: nothing ever is. */
	bool (*foreseen_take)(struct trap_thread *thread);
	void (*foreseen_noise)(struct trap_thread *thread);
	/* Takes back what is known of a thread's descriptors, which may run: KNOWN_CLOSE_* of those that it has closed. NULL:
	 * nothing ever is. */
	u8 (*known_take)(struct trap_thread *thread);
	/* Has every running thread of @space take a turn (by interrupt) and calls done(arg, 0) once all have: nothing
	 * that they were at before, in a short way or in their CPUs' buffers, is under way any more. 0 or -ENOMEM.
	 * done(arg, -ESRCH) when the space ends before. */
	int (*settle)(struct trap_space *space, trap_done_fn *done, void *arg);
	/* The CPU that a held thread last ran on, as far as the guest's word goes; -1: unknown. */
	int (*cpu)(const struct trap_thread *thread);

	/* Queues a memory operation: 0 or -errno (-ENOMEM). See the top of this file. */
	int (*op)(struct trap_space *space, const struct trap_op *op);
	/* True while operations are queued or unacknowledged. */
	bool (*ops_pending)(struct trap_space *space);
	/* Memory calls that stubs of @space have made by themselves and that were not asked for yet, in order: how many, at
	 * most HUSK_MEMORY_DEEDS. The guest's word. NULL: there are no stubs. */
	u32 (*deeds)(struct trap_space *space, struct memory_deed *deeds);

	/* Copies bytes that the stub read for this call before handing it over. Returns how many of the @size
	 * bytes at guest address @addr, from its start, are to be had (0: none). */
	size_t (*precopied)(struct trap_thread *thread, void *to, u64 addr, size_t size);
	/* Whether a thread that waits for the end of its call can copy meanwhile: ahead() orders @size bytes at @addr (at most
	 * TRAP_COPY_MAX), which the caller has checked, for precopied() to find instead of all that it had. It waits for them a
	 * moment: where they do not come, nothing is there. Both NULL: no. */
	bool (*can_ahead)(struct trap_thread *thread);
	void (*ahead)(struct trap_thread *thread, u64 addr, size_t size);
	/* Queues @size bytes for @addr, to be written by the stub on the way back. Returns how many were
	 * taken. */
	size_t (*copy_out)(struct trap_thread *thread, u64 addr, const void *from, size_t size);
	/* Asks the stub for @size bytes at @addr (at most TRAP_COPY_MAX) during the next run(), once for each; precopied()
	 * has them then, and nothing else. 0, or -ENOSPC while there are as many copies as a run can carry. */
	int (*copy_in)(struct trap_thread *thread, u64 addr, size_t size);
	/* Queues @word for the next run(); borrowed until then. */
	int (*word)(struct trap_thread *thread, struct trap_word *word);
	/* The short way (process_vm_readv/writev): bytes done, or -errno: -EFAULT, -ENOSYS where the host
	 * refuses. May be used on any live space, but sees memory as it is: operations still queued have not
	 * happened. */
	long (*read)(struct trap_space *space, void *to, u64 addr, size_t size);
	long (*write)(struct trap_space *space, u64 addr, const void *from, size_t size);
	/* Up to how many bytes read() and write() cost less than a copy by run(). */
	size_t (*direct_max)(const struct trap *trap);

	/* The vector state of a held thread, not with no_xstate, as a signal frame holds it (struct _fpstate and XSAVE area,
	 * without FP_XSTATE_MAGIC2 behind it): trap_xstate_size() bytes. set() makes bits that the host would
	 * refuse harmless. */
	size_t (*xstate_size)(struct trap *trap);
	void (*xstate_get)(struct trap_thread *thread, void *to);
	int (*xstate_set)(struct trap_thread *thread, const void *from, size_t size);
	/* Queues the vector state, with no_xstate too, to be written to @addr, with FP_XSTATE_MAGIC2 behind it, by the stub on
	 * the way back, and a fresh program's to take its place: get() has that from now on. 0, or -ENOSPC: by get() and
	 * set(), which are possible then. NULL: the same always. */
	int (*xstate_out)(struct trap_thread *thread, u64 addr);

	/* Donated files: the stubs of @space read them by themselves. NULL where there is no stub to do so.
	 * donate(): gives the space a descriptor of what @file is open to, open for reading alone, as *number: 0, -ENOSPC while
	 * there are too many, -ENOMEM or -ENFILE. The guest's descriptor @fd stands for it from donate_name() on (where the
	 * stub has got it by then), for the calls that have an offset of their own alone if @at_only; until donate_unname(): no
	 * look-up that begins later finds it. donate_end(): it has no name any more, and is closed when no thread that found it
	 * before can still be about to use it. */
	int (*donate)(struct trap_space *space, struct hostfd file, u32 *number);
	void (*donate_name)(struct trap_space *space, int fd, u32 number, bool at_only);
	void (*donate_unname)(struct trap_space *space, int fd);
	void (*donate_end)(struct trap_space *space, u32 number);
	/* The guest's descriptor @fd stands for a device that needs no descriptor of the host's (TRAP_DEVICE_*), until
	 * donate_unname(). */
	void (*donate_device)(struct trap_space *space, int fd, u32 what);

	/* How many calls were answered without a turn, by number: added to @count[HUSK_COUNTED_CALLS]. Guests can write
	 * what it is counted from: a hint for --stats. */
	void (*short_calls)(struct trap *trap, u64 *count);
	/* Whether guests can make no host process or thread but those that the kernel ordered. */
	bool (*gated)(struct trap *trap);
	/* Host ids, for /proc and CPU times: the host's pid of @space. */
	struct hostpid (*pid)(struct trap_space *space);
	struct hostpid (*tid)(struct trap_thread *thread);
	/* Where husk's copy of the host's vDSO lies in every guest space: address of its ELF header, or 0;
	 * and of the pages before it that hold its data. */
	u64 (*vdso)(struct trap *trap, u64 *start, u64 *end, u64 *code);
};

struct trap_config {
	/* Called by start(), once at most, while its first process makes its way: whatever the caller has to do before
	 * guests run, and a driver that waits for nothing does not call it. Nullable. */
	void (*meanwhile)(void *arg);
	void *meanwhile_arg;
	struct hostfd
		image; /* what zygotes are executed from, of image_open(); borrowed; -1: the driver's to open */
	bool no_gate;       /* run clones ungated, as where another process holds the notification listener */
	bool no_sysemu;     /* stop each call twice, as where the host has no PTRACE_SYSEMU */
	bool no_patch;      /* call sites are never patched: the GS base is the guest's alone */
	bool no_process_vm; /* do without process_vm_readv/writev, as where the host forbids them */
};

#define TRAP_COPY_MAX 28672UL /* bytes that one run can carry each way */

/* Donated files: guest descriptors that one may have; bytes that a stub reads at once; what is added to a host file's
 * offset to take it from stubs, which makes nothing of what they find there (channel/channel.h). */
#define TRAP_DONATED_FDS  512
#define TRAP_DONATED_READ 0x400000UL
#define TRAP_OFFSET_TAKEN (1L << 43)
/* What stubs do by themselves with some devices. */
#define TRAP_DEVICE_SINK  1u /* whatever is written is gone */
#define TRAP_DEVICE_ZEROS 2u /* what is read are zeroes */

/* The end of guest address space: guests' mappings lie below. */
#define TRAP_GUEST_TOP 0x7ffdfffff000UL

extern const struct trap_ops trap_seccomp, trap_dispatch, trap_ptrace;

#endif
