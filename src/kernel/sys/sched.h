/* SPDX-License-Identifier: Apache-2.0 */
/* Whose scheduling may be changed by whom: sched.c's for priority.c. */
#ifndef HUSK_KERNEL_SYS_SCHED_H
#define HUSK_KERNEL_SYS_SCHED_H

#include "task/life.h"

/* The task with number @pid, @t itself for 0; nullable, borrowed. */
struct task *sched_find(struct task *t, int pid);
bool sched_same_owner(const struct task *t, const struct task *target);
/* Whether @t may give @target a nice value of @nice, better than it has. */
bool sched_may_nice(struct task *t, struct task *target, int nice);

#endif
