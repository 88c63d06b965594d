/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: sending, queues, handlers, delivery into the guest. signal(7); kernel/signal.c, arch/x86/kernel/signal*.c */
#ifndef HUSK_KERNEL_TASK_SIGNAL_H
#define HUSK_KERNEL_TASK_SIGNAL_H

#include <signal.h>

#include "task/task_ops.h"

/* The kernel's struct sigaction for x86-64. */
struct k_sigaction {
	u64 handler, flags, restorer, mask;
};

struct sighand {
	struct kernel *k;
	int refs;
	struct k_sigaction action[64];   /* by signo - 1 */
	struct wait_queue signalfd_wait; /* woken when a signal comes for a user of these handlers */
};

struct sigqueue {
	struct list node;
	siginfo_t info;
	struct signal_user *user;  /* whom RLIMIT_SIGPENDING counts it for; NULL with a timer */
	struct posix_timer *timer; /* nullable: the entry is part of it and not freed */
};

/* How many signals are queued for all processes of one user. */
struct signal_user {
	struct list node;
	u32 uid;
	long count;
};

struct signal_state {
	struct list users; /* struct signal_user with a count above 0 */
};

#define SIG_BIT(signo) (1UL << ((signo)-1))

struct sighand *sighand_new(struct kernel *k);
struct sighand *sighand_get(struct sighand *s);
struct sighand *sighand_copy(struct sighand *s);
void sighand_put(struct sighand *s);
void sighand_exec(struct sighand *s); /* handlers back to default, ignored ones stay */

/* Sends to one thread, or to a group (any thread that does not block it). 0, or -EAGAIN when the queue limit refuses a
 * real-time signal. No permission check. */
int signal_send_task(struct task *t, const siginfo_t *info);
int signal_send_group(struct thread_group *g, const siginfo_t *info);
/* To every group of a process group; -ESRCH when none. */
int signal_send_pgrp(struct kernel *k, int pgid, const siginfo_t *info);
/* A fault's signal: cannot be blocked or ignored (the task dies instead). */
void signal_force(struct task *t, const siginfo_t *info);
/* An siginfo with SI_KERNEL / SI_USER fields set. */
siginfo_t signal_info(int signo, int code);
/* What a program wrote into @info: of one whose layout Linux knows, its tail is cut off; another must have none: 0 or -E2BIG
 * (known_siginfo_layout()). */
int signal_info_taken(siginfo_t *info);
/* Whether @t may signal @target (kill(2)): 0 or -EPERM. */
int signal_permission(struct task *t, struct task *target, int signo);

/* Recomputes TASK_WORK_SIGNAL after the mask, the queues or handlers changed. */
void signal_recalc(struct task *t);
void task_set_blocked(struct task *t, u64 mask);
/* The signals that @t blocks now. While it runs, its stub may be changing them: t->blocked is what they were at its last
 * turn then. */
u64 task_blocked(const struct task *t);
/* The same for a sender, behind whose back no change of the mask passes: the stub is told what is pending first, and takes
 * a turn as soon as it unblocks any of that. */
u64 task_blocked_sending(struct task *t);
/* For sigsuspend, ppoll, pselect, epoll_pwait: installs @mask until the call has ended (TASK_WORK_SIGMASK). */
void task_swap_sigmask(struct task *t, u64 mask);

/* The part of kernel_ops.return_work that delivers: builds frames, stops, or ends the group. False: the task does not go
 * back to the guest now. */
bool signal_deliver(struct task *t);
long sys_rt_sigreturn(struct task *t, struct call *c);

void sigpending_init(struct sigpending *p);
void sigpending_flush(struct sigpending *p);
/* What si_code says of an end with @status, as wait4() gives it. */
static inline int end_code(int status)
{
	if (!(status & 0x7f))
		return CLD_EXITED;
	return status & 0x80 ? CLD_DUMPED : CLD_KILLED;
}
/* Tells the parent about a child's stop, continuation or end. */
void signal_notify_parent(struct thread_group *child, int why); /* CLD_* */

/* How many signals are queued for the task's user. */
long signal_queued(const struct task *t);
/* Queue accounting; kernel_ops.force_signal, send_signal and the signalfd ones; the futex table. 0 or -ENOMEM. */
int signal_init(struct kernel *k);
void signal_fini(struct kernel *k);
/* Registers kernel_ops.send_sigio. */
void sigio_init(struct kernel *k);

