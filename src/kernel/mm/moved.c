/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mappings of a file whose bytes have moved to another host file (the overlay's copy-up): they are made anew where they are
 * shared, and where they are private behind the last page that the file had, which nobody can have touched (SIGBUS).
 *
 * Each space gets the operations in its log, and its running threads take a turn soon, so whoever learns by husk that
 * the file was written finds the new bytes. The rest of private mappings stays: what it shows of later writes is
 * unspecified (mmap(2)), and pages that were written to could not be told from others.
 */
#include "mm/mm.h"

#include <sys/mman.h>

#include "mm/internal.h"

/* Whether @v maps @i, and may be mapped anew: what the host has sealed stays as it is. */
static bool maps(const struct vma *v, const struct inode *i)
{
	struct file *f = vma_file(v);

	return f && f->inode == i && f->ops->mmap && !(v->flags & VM_SEALED);
}

/* Where the part of @v begins that is mapped anew, the file having had @size bytes: v->end where none is. */
static u64 stale_from(const struct vma *v, const struct inode *i, u64 size)
{
	u64 pages = page_up(size) >> PAGE_SHIFT;

	if (!maps(v, i))
		return v->end;
	if (v->flags & VM_MAYSHARE || v->pgoff >= pages)
		return v->start;
	return min(v->end, v->start + ((pages - v->pgoff) << PAGE_SHIFT));
}

/* A private mapping of the old bytes goes on without regard to where the new ones end. */
static void leave(const struct vma *v, const struct inode *i)
{
	struct file *f = vma_file(v);

	if (f && f->inode == i && !(maps(v, i) && v->flags & VM_MAYSHARE))
		vma_mm_object(v)->apart = true;
}

/* Maps @v from @start on. Without memory the old bytes stay. */
static bool map_anew(struct mm *mm, const struct vma *v, u64 start)
{
	struct mmap_backing backing = {.fd = HOSTFD_NONE};
	struct file *f = vma_file(v);
	int type = v->flags & VM_MAYSHARE ? MAP_SHARED : MAP_PRIVATE;
	struct trap_op op = {
		.kind = TRAP_OP_MAP,
		.addr = start,
		.len = v->end - start,
		.prot = mm_host_prot(v->flags),
		.flags = type | MAP_FIXED,
	};

	if (f->ops->mmap(f, PROT_READ, type, &backing) || backing.zero)
		return false;
	op.fd = backing.fd;
	op.offset = (v->pgoff << PAGE_SHIFT) + (start - v->start) + backing.offset;
	return !mm_queue(mm, &op, NULL);
}

static void settled(void *arg, long result)
{
}

void mm_file_moved(struct kernel *k, struct inode *i, u64 size)
{
	struct mm *mm;

	list_for_each (mm, &k->mms, on_kernel) {
		bool any = false;

		if (!mm->space || mm->space->dead)
			continue;
		for (struct vma *v = vma_first(&mm->vmas); v; v = vma_next(v)) {
			u64 from = stale_from(v, i, size);

			leave(v, i);
			if (from < v->end && map_anew(mm, v, from))
				any = true;
		}
		if (any)
			k->trap_ops->settle(mm->space, settled, NULL);
	}
}
