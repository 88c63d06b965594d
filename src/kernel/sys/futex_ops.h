/* SPDX-License-Identifier: Apache-2.0 */
/* What the futex calls share: decoded arguments, deadlines, atomic changes of a word in guest memory. */
#ifndef HUSK_KERNEL_SYS_FUTEX_OPS_H
#define HUSK_KERNEL_SYS_FUTEX_OPS_H

#include "task/futex.h"

struct futex_args {
	u64 addr, timeout, addr2;
	u32 val, val3;
	int command;
	bool private, realtime;
};

/* The deadline of a timeout at @addr into call.deadline: 0, -EINVAL, -EFAULT, CALL_FETCH. */
int futex_read_deadline(struct task *t, struct call *c, u64 addr, int clock, bool relative);
/* The process's private words become the kernel's for good, if @private and if they are not yet, for a call that the
 * stub doesn't make on the host: 0, or what the handler @then returns to be run again from its start. */
long futex_own_words(struct task *t, struct call *c, bool private, call_fn *then);
/* The record of a wait for one word, in call.priv: 0 or -errno; futex_wait() goes on. */
int futex_wait_record(struct task *t, struct call *c, u64 addr, u32 value, bool private, u32 bitset);
/* FUTEX_WAKE_BITSET, and FUTEX_REQUEUE or FUTEX_CMP_REQUEUE by args.command. */
long futex_op_wake(struct task *t, struct call *c, struct futex_args *a);
long futex_op_requeue(struct task *t, struct call *c, struct futex_args *a);

/* An ordered compare-and-exchange. It outlives the call that ordered it, when that is cut short by its task's
 * end. */
struct futex_change {
	struct trap_word word;
	struct task *task; /* NULL: nobody waits for it any more */
	/* The stub is done: @old is what the word was, or a negative errno. */
	void (*then)(struct task *t, s64 old);
};

/* Orders it with the calling task's thread; *out is valid until then() is called. 0 or -errno. */
int futex_change(struct task *t, u64 addr, u32 old, u32 new, void (*then)(struct task *t, s64 old),
		 struct futex_change **out);
/* The call ends: then() is not to be called. @change: nullable. */
void futex_change_forget(struct futex_change *change);

/* In call.priv: the two words of a call that compares or changes one of them. */
struct two_words {
	struct futex_hold hold;
	struct futex_key key[2];
	struct futex_change *change; /* of the second word: under way */
	struct futex_args args;      /* and what is to be done after it */
	u32 old;                     /* what the change builds on */
	/* FUTEX_CMP_REQUEUE_PI */
	struct futex_pi *heir; /* to whom the change gives the word, nullable: it may have died */
	u32 owner;             /* whose the word is then */
	bool takes;            /* it is the heir's */
	bool look;             /* the change changes nothing: it looks */
	u64 gifts;             /* futex_pi_gifts() when the change was ordered */
	u32 missed;            /* the word when its owner was not found; 0: always was */
};

/* Holds both words until the call ends, from its first run on: 0, or what the handler returns. */
long futex_hold_words(struct task *t, struct call *c, const struct futex_args *a, struct two_words **out);

/* A record to wait by for the word at @addr: owned by the caller, NULL: no memory. */
struct futex_pi *futex_pi_record(struct task *t, u64 addr, const struct futex_key *key);
/* From now on the call of @w's task, a FUTEX_WAIT_REQUEUE_PI, waits for @w's word, or owns it; @w is the call's. To be
 * woken for it to notice. */
void futex_pi_enter(struct futex_pi *w, bool owns);

long futex_wait_requeue_pi(struct task *t, struct call *c, struct futex_args *a);
long futex_cmp_requeue_pi(struct task *t, struct call *c, struct futex_args *a);

/* FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI */
long futex_lock_pi(struct task *t, struct call *c, struct futex_args *a);
long futex_unlock_pi(struct task *t, struct call *c, struct futex_args *a);

#endif
