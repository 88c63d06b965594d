/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMA store: what is mapped where in one address space, in order, with the gaps between.
 *
 * A VMA is a range of pages with one set of attributes. The store keeps these promises at all times: VMAs
 * don't overlap; they are never empty; two neighbours that could be one are one (Linux's merge rule: equal
 * flags, same backing, offsets that go on). Hence the store is a function of the pages' attributes alone:
 *
 *	pages        aaaabbbb..cc        a, b, c: flags + object + (offset - address)
 *	VMAs         [  ][  ]  []
 *
 * Linux: two anonymous neighbours that were both touched before they became alike stay apart (their anon_vmas
 * differ). Here: they are merged, because first touches don't come to husk.
 *
 * This file, vma.c and vma_tree.c know base only, so that the store can be tested alone.
 */
#ifndef HUSK_KERNEL_MM_VMA_H
#define HUSK_KERNEL_MM_VMA_H

#include "base/types.h"

/* Linux's bits (include/linux/mm.h). */
#define VM_READ        0x00000001UL
#define VM_WRITE       0x00000002UL
#define VM_EXEC        0x00000004UL
#define VM_SHARED      0x00000008UL /* writes reach the object */
#define VM_MAYREAD     0x00000010UL
#define VM_MAYWRITE    0x00000020UL
#define VM_MAYEXEC     0x00000040UL
#define VM_MAYSHARE    0x00000080UL /* mapped with MAP_SHARED */
#define VM_GROWSDOWN   0x00000100UL
#define VM_LOCKED      0x00002000UL
#define VM_SEQ_READ    0x00008000UL
#define VM_RAND_READ   0x00010000UL
#define VM_DONTCOPY    0x00020000UL
#define VM_DONTEXPAND  0x00040000UL
#define VM_LOCKONFAULT 0x00080000UL
#define VM_ACCOUNT     0x00100000UL
#define VM_NORESERVE   0x00200000UL
#define VM_WIPEONFORK  0x02000000UL
#define VM_DONTDUMP    0x04000000UL
#define VM_HUGEPAGE    0x20000000UL
#define VM_NOHUGEPAGE  0x40000000UL
#define VM_SEALED      (1UL << 42) /* mseal(2) */
#define VM_ROOM        (1UL << 43) /* VMA_ROOM bytes before it are kept free, for trampolines (mm/patch.h) */

#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)
#define VM_LOCKED_MASK  (VM_LOCKED | VM_LOCKONFAULT)
#define VM_SPECIAL      VM_DONTEXPAND /* the kernel's own mappings: never merged */

#define VMA_ROOM      65536UL
#define VMA_GUARD_GAP (256 * PAGE_SIZE) /* kept free below what grows downwards */

/* What backs a mapping: a file, or shared anonymous memory. Counted; the mm room embeds it. */
struct vma_object {
	int refs;
	const void *identity; /* two objects with one identity are the same for merging */
	void (*free)(struct vma_object *o);
};

static inline struct vma_object *vma_object_get(struct vma_object *o)
{
	if (o)
		o->refs++;
	return o;
}

static inline void vma_object_put(struct vma_object *o)
{
	if (o && --o->refs == 0)
		o->free(o);
}

struct vma {
	struct vma *prev, *next; /* in order of address; nullable */
	u64 start, end;          /* page-aligned, end exclusive */
	u64 flags;               /* VM_* */
	u64 pgoff; /* in pages: into the object; of private anonymous memory the address where it was mapped */
	struct vma_object *object; /* counted; NULL: private anonymous */
	const char *label;         /* "[vdso]"; static; NULL: none */
};

struct vma_store {
	struct vma_node *root, *spare; /* the tree, and nodes set aside: mm/vma_tree.h */
	int depth, nspare;
	struct vma *first, *tail; /* the lowest, the highest; nullable */
	struct vma *last;         /* found last, nullable */
	struct vma *free, *slabs; /* memory for VMAs, linked by next: see vma.c */
	int nfree;
	int count, max_count;
	u64 total, data, stack, exec, locked; /* pages, as Linux counts them */
	u64 sealed;                           /* pages: while it is 0, nobody looks for seals */
	u64 odd;                              /* counts what has come that is not plain memory: vma_plain() */
};

