/* SPDX-License-Identifier: Apache-2.0 */
/*
 * madvise and msync.
 *
 * An advice changes flags in the store, goes to the host, or both: one line of the table each. Advices that
 * could hurt others (poisoning pages, merging them with strangers') and those of newer kernels are unknown
 * here: EINVAL, as on a Linux that was built without them.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/internal.h"
#include "vfs/sync.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

#define PUNCH_HOLE (1 | 2) /* FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE */

struct advice {
	int advice;
	u64 clear, set; /* flags in the store */
	bool host;      /* to be passed on */
	bool private;   /* EINVAL on files and shared memory */
	bool anonymous; /* EINVAL on what is not anonymous */
	bool unlocked;  /* EINVAL on locked memory */
	bool discards;  /* EPERM on sealed memory that is anonymous and not writable */
	bool guard;     /* EINVAL where guards cannot be */
	bool fork;      /* to be passed on where the memory is sealed: see mm/seal.c */
	u64 needs;      /* EINVAL without one of these (populate) */
};

static const struct advice advices[] = {
	{.advice = MADV_NORMAL, .clear = VM_RAND_READ | VM_SEQ_READ, .host = true},
	{.advice = MADV_RANDOM, .clear = VM_SEQ_READ, .set = VM_RAND_READ, .host = true},
	{.advice = MADV_SEQUENTIAL, .clear = VM_RAND_READ, .set = VM_SEQ_READ, .host = true},
	{.advice = MADV_WILLNEED, .host = true},
	{.advice = MADV_DONTNEED, .host = true, .unlocked = true, .discards = true},
	{.advice = MADV_DONTNEED_LOCKED, .discards = true},
	{.advice = MADV_FREE, .host = true, .anonymous = true, .unlocked = true, .discards = true},
	{.advice = MADV_REMOVE, .unlocked = true, .discards = true},
	{.advice = MADV_DONTFORK, .set = VM_DONTCOPY, .discards = true, .fork = true},
	{.advice = MADV_DOFORK, .clear = VM_DONTCOPY, .fork = true},
	{.advice = MADV_WIPEONFORK, .set = VM_WIPEONFORK, .private = true, .discards = true, .fork = true},
	{.advice = MADV_KEEPONFORK, .clear = VM_WIPEONFORK, .fork = true},
	{.advice = MADV_DONTDUMP, .set = VM_DONTDUMP},
	{.advice = MADV_DODUMP, .clear = VM_DONTDUMP},
	{.advice = MADV_HUGEPAGE, .clear = VM_NOHUGEPAGE, .set = VM_HUGEPAGE, .host = true},
	{.advice = MADV_NOHUGEPAGE, .clear = VM_HUGEPAGE, .set = VM_NOHUGEPAGE, .host = true},
	{.advice = MADV_COLD, .host = true, .unlocked = true},
	{.advice = MADV_PAGEOUT, .host = true, .unlocked = true},
	{.advice = MADV_GUARD_INSTALL, .host = true, .guard = true, .unlocked = true, .discards = true},
	{.advice = MADV_GUARD_REMOVE, .host = true, .guard = true},
	{.advice = MADV_POPULATE_READ, .host = true, .needs = VM_ACCESS_FLAGS},
	{.advice = MADV_POPULATE_WRITE, .host = true, .needs = VM_WRITE},
};

static const struct advice *find_advice(int advice)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(advices); i++)
		if (advices[i].advice == advice)
			return &advices[i];
	return NULL;
}

bool mm_advice_flags(int advice, u64 *clear, u64 *set)
{
	const struct advice *a = find_advice(advice);

	*clear = a ? a->clear : 0;
	*set = a ? a->set : 0;
	return (*clear | *set) && !a->fork;
}

/* MADV_REMOVE: punches a hole into the object. */
static int remove_part(const struct vma *v, u64 start, u64 len)
{
	struct file *f = vma_file(v);
	u64 offset = (v->pgoff << PAGE_SHIFT) + (start - v->start);

	if (v->flags & VM_LOCKED)
		return -EINVAL;
	if (!v->object || (vma_mm_object(v)->kind == MM_FILE_ZERO))
		return -EINVAL;
	if ((v->flags & (VM_SHARED | VM_MAYWRITE)) != (VM_SHARED | VM_MAYWRITE))
		return -EACCES;
	if (f)
		return f->ops->fallocate ? f->ops->fallocate(f, PUNCH_HOLE, offset, len) : -EOPNOTSUPP;
	return 1; /* shared anonymous memory is the host's: passed on */
}

/* Linux: in all but the kernel's own mappings. Here: neither in shared ones of files nor in executable ones, as before
 * Linux 6.15, because husk maps pages of these anew and guards would go with them. */
static bool takes_guards(const struct vma *v)
{
	return !(v->flags & VM_SPECIAL) && (!vma_file(v) || !(v->flags & (VM_MAYSHARE | VM_EXEC)));
}

