/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a tracer may reach though the program may not: breakpoints in code, guard pages (FOLL_FORCE in mm/gup.c).
 *
 * The host's mapping is given what it lacks while the traced task's stub copies, and gets its protection back right after:
 * of private memory the host makes a copy for this process alone, as it does for its own tracers. The store does not
 * change, so that maps shows nothing of it.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/internal.h"
#include "mm/patch.h"

/* What a tracer may do to @v: write private memory and shared memory that the program may write itself. */
static bool may_force(const struct vma *v, bool write)
{
	if (!write)
		return v->flags & (VM_MAYREAD | VM_ACCESS_FLAGS);
	return (v->flags & VM_WRITE) || !(v->flags & VM_SHARED);
}

static int queue(struct mm *mm, const struct vma *v, u64 start, u64 end, int prot)
{
	struct trap_op op = {
		.kind = TRAP_OP_PROTECT,
		.addr = max(start, v->start),
		.len = min(end, v->end) - max(start, v->start),
		.prot = prot,
		.fd = HOSTFD_NONE,
	};

	return mm_queue(mm, &op, NULL);
}

/* Linux: seals do not hold tracers. Here: where the host seals as well, its refusal makes the access EIO. */
int mm_force_begin(struct mm *mm, u64 addr, u64 size, bool write)
{
	u64 start = page_down(addr), end = page_up(addr + size);
	int need = PROT_READ | (write ? PROT_WRITE : 0), changed = 0;
	struct vma *v;

	for (u64 at = start; at < end; at = v->end) {
		v = vma_lookup(&mm->vmas, at);
		if (!v || !may_force(v, write))
			return -EIO;
	}
	for (u64 at = start; at < end; at = v->end) {
		int prot, err;

		v = vma_lookup(&mm->vmas, at);
		prot = mm_host_prot(v->flags);
		if ((prot & need) == need)
			continue;
		if (write)
			mm_patch_never(mm);
		err = queue(mm, v, start, end, prot | need);
		if (err)
			return err;
		changed = 1;
	}
	return changed;
}

int mm_force_end(struct mm *mm, u64 addr, u64 size)
{
	u64 start = page_down(addr), end = page_up(addr + size);
	struct vma *v;
	int err = 0;

	for (u64 at = start; !err && at < end; at = v->end) {
		v = vma_find(&mm->vmas, at);
		if (!v || v->start >= end)
			break;
		err = queue(mm, v, start, end, mm_host_prot(v->flags));
	}
	return err;
}
