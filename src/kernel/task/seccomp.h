/* SPDX-License-Identifier: Apache-2.0 */
/* Guests' own filters: seccomp(2). The engine is bpf/; chains hang off tasks and are shared by forks. */
#ifndef HUSK_KERNEL_TASK_SECCOMP_H
#define HUSK_KERNEL_TASK_SECCOMP_H

#include "bpf/chain.h"
#include "core/task.h"

/* Registers kernel_ops.filter_call. */
void seccomp_init(struct kernel *k);

/* A program that is on its way into @t's chain: makes the new chain of it, which is the caller's. @p is consumed on
 * success. @log: SECCOMP_FILTER_FLAG_LOG. -ENOMEM. */
int seccomp_prepare(struct task *t, struct bpf_program *p, bool log, struct bpf_chain **out);
/* Whether somebody listens to a filter of @t already: there is one listener for a chain at most. */
bool seccomp_has_listener(const struct task *t);
/* @t's filters, or its mode, are others now: unless they always allow what the stub does with donated files (vfs/donate.h),
 * it has none any more. */
void seccomp_mind_files(struct task *t);
/* @t runs under @chain from now on; the reference is the task's. */
void seccomp_assign(struct task *t, struct bpf_chain *chain);
/* The same for every thread of its group (SECCOMP_FILTER_FLAG_TSYNC): 0, or the tid of one whose filters are not among
 * the caller's. */
int seccomp_can_sync(struct task *t);
void seccomp_sync(struct task *t);

void seccomp_inherit(const struct task *t, struct task *child);
void seccomp_release(struct task *t);

/* True if @t may make call @nr with any arguments and from anywhere, and nobody wants to hear of it: without filters, or
 * when the table of its chain has a constant ALLOW. Only such calls may be answered without the kernel. */
bool seccomp_always_allows(const struct task *t, u32 nr);
/* Whether the filters of @t must see its futex calls, so that the stub may not answer them. */
bool seccomp_sees_futex(const struct task *t);
/* @t begins to run in a space of its own: takes the short ways away that its filters must see. */
void seccomp_enter_space(struct task *t);

/* Before the first guest runs: its filter, from outside. -EINVAL, -ENOMEM. */
int seccomp_start(struct task *first, const struct sock_filter *f, unsigned size);

#endif
