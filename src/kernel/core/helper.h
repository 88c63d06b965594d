/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helper threads: host calls that may block (a cold disk, a slow terminal) without stopping the service
 * thread. They hold no kernel state: a job has its own copies of all that it needs.
 */
#ifndef HUSK_KERNEL_CORE_HELPER_H
#define HUSK_KERNEL_CORE_HELPER_H

#include "base/list.h"

struct kernel;

struct job {
	struct list node;
	void (*work)(struct job *job); /* in a helper thread: touches nothing but the job */
	void (*done)(struct job *job); /* in the service thread, afterwards; owns the job then */
};

/* Makes room for @n threads, which are made when there are jobs for them. 0 or -errno. */
int helpers_start(struct kernel *k, int n);
void helpers_stop(struct kernel *k);
/* Hands @job over; it is the pool's until done() is called. */
void job_submit(struct kernel *k, struct job *job);

#endif
