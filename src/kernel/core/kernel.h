/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One kernel: all state of one sandbox hangs off struct kernel, and one service thread owns it. No locks, no
 * mutable file-scope state, so that a process could hold several.
 */
#ifndef HUSK_KERNEL_CORE_KERNEL_H
#define HUSK_KERNEL_CORE_KERNEL_H

#include "base/list.h"
#include "base/rbtree.h"
#include "core/klog.h"
#include "core/stats.h"
#include "trap/trap.h"

struct task;
struct file;
struct mm;
struct inode;
struct thread_group;
struct call;
struct vfs;
struct pid_table;
struct futex_table;
struct helper_pool;
struct call_entry;
struct tracer;
struct wait_queue;
struct kernel;
struct signal_state;
struct synth_ops;
struct text;

/* What a higher room does for the core; each is set once, by its room's *_init(), and never NULL afterwards. */
struct kernel_ops {
	/* mm: 0 if all of [addr, addr+len) may be read (written) by the guest, growing a stack where Linux
	 * would; else the number of bytes that may, in *ok, and -EFAULT. */
	int (*access)(struct task *t, u64 addr, u64 len, bool write, u64 *ok);
	/* mm: a host fault. 0: resolved (resume); else a signal for the task was forced. */
	void (*fault)(struct task *t, const struct trap_event *event);
	/* mm: what the task's call returns after the host refused its operation with @error (it has been
	 * undone). */
	long (*op_refused)(struct task *t, long error);
	/* task: the task's own Syscall User Dispatch, when it has one: 0 when its call goes on, 1 when it has become a
	 * signal, CALL_FETCH. */
	long (*dispatch_call)(struct task *t);
	/* task: fills short_ways and constants of the task's thread, which goes back to the guest. */
	void (*short_ways)(struct task *t);
	/* mm: a call came by a signal: its site may be worth patching (mm/patch.h). These three are NULL when nothing is
	 * patched; the second and third are called for tasks whose mm has patches alone. */
	void (*call_seen)(struct task *t);
	/* mm: makes the instruction pointer what it would be without patches, in the address of *event (nullable) too. */
	void (*place_shown)(struct task *t, struct trap_event *event);
	/* mm: and the way back from it. */
	void (*place_real)(struct task *t);
	/* mm: @size bytes in @bytes were read from @addr: makes patched code what it is in its file. */
	void (*code_shown)(struct mm *mm, void *bytes, u64 addr, size_t size);
	/* mm: a stub has made memory calls by itself: the store takes them over. */
	void (*memory_told)(struct mm *mm);
	/* mm: whether the operation that the host has just refused was one of patching, which the guest knows nothing of. */
	bool (*own_op_refused)(struct task *t);
	/* task: before @t, which has user dispatch, goes back: gives the trap leave to deliver dispatched calls. */
	void (*dispatch_ready)(struct task *t);
	/* task: the stub has changed the task's signal mask. */
	void (*mask_told)(struct task *t, u64 mask);
	/* task: the verdict of the task's own filters on its call, when it has a seccomp_mode: false when the call
	 * goes on, else *result is what a handler would have answered. */
	bool (*filter_call)(struct task *t, long *result);
	/* task: a traced task's call begins: true when the task has stopped, and its step runs when it goes on; then
	 * trace_skips() says whether the call is not to be made. */
	bool (*trace_entry)(struct task *t);
	bool (*trace_skips)(struct task *t);
	/* task: a traced task's call has ended: true when the task has stopped; it goes on with task_return(). */
	bool (*trace_exit)(struct task *t);
	/* task: a task with debug registers has made an instruction, or faults: true when nobody is to hear of it. */
	bool (*trace_step)(struct task *t, struct trap_event *event);
	/* task: a tracer whose stub knew what to answer has let the stopped task go on. */
	void (*foreseen_asked)(struct task *t);
	/* task: before @t goes back: what its stub may be told of descriptors. */
	void (*known_tell)(struct task *t);
	/* task: takes that back from k->lent; and closes what the stub of @t has closed. */
	void (*known_end)(struct kernel *k);
	void (*known_closed)(struct task *t);
	/* task: a task that has stopped for its tracer goes on to its end. */
	void (*trace_stop_ends)(struct task *t);
	/* task: runs everything in t->work before the task goes back to the guest: signals, stops, group
	 * exit. False when the task does not go back now (stopped, exiting, parked). */
	bool (*return_work)(struct task *t);
	/* Whether return_work() will do nothing for which it must have the thread's vector state. */
	bool (*frames_suffice)(const struct task *t);
	/* task: TASK_WORK_ERRAND of a task that waits: true when its stub is at work. */
	bool (*errand)(struct task *t);
	/* task: a fault's signal that cannot be blocked or ignored: si_code @code, si_addr @addr. */
	void (*force_signal)(struct task *t, int signo, int code, u64 addr);
	/* task: a signal by the kernel to one thread (SIGPIPE) or, with @group, to its whole group. */
	void (*send_signal)(struct task *t, int signo, int code, bool group);
	/* task, for signalfd: takes the next pending signal of @mask into *siginfo (a siginfo_t): its number,
	 * 0 for none; the set of what is pending; the queue that is woken when a signal comes for @t. */
	int (*signal_take)(struct task *t, u64 mask, void *siginfo);
	u64 (*signal_pending)(const struct task *t);
	struct wait_queue *(*signal_wait)(struct task *t);
	/* task: tells the owner of @f (F_SETOWN) that @event (EPOLLIN, EPOLLOUT, EPOLLMSG) has come; @fd: what siginfo
	 * shows. */
	void (*send_sigio)(struct file *f, int fd, u32 event);
	/* task: the CPU time of all processes, ns. */
	void (*cpu_times)(struct kernel *k, u64 *utime, u64 *stime);
	/* task: the soft limit (RLIMIT_*) of the task's group. */
	u64 (*limit)(struct task *t, int resource);
	/* task: the controlling terminal of the task's session, borrowed; NULL when it has none. */
	struct tty *(*ctty)(struct task *t);
	/* task: job control before reading from (writing to) a terminal: 0, or -ERESTARTSYS after SIGTTIN, or
	 * -EIO. */
	int (*tty_check)(struct task *t, struct tty *tty, bool write);
	/* task: a signal from the keyboard (or SIGWINCH) to the terminal's foreground group. */
	void (*tty_signal)(struct tty *tty, int signo);
	/* task: @t has opened @tty without O_NOCTTY; it becomes its controlling terminal where Linux says so. */
	void (*tty_opened)(struct task *t, struct tty *tty);
	/* task: the terminal is gone: SIGHUP to the leader of its session, which loses it. */
	void (*tty_hangup)(struct tty *tty);
	/* boot: the first program has stopped; nullable. */
	void (*first_stopped)(struct kernel *k);
	/* task: the pid of the task's process. */
	int (*tgid)(const struct task *t);
	/* vfs: drops a reference */
	void (*file_put)(struct file *f);
	/* mm: the bytes of the file @i, which was @size bytes long, are another host file's from now on: its mappings are made
	 * anew. */
	void (*file_moved)(struct kernel *k, struct inode *i, u64 size);
	/* task: the host process behind @mm died by @signo. */
	void (*space_died)(struct mm *mm, int signo);
};

