/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undo of changes of the store, for when the host refuses what should follow.
 *
 * The host carries operations out late. A record is the operation's argument, so it lives until the trap
 * calls back with the outcome, exactly once, even when the address space has gone meanwhile (`mm` is NULL
 * then).
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "mm/internal.h"
#include "mm/patch.h"

struct mm_undo {
	struct list node; /* in mm->undos, oldest first */
	struct mm *mm;
	struct vma_snapshot range[2];
	u64 brk;
};

struct mm_undo *mm_undo_begin(struct mm *mm, u64 start, u64 end, u64 start2, u64 end2)
{
	struct mm_undo *u = calloc(1, sizeof *u);

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

static void drop_ranges(struct mm_undo *u)
{
	list_del(&u->node);
	vma_snapshot_drop(&u->range[0]);
	vma_snapshot_drop(&u->range[1]);
}

static void free_undo(struct mm_undo *u)
{
	drop_ranges(u);
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
		if (undos_overlap(u, v))
			return true;
	return false;
}

/* On no memory the store would not be what the host has: the process cannot go on. */
static void restore(struct mm_undo *u)
{
	struct mm *mm = u->mm;
	int error = vma_snapshot_restore(&mm->vmas, &u->range[0]);

	if (!error)
		error = vma_snapshot_restore(&mm->vmas, &u->range[1]);
	mm->brk = u->brk;
	mm_account(mm);
	if (error)
		mm->k->ops.space_died(mm, SIGKILL);
}

void mm_undo_abort(struct mm_undo *u)
{
	restore(u);
	free_undo(u);
}

/* trap_op.undo */
static void change_done(void *arg, long result)
{
	struct mm_undo *u = arg;

	if (result < 0 && u->mm && !overtaken(u))
		restore(u);
	free_undo(u);
}

int mm_queue(struct mm *mm, struct trap_op *op, struct mm_undo *u)
{
	int error;

	if (!mm->space) {
		if (u)
			free_undo(u);
		return 0;
	}
	mm_patch_before(mm, op);
	if (u) {
		op->undo = change_done;
		op->arg = u;
		list_add_tail(&mm->undos, &u->node);
	}
	error = mm->k->trap_ops->op(mm->space, op);
	if (error && u) {
		list_del(&u->node);
		mm_undo_abort(u);
	}
	return error;
}

void mm_undo_detach(struct mm *mm)
{
	while (!list_empty(&mm->undos)) {
		struct mm_undo *u = list_first(&mm->undos, struct mm_undo, node);

		u->mm = NULL;
		drop_ranges(u);
	}
}
