/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of an address space: made empty by exec or copied by fork, used by tasks, looked at by others, freed
 * last.
 *
 * `users` counts the tasks that run on it: with the last one the host process and all mappings go (files are
 * released then, as in Linux's exit_mmap()). `refs` counts pointers: /proc readers may hold an mm that is
 * already empty.
 */
#include "mm/mm.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "mm/internal.h"
#include "mm/leave.h"
#include "mm/patch.h"
#include "vfs/donate.h"

#define NR_MSEAL  462
#define MIN_GAP   (128UL << 20)
#define STACK_RND (16UL << 30) /* how far below the top a stack may begin */
#define MMAP_RND  (1UL << 28)  /* pages: mmap_rnd_bits */

struct mm_fork_range {
	u64 start, end;
	int prot;
	bool wipe; /* else: not there in the child */
};

static u64 random_u64(struct kernel *k)
{
	u64 x;

	if (!k->random.left) {
		if (getrandom(k->random.words, sizeof k->random.words, GRND_NONBLOCK) !=
		    sizeof k->random.words)
			return 0;
		k->random.left = ARRAY_SIZE(k->random.words);
	}
	x = k->random.words[--k->random.left];
	k->random.words[k->random.left] = 0;
	return x;
}

static u64 no_random(struct kernel *k)
{
	(void)k;
	return 0;
}

void mm_layout(struct mm *mm, u64 stack_limit, bool randomize)
{
	u64 pad = VMA_GUARD_GAP + (randomize ? STACK_RND : 0);
	u64 gap = stack_limit + pad > stack_limit ? stack_limit + pad : stack_limit;
	u64 rnd;

	mm->random = randomize ? random_u64 : no_random;
	rnd = mm->random(mm->k) % MMAP_RND * PAGE_SIZE;
	gap = max(gap, MIN_GAP);
	gap = min(gap, TRAP_GUEST_TOP / 6 * 5);
	mm->mmap_base = page_up(TRAP_GUEST_TOP - gap - rnd);
}

static struct mm *alloc_mm(struct kernel *k)
{
	struct mm *mm = calloc(1, sizeof *mm);

	if (!mm)
		return NULL;
	mm->k = k;
	mm->number = ++k->mm_number;
	mm->refs = mm->users = 1;
	mm->dumpable = 1;
	mm->dump_filter = MM_DUMP_FILTER;
	list_init(&mm->undos);
	list_add_tail(&k->mms, &mm->on_kernel);
	vma_store_init(&mm->vmas, MM_MAX_COUNT);
	object_count(k, "mm", 1);
	return mm;
}

struct mm *mm_new(struct kernel *k)
{
	struct mm *mm = alloc_mm(k);

	if (mm)
		mm_layout(mm, 8UL << 20, true);
	return mm;
}

static int note_fork_range(struct mm *child, const struct vma *v, bool wipe)
{
	struct mm_fork_range *r;

	r = realloc(child->fork_ranges, (child->nfork_ranges + 1) * sizeof *r);
	if (!r)
		return -1;
	child->fork_ranges = r;
	r[child->nfork_ranges++] = (struct mm_fork_range){
		.start = v->start,
		.end = v->end,
		.prot = mm_host_prot(v->flags),
		.wipe = wipe,
	};
	return 0;
}

static int fork_vma(struct mm *child, const struct vma *v)
{
	/* What is sealed on the host the child could not change: the host has been told before (mm/seal.c). */
	bool told = child->k->host_seals && (v->flags & VM_SEALED);

	if (v->flags & VM_DONTCOPY)
		return told ? 0 : note_fork_range(child, v, false);
	if ((v->flags & VM_WIPEONFORK) && !told && note_fork_range(child, v, true))
		return -1;
	return vma_append(&child->vmas, v, v->flags & ~VM_LOCKED_MASK);
}

struct mm *mm_fork(struct mm *mm)
{
	struct mm *child = alloc_mm(mm->k);
	struct vma *v;

	if (!child)
		return NULL;
	for (v = vma_first(&mm->vmas); v; v = vma_next(v)) {
		if (fork_vma(child, v)) {
			mm_unuse(child);
			return NULL;
		}
	}
	child->mmap_base = mm->mmap_base;
	child->random = mm->random;
	child->start_brk = mm->start_brk;
	child->brk = mm->brk;
	child->start_code = mm->start_code;
	child->end_code = mm->end_code;
	child->start_data = mm->start_data;
	child->end_data = mm->end_data;
	child->start_stack = mm->start_stack;
	child->arg_start = mm->arg_start;
	child->arg_end = mm->arg_end;
	child->env_start = mm->env_start;
	child->env_end = mm->env_end;
	child->vdso = mm->vdso;
	child->dumpable = mm->dumpable;
	child->dump_filter = mm->dump_filter;
	child->membarrier = mm->membarrier;
	child->guarded = mm->guarded;
	child->exe = mm->exe ? file_get(mm->exe) : NULL;
	__builtin_memcpy(child->auxv, mm->auxv, sizeof mm->auxv);
	child->auxv_size = mm->auxv_size;
	child->args = mm->args;
	if (child->args)
		child->args->refs++;
	if (mm_patch_fork(child, mm)) {
		mm_unuse(child);
		return NULL;
	}
	mm_account(child);
	return child;
}

void mm_fork_finish(struct mm *child)
{
	int i;

	for (i = 0; i < child->nfork_ranges; i++) {
		const struct mm_fork_range *r = &child->fork_ranges[i];
		struct trap_op op = {
			.kind = r->wipe ? TRAP_OP_MAP : TRAP_OP_UNMAP,
			.addr = r->start,
			.len = r->end - r->start,
			.prot = r->prot,
			.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
			.fd = HOSTFD_NONE,
		};

		/* On no memory the child keeps bytes that it should not see: it must not run. */
		if (mm_queue(child, &op, NULL))
			child->k->ops.space_died(child, 9);
	}
	free(child->fork_ranges);
	child->fork_ranges = NULL;
	child->nfork_ranges = 0;
}

void mm_keep_args(struct mm *mm, const char *bytes, size_t size)
{
	char probe;

	if (mm->k->trap_ops->read(mm->space, &probe, mm->arg_start, 1) != -ENOSYS)
		return;
	mm->args = malloc(sizeof *mm->args + size);
	if (!mm->args)
		return;
	mm->args->refs = 1;
	mm->args->size = size;
	__builtin_memcpy(mm->args->bytes, bytes, size);
}

static void args_put(struct mm_args *args)
{
	if (args && !--args->refs)
		free(args);
}

struct mm *mm_get(struct mm *mm)
{
	mm->refs++;
	return mm;
}

void mm_put(struct mm *mm)
{
	if (!mm || --mm->refs)
		return;
	list_del(&mm->on_kernel);
	mm_undo_detach(mm);
	mm_patch_free(mm);
	vma_store_clear(&mm->vmas);
	free(mm->fork_ranges);
	if (mm->exe)
		file_put(mm->exe);
	object_count(mm->k, "mm", -1);
	args_put(mm->args);
	free(mm);
}

void mm_use(struct mm *mm)
{
	mm->users++;
	mm->refs++;
}

void mm_unuse(struct mm *mm)
{
	if (--mm->users == 0) {
		struct trap_space *space = mm->space;

		mm->space = NULL;
		if (space) {
			donate_space_ends(space);
			mm->k->trap_ops->space_put(space);
		}
		mm_undo_detach(mm);
		mm_patch_free(mm);
		vma_store_clear(&mm->vmas);
		mm_account(mm);
		if (mm->exe)
			file_put(mm->exe);
		mm->exe = NULL;
	}
	mm_put(mm);
}

size_t mm_mapped(struct mm *mm, u64 addr, size_t size, bool write, u64 flags)
{
	u64 at = addr;

	mm_catch_up(mm);
	while (at - addr < size) {
		struct vma *v = vma_lookup(&mm->vmas, at);

		if (!v || (write && at >= TRAP_GUEST_TOP) || (v->flags & flags) != flags)
			break;
		at = v->end;
	}
	return min(size, (size_t)(at - addr));
}

long mm_poke(struct mm *mm, u64 addr, const void *from, size_t size)
{
	if (!mm->space || mm->space->dead)
		return 0;
	size = mm_mapped(mm, addr, size, true, VM_WRITE);
	return size ? mm->k->trap_ops->write(mm->space, addr, from, size) : -EFAULT;
}

/* Declared in core/usermem.h. */
long mm_peek(struct mm *mm, void *to, u64 addr, size_t size)
{
	long n;

	if (!mm->space || mm->space->dead)
		return 0;
	size = mm_mapped(mm, addr, size, false, 0);
	if (!size)
		return -EFAULT;
	n = mm->k->trap_ops->read(mm->space, to, addr, size);
	if (n > 0 && mm->k->ops.code_shown)
		mm->k->ops.code_shown(mm, to, addr, (size_t)n);
	return n;
}

void mm_account(struct mm *mm)
{
	mm_leave_changed(mm);
	mm_count(mm);
}

void mm_count(struct mm *mm)
{
	const struct vma_store *s = &mm->vmas;

	mm->total_pages = s->total;
	mm->locked_pages = s->locked;
	mm->data_pages = s->data;
	mm->stack_pages = s->stack;
	mm->exec_pages = s->exec;
	mm->peak_pages = max(mm->peak_pages, mm->total_pages);
}

/* Execute-only memory would be made unreadable by hosts with protection keys; husk shows a host without. */
int mm_host_prot(u64 vm_flags)
{
	int prot = (vm_flags & VM_READ ? PROT_READ : 0) | (vm_flags & VM_WRITE ? PROT_WRITE : 0) |
		   (vm_flags & VM_EXEC ? PROT_EXEC : 0);

	return prot == PROT_EXEC ? PROT_EXEC | PROT_READ : prot;
}

static void free_object(struct vma_object *base)
{
	struct mm_object *o = container_of(base, struct mm_object, base);

	if (o->file)
		file_put(o->file);
	object_count(o->k, "mm_object", -1);
	free(o);
}

struct mm_object *mm_object_new(struct kernel *k, enum mm_object_kind kind, struct file *file)
{
	struct mm_object *o = calloc(1, sizeof *o);

	if (!o)
		return NULL;
	o->base.refs = 1;
	o->base.free = free_object;
	o->base.identity = file ? (const void *)file : o;
	o->k = k;
	o->kind = kind;
	o->file = file ? file_get(file) : NULL;
	if (kind == MM_SHARED)
		o->ino = ++k->shared_ino;
	object_count(k, "mm_object", 1);
	return o;
}

u64 mm_limit(struct task *t, int resource)
{
	return t->k->ops.limit ? t->k->ops.limit(t, resource) : RLIM_INFINITY;
}

bool mm_may_expand(struct task *t, struct mm *mm, u64 vm_flags, u64 pages)
{
	if (mm->vmas.total + pages > mm_limit(t, RLIMIT_AS) >> PAGE_SHIFT)
		return false;
	return !vma_flags_data(vm_flags) || mm->vmas.data + pages <= mm_limit(t, RLIMIT_DATA) >> PAGE_SHIFT;
}

bool mm_can_lock(struct task *t)
{
	return mm_limit(t, RLIMIT_MEMLOCK) != 0 || capable(t, CAP_IPC_LOCK);
}

bool mm_lock_fits(struct task *t, struct mm *mm, u64 vm_flags, u64 bytes)
{
	if (!(vm_flags & VM_LOCKED) || capable(t, CAP_IPC_LOCK))
		return true;
	return mm->vmas.locked + (bytes >> PAGE_SHIFT) <= mm_limit(t, RLIMIT_MEMLOCK) >> PAGE_SHIFT;
}

bool mm_enough_memory(struct mm *mm, u64 pages)
{
	return !mm->k->memory_pages || pages <= mm->k->memory_pages;
}

/* brk() answers with the break that holds, never with an error: a C library would take that for an address.
 */
static long op_refused(struct task *t, long error)
{

	if (error == -EFAULT && (t->call.nr == SYS_mlock || t->call.nr == SYS_mlock2))
		return -ENOMEM; /* a guard page in the range: __mlock_posix_error_return() */
	return t->call.nr == SYS_brk && t->mm ? (long)t->mm->brk : error;
}

void mm_init(struct kernel *k)
{
	struct sysinfo info;

	if (sysinfo(&info) == 0)
		k->memory_pages = (info.totalram + info.totalswap) * info.mem_unit >> PAGE_SHIFT;
	k->host_seals = syscall(NR_MSEAL, 0UL, 0UL, 0UL) == 0;
	k->ops.access = mm_access;
	k->ops.fault = mm_fault;
	k->ops.memory_told = mm_catch_up;
	k->ops.op_refused = op_refused;
	k->ops.file_moved = mm_file_moved;
}
