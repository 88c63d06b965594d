/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tracer's way to the memory of a stopped task: mostly one host call; what that may not reach (code that is not writable,
 * guard pages, everything where the host forbids such calls) is an errand of the stopped task's own.
 */
#include <errno.h>

#include "core/call.h"
#include "mm/mm.h"
#include "task/errand.h"
#include "task/life.h"
#include "task/trace.h"

static void whole_now(void *arg, long result)
{
	errand_done(arg);
}

long trace_whole(struct task *t, struct task *child)
{
	if (!child->thread->no_xstate)
		return 0;
	(void)task_regs(child);
	errand_begin(child, t);
	child->k->trap_ops->whole(child->thread, whole_now, child);
	return task_park(t);
}

long trace_access(struct task *t, struct task *child, u64 addr, void *buf, size_t size, bool write)
{
	const struct trap_ops *ops = child->k->trap_ops;
	struct trap_space *space = child->mm ? child->mm->space : NULL;
	const struct errand_want want = {child->mm, addr, size, write, .force = true};
	long n;

	if (!space || space->dead || !size || size > HUSK_TRACE_PIECE || addr + size < addr ||
	    mm_mapped(child->mm, addr, size, write, 0) != size)
		return -EIO;
	n = t->errands.brought || t->errands.pending ? 0
	    : write                                  ? ops->write(space, addr, buf, size)
						     : ops->read(space, buf, addr, size);
	if (n == (long)size) {
		if (!write && child->k->ops.code_shown)
			child->k->ops.code_shown(child->mm, buf, addr, size);
		return n;
	}
	n = errand_ask(t, child, &want, buf);
	return n == (long)size || n == CALL_PARK || n == -ENOMEM ? n : -EIO;
}

struct task *trace_stopped_on(struct kernel *k, const struct mm *mm)
{
	struct thread_group *g;
	struct task *t;

	for (g = group_next(k, 0); g; g = group_next(k, g->tgid))
		list_for_each (t, &g->threads, group_node)
			if (t->mm == mm && t->state == TASK_TRACED)
				return t;
	return NULL;
}
