/* SPDX-License-Identifier: Apache-2.0 */
/* What a futex word is known by, so that two mappings of one object share it (kernel/futex/core.c,
 * get_futex_key). */
#include <errno.h>

#include "mm/internal.h"

int mm_futex_key(struct mm *mm, u64 addr, struct mm_key *key)
{
	struct vma *v = vma_lookup(&mm->vmas, addr);
	struct mm_object *o;

	if (!v || !(v->flags & VM_ACCESS_FLAGS))
		return -EFAULT;
	o = vma_mm_object(v);
	if (!o || !(v->flags & VM_MAYSHARE)) {
		key->object = mm;
		key->offset = addr;
		return 0;
	}
	if (!o->file)
		key->object = o;
	else
		key->object = o->file->inode ? (const void *)o->file->inode : o->file;
	key->offset = (v->pgoff << PAGE_SHIFT) + (addr - v->start);
	return 0;
}
