/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex(2), and what it shares with the calls of futex2.c.
 *
 * Private words usually never come here: the stub passes them to the host, all operations or none. They do come where
 * the trap has no stub, and from a process that has once waited for several words at a time, which the host would not
 * see: from then on all of its private words are the kernel's (futex_own_words()). futex_pi.c has words that know their
 * owner, futex_requeue_pi.c the way from others to those.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <time.h>

#include "sys/futex_ops.h"
#include "mm/mm.h"
#include "sys/settle.h"
#include "task/signal.h"

#define NSEC             1000000000L
#define FUTEX_CLOCK_MASK (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

static struct futex_args futex_decode(const struct call *c)
{
	int op = (int)c->arg[1];

	return (struct futex_args){
		.addr = c->arg[0],
		.timeout = c->arg[3],
		.addr2 = c->arg[4],
		.val = (u32)c->arg[2],
		.val3 = (u32)c->arg[5],
		.command = op & ~FUTEX_CLOCK_MASK,
		.private = op & FUTEX_PRIVATE_FLAG,
		.realtime = op & FUTEX_CLOCK_REALTIME,
	};
}

int futex_read_deadline(struct task *t, struct call *c, u64 addr, int clock, bool relative)
{
	struct timespec ts;
	s64 ns;
	int r = user_get(t, &ts, addr);

	if (r < 0)
		return r;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NSEC)
		return -EINVAL;
	ns = ts.tv_sec >= (s64)(~0UL >> 1) / NSEC ? (s64)(~0UL >> 1) : ts.tv_sec * NSEC + ts.tv_nsec;
	if (!relative)
		return clock_to_monotonic(t->k, clock, ns, &c->deadline);
	if (__builtin_add_overflow(kernel_now(t->k), (u64)ns, &c->deadline))
		c->deadline = ~0UL >> 1;
	return 0;
}

long futex_own_words(struct task *t, struct call *c, bool private, call_fn *then)
{
	if (!private || t->mm->own_futexes)
		return 0;
	t->mm->own_futexes = true;
	return call_settle(t, c, then);
}

/* ---- waiting ---- */

int futex_wait_record(struct task *t, struct call *c, u64 addr, u32 value, bool private, u32 bitset)
{
	struct futex_wait *w;
	struct futex_key key;
	int r = futex_key(t, addr, private, &key);

	if (r < 0)
		return r;
	w = futex_wait_new(t, c, 1);
	if (!w)
		return -ENOMEM;
	w->words[0].key = key;
	w->words[0].addr = addr;
	w->words[0].value = value;
	w->words[0].bitset = bitset;
	return 0;
}

static long wait_restart(struct task *t, struct call *c);

/* What a wait's result becomes: with a timeout it is restarted as one with the same deadline. */
static long wait_result(struct task *t, struct call *c, long r)
{
	const struct futex_wait *w = c->priv;

	if (r >= 0)
		return 0;
	if (r != -ERESTARTSYS || !c->deadline)
		return r;
	t->restart_block.fn = wait_restart;
	t->restart_block.deadline = c->deadline;
	t->restart_block.arg[0] = w->words[0].addr;
	t->restart_block.arg[1] = w->words[0].value;
	t->restart_block.arg[2] = w->words[0].key.private;
	t->restart_block.arg[3] = w->words[0].bitset;
	return -ERESTART_RESTARTBLOCK;
}

static long wait_step(struct task *t, struct call *c)
{
	return wait_result(t, c, futex_wait_step(t, c));
}

static long wait_word(struct task *t, struct call *c, u64 addr, u32 value, bool private, u32 bitset)
{
	long r = c->priv ? 0 : futex_wait_record(t, c, addr, value, private, bitset);

	if (r < 0)
		return r;
	r = futex_wait(t, c);
	if (c->step == futex_wait_step)
		c->step = wait_step;
	return wait_result(t, c, r);
}

static long wait_restart(struct task *t, struct call *c)
{
	const u64 *arg = t->restart_block.arg;

	c->deadline = t->restart_block.deadline;
	return wait_word(t, c, arg[0], (u32)arg[1], arg[2], (u32)arg[3]);
}

static long op_wait(struct task *t, struct call *c, struct futex_args *a)
{
	return wait_word(t, c, a->addr, a->val, a->private, a->val3);
}

/* ---- waking ---- */

long futex_op_wake(struct task *t, struct call *c, struct futex_args *a)
{
	struct futex_key key;
	long r;

	(void)c;
	if (!a->val3)
		return -EINVAL;
	r = futex_key(t, a->addr, a->private, &key);
	if (!r)
		r = futex_await(t, &key, &key);
	return r ? r : futex_wake_key(t->k, &key, (int)a->val, a->val3);
}

/* Who was to be given a word, by a call that has ended before it knew whether: it is requeued, and looks. */
static void requeue_forget(struct futex_pi *heir)
{
	heir->giver = NULL;
	heir->again = true;
	futex_pi_enter(heir, false);
	task_wake(heir->task);
}

