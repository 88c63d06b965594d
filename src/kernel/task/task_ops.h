/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of tasks, for the rooms above and beside: thread groups, the pid table, exec, exit.
 */
#ifndef HUSK_KERNEL_TASK_TASK_OPS_H
#define HUSK_KERNEL_TASK_TASK_OPS_H

#include <sys/resource.h>

#include "core/task.h"

/* A process as Linux's manuals mean it: the threads that share a pid, limits, timers and group signals. */
struct thread_group {
	struct kernel *k;
	int refs;
	int tgid;
	struct task *leader;         /* a leader that exited stays as a zombie until its threads are gone */
	struct list threads;         /* struct task, by group_node; live ones and the zombie leader */
	int nthreads;                /* live ones */
	int kept;                    /* ended ones for which their tracer has not waited */
	bool threaded;               /* there has been more than one */
	struct thread_group *parent; /* NULL: husk itself is init (pid 1) */
	struct list children;        /* struct thread_group, by sibling */
	struct list sibling;
	int parent_tid_of_death_signal; /* the parent's thread that made it, for PR_SET_PDEATHSIG and
					   __WNOTHREAD */
	int pgid, sid;
	bool session_leader, execed;  /* setpgid's EACCES after exec */
	int tty_old_pgid;             /* of a leader: who was in the foreground when its terminal hung up */
	struct tty *ctty;             /* controlling terminal of the session, nullable */
	struct wait_queue child_wait; /* parents in wait4() */
	struct list news;             /* struct trace of what its threads trace, by news: task/wait.c */
	struct wait_queue exit_wait;  /* pidfds: woken when it becomes a zombie */
	struct inode *pidfs; /* owned: what all its pidfds are open files of; NULL: there was none yet */
	bool subreaper, has_child_subreaper;
	int ptracer;          /* PR_SET_PTRACER: whom Yama lets trace; -1: anybody, 0: nobody but ancestors */
	u64 ptracer_start_ns; /* and its start_ns, so that nobody else with its number is meant */

	struct sigpending shared_pending;
	struct coredump *dump; /* owned; a core file is due before its threads end: task/coredump.h */
	bool exiting;          /* exit_group() or a fatal signal: group_exit_code */
	int exit_code;
	struct task *exec_task;                 /* the task whose execve waits for its siblings to end */
	bool stopped, stop_reported, continued; /* job control, for wait4(WUNTRACED|WCONTINUED) */
	int stop_signal;
	bool stopping; /* threads with TASK_WORK_STOP have yet to stop */
	bool zombie;
	int exit_status; /* of a zombie */

	struct rlimit limits[RLIM_NLIMITS];
	struct timer real_timer;           /* ITIMER_REAL */
	struct timer cpu_limit;            /* RLIMIT_CPU is looked at */
	u64 real_interval, real_expires;   /* expires: CLOCK_MONOTONIC; 0: off */
	struct posix_timers *posix_timers; /* signal/time code */
	u64 itimer_virt[2], itimer_prof[2];
	u64 start_ns;
	bool borrows_space; /* a vfork child: the host process's CPU time is its parent's until it execs */
	u64 utime_ns, stime_ns, cutime_ns, cstime_ns; /* of ended threads; of waited-for children */
	u64 min_flt, maj_flt, cmin_flt, cmaj_flt, nvcsw, nivcsw, cnvcsw, cnivcsw, maxrss_kb, cmaxrss_kb;
	struct task_io io; /* of ended threads */
	int oom_score_adj;
	bool thp_disabled; /* PR_SET_THP_DISABLE: kept and told */
};

/* The pid table. */
struct task *task_find(struct kernel *k, int tid);                 /* borrowed; NULL */
struct thread_group *group_find(struct kernel *k, int tgid);       /* borrowed; zombies too */
struct thread_group *group_next(struct kernel *k, int after_tgid); /* ordered walk, for /proc and kill(-1) */
struct task *task_get(struct task *t);
void task_put(struct task *t);

/* Boot: the first process: tgid 2 (husk itself is pid 1, init), its own session; resolves and reads @path like execve, for
 * which no trap is needed. 0 and *out, which one of the two below consumes, or -errno (-ENOENT, -EACCES, -ENOEXEC...) with
 * nothing left behind. @files, @fs, @cred are consumed on success. */
struct exec;
int task_prepare_first(struct kernel *k, const char *path, char *const argv[], char *const envp[],
		       struct fdtable *files, struct fs_info *fs, struct cred *cred, struct exec **out);
void task_start_first(
	struct exec *e); /* orders its space, and patches its linker meanwhile: it is on its way */
void task_forget_first(struct exec *e);

/* Ends the calling task (its thread is held): never returns to the guest. Afterwards the task must not be
 * touched. */
void task_exit(struct task *t, int code);
/* exit_group or a fatal signal: every thread of the group will end with @code. */
void group_exit(struct thread_group *g, int code);
/* kernel_ops.space_died */
void task_space_died(struct mm *mm, int signo);

#define TASK_FPREGS_SIZE 512UL /* of vector state without XSAVE's extended area */

/* The vector state of a held task, not with no_xstate, as the register sets NT_PRFPREG (its first TASK_FPREGS_SIZE bytes) and
 * NT_X86_XSTATE have it: its size; *out is malloc()ed, the caller's. -ENOMEM. */
long task_fpstate(struct task *t, char **out);

/* CPU time of a task, of a whole group, from the host: ns. */
void task_times(struct task *t, u64 *utime, u64 *stime);
void group_times(struct thread_group *g, u64 *utime, u64 *stime);
void all_times(struct kernel *k, u64 *utime, u64 *stime); /* kernel_ops.cpu_times */

void task_init(struct kernel *k); /* pid table; registers operations */
/* Kills every guest and frees the table, at the end. */
void task_shutdown(struct kernel *k);

#endif
