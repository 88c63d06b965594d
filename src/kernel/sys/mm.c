/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on address spaces: arguments as Linux takes them, then the mm room. */
#include "mm/leave.h"

#include <errno.h>
#include <sys/mman.h>

#define MLOCK_ONFAULT_FLAG 1

long sys_mmap(struct task *t, struct call *c)
{
	u64 flags = c->arg[3], offset = c->arg[5];
	struct file *file = NULL;
	long result;

	if (offset & (PAGE_SIZE - 1))
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		result = fd_get(t, (int)c->arg[4], &file);
		if (result)
			return result;
		if (flags & MAP_HUGETLB) {
			file_put(file);
			return -EINVAL;
		}
	} else if (flags & MAP_HUGETLB) {
		u32 size = flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK;

		/* Linux: what is not reserved (MAP_NORESERVE) can be mapped, and is a SIGBUS when it is touched. Here: ENOMEM, as
		 * for all on a host that has set no huge pages aside; transparent ones come by themselves. */
		return c->arg[1] && (!size || size == 21 || size == 30) ? -ENOMEM : -EINVAL;
	}
	result = mm_map(t, t->mm, c->arg[0], c->arg[1], (int)c->arg[2], (int)flags, file, offset);
	if (file)
		file_put(file);
	else if (result > 0)
		mm_leave_wish(t->mm, c->arg[0] || flags & MAP_32BIT ? MM_WISH_CHANGE : MM_WISH_PLACE,
			      (u64)result, align_up(c->arg[1], PAGE_SIZE));
	return result;
}

long sys_munmap(struct task *t, struct call *c)
{
	mm_leave_wish(t->mm, MM_WISH_CHANGE, c->arg[0], c->arg[1]);
	return mm_unmap(t->mm, c->arg[0], c->arg[1]);
}

long sys_mprotect(struct task *t, struct call *c)
{
	mm_leave_wish(t->mm, MM_WISH_CHANGE, c->arg[0], c->arg[1]);
	return mm_protect(t, c->arg[0], c->arg[1], c->arg[2]);
}

long sys_mremap(struct task *t, struct call *c)
{
	return mm_remap(t, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4]);
}

long sys_brk(struct task *t, struct call *c)
{
	mm_leave_wish(t->mm, MM_WISH_BRK, t->mm->start_brk, 0);
	return mm_brk(t, c->arg[0]);
}

long sys_madvise(struct task *t, struct call *c)
{
	mm_leave_wish(t->mm, MM_WISH_CHANGE, c->arg[0], c->arg[1]);
	return mm_advise(t, c->arg[0], c->arg[1], (int)c->arg[2]);
}

long sys_mseal(struct task *t, struct call *c)
{
	return mm_seal(t, c->arg[0], c->arg[1], c->arg[2]);
}

long sys_msync(struct task *t, struct call *c)
{
	return mm_sync(t, c->arg[0], c->arg[1], (int)c->arg[2]);
}

long sys_mincore(struct task *t, struct call *c)
{
	u64 addr = c->arg[0], len = c->arg[1], pages = (len + PAGE_SIZE - 1) >> PAGE_SHIFT, ok;

	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (len > TRAP_GUEST_TOP || addr > TRAP_GUEST_TOP - len)
		return -ENOMEM;
	if (pages && mm_access(t, c->arg[2], pages, true, &ok))
		return -EFAULT;
	return mm_mincore(t, c);
}

long sys_mlock(struct task *t, struct call *c)
{
	return mm_lock(t, c->arg[0], c->arg[1], VM_LOCKED);
}

long sys_mlock2(struct task *t, struct call *c)
{
	int flags = (int)c->arg[2];

	if (flags & ~MLOCK_ONFAULT_FLAG)
		return -EINVAL;
	return mm_lock(t, c->arg[0], c->arg[1], VM_LOCKED | (flags ? VM_LOCKONFAULT : 0));
}

long sys_munlock(struct task *t, struct call *c)
{
	return mm_lock(t, c->arg[0], c->arg[1], 0);
}

long sys_mlockall(struct task *t, struct call *c)
{
	return c->arg[0] ? mm_lock_all(t, (int)c->arg[0]) : -EINVAL;
}

long sys_munlockall(struct task *t, struct call *c)
{
	return mm_lock_all(t, 0);
}

/* Key -1 is none; there are no others, as on a processor without protection keys (pkeys(7)). */
long sys_pkey_mprotect(struct task *t, struct call *c)
{
	if ((int)c->arg[3] != -1)
		return -EINVAL;
	return mm_protect(t, c->arg[0], c->arg[1], c->arg[2]);
}

long sys_remap_file_pages(struct task *t, struct call *c)
{
	return mm_remap_file_pages(t, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4]);
}
