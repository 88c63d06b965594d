/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex_waitv(2), futex_wait(2), futex_wake(2) and futex_requeue(2): futexes with flags for each word
 * (kernel/futex/syscalls.c).
 *
 * Words have 32 bits, as in Linux so far. Private ones are taken from the host first, which would not see these calls:
 * waiters of futex(2) and of these meet in the same queues.
 */
#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#include "mm/mm.h"
#include "sys/futex_ops.h"

#define SIZE_MASK   3u /* FUTEX2_SIZE_MASK */
#define SIZE_U32    2u /* FUTEX2_SIZE_U32 */
#define WAITV_WORDS 128

/* struct futex_waitv */
struct waitv_word {
	u64 value, addr;
	u32 flags, reserved;
};

/* Linux: FUTEX2_NUMA and FUTEX2_MPOL since 6.16. Here: unknown, as before, since there are no memory nodes. */
static bool flags_valid(u32 flags)
{
	return !(flags & ~(SIZE_MASK | FUTEX_PRIVATE_FLAG)) && (flags & SIZE_MASK) == SIZE_U32;
}

static bool fits_word(u64 value)
{
	return value <= 0xffffffffUL;
}

/* The words at @addr, checked: 0, -EFAULT, -EINVAL, CALL_FETCH. */
static int read_words(struct task *t, struct waitv_word *words, u64 addr, int n)
{
	int r = user_read(t, words, addr, (size_t)n * sizeof *words);

	if (r < 0)
		return r;
	for (int i = 0; i < n; i++)
		if (!flags_valid(words[i].flags) || words[i].reserved || !fits_word(words[i].value))
			return -EINVAL;
	return 0;
}

/* The deadline of a call that may have one: 0, -EINVAL, -EFAULT, CALL_FETCH. */
static int read_timeout(struct task *t, struct call *c, u64 addr, int clock)
{
	if (!addr)
		return 0;
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return -EINVAL;
	return futex_read_deadline(t, c, addr, clock, false);
}

/* ---- futex_waitv ---- */

long sys_futex_waitv(struct task *t, struct call *c);

/* The record of a wait for all of the words: 0, or what the handler returns. */
static long waitv_begin(struct task *t, struct call *c, int n)
{
	struct waitv_word words[WAITV_WORDS];
	struct futex_key keys[WAITV_WORDS];
	struct futex_wait *w;
	u32 any = 0;
	long r = read_words(t, words, c->arg[0], n);

	if (r)
		return r;
	for (int i = 0; i < n; i++)
		any |= words[i].flags;
	r = futex_own_words(t, c, any & FUTEX_PRIVATE_FLAG, sys_futex_waitv);
	for (int i = 0; !r && i < n; i++)
		r = futex_key(t, words[i].addr, words[i].flags & FUTEX_PRIVATE_FLAG, &keys[i]);
	if (r)
		return r;
	w = futex_wait_new(t, c, n);
	if (!w)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		w->words[i].key = keys[i];
		w->words[i].addr = words[i].addr;
		w->words[i].value = (u32)words[i].value;
	}
	return 0;
}

long sys_futex_waitv(struct task *t, struct call *c)
{
	u32 n = (u32)c->arg[1];
	long r;

	if ((u32)c->arg[2] || !n || n > WAITV_WORDS || !c->arg[0])
		return -EINVAL;
	r = read_timeout(t, c, c->arg[3], (int)c->arg[4]);
	if (!r && !c->priv)
		r = waitv_begin(t, c, (int)n);
	return r ? r : futex_wait(t, c);
}

/* ---- one word, two words ---- */

long sys_futex_wait(struct task *t, struct call *c)
{
	u64 addr = c->arg[0], value = c->arg[1], mask = c->arg[2];
	u32 flags = (u32)c->arg[3];
	long r;

	if (!flags_valid(flags) || !fits_word(value) || !fits_word(mask))
		return -EINVAL;
	r = read_timeout(t, c, c->arg[4], (int)c->arg[5]);
	if (r)
		return r;
	if (!mask)
		return -EINVAL;
	if (!c->priv) {
		r = futex_own_words(t, c, flags & FUTEX_PRIVATE_FLAG, sys_futex_wait);
		if (!r)
			r = futex_wait_record(t, c, addr, (u32)value, flags & FUTEX_PRIVATE_FLAG, (u32)mask);
		if (r)
			return r;
	}
	return futex_wait(t, c);
}

long sys_futex_wake(struct task *t, struct call *c)
{
	u32 flags = (u32)c->arg[3];
	struct futex_args a = {.addr = c->arg[0],
			       .val = (u32)c->arg[2],
			       .val3 = (u32)c->arg[1],
			       .private = flags & FUTEX_PRIVATE_FLAG};
	struct futex_key key;
	long r;

	if (!flags_valid(flags) || !fits_word(c->arg[1]) || !a.val3)
		return -EINVAL;
	/* FUTEX_WAKE of nobody wakes one; this is strict. */
	if (!a.val)
		return futex_key(t, a.addr, a.private, &key);
	r = futex_own_words(t, c, a.private, sys_futex_wake);
	return r ? r : futex_op_wake(t, c, &a);
}

long sys_futex_requeue(struct task *t, struct call *c)
{
	struct waitv_word words[2];
	struct futex_args a = {
		.command = FUTEX_CMP_REQUEUE, .val = (u32)c->arg[2], .timeout = (u32)c->arg[3]};
	long r;

	if ((u32)c->arg[1] || !c->arg[0])
		return -EINVAL;
	r = read_words(t, words, c->arg[0], 2);
	if (r)
		return r;
	if (words[0].flags != words[1].flags)
		return -EINVAL;
	a.addr = words[0].addr;
	a.addr2 = words[1].addr;
	a.val3 = (u32)words[0].value;
	a.private = words[0].flags & FUTEX_PRIVATE_FLAG;
	r = (s32)a.val < 0 || (s32)a.timeout < 0 ? -EINVAL
						 : futex_own_words(t, c, a.private, sys_futex_requeue);
	return r ? r : futex_op_requeue(t, c, &a);
}
