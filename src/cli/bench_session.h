/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers of `husk bench`: husk's own binary, running one workload natively or as the guest of a sandbox. A session
 * lives as long as its workload is measured, so that rounds of all variants can be taken in turns; a count is a
 * worker of its own, from its start to its end.
 */
#ifndef HUSK_CLI_BENCH_SESSION_H
#define HUSK_CLI_BENCH_SESSION_H

#include "base/types.h"
#include "trap/trap.h"

/* What is run: the same for all. */
struct bench_job {
	const char *exe, *dir;      /* husk's own binary, and the directory that it lies in */
	const char *workload;       /* its name */
	const struct trap_ops *ops; /* NULL: natively */
};

struct bench_session {
	int pid; /* of the worker, or of the kernel process whose guest it is; 0: none */
	int to, from;
};

/* Starts a worker that waits. 0, or -errno. */
int session_start(struct bench_session *s, const struct bench_job *job);
/* Does the operation @n times: *ns that it took. 0, or -errno: -ETIMEDOUT, -EPIPE when the worker has ended. */
int session_round(struct bench_session *s, u64 n, u64 *ns);
/* Ends the worker and waits for it. */
void session_stop(struct bench_session *s);

/* Keeps this process and all that it will start to the first processor that it may use. */
void session_use_one_cpu(void);

/* Host context switches, of both kinds, and turns. */
struct bench_counts {
	u64 turns, kernel_switches, guest_switches; /* natively all switches are the guest's */
	u64 by_signal, by_patch, in_stub; /* calls by how they were caught, or answered without a turn */
};

/* Runs a worker that does the operation @n times, with everything on one processor, where each hand-over is a
 * context switch; counts all from its start to its end. 0, or -errno when it did not end well. */
int session_count(const struct bench_job *job, u64 n, struct bench_counts *counts);

#endif
