/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tracer's way to the memory of a stopped task.
 *
 * Mostly one host call does it. What that may not reach (code that is not writable, guard pages, everything where the
 * host forbids such calls) is copied by the stopped task's own stub: a *job*, during which the task is busy and does
 * not go on. The asker's call is parked, asks again when it is woken, and then takes the result.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/call.h"
#include "mm/mm.h"
#include "task/life.h"
#include "task/trace.h"

struct trace_job {
	int asker; /* tid */
	u64 addr;
	size_t size;
	bool write, changed; /* changed: the host's protection is to be put back */
	long result;
	char data[HUSK_TRACE_PIECE];
};

/* ---- by the stub ---- */

static void begin(struct task *t, struct task *child)
{
	child->stop.busy = true;
	child->stop.asker = t->tid;
}

static void done(struct task *child)
{
	struct task *asker = task_find(child->k, child->stop.asker);

	child->stop.busy = false;
	if (child->stop.go_on) {
		child->stop.go_on = false;
		task_continue(child);
	}
	if (asker)
		task_wake(asker);
}

static void show_own_code(struct task *child, void *bytes, u64 addr, size_t size)
{
	if (child->k->ops.code_shown)
		child->k->ops.code_shown(child->mm, bytes, addr, size);
}

static void restored(void *arg, long result)
{
	done(arg);
}

static void copied(void *arg, long result)
{
	struct task *child = arg;
	struct trace_job *j = child->stop.job;
	const struct trap_ops *ops = child->k->trap_ops;

	j->result = result < 0 ? -EIO : (long)j->size;
	if (result >= 0 && !j->write && ops->precopied(child->thread, j->data, j->addr, j->size) != j->size)
		j->result = -EIO;
	if (!j->write)
		show_own_code(child, j->data, j->addr, j->size);
	if (!j->changed || mm_force_end(child->mm, j->addr, j->size)) {
		done(child);
		return;
	}
	ops->run(child->thread, restored, child);
}

static long job_begin(struct task *t, struct task *child, u64 addr, const void *buf, size_t size, bool write)
{
	const struct trap_ops *ops = child->k->trap_ops;
	struct trace_job *j = calloc(1, sizeof *j);
	int changed;

	if (!j)
		return -ENOMEM;
	changed = mm_force_begin(child->mm, addr, size, write);
	if (changed < 0) {
		free(j);
		return changed;
	}
	*j = (struct trace_job){
		.asker = t->tid, .addr = addr, .size = size, .write = write, .changed = changed};
	if (write)
		memcpy(j->data, buf, size);
	if (write ? ops->copy_out(child->thread, addr, buf, size) != size
		  : ops->copy_in(child->thread, addr, size) < 0) {
		free(j);
		return -EIO;
	}
	child->stop.job = j;
	begin(t, child);
	ops->run(child->thread, copied, child);
	return task_park(t);
}

void trace_access_lost(struct task *t)
{
	struct task *asker = t->stop.busy ? task_find(t->k, t->stop.asker) : NULL;

	free(t->stop.job);
	t->stop.job = NULL;
	t->stop.busy = t->stop.go_on = false;
	if (asker)
		task_wake(asker);
}

/* ---- for tracers ---- */

bool trace_access_waits(const struct task *t, const struct task *child)
{
	return child->stop.busy && child->stop.asker == t->tid;
}

static void whole_now(void *arg, long result)
{
	done(arg);
}

long trace_whole(struct task *t, struct task *child)
{
	if (!child->thread->no_xstate)
		return 0;
	(void)task_regs(child);
	begin(t, child);
	child->k->trap_ops->whole(child->thread, whole_now, child);
	return task_park(t);
}

static bool same(const struct trace_job *j, const struct task *t, u64 addr, size_t size, bool write)
{
	return j->asker == t->tid && j->addr == addr && j->size == size && j->write == write;
}

/* What became of a job: taken by who asked, dropped when somebody else asks. */
static bool job_take(struct task *t, struct task *child, u64 addr, void *buf, size_t size, bool write,
		     long *result)
{
	struct trace_job *j = child->stop.job;
	bool mine = same(j, t, addr, size, write);

	*result = j->result;
	if (mine && j->result > 0 && !write)
		memcpy(buf, j->data, size);
	free(j);
	child->stop.job = NULL;
	return mine;
}

long trace_access(struct task *t, struct task *child, u64 addr, void *buf, size_t size, bool write)
{
	const struct trap_ops *ops = child->k->trap_ops;
	struct trap_space *space = child->mm ? child->mm->space : NULL;
	long n;

	if (!space || space->dead || !size || size > HUSK_TRACE_PIECE || addr + size < addr ||
	    mm_mapped(child->mm, addr, size, write, 0) != size)
		return -EIO;
	if (child->stop.busy)
		return trace_access_waits(t, child) ? task_park(t) : -EIO;
	if (child->stop.job && job_take(t, child, addr, buf, size, write, &n))
		return n;
	n = write ? ops->write(space, addr, buf, size) : ops->read(space, buf, addr, size);
	if (n == (long)size && !write)
		show_own_code(child, buf, addr, size);
	return n == (long)size ? n : job_begin(t, child, addr, buf, size, write);
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
