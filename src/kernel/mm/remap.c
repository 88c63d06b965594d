/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mremap: in place, or to another place that husk chooses (mm/mremap.c).
 *
 * The host moves the pages; it is given exact addresses only. It grows mappings in place itself (a new
 * mapping behind the old one would stay a VMA of its own there after a fork, and could not be moved together
 * with it).
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/internal.h"

struct remap {
	struct task *t;
	struct mm *mm;
	u64 addr, old_len, new_len, flags, new_addr;
};

/* Whether @v may be moved or resized so (check_prep_vma). */
static int check_vma(const struct remap *r, const struct vma *v)
{
	bool places = r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
	u64 grow = r->new_len > r->old_len ? r->new_len - r->old_len : 0;
	u64 pgoff;

	if (v->flags & VM_SEALED)
		return -EPERM;
	if (!places && !grow)
		return 0;
	if (!r->old_len && !(v->flags & VM_MAYSHARE))
		return -EINVAL;
	if ((r->flags & MREMAP_DONTUNMAP) && (v->flags & VM_DONTEXPAND))
		return -EINVAL;
	/* What a shrinking takes away may cross into others. */
	if (min(r->old_len, r->new_len) > v->end - r->addr)
		return -EFAULT;
	if (!grow)
		return 0;
	pgoff = ((r->addr - v->start) >> PAGE_SHIFT) + v->pgoff;
	if (pgoff + (r->new_len >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	if (v->flags & VM_DONTEXPAND)
		return -EFAULT;
	if (!mm_lock_fits(r->t, r->mm, v->flags, grow))
		return -EAGAIN;
	if (!mm_may_expand(r->t, r->mm, v->flags, grow >> PAGE_SHIFT))
		return -ENOMEM;
	if ((v->flags & VM_ACCOUNT) && !mm_enough_memory(r->mm, grow >> PAGE_SHIFT))
		return -ENOMEM;
	return 0;
}

static u64 pgoff_at(const struct vma *v, u64 addr)
{
	return v->pgoff + ((addr - v->start) >> PAGE_SHIFT);
}

/* Puts the mapping at new_addr, over whatever is there; the old place goes unless it is to stay. */
static int change_store(struct remap *r, const struct vma *old)
{
	struct vma_store *s = &r->mm->vmas;
	struct vma v = *old;
	u64 pgoff = pgoff_at(old, r->addr);
	int error;

	/* @old goes away below. */
	vma_object_get(v.object);
	error = vma_remove(s, r->new_addr, r->new_addr + r->new_len);
	if (!error && r->old_len && !(r->flags & MREMAP_DONTUNMAP))
		error = vma_remove(s, r->addr, r->addr + r->old_len);
	if (!error && (r->flags & MREMAP_DONTUNMAP))
		error = vma_change(s, r->addr, r->addr + r->old_len, VM_LOCKED_MASK, 0);
	if (!error)
		error = vma_insert(s, r->new_addr, r->new_addr + r->new_len, v.flags, pgoff, v.object,
				   v.label);
	vma_object_put(v.object);
	return error;
}

/* Moves to new_addr, which is settled. */
static long move(struct remap *r, const struct vma *v)
{
	struct trap_op op = {
		.kind = TRAP_OP_REMAP,
		.addr = r->addr,
		.len = r->old_len,
		.new_len = r->new_len,
		.new_addr = r->new_addr,
		.flags = MREMAP_MAYMOVE | MREMAP_FIXED | (int)(r->flags & MREMAP_DONTUNMAP),
	};
	struct mm_undo *u;
	int error;

	if (r->mm->vmas.count >= MM_MAX_COUNT - 3)
		return -ENOMEM;
	u = mm_undo_begin(r->mm, r->addr, r->addr + r->old_len, r->new_addr, r->new_addr + r->new_len);
	if (!u)
		return -ENOMEM;
	error = change_store(r, v);
	if (error) {
		mm_undo_abort(u);
		return error;
	}
	error = mm_queue(r->mm, &op, u);
	mm_account(r->mm);
	return error ? error : (long)r->new_addr;
}

/* Where a move without MREMAP_FIXED goes: the address or -errno. */
static long choose(const struct remap *r, const struct vma *v, u64 hint)
{
	return mm_find_area(r->t, r->mm, hint, r->new_len, v->flags & VM_MAYSHARE ? MAP_SHARED : 0, false);
}

/* MREMAP_FIXED and MREMAP_DONTUNMAP, of one mapping (mremap_to). */
static long remap_to(struct remap *r)
{
	struct vma *v = vma_lookup(&r->mm->vmas, r->addr);
	bool fixed = r->flags & MREMAP_FIXED;
	long error, to;

	if (!v)
		return -EFAULT;
	error = check_vma(r, v);
	if (error)
		return error;
	if (fixed && r->new_addr < MM_MIN_ADDR)
		return -EPERM;
	if (fixed && vma_sealed(&r->mm->vmas, r->new_addr, r->new_addr + r->new_len))
		return -EPERM;
	/* A second mapping of the same, over the first: the new place is emptied before the old one is looked at again. */
	if (fixed && r->addr - r->new_addr < r->new_len) {
		(void)mm_unmap(r->mm, r->new_addr, r->new_len);
		return -EFAULT;
	}
	if (r->old_len > r->new_len) {
		error = mm_unmap(r->mm, r->addr + r->new_len, r->old_len - r->new_len);
		if (error) {
			/* The new place has been emptied before. */
			if (fixed)
				(void)mm_unmap(r->mm, r->new_addr, r->new_len);
			return error;
		}
		r->old_len = r->new_len;
		v = vma_lookup(&r->mm->vmas, r->addr);
	}
	if ((r->flags & MREMAP_DONTUNMAP) && !mm_may_expand(r->t, r->mm, v->flags, r->old_len >> PAGE_SHIFT))
		return -ENOMEM;
	if (!fixed) {
		to = choose(r, v, r->new_addr);
		if (to < 0)
			return to;
		r->new_addr = (u64)to;
	}
	return move(r, v);
}

/* MREMAP_FIXED of as many bytes as there were: of all mappings in the range, with the gaps between them, the first of
 * which must begin where the range does (remap_move, Linux 6.17). */
static long move_all(struct remap *r)
{
	u64 start = r->addr, end = start + r->old_len, target = r->new_addr;
	struct vma *v = vma_lookup(&r->mm->vmas, start);
	long result = -EFAULT;

	while (v && v->start < end) {
		u64 next = min(v->end, end);

		r->addr = max(v->start, start);
		r->old_len = r->new_len = next - r->addr;
		r->new_addr = target + (r->addr - start);
		result = remap_to(r);
		if (result < 0)
			return result;
		v = next < end ? vma_intersect(&r->mm->vmas, next, end) : NULL;
	}
	return result < 0 ? result : (long)target;
}

/* The rules of a new place (check_mremap_params). */
static int check_place(const struct remap *r)
{
	if (r->new_addr > TRAP_GUEST_TOP - r->new_len)
		return -EINVAL;
	if (r->new_addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (!(r->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((r->flags & MREMAP_DONTUNMAP) && r->old_len != r->new_len)
		return -EINVAL;
	if (r->addr + r->old_len > r->new_addr && r->new_addr + r->new_len > r->addr)
		return -EINVAL;
	return r->mm->vmas.count + 2 >= MM_MAX_COUNT - 3 ? -ENOMEM : 0;
}

static bool room_behind(const struct remap *r, const struct vma *v)
{
	u64 delta = r->new_len - r->old_len, end = v->end + delta;

	return end > v->end && end <= TRAP_GUEST_TOP && !vma_intersect(&r->mm->vmas, v->end, end);
}

static long expand_in_place(struct remap *r, struct vma *v)
{
	struct trap_op op = {
		.kind = TRAP_OP_REMAP,
		.addr = r->addr,
		.len = r->old_len,
		.new_len = r->new_len,
		.new_addr = r->addr, /* the trap minds what it overlaps */
	};
	u64 start = v->end, end = start + (r->new_len - r->old_len);
	struct mm_undo *u = mm_undo_begin(r->mm, start, end, 0, 0);
	int error;

	if (!u)
		return -ENOMEM;
	error = vma_insert(&r->mm->vmas, start, end, v->flags, pgoff_at(v, start), v->object, v->label);
	if (error) {
		mm_undo_abort(u);
		return error;
	}
	error = mm_queue(r->mm, &op, u);
	mm_account(r->mm);
	return error ? error : (long)r->addr;
}

static long expand(struct remap *r, struct vma *v)
{
	long to;

	if (r->old_len == v->end - r->addr && room_behind(r, v))
		return expand_in_place(r, v);
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	to = choose(r, v, 0);
	if (to < 0)
		return to;
	r->new_addr = (u64)to;
	return move(r, v);
}

/* Where the mapping lies: grown, if need be at another place, or shrunk. */
static long remap_at(struct remap *r)
{
	struct vma *v = vma_lookup(&r->mm->vmas, r->addr);
	long error;

	if (!v)
		return -EFAULT;
	error = check_vma(r, v);
	if (error)
		return error;
	if (r->old_len < r->new_len)
		return expand(r, v);
	if (r->old_len > r->new_len) {
		error = mm_unmap(r->mm, r->addr + r->new_len, r->old_len - r->new_len);
		if (error)
			return error;
	}
	return (long)r->addr;
}

long mm_remap(struct task *t, u64 addr, u64 old_len, u64 new_len, u64 flags, u64 new_addr)
{
	struct remap r = {
		.t = t,
		.mm = t->mm,
		.addr = addr,
		.old_len = page_up(old_len),
		.new_len = page_up(new_len),
		.flags = flags,
		.new_addr = new_addr,
	};
	const struct vma *v;
	int error;

	if (flags & ~(u64)(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
		return -EINVAL;
	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (!r.new_len || r.new_len > TRAP_GUEST_TOP)
		return -EINVAL;
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		error = check_place(&r);
		if (error)
			return error;
	}
	/* The kernel's own pages above the guest's ceiling stay where they are. */
	v = vma_lookup(&r.mm->vmas, addr);
	if (v && (v->flags & VM_SEALED))
		return -EPERM;
	if (addr >= TRAP_GUEST_TOP || r.old_len > TRAP_GUEST_TOP)
		return -EFAULT;
	if ((flags & MREMAP_FIXED) && r.old_len == r.new_len)
		return move_all(&r);
	return flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) ? remap_to(&r) : remap_at(&r);
}

/* remap_file_pages(2): as Linux since 4.0, a new mapping over the old one. */
long mm_remap_file_pages(struct task *t, u64 addr, u64 size, u64 prot, u64 pgoff, u64 flags)
{
	u64 start = page_down(addr), len = page_down(size);
	struct vma *v;
	struct file *file;
	long result;
	int p;

	if (prot || start + len <= start || pgoff + (len >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	v = vma_lookup(&t->mm->vmas, start);
	if (!v || !(v->flags & VM_SHARED) || start + len > v->end)
		return -EINVAL;
	/* Linux: shared anonymous memory too. Here: not, since it has no descriptor by which to map it again.
	 */
	file = vma_file(v);
	if (!file)
		return -EINVAL;
	p = (v->flags & VM_READ ? PROT_READ : 0) | (v->flags & VM_WRITE ? PROT_WRITE : 0) |
	    (v->flags & VM_EXEC ? PROT_EXEC : 0);
	file_get(file);
	result = mm_map(t, t->mm, start, len, p,
			MAP_SHARED | MAP_FIXED | MAP_POPULATE | (int)(flags & MAP_NONBLOCK), file,
			pgoff << PAGE_SHIFT);
	file_put(file);
	return result < 0 ? result : 0;
}
