/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errands: copies that a task's stub makes of its memory for somebody else.
 *
 * Mostly one host call reaches the memory of another process. Where it does not (code under a tracer's breakpoint, guard
 * pages, everything on a host that forbids such calls) the copy is made by a thread of that process itself: of a task that
 * waits or has stopped at once, and of one that runs on its way back, for which it is interrupted. Meanwhile the task is
 * *busy*: it does not go on, whoever wakes it. The asker's call is parked; it runs again when the errand is done, asks for
 * the same, and takes the result.
 */
#ifndef HUSK_KERNEL_TASK_ERRAND_H
#define HUSK_KERNEL_TASK_ERRAND_H

#include "core/task.h"

#define ERRAND_MAX TRAP_COPY_MAX /* bytes */

struct errand_want {
	struct mm *mm;
	u64 addr;
	size_t size; /* 1 to ERRAND_MAX */
	bool write;
	bool force; /* whatever the protection, as tracers may: @by has stopped for one, and within a page */
};

/* Copies what @w says to or from @buf, by the stub of @by, or of any task of that memory (NULL). @w->size; -EFAULT or
 * -ENOMEM; -ESRCH where nobody is there to do it; or CALL_PARK: to be passed on, and asked again. The handler of @t calls. */
long errand_ask(struct task *t, struct task *by, const struct errand_want *w, void *buf);
/* Whether @t is at work for somebody. */
bool errand_busy(const struct task *t);
/* @t, whose thread is held, is at work for @asker from now on: until errand_done(), which lets both go on. */
void errand_begin(struct task *t, struct task *asker);
void errand_done(struct task *t);
/* @t leaves its memory for another: what waits for it will not be done. */
void errand_leave(struct task *t);
/* @t ends: what it was asked for will not be done, and what it asked for is nobody's. */
void errand_forget(struct task *t);
/* TASK_WORK_ERRAND of a task whose thread is held: true when its stub is at work; it goes on then where it was. */
bool errand_serve(struct task *t);
void errand_init(struct kernel *k); /* registers operations */

#endif
