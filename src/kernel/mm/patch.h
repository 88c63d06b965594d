/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call-site patching in one address space: which sites are worth it, which copies of pages are mapped where, and where
 * threads stand that the guest must not see in a trampoline.
 *
 * The store (mm/vma.h) knows nothing of it: a patched page is still the file's, and trampolines lie in room that the
 * search for free addresses leaves alone. What the guest does to such pages goes past mm_patch_before(), which puts the
 * file's own pages back first where a change could tell the difference.
 *
 * Linux: a program that loads its own code as data finds `mov $nr,%eax; syscall` where it makes calls. Here: it may find
 * a jump there, unless the sandbox runs with --patch=off, because a patched copy of the page is mapped. Calls that read
 * its memory, and everybody else, find the file's own bytes.
 *
 * Linux: `cpuid` asks the processor each time. Here: a program's dynamic linker, in a virtual machine, is told what the
 * processor said once in the sandbox's life, but for what differs between processors or may change, unless the sandbox
 * runs with --patch=off, because it asks some seventy times at each start, and each time leaves the machine.
 */
#ifndef HUSK_KERNEL_MM_PATCH_H
#define HUSK_KERNEL_MM_PATCH_H

#include "mm/mm.h"
#include "mm/patch_text.h"

struct mm_patch;

/* Something may be learnt by mm_patch_ahead() from now on. */
void mm_patch_prepare(struct kernel *k);
/* The trap is there: registers the operations of kernel_ops; patches nothing where the trap cannot. */
void mm_patch_init(struct kernel *k);
void mm_patch_exit(struct kernel *k);

/* A private mapping of @len bytes of @file, which may be executed and not written, was made at @start: what is known
 * of its code is mapped in its place. */
void mm_patch_mapped(struct mm *mm, u64 start, u64 len, struct file *file, u64 pgoff,
		     const struct mmap_backing *backing);
/* Whether the code mapped at @addr is patched, some of it at least, and nobody has looked through it; it is the caller's to do
 * so, and to tell by mm_patch_read() of what it has found, before it runs. */
bool mm_patch_unread(struct mm *mm, u64 addr);
void mm_patch_read(struct mm *mm, u64 addr, struct patch_code *code);
/* The same of a file that is about to be mapped for the first time, its trampolines at position @area_at. */
void mm_patch_ahead(struct kernel *k, struct file *file, u64 area_at, struct patch_code *code);
/* To be called before @op is queued. */
void mm_patch_before(struct mm *mm, const struct trap_op *op);
/* The file's own pages again, everywhere, and no more patching until it is allowed again: for who looks at single
 * instructions. */
void mm_patch_allow(struct mm *mm, bool allow);
/* The same for ever: somebody is about to write into code that is not writable, which no copy may cover. */
void mm_patch_never(struct mm *mm);
/* fork: @child has what @mm has. 0 or -ENOMEM. */
int mm_patch_fork(struct mm *child, const struct mm *mm);
void mm_patch_free(struct mm *mm);

#endif
