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

static int add(struct wait_queue *q, struct task *t, bool exclusive)
{
	struct wait_entry *w = entry_new(t);

	if (!w)
		return -ENOMEM;
	w->task = t;
	w->func = NULL;
	w->exclusive = exclusive;
	w->next_of_task = t->waits;
	t->waits = w;
	list_add_tail(&q->entries, &w->node);
	return 0;
}

int wait_add(struct wait_queue *q, struct task *t)
{
	return add(q, t, false);
}

int wait_add_exclusive(struct wait_queue *q, struct task *t)
{
	return add(q, t, true);
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
static void wake(struct wait_queue *q, bool one)
{
	struct list todo;

	list_init(&todo);
	list_splice_tail(&todo, &q->entries);
	while (!list_empty(&todo)) {
		struct wait_entry *w = list_first(&todo, struct wait_entry, node);
		bool last = one && w->exclusive;

		list_del(&w->node);
		list_add_tail(&q->entries, &w->node);
		wake_entry(w);
		if (last)
			break;
	}
	list_splice_tail(&todo, &q->entries);
	list_splice_tail(&q->entries, &todo);
}

void wake_all(struct wait_queue *q)
{
	wake(q, false);
}

void wake_one(struct wait_queue *q)
{
	wake(q, true);
}

void task_wake(struct task *t)
{
	if (t->state == TASK_KERNEL)
		t->wake_pending = true;
	if (t->state != TASK_PARKED)
		return;
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
		t->state = TASK_KERNEL;
		list_add_tail(&t->k->runnable, &t->run_node);
	} else {
		task_wake(t);
	}
}
