/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes: who waits for which word.
 *
 * A word is named by the object behind it, so that processes which share memory meet; a private one by its mm
 * and address. A wait for one or more words is one record in the call.
 *
 * What Linux does with a word while it has the lock of the word's bucket is done here in one go by the service thread,
 * when it can read the word itself. When the stub has to bring the word, or to change it, that takes a turn: until it
 * is done the call holds the word, and every other call that would look for waiters or become one waits.
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

/* One or two words that a call holds. */
struct futex_hold {
	struct list node; /* unlinked: holds nothing */
	struct futex_key key[2];
};

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
	struct futex_hold hold; /* of the word that is being compared */
	int woken;              /* index of the word that was woken; -1: none */
	int n, compared;        /* words[compared] is next: queued, if the stub is bringing it */
	struct futex_pi *pi; /* owned; FUTEX_WAIT_REQUEUE_PI: how it waits once it is requeued; else NULL */
	struct futex_waiter words[];
};

/* Who waits for a word with an owner (sys/futex_pi.c), in the order of arrival; or who will, when it is requeued. */
struct futex_pi {
	struct list node;
	struct task *task;
	struct futex_key key;
	struct futex_pi **giver; /* where the call that is giving it the word keeps it; NULL: none */
	bool granted;            /* the word is its own now */
	bool again;              /* the word may have changed unseen, or its owner died: look at it again */
};

/* A waiter that is not to be: off its queue, unknown to who is giving it a word. */
void futex_pi_leave(struct futex_pi *w);

void futex_pi_queue(struct kernel *k, struct futex_pi *w);
/* The first who waits for @key and is not @but (nullable) and is not being given it; NULL. */
struct futex_pi *futex_pi_first(struct kernel *k, const struct futex_key *key, const struct futex_pi *but);

/* A word with an owner has been given away by its owner, to a waiter or to nobody; how often that was, or an owner died. */
void futex_pi_given(struct kernel *k);
u64 futex_pi_gifts(const struct kernel *k);

/* A task has died: who waits for a word with an owner looks whether it was that one's. */
void futex_owner_died(struct kernel *k);

/* The key of the word at @addr: 0, -EINVAL when misaligned, -EFAULT. */
int futex_key(struct task *t, u64 addr, bool private, struct futex_key *key);
/* A record for @n words, owned by the call from now on; NULL: no memory. */
struct futex_wait *futex_wait_new(struct task *t, struct call *c, int n);
/* Compares and queues the words one after the other and waits until one is woken: its index, -EAGAIN when a word
 * differs, -ETIMEDOUT by call.deadline, -ERESTARTSYS for a signal, or CALL_PARK, CALL_FETCH, after which it is to be
 * called again until it has set call.step. */
long futex_wait(struct task *t, struct call *c);
/* What runs when the waiting call is woken. */
long futex_wait_step(struct task *t, struct call *c);
/* Waits until nobody holds @a or @b: 0, or what the handler returns to be run again from its start: CALL_PARK,
 * -ERESTARTNOINTR, -ENOMEM. Forgets call.deadline. */
long futex_await(struct task *t, const struct futex_key *a, const struct futex_key *b);
/* Holds @a and @b, for which futex_await() has just answered 0. */
void futex_hold(struct task *t, struct futex_hold *hold, const struct futex_key *a,
		const struct futex_key *b);
/* Lets go, if anything is held. */
void futex_release(struct task *t, struct futex_hold *hold);
bool futex_key_equal(const struct futex_key *a, const struct futex_key *b);
/* The record of who has waited for @key longest; NULL: nobody. */
struct futex_wait *futex_first(struct kernel *k, const struct futex_key *key);
/* Wakes up to @n (at least one) of those who wait for @key with a bit of @bitset: how many. This and the next: -EINVAL when
 * it finds one that waits for or on the way to a word with an owner; what was done before is done. */
int futex_wake_key(struct kernel *k, const struct futex_key *key, int n, u32 bitset);
/* Wakes @wake, makes up to @requeue others wait for @to instead: how many in all. */
int futex_requeue_key(struct kernel *k, const struct futex_key *from, const struct futex_key *to, int wake,
		      int requeue);

#endif
