/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mseal: mappings that stay as they are until exec or exit (mm/mseal.c; Documentation/userspace-api/mseal.rst).
 *
 * A seal is a flag of the store like any other: split with its mapping, minded by merging, copied by fork. What it
 * forbids is asked where it would happen: munmap and mmap over it (mm/change.c, mm/map.c), mprotect (mm/change.c),
 * mremap (mm/remap.c), advice that discards (mm/advise.c), a shrinking break (mm/brk.c). While a space has no seals
 * nobody looks for them.
 *
 * The host seals, too, where it can: then the seal also holds against who jumps into the stub's own memory calls. But
 * what is sealed there in the parent is sealed in its forked child, where husk could no longer take away what was not
 * to be inherited; so the host is told of MADV_DONTFORK and its like before it seals, and of each such advice after.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/internal.h"

/* Has the host do at its fork what the advices on @v say. */
static int tell_of_fork(struct mm *mm, const struct vma *v, u64 start, u64 end)
{
	struct trap_op op = {.kind = TRAP_OP_ADVISE, .addr = start, .len = end - start};
	int error = 0;

	if (v->flags & VM_DONTCOPY) {
		op.flags = MADV_DONTFORK;
		error = mm_queue(mm, &op, NULL);
	}
	if (!error && (v->flags & VM_WIPEONFORK)) {
		op.flags = MADV_WIPEONFORK;
		error = mm_queue(mm, &op, NULL);
	}
	return error;
}

/* Seals up to the first part that cannot be. *done: where it stopped. */
static int seal_parts(struct mm *mm, u64 start, u64 end, bool host, u64 *done)
{
	u64 at = start;

	while (at < end) {
		struct vma *v = vma_find(&mm->vmas, at);
		u64 to = min(v->end, end);
		int error = 0;

		if (!(v->flags & VM_SEALED)) {
			/* The kernel's own pages cannot be split (special_mapping_split). */
			if ((v->flags & VM_SPECIAL) && (at != v->start || to != v->end))
				return -EINVAL;
			if (host)
				error = tell_of_fork(mm, v, at, to);
			if (!error)
				error = vma_change(&mm->vmas, at, to, 0, VM_SEALED);
		}
		if (error)
			return error;
		at = to;
		*done = at;
	}
	return 0;
}

static int seal_range(struct mm *mm, u64 start, u64 end)
{
	/* The vDSO lies between the windows of the stub: nobody can change it there. */
	bool host = mm->k->host_seals && start < TRAP_GUEST_TOP;
	struct trap_op op = {.kind = TRAP_OP_SEAL, .addr = start};
	u64 done = start;
	struct mm_undo *u;
	int error, queue_error;

	if (!host)
		return seal_parts(mm, start, end, false, &done);
	u = mm_undo_begin(mm, start, end, 0, 0);
	if (!u)
		return -ENOMEM;
	error = seal_parts(mm, start, end, true, &done);
	if (done == start) {
		mm_undo_abort(u);
		return error;
	}
	op.len = done - start;
	queue_error = mm_queue(mm, &op, u);
	return queue_error ? queue_error : error;
}

long mm_seal(struct task *t, u64 addr, u64 len, u64 flags)
{
	struct vma_store *s = &t->mm->vmas;
	u64 size = page_up(len), end = addr + size;
	long result;

	if (flags || (addr & (PAGE_SIZE - 1)) || (len && !size) || end < addr)
		return -EINVAL;
	if (end == addr)
		return 0;
	if (vma_mapped(s, addr, end, 0) != size)
		return -ENOMEM;
	result = seal_range(t->mm, addr, end);
	mm_account(t->mm);
	return result;
}
