/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the mm room share: objects behind mappings, undo records, limits. */
#ifndef HUSK_KERNEL_MM_INTERNAL_H
#define HUSK_KERNEL_MM_INTERNAL_H

#include "mm/mm.h"

enum mm_object_kind {
	MM_FILE = 1,  /* a file, mapped from its file system's host descriptor */
	MM_FILE_ZERO, /* a private mapping of /dev/zero: anonymous memory that shows the file's name */
	MM_SHARED,    /* shared anonymous memory: the host's own, inherited by its fork */
};

struct mm_object {
	struct vma_object base;
	struct kernel *k;
	enum mm_object_kind kind;
	struct file *file; /* owned; NULL for MM_SHARED */
	u64 ino;           /* MM_SHARED: what maps shows */
	u64 end;           /* of the file, rounded up to pages: where accesses end, as far as is known */
	u32 cuts;          /* what inode->cuts was then */
	bool apart; /* the host's mapping is of what the file was before its bytes moved (mm/moved.c) */
};

static inline struct mm_object *vma_mm_object(const struct vma *v)
{
	return v->object ? container_of(v->object, struct mm_object, base) : NULL;
}

/* The file behind a mapping, or NULL (anonymous memory, shared or private). */
static inline struct file *vma_file(const struct vma *v)
{
	struct mm_object *o = vma_mm_object(v);

	return o ? o->file : NULL;
}

/* Private memory that begins as zeroes. */
static inline bool vma_anonymous(const struct vma *v)
{
	struct mm_object *o = vma_mm_object(v);

	return !v->label && (!o || o->kind == MM_FILE_ZERO);
}

/* A new object with one reference. @file is nullable, borrowed. NULL: no memory. */
struct mm_object *mm_object_new(struct kernel *k, enum mm_object_kind kind, struct file *file);

/*
 * Undo of a change.
 *
 * mm_undo_begin() copies what the store holds in one or two ranges, before the change. mm_undo_abort() puts
 * it back at once; else mm_queue() hands the record to the operation: should the host refuse, the store is
 * put back then.
 */
struct mm_undo;

/* NULL: no memory. A range of no bytes is none. */
struct mm_undo *mm_undo_begin(struct mm *mm, u64 start, u64 end, u64 start2, u64 end2);
void mm_undo_abort(struct mm_undo *u);
/* Queues @op (kind, range, ... filled in; undo and arg are set here). @u, nullable, is consumed: on failure
 * the change is undone. 0 or -ENOMEM. */
int mm_queue(struct mm *mm, struct trap_op *op, struct mm_undo *u);
/* The address space is emptied: records of operations under way are no longer its own. */
void mm_undo_detach(struct mm *mm);

/* To be called after each change of the store: refreshes the mm's page counts. */
void mm_account(struct mm *mm);
/* The same alone: after changes of which leave to change memory knows (mm/leave.c). */
void mm_count(struct mm *mm);

/* The protection that the host's mapping gets. */
int mm_host_prot(u64 vm_flags);

/* RLIMIT_*: the soft limit of the task's group. */
u64 mm_limit(struct task *t, int resource);
/* Whether @pages more with @vm_flags stay within RLIMIT_AS and RLIMIT_DATA. */
bool mm_may_expand(struct task *t, struct mm *mm, u64 vm_flags, u64 pages);
/* Whether @bytes more may be locked, if @vm_flags say so. */
bool mm_lock_fits(struct task *t, struct mm *mm, u64 vm_flags, u64 bytes);
bool mm_can_lock(struct task *t);
/* Heuristic overcommit: refuses only what is more than all memory. */
bool mm_enough_memory(struct mm *mm, u64 pages);

/* Where @len bytes go (get_unmapped_area): the address or -errno. */
long mm_find_area(struct task *t, struct mm *mm, u64 addr, u64 len, int flags, bool huge);

/* What maps shows of a file: its device (major << 20 | minor), inode number and name. */
void mm_file_name(struct file *f, u64 *dev, u64 *ino, char *name, size_t size);

/* What an advice changes in the store: false when nothing, or more than that. */
bool mm_advice_flags(int advice, u64 *clear, u64 *set);

/* kernel_ops.file_moved (mm/moved.c): @size is what the file had before, in bytes. */
void mm_file_moved(struct kernel *k, struct inode *i, u64 size);

/* The guest's page rounding, of lengths that come from outside: wraps to 0. */
static inline u64 page_up(u64 x)
{
	return (x + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static inline u64 page_down(u64 x)
{
	return x & ~(PAGE_SIZE - 1);
}

#endif
