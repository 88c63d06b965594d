/* SPDX-License-Identifier: Apache-2.0 */
/* Wait queues and the waking of parked tasks. */
#include "core/wait.h"

#include <errno.h>
#include <stdlib.h>

#include "core/task.h"

static struct wait_entry *entry_new(struct task *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(t->wait_pool); i++)
		if (!t->wait_pool[i].task)
			return &t->wait_pool[i];
	return calloc(1, sizeof(struct wait_entry));
}

static void entry_free(struct task *t, struct wait_entry *w)
{
	if (w >= t->wait_pool && w < t->wait_pool + ARRAY_SIZE(t->wait_pool))
		w->task = NULL;
	else
		free(w);
}

int wait_add(struct wait_queue *q, struct task *t)
{
	struct wait_entry *w = entry_new(t);

	if (!w)
		return -ENOMEM;
	w->task = t;
	w->func = NULL;
	w->next_of_task = t->waits;
	t->waits = w;
	list_add_tail(&q->entries, &w->node);
	return 0;
}

void wait_remove_all(struct task *t)
{
	while (t->waits) {
		struct wait_entry *w = t->waits;

		t->waits = w->next_of_task;
		list_del(&w->node);
		entry_free(t, w);
	}
}

static void wake_entry(struct wait_entry *w)
{
	if (w->func)
		w->func(w);
	else
		task_wake(w->task);
}

/* Waking may change the queue: each entry is moved to a list of its own first, and goes back when it stays. */
void wake_all(struct wait_queue *q)
{
	struct list entries;

	list_init(&entries);
	list_splice_tail(&entries, &q->entries);
	while (!list_empty(&entries)) {
		struct wait_entry *w = list_first(&entries, struct wait_entry, node);

		list_del(&w->node);
		list_add_tail(&q->entries, &w->node);
		wake_entry(w);
	}
}

void wait_queue_end(struct wait_queue *q)
{
	while (!list_empty(&q->entries)) {
		struct wait_entry *w = list_first(&q->entries, struct wait_entry, node);

		list_del(&w->node);
		wake_entry(w);
	}
}

void task_wake(struct task *t)
{
	if (t->state == TASK_KERNEL)
		t->wake_pending = true;
	if (t->state != TASK_PARKED)
		return;
	if (t->errands.busy) {
		t->errands.go_on = true;
		return;
	}
	t->state = TASK_KERNEL;
	list_add_tail(&t->k->runnable, &t->run_node);
}

void task_kick(struct task *t)
{
	if (t->state == TASK_RUNNING && t->thread) {
		t->k->stats.interrupts++;
		t->interrupting = true;
		t->k->trap_ops->interrupt(t->thread);
	} else if (t->state == TASK_STOPPED) {
		/* Its call has ended before it stopped: it goes on with its way back. */
		task_continue(t);
	} else if (t->state == TASK_TRACED) {
		if (t->work & TASK_WORK_EXIT) {
			t->k->ops.trace_stop_ends(t);
			task_continue(t);
		}
	} else {
		task_wake(t);
	}
}
