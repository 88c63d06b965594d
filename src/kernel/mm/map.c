/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmap: where a mapping goes, what it may be, and the operation that makes it (mm/mmap.c, do_mmap and
 * mmap_region).
 *
 * husk chooses every address and hands the host fixed ones only: the host's own choice could land beside the
 * stub. Mappings are searched for from mmap_base downwards; what grows down keeps a guard of 256 pages below
 * it.
 */
#include "mm/mm.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "mm/internal.h"
#include "vfs/inode.h"
#include "mm/patch.h"
#include "mm/patch_text.h"

#define HUGE_SIZE      (2UL << 20)
#define MAP_32BIT_LOW  0x40000000UL
#define MAP_32BIT_HIGH 0x80000000UL
#define MAP_32BIT_RND  0x02000000UL

/* What MAP_SHARED_VALIDATE takes (LEGACY_MAP_MASK in include/linux/mman.h). */
#define KNOWN_MAP_FLAGS                                                                                  \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |         \
	 0x4000000 /* MAP_UNINITIALIZED */ | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | \
	 MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT | 0x80 /* MAP_ABOVE4G */ | (0x3fU << 26))

/* One mapping on its way. */
struct request {
	struct task *t;
	struct mm *mm;
	u64 addr, len, pgoff;
	int prot, flags;
	struct file *file; /* borrowed; nullable */
	u64 vm_flags;
	bool room;                   /* for trampolines, in front */
	struct mmap_backing backing; /* of a file */
	struct mm_object *object;    /* the request's reference; nullable */
};

static long find_down(struct mm *mm, u64 len, bool huge)
{
	u64 addr = 0;

	if (huge && len >= HUGE_SIZE && !(len & (HUGE_SIZE - 1)))
		addr = vma_gap_down(&mm->vmas, len, MM_MIN_ADDR, mm->mmap_base, HUGE_SIZE);
	if (!addr)
		addr = vma_gap_down(&mm->vmas, len, MM_MIN_ADDR, mm->mmap_base, PAGE_SIZE);
	/* Linux: the whole space is tried bottom-up when nothing is left below mmap_base. */
	if (!addr)
		addr = vma_gap_up(&mm->vmas, len, page_up(TRAP_GUEST_TOP / 3), TRAP_GUEST_TOP, PAGE_SIZE);
	return addr ? (long)addr : -ENOMEM;
}

static long find_32bit(struct mm *mm, u64 len, bool randomize)
{
	u64 low = MAP_32BIT_LOW, addr;

	if (len > MAP_32BIT_HIGH)
		return -ENOMEM;
	if (randomize)
		low += page_down(mm->random(mm->k) % MAP_32BIT_RND);
	addr = vma_gap_up(&mm->vmas, len, low, MAP_32BIT_HIGH, PAGE_SIZE);
	if (!addr)
		addr = vma_gap_up(&mm->vmas, len, MAP_32BIT_LOW, MAP_32BIT_HIGH, PAGE_SIZE);
	return addr ? (long)addr : -ENOMEM;
}

static bool hint_fits(struct mm *mm, u64 addr, u64 len, u64 top)
{
	struct vma *v;

	if (len > top || addr > top - len || addr < MM_MIN_ADDR)
		return false;
	v = vma_find(&mm->vmas, addr);
	return !v || addr + len <= vma_start_gap(v);
}

long mm_find_area(struct task *t, struct mm *mm, u64 addr, u64 len, int flags, bool huge)
{
	if (len > TRAP_GUEST_TOP)
		return -ENOMEM;
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (addr > TRAP_GUEST_TOP - len)
			return -ENOMEM;
		if (addr & (PAGE_SIZE - 1))
			return -EINVAL;
		/* Linux: CAP_SYS_RAWIO may. Here: nobody, because the host process may not. */
		return addr < MM_MIN_ADDR ? -EPERM : (long)addr;
	}
	addr = page_down(addr);
	if (addr && addr < MM_MIN_ADDR)
		addr = MM_MIN_ADDR;
	if (addr && hint_fits(mm, addr, len, flags & MAP_32BIT ? MAP_32BIT_HIGH : TRAP_GUEST_TOP))
		return (long)addr;
	if (flags & MAP_32BIT)
		return find_32bit(mm, len, !(t->personality & ADDR_NO_RANDOMIZE));
	return find_down(mm, len, huge);
}

