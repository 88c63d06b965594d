/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait queues: who is to be told when a condition may have become true.
 *
 * A parked task waits on up to a few queues; being woken only means "run again and look". An entry with a
 * function of its own (an epoll instance, a host watch) stays queued and is called at each wake.
 */
#ifndef HUSK_KERNEL_CORE_WAIT_H
#define HUSK_KERNEL_CORE_WAIT_H

#include "base/list.h"

struct task;

struct wait_queue {
	struct list entries;
};

struct wait_entry {
	struct list node;
	struct task *task;                  /* woken; or */
	void (*func)(struct wait_entry *w); /* called */
	struct wait_entry *next_of_task;    /* of the task's entries that wait_add() made */
};

static inline void wait_queue_init(struct wait_queue *q)
{
	list_init(&q->entries);
}

/* Queues @t on @q until it is woken or its call ends. 0 or -ENOMEM. For poll-like calls, any number of
 * queues. */
int wait_add(struct wait_queue *q, struct task *t);
/* Takes @t off every queue that wait_add() put it on. */
void wait_remove_all(struct task *t);
/* Wakes every waiter (calls every function). */
void wake_all(struct wait_queue *q);
/* The same, and nobody is left on @q: it may be freed. */
void wait_queue_end(struct wait_queue *q);

/* Makes a parked task run its call's step again, whatever it waits for. No effect on a task that is not
 * parked. */
void task_wake(struct task *t);

#endif