static void two_words_free(struct task *t, void *priv)
{
	struct two_words *w = priv;

	futex_change_forget(w->change);
	if (w->heir)
		requeue_forget(w->heir);
	futex_release(t, &w->hold);
	free(w);
}

long futex_hold_words(struct task *t, struct call *c, const struct futex_args *a, struct two_words **out)
{
	struct two_words *w = c->priv;
	struct futex_key key[2];
	long r = 0;

	if (!w) {
		r = futex_key(t, a->addr, a->private, &key[0]);
		if (!r)
			r = futex_key(t, a->addr2, a->private, &key[1]);
		if (!r)
			r = futex_await(t, &key[0], &key[1]);
		if (r)
			return r;
		w = calloc(1, sizeof *w);
		if (!w)
			return -ENOMEM;
		w->key[0] = key[0];
		w->key[1] = key[1];
		w->args = *a;
		c->priv = w;
		c->priv_free = two_words_free;
		futex_hold(t, &w->hold, &key[0], &key[1]);
	}
	*out = w;
	return 0;
}

long futex_op_requeue(struct task *t, struct call *c, struct futex_args *a)
{
	struct two_words *w;
	u32 value;
	long r;

	if ((int)a->val < 0 || (int)a->timeout < 0)
		return -EINVAL;
	r = futex_hold_words(t, c, a, &w);
	if (!r && a->command == FUTEX_CMP_REQUEUE) {
		r = user_get(t, &value, a->addr);
		if (!r && value != a->val3)
			r = -EAGAIN;
	}
	return r ? r : futex_requeue_key(t->k, &w->key[0], &w->key[1], (int)a->val, (int)a->timeout);
}

/* ---- changing a word ---- */

static void changed(void *arg, long result)
{
	struct futex_change *change = arg;
	struct task *t = change->task;
	void (*then)(struct task *, s64) = change->then;
	s64 old = change->word.result;

	/* The stub's word is a guest's: anything that is no 32-bit value is a failure. */
	if (old > 0xffffffffL || old < 0)
		old = -EFAULT;
	free(change);
	if (t)
		then(t, result < 0 ? result : old);
}

int futex_change(struct task *t, u64 addr, u32 old, u32 new, void (*then)(struct task *t, s64 old),
		 struct futex_change **out)
{
	const struct trap_ops *ops = t->k->trap_ops;
	struct futex_change *change = calloc(1, sizeof *change);
	int r;

	if (!change)
		return -ENOMEM;
	change->word = (struct trap_word){.kind = TRAP_CMPXCHG, .addr = addr, .old = old, .new = new};
	change->task = t;
	change->then = then;
	r = ops->word(t->thread, &change->word);
	if (r < 0) {
		free(change);
		return r;
	}
	*out = change;
	ops->run(t->thread, changed, change);
	return 0;
}

void futex_change_forget(struct futex_change *change)
{
	struct mm *mm = change ? change->task->mm : NULL;

	if (!change)
		return;
	change->task = NULL;
	/* A space that is gone calls nobody back. */
	if (!mm || !mm->space || mm->space->dead)
		free(change);
}

/* ---- FUTEX_WAKE_OP changes the second word, again until nobody came between ---- */

static bool wake_op_new(u32 op, u32 old, u32 *new)
{
	u32 arg = (u32)((s32)(op << 8) >> 20);

	if (op & ((u32)FUTEX_OP_OPARG_SHIFT << 28))
		arg = 1u << (arg & 31);
	switch (op >> 28 & 7) {
	case FUTEX_OP_SET:
		*new = arg;
		return true;
	case FUTEX_OP_ADD:
		*new = old + arg;
		return true;
	case FUTEX_OP_OR:
		*new = old | arg;
		return true;
	case FUTEX_OP_ANDN:
		*new = old & ~arg;
		return true;
	case FUTEX_OP_XOR:
		*new = old ^ arg;
		return true;
	}
	return false;
}

/* Whether the old value asks for a wake: 1, 0, -ENOSYS. */
static int wake_op_compare(u32 op, u32 old_word)
{
	s32 old = (s32)old_word, arg = (s32)(op << 20) >> 20;

	switch (op >> 24 & 15) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	}
	return -ENOSYS;
}

static int wake_op_order(struct task *t, struct two_words *w, u32 old);

static long wake_op_wakes(struct task *t, struct two_words *w)
{
	int compare = wake_op_compare(w->args.val3, w->old), woken, more;

	if (compare < 0)
		return compare;
	woken = futex_wake_key(t->k, &w->key[0], (int)w->args.val, ~0u);
	if (woken >= 0 && compare) {
		more = futex_wake_key(t->k, &w->key[1], (int)w->args.timeout, ~0u);
		woken = more < 0 ? more : woken + more;
	}
	return woken;
}

