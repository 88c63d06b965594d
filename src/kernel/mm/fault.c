/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults that the host could not resolve, and the kernel's own look at guest addresses.
 *
 * A fault in the host process is one of: the stack must grow (resolved here); an access that the store allows
 * too, because another thread's operation was still under way (tried again, a few times); or the guest's own
 * mistake, which becomes its signal.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "mm/internal.h"
#include "vfs/inode.h"

/* How often a fault that should not be is tried again before it is the guest's: while another thread carries
 * an operation out (it may have lost its CPU in between), and else. */
#define MAX_REFAULTS_PENDING 1000000
#define MAX_REFAULTS         64

static int check_growth(struct task *t, struct mm *mm, struct vma *v, u64 start)
{
	struct vma *prev = vma_prev(v);
	u64 pages = (v->start - start) >> PAGE_SHIFT;

	if (start < MM_MIN_ADDR)
		return -EPERM;
	if (prev && (prev->flags & VM_ACCESS_FLAGS) && !(prev->flags & VM_GROWSDOWN) &&
	    start - prev->end < VMA_GUARD_GAP)
		return -ENOMEM;
	if (prev && prev->end > start)
		return -ENOMEM;
	if (!mm_may_expand(t, mm, v->flags, pages) || v->end - start > mm_limit(t, RLIMIT_STACK) ||
	    !mm_lock_fits(t, mm, v->flags, pages << PAGE_SHIFT) || !mm_enough_memory(mm, pages))
		return -ENOMEM;
	return 0;
}

/* @write: the page at @addr is about to be written to, and is mapped at once where it is all that comes. */
static int mm_grow(struct task *t, struct mm *mm, struct vma *v, u64 addr, bool write)
{
	u64 start = page_down(addr), end = v->start;
	int error = check_growth(t, mm, v, start);
	struct trap_op op = {
		.kind = TRAP_OP_MAP,
		.addr = start,
		.len = end - start,
		.prot = mm_host_prot(v->flags),
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		.fd = HOSTFD_NONE,
	};
	struct mm_undo *u;

	if (error)
		return error;
	if (write && (v->flags & VM_WRITE) && op.len == PAGE_SIZE)
		op.flags |= MAP_POPULATE;
	u = mm_undo_begin(mm, start, end, 0, 0);
	if (!u)
		return -ENOMEM;
	vma_extend_down(&mm->vmas, v, start);
	error = mm_queue(mm, &op, u);
	/* Linux: what a sealed stack grows by is sealed with it. */
	if (!error && (v->flags & VM_SEALED) && mm->k->host_seals)
		error = mm_queue(
			mm, &(struct trap_op){.kind = TRAP_OP_SEAL, .addr = start, .len = end - start}, NULL);
	mm_account(mm);
	return error;
}

/* The VMA that holds @addr, *grown to it if need be; NULL: none. */
static struct vma *find_or_grow(struct task *t, struct mm *mm, u64 addr, bool write, bool *grown)
{
	struct vma *v = vma_find(&mm->vmas, addr);

	*grown = false;
	if (!v || v->start <= addr)
		return v;
	if (!(v->flags & VM_GROWSDOWN) || mm_grow(t, mm, v, addr, write))
		return NULL;
	*grown = true;
	return vma_lookup(&mm->vmas, addr);
}

/* x86 has no memory that can be written or executed, but not read. */
static bool may_access(const struct vma *v, bool write, bool exec)
{
	if (exec)
		return v->flags & VM_EXEC;
	return v->flags & (write ? VM_WRITE : VM_ACCESS_FLAGS);
}

/* Where writes to [at, end) of @v come to the end of its file: what lies behind its last page is there, but nobody can touch
 * it (SIGBUS). Reads are not asked for: they show it by themselves. */
static u64 file_end(const struct vma *v, u64 at, u64 end)
{
	struct mm_object *o = vma_mm_object(v);
	struct inode *i = o && o->kind == MM_FILE && !o->apart ? o->file->inode : NULL;
	u64 start = (v->pgoff << PAGE_SHIFT) - v->start; /* of the file's first byte, seen from address 0 */
	struct kstat st;

	if (!i || i->type != S_IFREG || (o->cuts == i->cuts && end + start <= o->end))
		return end;
	if (i->ops->getattr(i, &st))
		return end;
	o->end = page_up((u64)st.size);
	o->cuts = i->cuts;
	return end + start <= o->end ? end : max(at, o->end - start);
}

int mm_access(struct task *t, u64 addr, u64 len, bool write, u64 *ok)
{
	struct mm *mm = t->mm;
	u64 at = addr, end = addr + len;

	if (!len)
		return 0;
	if (mm && end > addr) {
		while (at < end) {
			bool grown;
			struct vma *v = find_or_grow(t, mm, at, false, &grown);

			u64 to;

			if (!v || !may_access(v, write, false))
				break;
			to = write && v->object ? file_end(v, at, min(v->end, end)) : v->end;
			at = to;
			if (to < end && to < v->end)
				break;
		}
	}
	if (at >= end && end > addr)
		return 0;
	if (ok)
		*ok = at - addr;
	return -EFAULT;
}

static void force(struct task *t, const struct trap_event *event, int signo, int code, u64 addr)
{
	t->k->stats.fault_signals++;
	t->last_fault.trapno = event->trapno;
	t->last_fault.error = event->error;
	t->last_fault.addr = event->addr;
	t->k->ops.force_signal(t, signo, code, addr);
}

/* Whether a fault that the store doesn't explain is worth another try. */
static bool try_again(struct task *t, const struct trap_event *event)
{
	struct mm *mm = t->mm;
	u64 rip = task_regs(t)->rip;

	if (mm->refault.addr != event->addr || mm->refault.rip != rip) {
		mm->refault.addr = event->addr;
		mm->refault.rip = rip;
		mm->refault.count = mm->refault.pending = 0;
	}
	if (mm->space && mm->k->trap_ops->ops_pending(mm->space))
		return ++mm->refault.pending <= MAX_REFAULTS_PENDING;
	return ++mm->refault.count <= (mm->guarded ? 1 : MAX_REFAULTS);
}

static void page_fault(struct task *t, const struct trap_event *event)
{
	bool write = event->error & X86_PF_WRITE, grown;
	struct vma *v = find_or_grow(t, t->mm, event->addr, write, &grown);

	if (!v) {
		force(t, event, SIGSEGV, SEGV_MAPERR, event->addr);
		return;
	}
	if (may_access(v, write, event->error & X86_PF_INSTR)) {
		if (grown || try_again(t, event))
			return;
		/* A guard page, of which the host knows. */
		force(t, event, SIGSEGV, event->code, event->addr);
		return;
	}
	force(t, event, SIGSEGV, SEGV_ACCERR, event->addr);
}

void mm_fault(struct task *t, const struct trap_event *event)
{
	/* A signal that the guest's host process got from elsewhere, or an address that is none (general
	 * protection), has a code of the host's own. */
	if (event->signo == SIGSEGV && event->code > 0 && event->code != SI_KERNEL && t->mm &&
	    event->trapno == X86_TRAP_PF)
		page_fault(t, event);
	else
		force(t, event, event->signo, event->code, event->addr);
}
