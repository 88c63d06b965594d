/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: the authoritative store of what is mapped where.
 *
 * The store (mm/vma.h) is changed first; the host's mappings follow by operations that the trap carries out
 * when the thread goes back (trap.h). If the host refuses one, its undo puts the store back before the guest
 * sees a result. Anonymous private memory is the guest process's own: first touch and copy-on-write cost no
 * turn.
 */
#ifndef HUSK_KERNEL_MM_MM_H
#define HUSK_KERNEL_MM_MM_H

#include "base/rbtree.h"
#include "core/task.h"
#include "mm/vma.h"
#include "vfs/file.h"

#define MM_MIN_ADDR    65536UL /* vm.mmap_min_addr */
#define MM_MAX_COUNT   65530   /* vm.max_map_count */
#define MM_DUMP_FILTER 0x33u   /* /proc/PID/coredump_filter, at first: mm/dump.c */

/* Leave to make memory calls without the kernel: mm/leave.c. */
struct mm_leave {
	struct memory_leave given;
	u64 version; /* of `given`; 0: it was never worked out */
	u64 odd;     /* vma_store.odd then */
	bool changed, allowed, revoked;
	int wish; /* enum mm_wish */
	u64 wish_addr, wish_len;
	u32 next_zone;
};

struct mm {
	struct kernel *k;
	struct list on_kernel;
	u64 number;               /* no other one has it */
	int refs;                 /* tasks that run on it, and others that look at it */
	int users;                /* tasks alone: at 0 the space is put */
	struct trap_space *space; /* NULL before exec has one, and after death */
	struct vma_store vmas;
	/* From the store, after every change: in pages. */
	u64 total_pages, locked_pages, data_pages, stack_pages, exec_pages, peak_pages;
	u64 mmap_base; /* where the top-down search begins */
	u64 start_brk, brk, start_code, end_code, start_data, end_data, start_stack;
	u64 arg_start, arg_end, env_start, env_end;
	u64 vdso;
	u64 def_flags; /* mlockall(MCL_FUTURE): VM_LOCKED, VM_LOCKONFAULT */
	int dumpable;
	u32 dump_filter; /* /proc/PID/coredump_filter */
	u32 membarrier; /* what the process has registered for: sys/membarrier.c's MEMBARRIER_CMD_REGISTER_* */
	bool own_futexes; /* its private futexes are the kernel's, not the host's */
	bool guarded;     /* it may have guard pages (MADV_GUARD_INSTALL), which only the host knows */
	int ntraced;      /* traced tasks that run on it */
	struct file *exe; /* owned; /proc/PID/exe */
	u8 auxv[512];     /* /proc/PID/auxv */
	size_t auxv_size;
	/* The arguments as exec laid them out, for /proc/PID/cmdline where the host lets nobody read a guest's memory;
	 * nullable, shared by forks. */
	struct mm_args {
		int refs;
		size_t size;
		char bytes[];
	} * args;
	u64 (*random)(struct kernel *k);
	struct list undos; /* struct mm_undo: changes whose host operation is not yet known to have worked */
	int nundos;
	struct mm_leave leave;
	struct mm_patch *patch;            /* owned; NULL: no call site of it was ever looked at */
	struct list scratches;             /* struct mm_scratch */
	struct mm_fork_range *fork_ranges; /* owned; for mm_fork_finish() */
	int nfork_ranges;
	struct {
		u64 addr, rip;
		int count, pending;
	} refault; /* the last fault that the store did not explain */
};

/* An empty one for exec, without a space. NULL: no memory. One reference and one user, the caller's. */
struct mm *mm_new(struct kernel *k);
/* Chooses mmap_base for a stack of up to @stack_limit bytes. mm_new() does it for 8 MiB and with randomness. */
void mm_layout(struct mm *mm, u64 stack_limit, bool randomize);
/* fork: a copy of the store (VM_DONTCOPY left out, VM_WIPEONFORK kept); its space comes from trap
 * space_fork(). Where a DONTCOPY or WIPEONFORK range needs work in the child's host process, it is queued
 * once mm->space is set: mm_fork_finish(). NULL: no memory. */
