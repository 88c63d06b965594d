/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory operations and copies on their way to the host.
 *
 * A space has one log. Whoever of its threads is answered next takes the log along; the stub carries it out
 * before it goes back to the guest, and says so in slot.acked, without a turn. An operation that overlaps one
 * which another thread may still be carrying out waits: the thread stays WAITING and is answered when the
 * other has acknowledged; so does every thread while an operation is carried out that none may run beside.
 * Descriptors go over the space's socket, one batch outstanding.
 */
#include "trap/seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LOG_OPS 36 /* a batch also holds RECV, copies and a word */

/* The last page of the out area: results of mincore and robust lists. */
#define RESULT_OFFSET (HUSK_OUT_OFFSET + 0x7000)

bool batch_pending(struct sspace *s)
{
	return oplog_has(&s->log, s->log.number) || !list_empty(&s->unacked);
}

/* Nothing is carried out any more. */
static void carried_none(struct sthread *th)
{
	list_del(&th->unacked_node);
	th->ncarried = 0;
	th->space->alone -= th->alone;
	th->alone = false;
}

void batch_acknowledge(struct sthread *th)
{
	while (!list_empty(&th->carried))
		log_entry_end(list_first(&th->carried, struct log_entry, node), 0);
	carried_none(th);
}

static bool ranges_meet(u64 a, u64 alen, u64 b, u64 blen)
{
	return a < b + blen && b < a + alen;
}

static bool ops_meet(const struct trap_op *a, const struct trap_op *b)
{
	return ranges_meet(a->addr, a->len, b->addr, b->len) ||
	       ranges_meet(a->new_addr, a->new_len, b->addr, b->len) ||
	       ranges_meet(a->addr, a->len, b->new_addr, b->new_len) ||
	       ranges_meet(a->new_addr, a->new_len, b->new_addr, b->new_len);
}

/* Whether some of the log is @th's to carry out. */
static bool has_log(const struct sthread *th)
{
	return oplog_has(&th->space->log, th->log_mark);
}

/* Whether @th's part of the log must wait for what @other is carrying out. */
static bool log_meets(struct sthread *th, struct sthread *other)
{
	struct log_entry *e, *c;

	list_for_each (e, &th->space->log.entries, node) {
		if (e->number > th->log_mark)
			break;
		if (other->with_fds && hostfd_valid(e->op.fd))
			return true;
		list_for_each (c, &other->carried, node)
			if (ops_meet(&e->op, &c->op))
				return true;
	}
	return false;
}

static bool must_wait(struct sthread *th)
{
	struct sspace *s = th->space;
	struct sthread *other, *next;
	bool wait = false, log = has_log(th) || th->answer == ANSWER_FORK;

	if (!log && !s->alone)
		return false;
	/* The kernel has copied its store for a child: the memory must not change before the host has copied
	 * that. */
	if (log && order_fork_before(th))
		return true;
	list_for_each_safe (other, next, &s->unacked, unacked_node) {
		if (other == th)
			continue;
		if (load_acquire(&other->slot->acked) == other->batch) {
			batch_acknowledge(other);
			continue;
		}
		if (th->answer != ANSWER_FORK && !other->alone && !log_meets(th, other))
			continue;
		/* Ask to be told, then look once more: the stub does the reverse. */
		other->ack_asked = true;
		store_seq(&other->slot->ack_wanted, 1);
		if (load_acquire(&other->slot->acked) == other->batch)
			batch_acknowledge(other);
		else
			wait = true;
	}
	return wait;
}

static struct stub_op *add_op(struct sthread *th, u32 kind)
{
	struct stub_op *op = &th->ops[th->nops++];

	memset(op, 0, sizeof *op);
	op->kind = kind;
	return op;
}

static void add_log_entry(struct sthread *th, const struct trap_op *t, int fd_index)
{
	static const u32 kinds[] = {[TRAP_OP_MAP] = OP_MMAP,         [TRAP_OP_UNMAP] = OP_MUNMAP,
				    [TRAP_OP_PROTECT] = OP_MPROTECT, [TRAP_OP_REMAP] = OP_MREMAP,
				    [TRAP_OP_ADVISE] = OP_MADVISE,   [TRAP_OP_SEAL] = OP_MSEAL,
				    [TRAP_OP_MINCORE] = OP_MINCORE,  [TRAP_OP_DONATE] = OP_DONATE,
				    [TRAP_OP_CLOSE] = OP_CLOSE};
	struct stub_op *op = add_op(th, kinds[t->kind]);

	op->a[0] = t->addr;
	op->a[1] = t->len;
	switch (t->kind) {
	case TRAP_OP_MAP:
		op->a[2] = (u64)t->prot;
		op->a[3] = (u64)t->flags;
		op->a[4] = (u64)(s64)fd_index;
		op->a[5] = t->offset;
		break;
	case TRAP_OP_PROTECT:
		op->a[2] = (u64)t->prot;
		break;
	case TRAP_OP_REMAP:
		op->a[2] = t->new_len;
		op->a[3] = (u64)t->flags;
		op->a[4] = t->new_addr;
		break;
	case TRAP_OP_ADVISE:
		op->a[2] = (u64)t->flags;
		break;
	case TRAP_OP_MINCORE:
		op->a[2] = RESULT_OFFSET;
		th->mincore_vec = t->vec;
		th->mincore_pages = min(align_up(t->len, PAGE_SIZE) / PAGE_SIZE, PAGE_SIZE);
		break;
	case TRAP_OP_DONATE:
		op->a[1] = (u64)fd_index;
		op->a[2] = t->offset;
		break;
	case TRAP_OP_CLOSE:
		op->a[1] = t->addr + t->len - 1;
		break;
	case TRAP_OP_UNMAP:
	case TRAP_OP_SEAL:
		break;
	}
}

