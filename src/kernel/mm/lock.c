/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mlock and its family: kept in the store, counted against RLIMIT_MEMLOCK, never asked of the host.
 *
 * Linux: locked pages stay in memory. Here: they are brought in once, and the host may still swap them,
 * because locks on the host would let one sandbox take memory from everybody.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "mm/internal.h"
#include "mm/leave.h"

#define CAP_IPC_LOCK 14

/* Brings [start, end) into memory, as far as its mappings allow. -ENOMEM where one allows nothing. */
static long populate(struct mm *mm, u64 start, u64 end)
{
	struct vma *v;
	long result = 0;

	for (v = vma_intersect(&mm->vmas, start, end); v && v->start < end; v = vma_next(v)) {
		struct trap_op op = {
			.kind = TRAP_OP_ADVISE,
			.addr = max(v->start, start),
			.len = min(v->end, end) - max(v->start, start),
			.flags = MADV_POPULATE_READ,
		};

		if (!(v->flags & VM_ACCESS_FLAGS)) {
			result = -ENOMEM;
			continue;
		}
		/* Pages behind a file's end would fail the call: files are left to their first touch. */
		if ((v->flags & VM_LOCKONFAULT) || (v->flags & VM_SPECIAL) || vma_file(v))
			continue;
		if ((v->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
			op.flags = MADV_POPULATE_WRITE;
		if (mm_queue(mm, &op, NULL))
			return -EAGAIN;
	}
	return result;
}

static u64 lock_bits(const struct vma *v, u64 lock_flags)
{
	return v->flags & VM_SPECIAL ? 0 : lock_flags;
}

/* Sets or clears the lock bits of all that is mapped from @start on without a hole; -ENOMEM at a hole. */
static long apply(struct mm *mm, u64 start, u64 end, u64 lock_flags)
{
	u64 at = start;

	while (at < end) {
		struct vma *v = vma_lookup(&mm->vmas, at);
		u64 to, bits;
		int error;

		if (!v)
			return -ENOMEM;
		to = min(v->end, end);
		bits = lock_bits(v, lock_flags);
		if ((v->flags & VM_LOCKED_MASK) != bits) {
			error = vma_change(&mm->vmas, at, to, VM_LOCKED_MASK, bits);
			if (error)
				return error;
		}
		at = to;
	}
	return 0;
}

long mm_lock(struct task *t, u64 addr, u64 len, u64 lock_flags)
{
	struct mm *mm = t->mm;
	u64 start = page_down(addr), end, limit, locked;
	long error;

	if (lock_flags && !mm_can_lock(t))
		return -EPERM;
	len = page_up(len + (addr - start));
	end = start + len;
	if (lock_flags) {
		limit = mm_limit(t, RLIMIT_MEMLOCK) >> PAGE_SHIFT;
		locked = mm->vmas.locked + (len >> PAGE_SHIFT);
		/* What is locked already is not counted twice. */
		if (locked > limit && !capable(t, CAP_IPC_LOCK) && end > start)
			locked -= vma_mapped(&mm->vmas, start, end, VM_LOCKED) >> PAGE_SHIFT;
		if (locked > limit && !capable(t, CAP_IPC_LOCK))
			return -ENOMEM;
	}
	if (end < start)
		return -EINVAL;
	if (end == start)
		return 0;
	error = apply(mm, start, end, lock_flags);
	mm_account(mm);
	if (error || !lock_flags)
		return error;
	return populate(mm, start, end);
}

static u64 lock_flags_of(int flags)
{
	return VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
}

/* @flags 0: munlockall(). Linux ignores errors on single mappings; so does this. */
static void apply_all(struct mm *mm, int flags)
{
	struct vma *v, *next;

	mm->def_flags = flags & MCL_FUTURE ? lock_flags_of(flags) : 0;
	mm_leave_revoke(mm);
	if (flags && !(flags & MCL_CURRENT))
		return;
	for (v = vma_first(&mm->vmas); v; v = next) {
		u64 end = v->end;

		(void)vma_change(&mm->vmas, v->start, end, VM_LOCKED_MASK,
				 lock_bits(v, flags ? lock_flags_of(flags) : 0));
		next = vma_find(&mm->vmas, end);
	}
	mm_account(mm);
}

long mm_lock_all(struct task *t, int flags)
{
	struct mm *mm = t->mm;
	u64 limit = mm_limit(t, RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (flags) {
		if ((flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
			return -EINVAL;
		if (!mm_can_lock(t))
			return -EPERM;
		if ((flags & MCL_CURRENT) && mm->vmas.total > limit && !capable(t, CAP_IPC_LOCK))
			return -ENOMEM;
	}
	apply_all(mm, flags);
	return 0;
}
