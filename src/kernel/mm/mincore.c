/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mincore: which pages are in memory; only the host knows.
 *
 * The host's mincore() is queued like any operation of memory, and the call asks for a fetch of guest memory:
 * the host carries out operations before fetches, so when the handler runs again the vector is there. Up to
 * 4,096 pages a round. Another thread of the process may have taken the operation along, without a report:
 * then it is ordered again.
 */
#include <errno.h>
#include <stdlib.h>

#include "mm/internal.h"

#define ROUND_PAGES 4096UL
#define UNANSWERED  0xfe /* in the vector's first byte until the host has filled it */

/* Shared by the call and the operation, whichever ends last. */
struct round {
	int refs;
	long result;
	u8 vec[ROUND_PAGES];
};

static void put_round(struct task *t, void *priv)
{
	struct round *r = priv;

	(void)t;
	if (--r->refs == 0)
		free(r);
}

/* trap_op.undo: the outcome. */
static void round_done(void *arg, long result)
{
	struct round *r = arg;

	r->result = result;
	put_round(NULL, r);
}

/* Orders the next round. */
static long order(struct task *t, struct call *c, u64 addr, u64 pages)
{
	struct round *r = calloc(1, sizeof *r);
	struct trap_op op = {.kind = TRAP_OP_MINCORE, .addr = addr, .len = pages << PAGE_SHIFT};
	int error;

	if (!r)
		return -EAGAIN;
	r->refs = 2;
	r->vec[0] = UNANSWERED;
	op.vec = r->vec;
	op.undo = round_done;
	op.arg = r;
	error = t->mm->space ? mm_queue(t->mm, &op, NULL) : -EAGAIN;
	if (error) {
		free(r);
		return -EAGAIN;
	}
	c->priv = r;
	c->priv_free = put_round;
	t->mem.want_addr = c->arg[2] + c->done;
	t->mem.want_size = 1;
	return CALL_FETCH;
}

/* How many of the next @pages at @addr are mapped without a hole. */
static u64 mapped_pages(struct mm *mm, u64 addr, u64 pages)
{
	u64 at = addr, end = addr + (pages << PAGE_SHIFT);

	while (at < end) {
		struct vma *v = vma_lookup(&mm->vmas, at);

		if (!v)
			break;
		at = min(v->end, end);
	}
	return (at - addr) >> PAGE_SHIFT;
}

/* c->done: pages answered. */
long mm_mincore(struct task *t, struct call *c)
{
	u64 addr = c->arg[0], pages = page_up(c->arg[1]) >> PAGE_SHIFT, n;
	struct round *r;
	int error;

	for (;;) {
		u64 at = addr + (c->done << PAGE_SHIFT);

		if (c->done >= pages)
			return 0;
		n = mapped_pages(t->mm, at, min(pages - c->done, ROUND_PAGES));
		if (!n)
			return -ENOMEM;
		if (!c->priv)
			return order(t, c, at, n);
		r = c->priv;
		if (r->result < 0)
			return r->result;
		if (r->vec[0] != UNANSWERED) {
			error = user_write(t, c->arg[2] + c->done, r->vec, n);
			if (error)
				return error;
			c->done += n;
		}
		c->priv = NULL;
		put_round(t, r);
	}
}
