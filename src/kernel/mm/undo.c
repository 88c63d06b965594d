/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undo of changes of the store, for when the host refuses what should follow.
 *
 * The host carries operations out late and reports only failures, so a record lives until nothing of its
 * space is under way. A guest decides when its acknowledgements come; so their number is bounded: a change
 * beyond it has no record, and if the host refuses that one the process is killed, as its memory would not be
 * what the store says.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "mm/internal.h"

#define MAX_UNDOS 4096

struct mm_undo {
	struct list node; /* in mm->undos, oldest first */
	struct mm *mm;
	struct vma_snapshot range[2];
	u64 brk;
	bool done; /* was carried out, or overtaken */
};

struct mm_undo *mm_undo_begin(struct mm *mm, u64 start, u64 end, u64 start2, u64 end2)
{
	struct mm_undo *u;

	mm_undo_purge(mm, false);
	u = calloc(1, sizeof *u);
	if (!u)
		return NULL;
	u->mm = mm;
	u->brk = mm->brk;
	list_init(&u->node);
	if (vma_snapshot_take(&mm->vmas, start, end, &u->range[0])) {
		free(u);
		return NULL;
	}
	if (vma_snapshot_take(&mm->vmas, start2, end2, &u->range[1])) {
		vma_snapshot_drop(&u->range[0]);
		free(u);
		return NULL;
	}
	return u;
}

static void free_undo(struct mm_undo *u)
{
	list_del(&u->node);
	vma_snapshot_drop(&u->range[0]);
	vma_snapshot_drop(&u->range[1]);
	free(u);
}

static bool overlap(const struct vma_snapshot *a, const struct vma_snapshot *b)
{
	return a->start < b->end && b->start < a->end;
}

static bool undos_overlap(const struct mm_undo *a, const struct mm_undo *b)
{
	return overlap(&a->range[0], &b->range[0]) || overlap(&a->range[0], &b->range[1]) ||
	       overlap(&a->range[1], &b->range[0]) || overlap(&a->range[1], &b->range[1]);
}

/* Whether a later change of the same pages stands, which must not be lost. */
static bool overtaken(const struct mm_undo *u)
{
	const struct mm_undo *v;

	for (v = list_entry(u->node.next, struct mm_undo, node); &v->node != &u->mm->undos;
	     v = list_entry(v->node.next, struct mm_undo, node))
		if (!v->done && undos_overlap(u, v))
			return true;
	return false;
}

static int restore(struct mm_undo *u)
{
	struct mm *mm = u->mm;
	int error = vma_snapshot_restore(&mm->vmas, &u->range[0]);

	if (!error)
		error = vma_snapshot_restore(&mm->vmas, &u->range[1]);
	mm->brk = u->brk;
	mm_account(mm);
	return error;
}

void mm_undo_abort(struct mm_undo *u)
{
	if (restore(u))
		u->mm->k->ops.space_died(u->mm, SIGKILL);
	free_undo(u);
}

/* trap_op.undo of changes with a record. */
static void undo_change(void *arg, long result)
{
	struct mm_undo *u = arg;

	if (!u->done && !overtaken(u) && restore(u))
		u->mm->k->ops.space_died(u->mm, SIGKILL);
	u->done = true;
	(void)result;
}

/* trap_op.undo of a change that has no record any more. */
static void undo_impossible(void *arg, long result)
{
	struct mm *mm = arg;

	(void)result;
	mm->k->ops.space_died(mm, SIGKILL);
}

int mm_queue(struct mm *mm, struct trap_op *op, struct mm_undo *u)
{
	int error;

	if (!mm->space) {
		if (u)
			free_undo(u);
		return 0;
	}
	if (u && mm->nundos < MAX_UNDOS) {
		op->undo = undo_change;
		op->arg = u;
	} else if (u) {
		op->undo = undo_impossible;
		op->arg = mm;
	}
	error = mm->k->trap_ops->op(mm->space, op);
	if (!u)
		return error;
	if (error) {
		mm_undo_abort(u);
		return error;
	}
	if (op->arg == u) {
		list_add_tail(&mm->undos, &u->node);
		mm->nundos++;
	} else {
		free_undo(u);
	}
	return 0;
}

/* In mm->scratches until the host can no longer write it; freed when that and the caller's hold are both
 * over. */
struct mm_scratch {
	struct list node;
	bool held, listed;
	u8 bytes[];
};

struct mm_scratch *mm_scratch_new(struct mm *mm, size_t size)
{
	struct mm_scratch *s;

	mm_undo_purge(mm, false);
	s = calloc(1, sizeof *s + size);
	if (!s)
		return NULL;
	s->held = s->listed = true;
	list_add_tail(&mm->scratches, &s->node);
	return s;
}

u8 *mm_scratch_bytes(struct mm_scratch *s)
{
	return s->bytes;
}

void mm_scratch_put(struct mm_scratch *s)
{
	s->held = false;
	if (!s->listed)
		free(s);
}

static void purge_scratches(struct mm *mm)
{
	struct mm_scratch *s, *next;

	list_for_each_safe (s, next, &mm->scratches, node) {
		list_del(&s->node);
		s->listed = false;
		if (!s->held)
			free(s);
	}
}

void mm_undo_purge(struct mm *mm, bool all)
{
	struct mm_undo *u, *next;

	if (list_empty(&mm->undos) && list_empty(&mm->scratches))
		return;
	if (!all && mm->space && mm->k->trap_ops->ops_pending(mm->space))
		return;
	list_for_each_safe (u, next, &mm->undos, node)
		free_undo(u);
	mm->nundos = 0;
	purge_scratches(mm);
}