struct bpf_arena;
struct rlimit;

struct kernel {
	struct trap *trap;
	const struct trap_ops *trap_ops;
	struct poller *poller;
	const struct call_entry *calls; /* by number, HUSK_NR_CALLS of them */
	struct kernel_ops ops;
	const struct rlimit *caller_limits; /* RLIM_NLIMITS of them, for the first process; nullable */

	struct task *current; /* whose call is being handled; NULL between calls */
	struct task *lent; /* whose stub knows something of descriptors (channel/known.h); NULL: nobody's */
	struct list runnable; /* tasks that were woken and wait for the service thread */
	struct rb_root timers;
	u64 now; /* CLOCK_MONOTONIC in ns, refreshed once a loop pass; kernel_now() reads it afresh */

	struct pid_table *pids;       /* task room */
	struct futex_table *futexes;  /* task room */
	struct signal_state *signals; /* task room: queue accounting */
	u64 memory_pages;             /* mm room: what the host has, for overcommit */
	u64 mm_number;                /* mm room: of the last address space that was made */
	struct list mms;              /* mm room: struct mm */
	struct {
		u64 words[32];
		u32 left;
	} random;        /* mm room: the host's, fetched ahead and each used once */
	bool host_seals; /* mm room: the host has mseal(2), so that seals are its own, too */
	u64 leaves;      /* mm room: versions of leave that were given (mm/leave.c) */
	u64 shared_ino;  /* mm room: the last number given to a shared anonymous mapping */
	struct vfs *vfs; /* vfs room: mounts and file systems */
	struct helper_pool *helpers;
	struct tracer *tracer;       /* --strace, or NULL */
	struct patch_store *patches; /* mm room: what is known of call sites; NULL: none is patched */
	struct klog log;             /* dmesg */
	struct bpf_arena *bpf_arena; /* where guests' filters are compiled to; NULL: they are interpreted */
	u32 seccomp_unlogged;        /* actions that the log does not hear of: core/seccomp_actions.h */
	u64 audit_serial;            /* of the last record of a filter's verdict */
	u64 fdtables;                /* vfs room: the last number given to a descriptor table */
	u64 anon_ino;                /* vfs room: the last number given to a pipe or socket */
	const struct synth_ops *proc_pids; /* task room: what /proc shows of processes */
	struct list unix_socks;            /* net room: all sockets, struct unix_sock */
	struct list unix_bound;            /* net room: the named ones among them */
	void (*unix_show)(struct kernel *k,
			  struct text *out); /* net room: /proc/net/unix; NULL: no socket was made */
	struct list unix_doomed;             /* net room: messages that are about to be freed */
	bool unix_purging;
	struct {
		struct list list; /* sockets that are in messages, struct unix_sock */
		u32 count, closed;
		bool collecting;
	} unix_travellers;      /* net room */
	struct list ttys;       /* fs room: host terminals, struct tty */
	u32 npty;               /* the same: made so far */
	struct pty_table *ptys; /* fs room: husk's own; NULL while there are none */
	struct stats stats;

