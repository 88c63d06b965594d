/* SPDX-License-Identifier: Apache-2.0 */
/* munmap and mprotect: taking away and changing parts of what is mapped. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/personality.h>

#include "mm/internal.h"

#define PROT_SEM 0x8

long mm_unmap(struct mm *mm, u64 addr, u64 len)
{
	struct trap_op op = {.kind = TRAP_OP_UNMAP, .addr = addr};
	struct mm_undo *u;
	int error;

	if ((addr & (PAGE_SIZE - 1)) || addr > TRAP_GUEST_TOP || len > TRAP_GUEST_TOP - addr)
		return -EINVAL;
	op.len = page_up(len);
	if (!op.len)
		return -EINVAL;
	if (!vma_intersect(&mm->vmas, addr, addr + op.len))
		return 0;
	if (vma_sealed(&mm->vmas, addr, addr + op.len))
		return -EPERM;
	u = mm_undo_begin(mm, addr, addr + op.len, 0, 0);
	if (!u)
		return -ENOMEM;
	error = vma_remove(&mm->vmas, addr, addr + op.len);
	if (error) {
		mm_undo_abort(u);
		return error;
	}
	error = mm_queue(mm, &op, u);
	mm_account(mm);
	return error;
}

/* mprotect_fixup(): whether @v's part of @bytes may get @new flags. */
static int check_protect(struct task *t, const struct vma *v, u64 new, u64 bytes)
{
	u64 pages = bytes >> PAGE_SHIFT;

	if ((new & ~(new >> 4)) & VM_ACCESS_FLAGS)
		return -EACCES;
	if (v->flags & VM_SEALED)
		return -EPERM;
	if (new == v->flags)
		return 0;
	if (vma_flags_data(new) && !vma_flags_data(v->flags) && !mm_may_expand(t, t->mm, new, pages) &&
	    mm_may_expand(t, t->mm, v->flags, pages))
		return -ENOMEM;
	if ((new &VM_WRITE) && !(v->flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE)) &&
	    !mm_enough_memory(t->mm, pages))
		return -ENOMEM;
	return 0;
}

/* Changes [start, end) up to the first part that may not be changed. *done: where it stopped. */
static int change_parts(struct task *t, u64 start, u64 end, u64 prot, u64 *done)
{
	struct vma_store *s = &t->mm->vmas;
	u64 at = start;

	while (at < end) {
		struct vma *v = vma_lookup(s, at);
		u64 to, p = prot, new;
		int error;

		if (!v)
			return -ENOMEM;
		if ((prot & PROT_READ) && (t->personality & READ_IMPLIES_EXEC) && (v->flags & VM_MAYEXEC))
			p |= PROT_EXEC;
		to = min(v->end, end);
		new = (v->flags & ~VM_ACCESS_FLAGS) | (p & VM_ACCESS_FLAGS);
		error = check_protect(t, v, new, to - at);
		if (error)
			return error;
		/* Private memory that becomes writable is charged from then on. */
		if ((new &VM_WRITE) && !(new &(VM_SHARED | VM_NORESERVE)))
			new |= VM_ACCOUNT;
		if (new != v->flags)
			error = vma_change(s, at, to, ~new, new);
		if (error)
			return error;
		at = to;
		*done = at;
	}
	return 0;
}

static int protect_range(struct task *t, u64 start, u64 end, u64 prot)
{
	struct mm *mm = t->mm;
	struct mm_undo *u = mm_undo_begin(mm, start, end, 0, 0);
	u64 done = start;
	int error, queue_error;
	struct trap_op op = {.kind = TRAP_OP_PROTECT, .addr = start};

	if (!u)
		return -ENOMEM;
	/* PROT_* of reading, writing, executing are VM_*'s bits. */
	error = change_parts(t, start, end, prot, &done);
	if (done == start) {
		mm_undo_abort(u);
		return error;
	}
	op.len = done - start;
	op.prot = mm_host_prot(prot);
	if ((prot & PROT_READ) && (t->personality & READ_IMPLIES_EXEC))
		op.prot |= PROT_EXEC;
	queue_error = mm_queue(mm, &op, u);
	mm_account(mm);
	return queue_error ? queue_error : error;
}

long mm_protect(struct task *t, u64 addr, u64 len, u64 prot)
{
	u64 grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP), end;
	struct vma *v;

	prot &= ~grows;
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP))
		return -EINVAL;
	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (!len)
		return 0;
	end = addr + page_up(len);
	if (end <= addr)
		return -ENOMEM;
	if (prot & ~(u64)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM))
		return -EINVAL;
	v = vma_find(&t->mm->vmas, addr);
	if (!v)
		return -ENOMEM;
	if (grows & PROT_GROWSDOWN) {
		if (v->start >= end)
			return -ENOMEM;
		addr = v->start;
		if (!(v->flags & VM_GROWSDOWN))
			return -EINVAL;
	} else if (v->start > addr) {
		return -ENOMEM;
	} else if (grows) {
		return -EINVAL; /* x86 has nothing that grows upwards */
	}
	/* The kernel's own pages above the guest's ceiling stay as they are. */
	if (end > TRAP_GUEST_TOP)
		return addr < TRAP_GUEST_TOP ? -ENOMEM : -EACCES;
	return protect_range(t, addr, end, prot);
}
