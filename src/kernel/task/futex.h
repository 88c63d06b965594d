/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes: who waits for which word.
 *
 * A word is named by the object behind it, so that processes which share memory meet; a private one by its mm
 * and address. A wait for one or more words is one record in the call: every word is queued first and read
 * afterwards, so that a wake between the two is not lost, however late the read is done.
 */
#ifndef HUSK_KERNEL_TASK_FUTEX_H
#define HUSK_KERNEL_TASK_FUTEX_H

#include "core/task.h"

struct futex_key {
	const void *object;
	u64 offset;
	bool private;
};

struct futex_wait;

struct futex_waiter {
	struct list node; /* in its bucket; unlinked once woken */
	struct futex_wait *wait;
	struct futex_key key;
	u64 addr;
	u32 value, bitset;
};

/* The record of one blocked call: in call.priv. */
struct futex_wait {
	struct task *task;
	int woken; /* index of the word that was woken; -1: none */
	int n;
	bool queued;
	struct futex_waiter words[];
};

/* Who waits for a word with an owner (sys/futex_pi.c), in the order of arrival. */
struct futex_pi {
	struct list node;
	struct task *task;
	struct futex_key key;
	void *giver;  /* the unlock that is giving it the word; NULL: none */
	bool granted; /* the word is its own now */
	bool again;   /* the owner has died: look at the word again */
};

void futex_pi_queue(struct kernel *k, struct futex_pi *w);
/* The first who waits for @key and is not @but (nullable) and is not being given it; NULL. */
struct futex_pi *futex_pi_first(struct kernel *k, const struct futex_key *key, const struct futex_pi *but);

/* A task has died: who waits for a word with an owner looks whether it was that one's. */
void futex_owner_died(struct kernel *k);

/* The key of the word at @addr: 0, -EINVAL when misaligned, -EFAULT. */
int futex_key(struct task *t, u64 addr, bool private, struct futex_key *key);
/* A record for @n words, owned by the call from now on; NULL: no memory. */
struct futex_wait *futex_wait_new(struct task *t, struct call *c, int n);
/* Queues the record (once), compares the words, and waits until one is woken: its index, -EAGAIN when a word differs,
 * -ETIMEDOUT by call.deadline, -ERESTARTSYS for a signal, or CALL_PARK, CALL_FETCH. Sets call.step. */
long futex_wait(struct task *t, struct call *c);
/* What runs when the waiting call is woken. */
long futex_wait_step(struct task *t, struct call *c);
/* Wakes up to @n (at least one) of those who wait for @key with a bit of @bitset: how many. */
int futex_wake_key(struct kernel *k, const struct futex_key *key, int n, u32 bitset);
/* Wakes @wake, makes up to @requeue others wait for @to instead: how many in all. */
int futex_requeue_key(struct kernel *k, const struct futex_key *from, const struct futex_key *to, int wake,
		      int requeue);

#endif
