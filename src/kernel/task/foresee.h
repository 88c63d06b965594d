/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tracer asks next is known: strace(1) and its like follow each stop that wait4() tells of by the same calls. Their
 * answers go to its stub with the stop (channel/foreseen.h), and count until it asks the kernel for something else about it.
 *
 * Only where nobody sees a difference: a tracer with one thread and without filters; what another task does to the stopped
 * one, or has to tell, takes the answer back before it is seen. A task that was let go on without a turn goes on at that
 * next turn, or within a millisecond.
 */
#ifndef HUSK_KERNEL_TASK_FORESEE_H
#define HUSK_KERNEL_TASK_FORESEE_H

#include <linux/ptrace.h>

#include "task/life.h"

/* struct ptrace_syscall_info of @child, which has stopped: how many bytes of it count. */
size_t trace_call_info(struct task *child, struct ptrace_syscall_info *info);
/* wait4() tells @t of the stop of @child; @quiet: and of nothing else. */
void foresee(struct task *t, struct task *child, bool quiet);
/* Whether that is to be thought of at all. */
bool foresee_may(const struct task *t, const struct task *child);
/* @t asks the kernel itself, or must: what it knew no longer counts. */
void foresee_end(struct task *t);
/* wait4() has something to tell to @g: wakes who waits. */
void wait_has_news(struct thread_group *g);
void foresee_init(struct kernel *k); /* registers operations */

#endif
