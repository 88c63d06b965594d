/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mincore: which pages are in memory; only the host knows.
 *
 * The host's mincore() is queued like any operation of memory, and the call asks for a fetch of guest memory:
 * the host carries out operations before fetches, so when the handler runs again the vector is there. Up to
 * 4,096 pages a round.
 */
#include <errno.h>

#include "mm/internal.h"

#define ROUND_PAGES 4096UL
#define UNANSWERED  0xfe /* in the vector's first byte until the host has filled it */

static void free_scratch(struct task *t, void *priv)
{
	(void)t;
	mm_scratch_put(priv);
}

/* Orders the next round. */
static long order(struct task *t, struct call *c, u64 addr, u64 pages)
{
	struct mm_scratch *s = mm_scratch_new(t->mm, ROUND_PAGES);
	struct trap_op op = {.kind = TRAP_OP_MINCORE, .addr = addr, .len = pages << PAGE_SHIFT};
	int error;

	if (!s)
		return -EAGAIN;
	op.vec = mm_scratch_bytes(s);
	op.vec[0] = UNANSWERED;
	error = mm_queue(t->mm, &op, NULL);
	if (error) {
		mm_scratch_put(s);
		return -EAGAIN;
	}
	c->priv = s;
	c->priv_free = free_scratch;
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
		if (mm_scratch_bytes(c->priv)[0] == UNANSWERED)
			return -ENOMEM;
		error = user_write(t, c->arg[2] + c->done, mm_scratch_bytes(c->priv), n);
		if (error)
			return error;
		mm_scratch_put(c->priv);
		c->priv = NULL;
		c->priv_free = NULL;
		c->done += n;
	}
}