/* Nothing runs from files of no tree, nor from those that the kernel makes up, but for memfds and devices (path_noexec()). */
static bool no_exec(const struct file *f)
{
	const struct super *sb = f->inode ? f->inode->sb : NULL;

	return sb ? sb->no_cache && f->inode->type != S_IFCHR : !f->ops->mmap;
}

/* Devices and directories have no size to go beyond (mm/mmap.c: file_mmap_size_max()). */
static u64 max_offset(const struct file *f)
{
	return f->inode && (f->inode->type == S_IFREG || f->inode->type == S_IFSOCK) ? INT64_MAX : UINT64_MAX;
}

/* do_mmap's checks of what kind of mapping it is: completes vm_flags, pgoff. */
static int check_file(struct request *r)
{
	struct file *f = r->file;

	if (r->pgoff > (max_offset(f) - r->len) >> PAGE_SHIFT)
		return -EOVERFLOW;
	switch (r->flags & MAP_TYPE) {
	case MAP_SHARED_VALIDATE:
		/* Linux: MAP_SYNC passes where the file system has DAX; none here has. */
		if (r->flags & ~KNOWN_MAP_FLAGS)
			return -EOPNOTSUPP;
		__attribute__((fallthrough));
	case MAP_SHARED:
		if ((r->prot & PROT_WRITE) && !file_writable(f))
			return -EACCES;
		r->vm_flags |= VM_SHARED | VM_MAYSHARE;
		if (!file_writable(f))
			r->vm_flags &= ~(VM_MAYWRITE | VM_SHARED);
		__attribute__((fallthrough));
	case MAP_PRIVATE:
		if (!file_readable(f))
			return -EACCES;
		if (r->prot & PROT_EXEC && no_exec(f))
			return -EPERM;
		if (!f->ops->mmap)
			return -ENODEV;
		return r->vm_flags & VM_GROWSDOWN ? -EINVAL : 0;
	}
	return -EINVAL;
}

static int check_anonymous(struct request *r)
{
	switch (r->flags & MAP_TYPE) {
	case MAP_SHARED:
		if (r->vm_flags & VM_GROWSDOWN)
			return -EINVAL;
		r->vm_flags |= VM_SHARED | VM_MAYSHARE;
		r->pgoff = 0;
		return 0;
	case MAP_PRIVATE:
		r->pgoff = r->addr >> PAGE_SHIFT;
		return 0;
	}
	return -EINVAL;
}

static u64 prot_flags(int prot)
{
	return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) |
	       (prot & PROT_EXEC ? VM_EXEC : 0);
}

static int check_flags(struct request *r)
{
	r->vm_flags = prot_flags(r->prot) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | r->mm->def_flags;
	if (r->room)
		r->vm_flags |= VM_ROOM;
	if (r->flags & MAP_GROWSDOWN)
		r->vm_flags |= VM_GROWSDOWN;
	if (r->flags & MAP_LOCKED) {
		if (!mm_can_lock(r->t))
			return -EPERM;
		r->vm_flags |= VM_LOCKED;
	}
	if (!mm_lock_fits(r->t, r->mm, r->vm_flags, r->len))
		return -EAGAIN;
	return r->file ? check_file(r) : check_anonymous(r);
}