/* Takes the next signal of @mask out of the task's queues, then the group's: its number and *info, or 0. */
int signal_dequeue(struct task *t, u64 mask, siginfo_t *info);
/* What is pending for @t, in its own queue and its group's. */
u64 signal_pending_set(const struct task *t);
/* A task ends: what it was chosen for goes to its siblings, a stop no longer waits for it, its own queue is emptied.
 * Called once, while it is still among group->threads. */
void signal_task_exit(struct task *t);
/* The group's last thread is gone: empties the shared queue, stops every timer. */
void signal_group_exit(struct thread_group *g);
/* Sends with si_code and, in si_pid and si_uid, @from as the sender. */
siginfo_t signal_info_from(struct task *from, int signo, int code);
/* Whether no member of @pgid has a parent outside the group but in the same session (setpgid(2)). */
bool pgrp_orphaned(struct kernel *k, int pgid, const struct thread_group *ignore);
/* The steps inside sending and delivering, shared by this room's files. */
bool signal_ignored(const struct task *t, int signo);
int sigqueue_add(struct task *t, struct sigpending *p, const siginfo_t *info);
/* Queues an entry that the sender owns (a timer's): false when the signal is dropped. */
bool signal_queue_entry(struct task *t, struct sigpending *p, struct sigqueue *q, bool group);
void sigpending_remove(struct sigpending *p, u64 mask);
void group_stop_begin(struct task *t, int signo);
void task_stop_now(struct task *t);
/* A thread has stopped or ended: true when the stop is complete with it, and the parent is to be told. */
bool group_stop_done(struct thread_group *g);
void group_continue(struct thread_group *g);
/* kernel_ops.frames_suffice: nothing but handlers are due, and the stub writes the vector state into their frames. */
bool signal_frames_suffice(const struct task *t);
int signal_frame_push(struct task *t, const struct k_sigaction *action, const siginfo_t *info);
int sigaltstack_set(struct task *t, u64 sp, u64 size, int flags, u64 user_sp);

#define SIGNAL_STOPS                                              \
	(SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | \
	 SIG_BIT(SIGTTOU)) /* default action: stop \ */
#define SIGNAL_IGNORED    (SIG_BIT(SIGCONT) | SIG_BIT(SIGCHLD) | SIG_BIT(SIGWINCH) | SIG_BIT(SIGURG))
#define SIGNAL_UNMASKABLE (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))
/* SA_RESTORER is the kernel's own flag: libc's headers do not show it. */
#define HUSK_SA_RESTORER 0x04000000u
/* Its signal cannot be kept from a task by a tracer. */
#define HUSK_SA_IMMUTABLE 0x00800000u

/* Interval timers and POSIX timers (task/itimer.c, task/posix_timer.c). Values in ns. */
struct itimer {
	u64 value, interval;
};
/* setitimer(2) for ITIMER_*: *old (nullable) gets what it was; @new nullable: only look. 0, -EINVAL, -ENOMEM. */
int itimer_set(struct thread_group *g, int which, const struct itimer *new, struct itimer *old);
struct posix_timers *posix_timers_of(struct thread_group *g); /* made at first use; NULL: no memory */
void posix_timers_exec(struct thread_group *g); /* execve deletes POSIX timers and keeps interval timers */
void posix_timers_free(struct thread_group *g);
/* Its signal was taken out of a queue: arms the next period, writes si_overrun. */
void posix_timer_dequeued(struct posix_timer *timer, siginfo_t *info);

/* Clocks (task/clock.c): any clock id of clock_gettime(2), dynamic CPU clocks too. ns, or -EINVAL. */
int clock_read(struct task *t, int clock, s64 *ns);
/* When @clock shows @ns, as CLOCK_MONOTONIC (at least 1): for wall clocks that timers may use; else -EINVAL or, for CPU
 * clocks, -EOPNOTSUPP. */
int clock_to_monotonic(struct kernel *k, int clock, s64 ns, u64 *mono);

/* Futexes on shared words, and what exit does with them (task/futex.c). */
struct futex_table *futex_table_new(struct kernel *k);
void futex_table_free(struct futex_table *t);
int futex_wake(struct task *t, u64 addr, int n, u32 bitset); /* shared key; the number woken or -errno */

#endif