	struct thread_group *first; /* the program that husk was asked to run */
	int ptrace_scope;           /* task room: of Yama, /proc/sys/kernel/yama/ptrace_scope */
	bool job_control;   /* a shell outside waits for husk: when the first program stops, so does husk */
	bool ended;         /* the first program has ended: leave the loop */
	bool stopping;      /* task_shutdown() has begun: no completion of the trap comes any more */
	int exit_status;    /* of the first program, as wait4() gives it */
	const char *reason; /* why the sandbox ended: "exited", "signaled", "time_limit", ... */

	char hostname[65], domainname[65];
	char core_pattern[128]; /* task room: which file a core goes to (task/coredump_name.c) */
	bool core_uses_pid;
	u64 boot_ns, boot_realtime_ns;
	int ncpus;        /* of the machine: their numbers are below */
	u64 cpu_mask[16]; /* that husk may use, and its first program */

	struct object_count {
		const char *name;
		long live;
	} objects[32]; /* counted types, for the leak report at the end */
	int nobjects;
};

/* CLOCK_MONOTONIC now, in ns. */
u64 kernel_now(struct kernel *k);

/* Counts one object of @name more (+1) or less (-1), in debug builds, which report what is left at the end. */
#ifdef HUSK_DEBUG
void object_count(struct kernel *k, const char *name, long by);
#else
static inline void object_count(struct kernel *k, const char *name, long by)
{
}
#endif

/* The event loop: serves until k->ended. */
void kernel_loop(struct kernel *k);

#endif