/* Moves operations from the log into the batch; 0 or -errno when their descriptors could not be sent. */
static int take_log(struct sthread *th)
{
	struct sspace *s = th->space;
	struct log_entry *e, *tmp;
	int fds[HUSK_MAX_FDS];
	u32 nfds = 0, n = 0;

	list_for_each (e, &s->log.entries, node) {
		if (n == MAX_LOG_OPS || nfds == HUSK_MAX_FDS || e->number > th->log_mark)
			break;
		if (hostfd_valid(e->op.fd))
			fds[nfds++] = e->op.fd.fd;
		n++;
	}
	if (nfds) {
		int err = send_fds(s->region->socket, fds, nfds);

		if (err)
			return err;
		add_op(th, OP_RECV)->a[0] = nfds;
	}
	th->with_fds = nfds > 0;
	th->first_carried = th->nops;
	nfds = 0;
	list_for_each_safe (e, tmp, &s->log.entries, node) {
		if (!n--)
			break;
		add_log_entry(th, &e->op, hostfd_valid(e->op.fd) ? (int)nfds++ : -1);
		if (e->op.alone && !th->alone) {
			th->alone = true;
			s->alone++;
		}
		log_entry_close(e);
		list_del(&e->node);
		list_add_tail(&th->carried, &e->node);
		th->ncarried++;
	}
	return 0;
}

static void take_copies(struct sthread *th)
{
	th->first_copy = th->nops;
	th->carried_copies = th->ncopies;
	th->carried_out = th->out_used;
	for (u32 i = 0; i < th->ncopies; i++)
		th->ops[th->nops++] = th->copies[i];
	th->ncopies = 0;
	th->out_used = 0;
	if (th->word) {
		struct stub_op *op = add_op(th, th->word->kind == TRAP_CMPXCHG ? OP_CMPXCHG : OP_ROBUST);

		op->a[0] = th->word->addr;
		op->a[1] = th->word->old;
		op->a[2] = th->word->kind == TRAP_CMPXCHG ? th->word->new : RESULT_OFFSET;
	}
}

/* Whether the one thing to do is a copy that the turn's line can tell of. */
static bool fits_line(const struct sthread *th)
{
	return th->answer == ANSWER_RESUME && th->ncopies == 1 && !th->word &&
	       th->copies[0].kind == OP_COPY_OUT && th->copies[0].a[2] == HUSK_OUT_OFFSET && !has_log(th);
}

/* The same of an operation: @th's batch. */
static bool batch_fits_line(const struct sthread *th)
{
	const struct stub_op *op = &th->ops[0];

	if (th->answer != ANSWER_RESUME || th->partial || th->nops != 1)
		return false;
	switch (op->kind) {
	case OP_MMAP:
		return (s64)op->a[4] < 0 && !op->a[5];
	case OP_MUNMAP:
	case OP_MPROTECT:
	case OP_MADVISE:
		return true;
	}
	return false;
}

/* Fills the batch and gives the answer; with more in the log than fits, or before a clone, the batch alone
 * first. */
static void launch(struct sthread *th)
{
	enum stub_answer answer = th->answer;
	bool clone = answer == ANSWER_FORK || answer == ANSWER_THREAD;
	bool work = has_log(th) || (!clone && (th->ncopies || th->word));

	th->nops = 0;
	th->carried_copies = 0;
	th->partial = false;
	th->line_op = false;
	th->line_copy = work && fits_line(th);
	if (th->line_copy) {
		th->copy_addr = th->copies[0].a[0];
		th->copy_size = th->copies[0].a[1];
		th->ncopies = 0;
		th->out_used = 0;
		work = false;
	}
	if (!list_empty(&th->carried) || !list_empty(&th->unacked_node))
		batch_acknowledge(th);
	if (work) {
		int err = has_log(th) ? take_log(th) : 0;

		if (err) {
			/* Only a guest that does not receive what it is sent gets here. */
			space_meddled(th->space);
			return;
		}
		if (has_log(th) || clone)
			th->partial = true;
		else
			take_copies(th);
	}
	if (answer == ANSWER_FORK && !th->partial && order_send(th)) {
		space_meddled(th->space);
		return;
	}
	if (th->nops) {
		th->batch = ++th->space->batches;
		list_add_tail(&th->space->unacked, &th->unacked_node);
		th->line_op = batch_fits_line(th);
	}
	answer_now(th);
}

