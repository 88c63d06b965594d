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
	struct k_sigaction action[64]; /* by signo - 1 */
};

struct sigqueue {
	struct list node;
	siginfo_t info;
	int overrun;
	struct posix_timer *timer; /* nullable: not freed with the entry */
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
/* Whether @t may signal @target (kill(2)): 0 or -EPERM. */
int signal_permission(struct task *t, struct task *target, int signo);

/* Recomputes TASK_WORK_SIGNAL after the mask, the queues or handlers changed. */
void signal_recalc(struct task *t);
void task_set_blocked(struct task *t, u64 mask);
/* For sigsuspend, ppoll, pselect, epoll_pwait: installs @mask until the call has ended (TASK_WORK_SIGMASK). */
void task_swap_sigmask(struct task *t, u64 mask);

/* The part of task_return_work() that delivers: builds frames, stops, or ends the group. False: the task does not go
 * back to the guest now. */
bool signal_deliver(struct task *t);
long sys_rt_sigreturn(struct task *t, struct call *c);

void sigpending_init(struct sigpending *p);
void sigpending_flush(struct sigpending *p);
/* Tells the parent about a child's stop, continuation or end. */
void signal_notify_parent(struct thread_group *child, int why); /* CLD_* */

/* Futexes on shared words, and what exit does with them (task/futex.c). */
struct futex_table *futex_table_new(struct kernel *k);
void futex_table_free(struct futex_table *t);
int futex_wake(struct task *t, u64 addr, int n, u32 bitset); /* shared key; the number woken or -errno */

#endif