struct mm *mm_fork(struct mm *mm);
void mm_fork_finish(struct mm *child);
/* Keeps @size bytes of arguments in @mm if the host refuses to read guests' memory. */
void mm_keep_args(struct mm *mm, const char *bytes, size_t size);
struct mm *mm_get(struct mm *mm); /* a reference, not a user */
void mm_put(struct mm *mm);
void mm_use(struct mm *mm);   /* one task more runs on it */
void mm_unuse(struct mm *mm); /* one task less: the last puts the space; then drops the reference that went
				 with it */

/* mmap(2) for the kernel's own use (ELF loading) and for sys_mmap: the address or -errno. @file is nullable,
 * borrowed. */
long mm_map(struct task *t, struct mm *mm, u64 addr, u64 len, int prot, int flags, struct file *file,
	    u64 offset);
long mm_unmap(struct mm *mm, u64 addr, u64 len);
/* The initial stack: a growing mapping that ends at @top, of @size bytes at first. 0 or -errno. */
int mm_map_stack(struct mm *mm, u64 top, u64 size, bool executable);
/* Registers the vDSO that every space carries (trap vdso()), so that maps shows it. */
void mm_map_vdso(struct mm *mm);
/* Sets up brk behind the program's end (page-aligned, randomised like Linux's). */
void mm_set_brk(struct mm *mm, u64 end);

/* The calls on the task's own mm, with Linux's checks: a result or -errno. */
long mm_protect(struct task *t, u64 addr, u64 len, u64 prot);
long mm_remap(struct task *t, u64 addr, u64 old_len, u64 new_len, u64 flags, u64 new_addr);
long mm_brk(struct task *t, u64 brk);
long mm_advise(struct task *t, u64 addr, u64 len, int advice);
/* mseal(2): seals all of a range, which must be mapped without a hole. */
long mm_seal(struct task *t, u64 addr, u64 len, u64 flags);
long mm_sync(struct task *t, u64 addr, u64 len, int flags);
long mm_lock(struct task *t, u64 addr, u64 len, u64 lock_flags); /* VM_LOCKED[|VM_LOCKONFAULT]; 0: unlock */
long mm_lock_all(struct task *t, int flags);                     /* MCL_*; 0: munlockall() */
long mm_remap_file_pages(struct task *t, u64 addr, u64 size, u64 prot, u64 pgoff, u64 flags);

/* mincore(): a step of the staged call. See mm/mincore.c. */
long mm_mincore(struct task *t, struct call *c);

/* How many bytes from @addr on are mapped by the guest with all of @flags (VM_*), of @size; to @write, the pages above
 * its ceiling are none: the stub and its windows are nobody's. */
size_t mm_mapped(struct mm *mm, u64 addr, size_t size, bool write, u64 flags);
/* Writes into any address space where the guest itself may: bytes, or -errno (-ENOSYS where the host forbids it). mm_peek() in
 * core/usermem.h reads. */
long mm_poke(struct mm *mm, u64 addr, const void *from, size_t size);

/* kernel_ops.access and .fault */
int mm_access(struct task *t, u64 addr, u64 len, bool write, u64 *ok);
void mm_fault(struct task *t, const struct trap_event *event);

/* For a tracer: has the host allow what the protection of [addr, addr+size) forbids, from the next run of a thread of the
 * space on: 1; 0 when it allows it already; -EIO where there is nothing to be reached so, -ENOMEM. mm_force_end() puts the
 * protection back: to be carried out by another run. */
int mm_force_begin(struct mm *mm, u64 addr, u64 size, bool write);
int mm_force_end(struct mm *mm, u64 addr, u64 size);

/* Text of /proc/PID/maps (or smaps) into a growing buffer; the text is malloc()ed, *out owned by the caller. */
int mm_show_maps(struct mm *mm, bool smaps, char **out, size_t *size);
/* The sums of smaps over all mappings (smaps_rollup), as above. */
int mm_show_rollup(struct mm *mm, char **out, size_t *size);
/* What a futex on shared memory is keyed by: the object behind @addr (an inode or a shared anonymous object,
 * with the offset in it), or the mm itself for private memory. 0 or -EFAULT. */
struct mm_key {
	const void *object;
	u64 offset;
};
int mm_futex_key(struct mm *mm, u64 addr, struct mm_key *key);

void mm_init(struct kernel *k); /* registers access and fault */

#endif
