/* SPDX-License-Identifier: Apache-2.0 */
/* The program break: brk(2), and the heap's place behind the program. */
#include "mm/mm.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "mm/internal.h"
#include "mm/leave.h"

#define BRK_RND    0x02000000UL
#define HEAP_FLAGS (VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT)

void mm_set_brk(struct mm *mm, u64 end)
{
	end = page_up(end);
	mm->start_brk = mm->brk = end + page_down(mm->random(mm->k) % BRK_RND);
}

static int shrink(struct mm *mm, u64 brk, u64 from, u64 to)
{
	struct trap_op op = {.kind = TRAP_OP_UNMAP, .addr = from, .len = to - from};
	struct mm_undo *u;
	int error;

	if (vma_sealed(&mm->vmas, from, to))
		return -EPERM;
	u = mm_undo_begin(mm, from, to, 0, 0);
	if (!u)
		return -ENOMEM;
	error = vma_remove(&mm->vmas, from, to);
	if (error) {
		mm_undo_abort(u);
		return error;
	}
	mm->brk = brk;
	error = mm_queue(mm, &op, u);
	mm_account(mm);
	return error;
}

static int may_grow(struct task *t, struct mm *mm, u64 from, u64 to)
{
	struct vma *next = vma_find(&mm->vmas, from);
	u64 pages = (to - from) >> PAGE_SHIFT;

	if (to > TRAP_GUEST_TOP || (next && to + PAGE_SIZE > vma_start_gap(next)))
		return -ENOMEM;
	if (!mm_lock_fits(t, mm, mm->def_flags, to - from))
		return -EAGAIN;
	if (!mm_may_expand(t, mm, HEAP_FLAGS, pages) || mm->vmas.count > MM_MAX_COUNT ||
	    !mm_enough_memory(mm, pages))
		return -ENOMEM;
	return 0;
}

static int grow(struct task *t, struct mm *mm, u64 brk, u64 from, u64 to)
{
	u64 flags = HEAP_FLAGS | mm->def_flags;
	struct trap_op op = {
		.kind = TRAP_OP_MAP,
		.addr = from,
		.len = to - from,
		.prot = mm_host_prot(flags),
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		.fd = HOSTFD_NONE,
	};
	struct mm_undo *u;
	int error = may_grow(t, mm, from, to);

	if (error)
		return error;
	u = mm_undo_begin(mm, from, to, 0, 0);
	if (!u)
		return -ENOMEM;
	error = vma_insert(&mm->vmas, from, to, flags, from >> PAGE_SHIFT, NULL, NULL);
	if (error) {
		mm_undo_abort(u);
		return error;
	}
	mm->brk = brk;
	error = mm_queue(mm, &op, u);
	mm_account(mm);
	return error;
}

/* Never fails: the break that holds afterwards. */
long mm_brk(struct task *t, u64 brk)
{
	struct mm *mm = t->mm;
	u64 limit = mm_limit(t, RLIMIT_DATA), from = page_up(mm->brk), to = page_up(brk);

	if (brk < mm->start_brk || brk > TRAP_GUEST_TOP)
		return (long)mm->brk;
	if (limit != RLIM_INFINITY && brk - mm->start_brk + (mm->end_data - mm->start_data) > limit)
		return (long)mm->brk;
	if (from == to) {
		mm->brk = brk;
		mm_leave_changed(mm);
	} else if (to < from) {
		(void)shrink(mm, brk, to, from);
	} else {
		(void)grow(t, mm, brk, from, to);
	}
	return (long)mm->brk;
}
