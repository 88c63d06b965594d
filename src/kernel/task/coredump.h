/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core files: what a process leaves that a signal ends whose default action is "dump" (core(5), fs/coredump.c).
 *
 *	coredump.c        its threads come together, one writes, all go on to their end
 *	coredump_name.c   which file
 *	coredump_file.c   what is in it
 */
#ifndef HUSK_KERNEL_TASK_COREDUMP_H
#define HUSK_KERNEL_TASK_COREDUMP_H

#include <signal.h>

#include "task/task_ops.h"

/* ---- coredump.c ---- */

/* *info is about to end the group of @t by its default action: true when a core file is to be written first. The task waits
 * for that, and ends. */
bool coredump_begin(struct task *t, const siginfo_t *info);
/* @t is to end: true when it waits until its group's core file is written. */
bool coredump_holds(struct task *t);
/* @t has begun to end (t->ending). */
void coredump_leave(struct task *t);
/* SIGKILL has come: the file stays as it is. */
void coredump_interrupt(struct thread_group *g);

/* ---- coredump_name.c ---- */

/* Opens, and empties, the file that /proc/sys/kernel/core_pattern names for @t, which ends by @signo: 0 or -errno. */
int coredump_open(struct task *t, int signo, struct file **out);

/* ---- coredump_file.c ---- */

struct core_file;

/* Of @t's whole group, whose threads are all held, *info being what ends it; into @f (borrowed). NULL: no memory. */
struct core_file *core_file_new(struct task *t, const siginfo_t *info, struct file *f);
void core_file_free(struct core_file *c);
/* Writes a piece. True: there is more. False: done, or the file could take no more; or, with *later set, the stub is asked
 * for memory, and then(t) is called when it is there, to go on. */
bool core_file_write(struct core_file *c, void (*then)(struct task *t), bool *later);

#endif