/* mmap_region's limits, with what a fixed mapping replaces taken off. */
static int check_limits(struct request *r)
{
	struct mm *mm = r->mm;
	u64 pages = r->len >> PAGE_SHIFT, end = r->addr + r->len;
	u64 replaced;

	if (vma_sealed(&mm->vmas, r->addr, end))
		return -EPERM;
	replaced = vma_mapped(&mm->vmas, r->addr, end, 0) >> PAGE_SHIFT;
	if (!mm_may_expand(r->t, mm, r->vm_flags, pages - replaced))
		return -ENOMEM;
	if (r->flags & MAP_NORESERVE)
		r->vm_flags |= VM_NORESERVE;
	else if (!r->file && (r->vm_flags & VM_SHARED))
		/* Charged as a whole, whatever its protection (shmem_file_setup). */
		return mm_enough_memory(mm, pages) ? 0 : -ENOMEM;
	if ((r->vm_flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE) {
		if (!mm_enough_memory(mm, pages))
			return -ENOMEM;
		r->vm_flags |= VM_ACCOUNT;
	}
	return 0;
}

static int make_object(struct request *r)
{
	int error;

	if (!r->file) {
		if (!(r->vm_flags & VM_SHARED))
			return 0;
		r->object = mm_object_new(r->mm->k, MM_SHARED, NULL);
		return r->object ? 0 : -ENOMEM;
	}
	if (r->vm_flags & VM_SHARED && r->file->inode) {
		error = (int)inode_change_wait(r->t, r->file->inode, UINT64_MAX);
		if (error)
			return error;
	}
	r->backing = (struct mmap_backing){.fd = HOSTFD_NONE};
	error = r->file->ops->mmap(r->file, r->prot, r->flags, &r->backing);
	if (error)
		return error;
	if (!r->backing.zero)
		r->object = mm_object_new(r->mm->k, MM_FILE, r->file);
	else if (r->vm_flags & VM_MAYSHARE)
		r->object = mm_object_new(r->mm->k, MM_SHARED, NULL);
	else
		r->object = mm_object_new(r->mm->k, MM_FILE_ZERO, r->file);
	return r->object ? 0 : -ENOMEM;
}

/* The change of the store and the host's operation. */
static int carry_out(struct request *r)
{
	bool of_file = r->object && r->object->kind == MM_FILE;
	struct trap_op op = {
		.kind = TRAP_OP_MAP,
		.addr = r->addr,
		.len = r->len,
		.prot = mm_host_prot(r->vm_flags),
		.flags = (r->vm_flags & VM_MAYSHARE ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED |
			 (of_file ? 0 : MAP_ANONYMOUS) | (r->flags & (MAP_NORESERVE | MAP_POPULATE)),
		.fd = of_file ? r->backing.fd : HOSTFD_NONE,
		.offset = of_file ? (r->pgoff << PAGE_SHIFT) + r->backing.offset : 0,
	};
	struct mm *mm = r->mm;
	struct mm_undo *u = mm_undo_begin(mm, r->addr, r->addr + r->len, 0, 0);
	int error;

	if (!u)
		return -ENOMEM;
	if (r->flags & MAP_NONBLOCK)
		op.flags &= ~MAP_POPULATE;
	else if ((r->vm_flags & VM_LOCKED_MASK) == VM_LOCKED && (r->vm_flags & VM_ACCESS_FLAGS))
		op.flags |= MAP_POPULATE;
	error = vma_remove(&mm->vmas, r->addr, r->addr + r->len);
	if (!error)
		error = vma_insert(&mm->vmas, r->addr, r->addr + r->len, r->vm_flags, r->pgoff,
				   r->object ? &r->object->base : NULL, NULL);
	if (error) {
		mm_undo_abort(u);
		return error;
	}
	error = mm_queue(mm, &op, u);
	mm_account(mm);
	if (!error && of_file && (r->prot & PROT_EXEC))
		mm_patch_mapped(mm, r->addr, r->len, r->file, r->pgoff, &r->backing);
	return error;
}

/* Whether room for trampolines is kept in front: of programs and libraries, as their loaders map them. */
static bool wants_room(const struct request *r)
{
	if (!r->mm->k->patches || !r->file || (r->flags & MAP_TYPE) != MAP_PRIVATE ||
	    !(r->flags & MAP_DENYWRITE))
		return false;
	if (r->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
		return !r->pgoff && r->addr >= MM_MIN_ADDR + PATCH_AREA_SIZE &&
		       !vma_intersect(&r->mm->vmas, r->addr - PATCH_AREA_SIZE, r->addr);
	return !r->addr && !(r->flags & MAP_32BIT);
}

static int place(struct request *r)
{
	long addr;

	if (r->mm->vmas.count > MM_MAX_COUNT)
		return -ENOMEM;
	r->room = wants_room(r);
	if (r->room && !r->addr) {
		addr = mm_find_area(r->t, r->mm, 0, r->len + PATCH_AREA_SIZE, r->flags, false);
		r->addr = (u64)addr + PATCH_AREA_SIZE;
		return addr < 0 ? (int)addr : 0;
	}
	addr = mm_find_area(r->t, r->mm, r->addr, r->len, r->flags, !r->file);
	if (addr < 0)
		return (int)addr;
	r->addr = (u64)addr;
	if ((r->flags & MAP_FIXED_NOREPLACE) && vma_intersect(&r->mm->vmas, r->addr, r->addr + r->len))
		return -EEXIST;
	return 0;
}

long mm_map(struct task *t, struct mm *mm, u64 addr, u64 len, int prot, int flags, struct file *file,
	    u64 offset)
{
	struct request r = {
		.t = t,
		.mm = mm,
		.addr = addr,
		.len = page_up(len),
		.pgoff = offset >> PAGE_SHIFT,
		.prot = prot,
		.flags = flags,
		.file = file,
	};
	int error;

	if (!len)
		return -EINVAL;
	if ((prot & PROT_READ) && (t->personality & READ_IMPLIES_EXEC))
		r.prot |= PROT_EXEC;
	if (!r.len)
		return -ENOMEM;
	if (r.pgoff + (r.len >> PAGE_SHIFT) < r.pgoff)
		return -EOVERFLOW;
	error = place(&r);
	if (!error)
		error = check_flags(&r);
	if (!error)
		error = check_limits(&r);
	if (!error)
		error = make_object(&r);
	if (!error)
		error = carry_out(&r);
	if (r.object)
		vma_object_put(&r.object->base);
	return error ? error : (long)r.addr;
}

int mm_map_stack(struct mm *mm, u64 top, u64 size, bool executable)
{
	u64 flags = VM_READ | VM_WRITE | (executable ? VM_EXEC : 0) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC |
		    VM_GROWSDOWN | VM_ACCOUNT;
	u64 start = page_down(top - size), end = page_up(top);
	struct trap_op op = {
		.kind = TRAP_OP_MAP,
		.addr = start,
		.len = end - start,
		.prot = mm_host_prot(flags),
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		.fd = HOSTFD_NONE,
	};
	struct mm_undo *u;
	int error;

	if (size > top || start < MM_MIN_ADDR || end > TRAP_GUEST_TOP || start >= end)
		return -EINVAL;
	if (vma_intersect(&mm->vmas, start, end))
		return -ENOMEM;
	u = mm_undo_begin(mm, start, end, 0, 0);
	if (!u)
		return -ENOMEM;
	error = vma_insert(&mm->vmas, start, end, flags, start >> PAGE_SHIFT, NULL, NULL);
	if (error) {
		mm_undo_abort(u);
		return error;
	}
	error = mm_queue(mm, &op, u);
	mm_account(mm);
	return error;
}

void mm_map_vdso(struct mm *mm)
{
	const u64 flags = VM_READ | VM_MAYREAD | VM_MAYEXEC | VM_DONTEXPAND;
	u64 start = 0, end = 0, code = 0;

	mm->vdso = mm->k->trap_ops->vdso(mm->k->trap, &start, &end, &code);
	if (!mm->vdso || start >= end)
		return;
	/* On no memory maps lacks two lines; nothing depends on them. */
	if (start < code)
		(void)vma_insert(&mm->vmas, start, code, flags | VM_DONTDUMP, 0, NULL, "[vvar]");
	if (code < end)
		(void)vma_insert(&mm->vmas, code, end, flags | VM_EXEC | VM_MAYWRITE, 0, NULL, "[vdso]");
	mm_account(mm);
}
