/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for children, for the handlers of wait4(2) and waitid(2). */
#ifndef HUSK_KERNEL_TASK_WAIT_H
#define HUSK_KERNEL_TASK_WAIT_H

#include "task/life.h"

#define HUSK_P_PIDFD     3
#define HUSK_RUSAGE_BOTH (-2) /* a process and the children that it waited for */

struct wait_request {
	int type, id;               /* P_ALL, P_PID, P_PGID, HUSK_P_PIDFD */
	struct thread_group *group; /* HUSK_P_PIDFD; borrowed */
	int options;     /* WEXITED, WSTOPPED, WCONTINUED, WNOHANG, WNOWAIT, __WALL, __WCLONE, __WNOTHREAD */
	bool want_usage; /* which is asked of the host */
	/* Out. */
	int pid, status, code, detail;
	u32 uid;
	struct rusage usage;
};

/* The pid of a child that has something to tell; 0 with WNOHANG when none has; -ECHILD; or what call_wait()
 * says. */
long wait_for_child(struct task *t, struct wait_request *w);

#endif
