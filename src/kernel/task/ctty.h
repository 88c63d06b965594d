/* SPDX-License-Identifier: Apache-2.0 */
/* Controlling terminals and job control: which session has which terminal, who is in its foreground. */
#ifndef HUSK_KERNEL_TASK_CTTY_H
#define HUSK_KERNEL_TASK_CTTY_H

#include "task/task_ops.h"

struct tty;

/* The controlling terminal of the task's session, borrowed; NULL. */
struct tty *task_ctty(struct task *t);
/* Makes @tty the controlling terminal of @g's session (@g leads it); takes it away again from all its
 * processes. */
void ctty_set(struct thread_group *g, struct tty *tty);
void ctty_clear(struct kernel *k, struct tty *tty);
/* Before a change of @tty by a process in the background: 0, or -ERESTARTSYS after SIGTTOU. */
int ctty_check_change(struct task *t, struct tty *tty);
/* Sends @signo, which came to husk from the host's terminal, to the foreground group (or the first
 * program's). */
void tty_signal(struct kernel *k, int signo);

void ctty_init(struct kernel *k); /* registers kernel_ops.ctty, .tty_check and .tgid */

#endif