static int check_part(const struct advice *a, const struct vma *v)
{
	/* can_madvise_modify(): who may write there could have wiped it as well. */
	if (a->discards && (v->flags & (VM_SEALED | VM_WRITE)) == VM_SEALED && vma_anonymous(v))
		return -EPERM;
	if (a->unlocked && (v->flags & VM_LOCKED))
		return -EINVAL;
	if (a->anonymous && !vma_anonymous(v))
		return -EINVAL;
	if (a->guard && !takes_guards(v))
		return -EINVAL;
	if (a->private && (v->object || (v->flags & VM_SHARED)))
		return -EINVAL;
	if (a->needs && (!(v->flags & a->needs) || (v->flags & VM_SPECIAL)))
		return -EINVAL;
	if (a->advice == MADV_DODUMP && (v->flags & VM_SPECIAL))
		return -EINVAL;
	return 0;
}

/* Flags of the kernel's own pages, which cannot be split. Linux: a child need not inherit them. Here: -EINVAL,
 * because they lie between the windows of the stub, where a child's stub may unmap nothing. */
static int advise_special(const struct advice *a, const struct vma *v, u64 start, u64 end)
{
	if (((v->flags & ~a->clear) | a->set) == v->flags)
		return 0;
	if (start != v->start || end != v->end || a->set & (VM_DONTCOPY | VM_WIPEONFORK))
		return -EINVAL;
	return 0;
}

/* One part of one VMA. */
static int advise_part(struct mm *mm, const struct advice *a, struct vma *v, u64 start, u64 end)
{
	struct trap_op op = {.kind = TRAP_OP_ADVISE, .addr = start, .len = end - start, .flags = a->advice};
	bool to_host = a->host || (a->fork && (v->flags & VM_SEALED) && mm->k->host_seals);
	int error = check_part(a, v);

	if (error)
		return error;
	if (a->advice == MADV_DONTNEED_LOCKED) {
		op.flags = MADV_DONTNEED; /* nothing is locked on the host */
		to_host = true;
	}
	if (a->advice == MADV_REMOVE) {
		error = remove_part(v, start, end - start);
		if (error <= 0)
			return error;
		to_host = true;
	}
	if (v->flags & VM_SPECIAL) {
		/* The kernel's own pages are not the guest's to advise on at the host. */
		to_host = false;
		error = advise_special(a, v, start, end);
		if (error)
			return error;
	}
	if (a->advice == MADV_GUARD_INSTALL)
		mm->guarded = true;
	if (a->clear | a->set) {
		error = vma_change(&mm->vmas, start, end, a->clear, a->set);
		if (error)
			return error == -ENOMEM ? -EAGAIN : error;
	}
	return to_host ? mm_queue(mm, &op, NULL) : 0;
}

/* What each part is given in turn; holes are passed over and reported at the end, except by populating. */
static long advise_range(struct mm *mm, const struct advice *a, u64 start, u64 end)
{
	long hole = 0;
	u64 at = start;
	int error;

	while (at < end) {
		struct vma *v = vma_find(&mm->vmas, at);
		u64 to;

		if (!v || v->start > at)
			hole = -ENOMEM;
		if (hole && a->needs)
			return hole;
		if (!v || v->start >= end)
			break;
		at = max(at, v->start);
		to = min(v->end, end);
		error = advise_part(mm, a, v, at, to);
		if (error)
			return error;
		at = to;
	}
	return hole;
}

long mm_advise(struct task *t, u64 addr, u64 len, int advice)
{
	const struct advice *a = find_advice(advice);
	u64 size = page_up(len);
	long result;

	if (!a || (addr & (PAGE_SIZE - 1)))
		return -EINVAL;
	if ((len && !size) || addr + size < addr)
		return -EINVAL;
	if (!size)
		return 0;
	result = advise_range(t->mm, a, addr, addr + size);
	mm_account(t->mm);
	return result;
}

/* @synced: up to there an earlier run of the call has come. */
static long sync_part(struct task *t, const struct vma *v, int flags, u64 *synced)
{
	struct file *f = vma_file(v);
	long error;

	if ((flags & MS_INVALIDATE) && (v->flags & VM_LOCKED))
		return -EBUSY;
	if (!(flags & MS_SYNC) || !f || !(v->flags & VM_SHARED) || !f->ops->sync || v->end <= *synced)
		return 0;
	error = file_sync(t, &t->call, f, true);
	if (!error)
		*synced = v->end;
	return error;
}

long mm_sync(struct task *t, u64 addr, u64 len, int flags)
{
	u64 size = page_up(len), end = addr + size, at = addr;
	long hole = 0, error;

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC))
		return -EINVAL;
	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if ((flags & MS_ASYNC) && (flags & MS_SYNC))
		return -EINVAL;
	if (end < addr)
		return -ENOMEM;
	while (at < end) {
		struct vma *v = vma_find(&t->mm->vmas, at);

		if (!v || v->start > at)
			hole = -ENOMEM;
		if (!v || v->start >= end)
			break;
		error = sync_part(t, v, flags, &t->call.scratch[0]);
		if (error)
			return error;
		at = v->end;
	}
	return hole;
}