/* Private anonymous memory that nothing sets apart: who may change one page of it may change any. */
#define VM_PLAIN_FLAGS                                                                                       \
	(VM_ACCESS_FLAGS | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT | VM_NORESERVE | VM_HUGEPAGE | \
	 VM_NOHUGEPAGE | VM_SEQ_READ | VM_RAND_READ | VM_DONTDUMP | VM_DONTCOPY | VM_WIPEONFORK)

static inline bool vma_plain(const struct vma *v)
{
	return !v->object && !v->label && !(v->flags & ~VM_PLAIN_FLAGS);
}

/* A copy of what lay in a range, to put it back. */
struct vma_snapshot {
	u64 start, end;
	struct vma *copies; /* owned; hold references */
	int count;
};

void vma_store_init(struct vma_store *s, int max_count);
/* Frees every VMA. */
void vma_store_clear(struct vma_store *s);

/* The first VMA that ends behind @addr; NULL: none. */
struct vma *vma_find(struct vma_store *s, u64 addr);
/* The VMA that holds @addr; NULL: none. */
struct vma *vma_lookup(struct vma_store *s, u64 addr);
/* The first VMA that has a byte of [start, end); NULL: none. */
struct vma *vma_intersect(struct vma_store *s, u64 start, u64 end);
static inline struct vma *vma_first(const struct vma_store *s)
{
	return s->first;
}
static inline struct vma *vma_next(const struct vma *v)
{
	return v->next;
}
static inline struct vma *vma_prev(const struct vma *v)
{
	return v->prev;
}

/* Maps [start, end), which must be free. Takes a reference of @object for itself. 0, or -ENOMEM. */
int vma_insert(struct vma_store *s, u64 start, u64 end, u64 flags, u64 pgoff, struct vma_object *object,
	       const char *label);
/* Adds a copy of @v, with other @flags, behind everything that is there: quick, for fork. 0 or -ENOMEM. */
int vma_append(struct vma_store *s, const struct vma *v, u64 flags);
/* Leaves nothing in [start, end). 0; or -ENOMEM (memory, or a split above max_count) with nothing changed. */
int vma_remove(struct vma_store *s, u64 start, u64 end);
/* flags = flags & ~clear | set for all that is mapped in [start, end). As vma_remove(). */
int vma_change(struct vma_store *s, u64 start, u64 end, u64 clear, u64 set);
/* Extends a VMA downwards to @start; the room must be free. */
void vma_extend_down(struct vma_store *s, struct vma *v, u64 start);

/* Bytes of [start, end) that are mapped; with @flags not 0 only where one of them is set. */
u64 vma_mapped(struct vma_store *s, u64 start, u64 end, u64 flags);
/* Whether some of [start, end) is sealed. Looks at no VMA while nothing is. */
bool vma_find_sealed(struct vma_store *s, u64 start, u64 end);
static inline bool vma_sealed(struct vma_store *s, u64 start, u64 end)
{
	return s->sealed && vma_find_sealed(s, start, end);
}
/* The lowest address at which @v will want to be left alone: its start, less the guard of what grows. */
u64 vma_start_gap(const struct vma *v);

/* The highest (lowest) multiple of @align in [low, high - len] where @len bytes are free, or 0. */
u64 vma_gap_down(struct vma_store *s, u64 len, u64 low, u64 high, u64 align);
u64 vma_gap_up(struct vma_store *s, u64 len, u64 low, u64 high, u64 align);

/* Copies what lies in [start, end), cut to it. 0 or -ENOMEM. */
int vma_snapshot_take(struct vma_store *s, u64 start, u64 end, struct vma_snapshot *out);
/* Makes the range what it was. 0 or -ENOMEM. The snapshot stays the caller's. */
int vma_snapshot_restore(struct vma_store *s, const struct vma_snapshot *snap);
void vma_snapshot_drop(struct vma_snapshot *snap);

/* How Linux counts a mapping with these flags, for RLIMIT_DATA. */
static inline bool vma_flags_data(u64 flags)
{
	return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE;
}

static inline u64 vma_pages(const struct vma *v)
{
	return (v->end - v->start) >> PAGE_SHIFT;
}

#endif