static void wake_op_changed(struct task *t, s64 old)
{
	struct two_words *w = t->call.priv;
	long r;

	w->change = NULL;
	if (old < 0) {
		r = old;
	} else if ((u32)old == w->old) {
		r = wake_op_wakes(t, w);
	} else {
		r = wake_op_order(t, w, (u32)old);
		if (!r)
			return;
	}
	call_finish(t, r);
}

static int wake_op_order(struct task *t, struct two_words *w, u32 old)
{
	u32 new;

	if (!wake_op_new(w->args.val3, old, &new))
		return -ENOSYS;
	w->old = old;
	return futex_change(t, w->args.addr2, old, new, wake_op_changed, &w->change);
}

static long op_wake_op(struct task *t, struct call *c, struct futex_args *a)
{
	struct two_words *w;
	u32 old;
	long r = futex_hold_words(t, c, a, &w);

	if (!r)
		r = user_get(t, &old, a->addr2);
	if (r)
		return r;
	if (user_writable(t, a->addr2, 4) != 4)
		return -EFAULT;
	r = wake_op_order(t, w, old);
	return r < 0 ? r : CALL_GONE;
}

/* ---- the calls ---- */

typedef long futex_op_fn(struct task *t, struct call *c, struct futex_args *a);

static const struct futex_op {
	futex_op_fn *fn;
	bool waits;    /* has a timeout */
	bool relative; /* which is relative, and takes no FUTEX_CLOCK_REALTIME */
	bool bitset;   /* val3 is the guest's; else it matches any */
	bool clock;    /* FUTEX_CLOCK_REALTIME is allowed */
} futex_ops[] = {
	[FUTEX_WAIT] = {op_wait, true, true, false, false},
	[FUTEX_WAKE] = {futex_op_wake, false, false, false, false},
	[FUTEX_REQUEUE] = {futex_op_requeue, false, false, true, false},
	[FUTEX_CMP_REQUEUE] = {futex_op_requeue, false, false, true, false},
	[FUTEX_WAKE_OP] = {op_wake_op, false, false, true, false},
	[FUTEX_WAIT_BITSET] = {op_wait, true, false, true, true},
	[FUTEX_WAKE_BITSET] = {futex_op_wake, false, false, true, false},
	[FUTEX_LOCK_PI] = {futex_lock_pi, true, false, true, false},
	[FUTEX_LOCK_PI2] = {futex_lock_pi, true, false, true, true},
	[FUTEX_TRYLOCK_PI] = {futex_lock_pi, false, false, true, false},
	[FUTEX_UNLOCK_PI] = {futex_unlock_pi, false, false, true, false},
	[FUTEX_WAIT_REQUEUE_PI] = {futex_wait_requeue_pi, true, false, false, true},
	[FUTEX_CMP_REQUEUE_PI] = {futex_cmp_requeue_pi, false, false, true, false},
};

long sys_futex(struct task *t, struct call *c)
{
	struct futex_args a = futex_decode(c);
	const struct futex_op *op;
	int r;

	if (a.command < 0 || (size_t)a.command >= ARRAY_SIZE(futex_ops) || !futex_ops[a.command].fn)
		return -ENOSYS;
	op = &futex_ops[a.command];
	if (op->waits && a.timeout) {
		bool wall = a.realtime || a.command == FUTEX_LOCK_PI;

		r = futex_read_deadline(t, c, a.timeout, wall ? CLOCK_REALTIME : CLOCK_MONOTONIC,
					op->relative);
		if (r < 0)
			return r;
	}
	if (a.realtime && !op->clock)
		return -ENOSYS;
	if (!op->bitset)
		a.val3 = ~0u;
	else if (op->fn == op_wait && !a.val3)
		return -EINVAL;
	return op->fn(t, c, &a);
}

/* ---- robust lists: what a thread holds when it ends (task/exit.c) ---- */

#define ROBUST_HEAD_SIZE 24

long sys_set_robust_list(struct task *t, struct call *c)
{
	if (c->arg[1] != ROBUST_HEAD_SIZE)
		return -EINVAL;
	t->robust_list = c->arg[0];
	return 0;
}

/* Whether @t may look into @target, as far as ids say (ptrace(2), PTRACE_MODE_READ_REALCREDS). */
static bool may_look(struct task *t, struct task *target)
{
	const struct cred *c = t->cred, *tc = target->cred;

	if (t->group == target->group || !c->euid)
		return true;
	return c->uid == tc->uid && c->uid == tc->euid && c->uid == tc->suid && c->gid == tc->gid &&
	       c->gid == tc->egid && c->gid == tc->sgid;
}

long sys_get_robust_list(struct task *t, struct call *c)
{
	int tid = (int)c->arg[0], r;
	struct task *target = tid ? task_find(t->k, tid) : t;
	u64 size = ROBUST_HEAD_SIZE;

	if (!target)
		return -ESRCH;
	if (!may_look(t, target))
		return -EPERM;
	r = user_put(t, c->arg[2], &size);
	if (r < 0)
		return r;
	return user_put(t, c->arg[1], &target->robust_list);
}
