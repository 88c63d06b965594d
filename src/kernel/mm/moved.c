/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared mappings of a file whose bytes have moved to another host file (the overlay's copy-up): they are made anew.
 *
 * Each space gets the operations in its log, and its running threads take a turn soon, so whoever learns by husk that
 * the file was written finds the new bytes. Private mappings stay: what they show of later writes is unspecified
 * (mmap(2)), and pages that were written to could not be told from others.
 */
#include "mm/mm.h"

#include <sys/mman.h>

#include "mm/internal.h"

static bool shows(const struct vma *v, const struct inode *i)
{
	struct file *f = v->flags & VM_MAYSHARE ? vma_file(v) : NULL;

	/* What the host has sealed stays as it is. */
	return f && f->inode == i && f->ops->mmap && !(v->flags & VM_SEALED);
}

/* A private mapping of the old bytes goes on without regard to where the new ones end. */
static void leave(const struct vma *v, const struct inode *i)
{
	struct file *f = vma_file(v);

	if (f && f->inode == i && !shows(v, i))
		vma_mm_object(v)->apart = true;
}

/* Without memory the old bytes stay. */
static bool map_anew(struct mm *mm, const struct vma *v)
{
	struct mmap_backing backing = {.fd = HOSTFD_NONE};
	struct file *f = vma_file(v);
	struct trap_op op = {
		.kind = TRAP_OP_MAP,
		.addr = v->start,
		.len = v->end - v->start,
		.prot = mm_host_prot(v->flags),
		.flags = MAP_SHARED | MAP_FIXED,
	};

	if (f->ops->mmap(f, PROT_READ, MAP_SHARED, &backing) || backing.zero)
		return false;
	op.fd = backing.fd;
	op.offset = (v->pgoff << PAGE_SHIFT) + backing.offset;
	return !mm_queue(mm, &op, NULL);
}

static void settled(void *arg, long result)
{
}

void mm_file_moved(struct kernel *k, struct inode *i)
{
	struct mm *mm;

	list_for_each (mm, &k->mms, on_kernel) {
		bool any = false;

		if (!mm->space || mm->space->dead)
			continue;
		for (struct vma *v = vma_first(&mm->vmas); v; v = vma_next(v)) {
			leave(v, i);
			if (shows(v, i) && map_anew(mm, v))
				any = true;
		}
		if (any)
			k->trap_ops->settle(mm->space, settled, NULL);
	}
}