/* The waiting threads stand in the order of their marks, so that a fork never waits for what waits for it. */
static bool waits_before(struct sthread *th)
{
	struct list *waiting = &th->space->waiting;

	return !list_empty(waiting) &&
	       list_first(waiting, struct sthread, waiting_node)->log_mark <= th->log_mark;
}

static void wait_in_order(struct sthread *th)
{
	struct sthread *other;

	list_for_each (other, &th->space->waiting, waiting_node)
		if (other->log_mark > th->log_mark)
			break;
	list_add_tail(&other->waiting_node, &th->waiting_node);
}

void batch_answer(struct sthread *th, enum stub_answer answer)
{
	struct sspace *s = th->space;

	/* After a part of the log, or a failure in it, what is left is still the same thread's, and the answer the same. */
	if (!th->partial) {
		th->log_mark = th->order ? th->order->log_mark : s->log.number;
		th->epoch = s->settling.epoch;
	}
	th->answer = answer;
	th->base.held = false;
	if (s->base.dead)
		return;
	if ((has_log(th) || answer == ANSWER_FORK || s->alone) &&
	    ((has_log(th) && waits_before(th)) || must_wait(th))) {
		th->state = THREAD_WAITING;
		wait_in_order(th);
		return;
	}
	launch(th);
}

void batch_retry(struct sspace *s)
{
	while (!list_empty(&s->waiting)) {
		struct sthread *th = list_first(&s->waiting, struct sthread, waiting_node);

		if (must_wait(th))
			return;
		list_del(&th->waiting_node);
		launch(th);
	}
}

/* The operation at @index failed with @error: its undo runs, what was not carried out goes back into the log. True: it was
 * there before the thread's call began, so that the call has nothing to do with it. */
static bool settle_failure(struct sthread *th, u32 index, long error)
{
	struct list rest = LIST_INIT(rest);
	u32 i = th->first_carried;
	bool older = false;

	while (!list_empty(&th->carried)) {
		struct log_entry *e = list_first(&th->carried, struct log_entry, node);

		if (i < index) {
			log_entry_end(e, 0);
		} else if (i == index || index < th->first_carried) {
			index = i;
			older = e->number <= th->held_mark;
			log_entry_end(e, error);
		} else {
			list_del(&e->node);
			list_add_tail(&rest, &e->node);
		}
		i++;
	}
	/* In front of what was queued since. */
	list_splice_tail(&rest, &th->space->log.entries);
	list_splice_tail(&th->space->log.entries, &rest);
	carried_none(th);
	return older;
}

/* A memory call has failed before the copies of the same batch: they are none the worse for it (a signal's frame, say). */
static void keep_copies(struct sthread *th, u32 index)
{
	if (!th->carried_copies || index >= th->first_copy)
		return;
	for (u32 i = 0; i < th->carried_copies; i++)
		th->copies[i] = th->ops[th->first_copy + i];
	th->ncopies = th->carried_copies;
	th->out_used = th->carried_out;
}

static void take_results(struct sthread *th)
{
	const char *area = (const char *)th->slot + RESULT_OFFSET;

	if (th->mincore_vec)
		memcpy(th->mincore_vec, area, th->mincore_pages);
	th->mincore_vec = NULL;
	if (!th->word || th->partial)
		return;
	th->word->result =
		read_once(((struct stub_op *)((char *)th->slot + HUSK_OPS_OFFSET))[th->nops - 1].result);
	if (th->word->kind == TRAP_ROBUST_EXIT) {
		u32 n = th->word->result > 0 ? (u32)min(th->word->result, (s64)ARRAY_SIZE(th->word->wake))
					     : 0;

		memcpy(th->word->wake, area, n * sizeof(u64));
		th->word->nwake = n;
	}
	th->word = NULL;
}

bool batch_report(struct sthread *th, long result, u32 op_index, long *error)
{
	if (result >= 0) {
		if (th->nops)
			take_results(th);
		batch_acknowledge(th);
		return false;
	}
	*error = result < -4095 ? -EFAULT : result;
	keep_copies(th, op_index);
	/* What another thread had queued is undone; this one goes on with the rest. */
	th->partial = settle_failure(th, op_index, *error);
	if (th->partial)
		return false;
	th->mincore_vec = NULL;
	th->word = NULL;
	return true;
}
