/* SPDX-License-Identifier: Apache-2.0 */
/* The service thread's loop: events, woken tasks, timers; spinning, then sleep. */
#include "core/kernel.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/bug.h"
#include "core/task.h"
#include "host/poller.h"

/* Passes of the loop, busy or spinning, between two looks at the host's descriptors; events between two at timers. */
#define POLL_EVERY 64

u64 kernel_now(struct kernel *k)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	k->now = (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
	return k->now;
}

#ifdef HUSK_DEBUG
void object_count(struct kernel *k, const char *name, long by)
{
	for (int i = 0; i < k->nobjects; i++) {
		if (!strcmp(k->objects[i].name, name)) {
			k->objects[i].live += by;
			return;
		}
	}
	BUG_ON(k->nobjects == (int)ARRAY_SIZE(k->objects));
	k->objects[k->nobjects].name = name;
	k->objects[k->nobjects++].live = by;
}
#endif

static void host_call_interrupted(struct task *t, const struct trap_event *event)
{
	t->in_host_call = true;
	t->returning_call = true;
	task_regs(t)->rax = (u64)(s64)(event->timed ? -ERESTART_RESTARTBLOCK : -ERESTARTSYS);
	task_return(t);
}

/* A queued operation or copy was refused by the host: the call that ordered it fails; outside a call (a stack that
 * could not grow) the guest gets what Linux gives it. */
static void operation_failed(struct task *t, const struct trap_event *event)
{
	call_op_failed(t, (long)event->error);
	task_return(t);
}

static void handle_event(struct kernel *k, struct trap_event *event)
{
	struct task *t;

	if (event->type == TRAP_DEEDS) {
		if (event->space->owner)
			k->ops.memory_told(event->space->owner);
		return;
	}
	k->stats.turns++;
	if (event->type == TRAP_DIED) {
		k->ops.space_died(event->space->owner, event->signo);
		return;
	}
	if (event->type == TRAP_LOST) {
		k->reason = "internal";
		k->ended = true;
		return;
	}
	t = thread_task(event->thread);
	BUG_ON(!t);
	t->state = TASK_KERNEL;
	t->interrupting = false;
	if (k->ops.place_shown && event->type != TRAP_OP_FAILED && !event->thread->lazy)
		k->ops.place_shown(t, event);
	if (event->thread->has_deeds && t->mm)
		k->ops.memory_told(t->mm);
	if (k->lent == t)
		k->lent = NULL;
	if (event->thread->closed)
		k->ops.known_closed(t);
	event->thread->known.bits = 0;
	if (event->thread->foreseen_asked)
		k->ops.foreseen_asked(t);
	if (t->forced_tf)
		step_end(t);
	if (event->type != TRAP_OP_FAILED)
		t->returning_call = false;
	if (event->thread->mask_told && event->type != TRAP_OP_FAILED)
		k->ops.mask_told(t, event->thread->mask);
	switch (event->type) {
	case TRAP_CALL:
		call_enter(t);
		break;
	case TRAP_SITE:
		if (k->ops.call_seen)
			k->ops.call_seen(t);
		call_again(t);
		break;
	case TRAP_FAULT:
		k->stats.faults++;
		if (t->watched && k->ops.trace_step(t, event))
			break;
		k->ops.fault(t, event);
		task_return(t);
		break;
	case TRAP_INTERRUPTED:
		if (event->in_call)
			host_call_interrupted(t, event);
		else
			task_return(t);
		break;
	case TRAP_OP_FAILED:
		operation_failed(t, event);
		break;
	case TRAP_DIED:
	case TRAP_DEEDS:
	case TRAP_LOST:
		break;
	}
}

static void run_woken(struct kernel *k)
{
	struct list woken;

	list_init(&woken);
	list_splice_tail(&woken, &k->runnable);
	while (!list_empty(&woken)) {
		struct task *t = list_first(&woken, struct task, run_node);

		list_del(&t->run_node);
		task_run(t);
	}
}

static bool work_left(const struct kernel *k)
{
	return k->ended || !list_empty(&k->runnable);
}

/* The timers that are due: whether there were any. */
static bool run_timers(struct kernel *k)
{
	u64 next = timers_next(k);

	if (next == ~0UL || next > kernel_now(k))
		return false;
	timers_run(k, k->now);
	return true;
}

/* Handles what is there: how much that was. */
static unsigned serve(struct kernel *k)
{
	struct trap_event event;
	unsigned n = 0;

	/* A guest that shares our processor may have its next call there whenever we look: timers cannot wait for the end. */
	while (n < POLL_EVERY && !k->ended && k->trap_ops->next(k->trap, &event)) {
		handle_event(k, &event);
		n++;
		if (!list_empty(&k->runnable))
			run_woken(k);
		run_timers(k);
	}
	/* One round: tasks that wake each other, or themselves, must not shut out timers and the host. */
	if (!k->ended && !list_empty(&k->runnable)) {
		run_woken(k);
		n++;
	}
	return n + run_timers(k);
}

/* Polls while that pays: true when something came. */
static bool spin(struct kernel *k)
{
	u64 limit = k->trap_ops->spin_ns(k->trap), start;
	int pass = 0;

	if (!limit)
		return serve(k) || work_left(k);
	start = kernel_now(k);
	do {
		if (serve(k))
			return true;
		if (++pass % POLL_EVERY == 0 && poller_wait(k->poller, 0))
			return true;
		__builtin_ia32_pause();
	} while (kernel_now(k) - start < limit && !work_left(k));
	return work_left(k);
}

static void sleep_until_event(struct kernel *k)
{
	u64 next = timers_next(k), now, timeout = ~0UL;

	if (next != ~0UL) {
		now = kernel_now(k);
		timeout = next > now ? next - now : 0;
	}
	if (!k->trap_ops->sleep_begin(k->trap))
		return;
	poller_wait(k->poller, timeout);
	k->trap_ops->sleep_end(k->trap);
	kernel_now(k);
}

void kernel_loop(struct kernel *k)
{
	unsigned since = 0;

	while (!k->ended) {
		unsigned n = serve(k);

		if (!n && !spin(k))
			sleep_until_event(k);
		/* Neither a busy guest nor one that keeps us from sleeping must shut out terminals and deaths. */
		since += n ? n : 1;
		if (since >= POLL_EVERY && !k->ended) {
			since = 0;
			poller_wait(k->poller, 0);
			kernel_now(k);
		}
	}
}
