/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory calls three times: by the mm room on its store, by a naive list of pages, and by the host's own Linux in a
 * child. Random calls in a window of 64 pages, 100,000 of them; each must end with the same result or errno, and the
 * pages must be the same: what is mapped, with which protection, shared or not, sealed, with which advice in force.
 *
 * The host's answer is its return values and /proc/self/smaps. It keeps apart what it could merge after some failures,
 * so the child has the window merged anew after each (by advice that changes nothing). Where its rule of merging looks at
 * what husk cannot see (whether memory was touched), the calls that would tell are left out: mremap across such a border.
 *
 * `mm_model [seed]`. Seals are left out where the host is older than Linux 6.18, moves of several mappings before 6.17.
 *
 * links: src/kernel/mm/vma.c src/kernel/mm/vma_gap.c src/kernel/mm/vma_snapshot.c
 *
 * links: src/kernel/mm/vma_tree.c src/kernel/mm/mm.c src/kernel/mm/undo.c src/kernel/mm/map.c
 *
 * links: src/kernel/mm/change.c src/kernel/mm/remap.c src/kernel/mm/brk.c src/kernel/mm/fault.c
 *
 * links: src/kernel/mm/advise.c src/kernel/mm/lock.c src/kernel/mm/seal.c src/kernel/mm/leave.c src/kernel/mm/moved.c
 *
 * links: src/kernel/mm/patch.c src/kernel/mm/patch_map.c src/kernel/mm/patch_place.c
 *
 * links: src/kernel/mm/patch_text.c src/trap/site.c src/trap/insn.c src/host/file.c src/host/cpuid.c
 *
 * links: src/base/rbtree.c src/base/bug.c
 */
#include "mm/mm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mm/internal.h"
#include "mm_alone.h"
#include "random.h"

#define PAGES    64
#define BASE     0x200000000000UL
#define STEPS    100000
#define BATCH    16
#define SESSION  400 /* calls, before a new child begins with nothing mapped or sealed */
#define NR_MSEAL 462

enum kind { MAP, UNMAP, PROTECT, REMAP, ADVISE, SEAL, KINDS };

struct op {
	enum kind kind;
	u64 addr, len, new_len, flags, new_addr;
	int prot;
};

/* A page as everybody can tell of it. */
#define MAPPED 1u
#define READ   2u
#define WRITE  4u
#define EXEC   8u
#define SHARED 16u
#define SEALED 32u
#define NOFORK 64u
#define WIPES  128u
#define NODUMP 256u

struct reply {
	long result[BATCH];
	unsigned short pages[PAGES];
};

static int left_out;
static bool can_seal, can_move_many, can_remove;

/* ---- the host: a child that does as it is told ---- */

static long do_call(const struct op *op)
{
	long r;

	switch (op->kind) {
	case MAP:
		r = syscall(SYS_mmap, op->addr, op->len, op->prot, op->flags, -1, 0);
		break;
	case UNMAP:
		r = syscall(SYS_munmap, op->addr, op->len);
		break;
	case PROTECT:
		r = syscall(SYS_mprotect, op->addr, op->len, op->prot);
		break;
	case REMAP:
		r = syscall(SYS_mremap, op->addr, op->len, op->new_len, op->flags, op->new_addr);
		break;
	case ADVISE:
		r = syscall(SYS_madvise, op->addr, op->len, op->flags);
		break;
	default:
		r = syscall(NR_MSEAL, op->addr, op->len, op->flags);
	}
	return r == -1 ? -errno : r;
}

/* Two parts of one mapping that a call has left apart become one. */
static void merge_window(void)
{
	madvise((void *)BASE, PAGES * PAGE_SIZE, MADV_RANDOM);
	madvise((void *)BASE, PAGES * PAGE_SIZE, MADV_NORMAL);
}

static char text[1 << 20];

static void read_text(void)
{
	int fd = open("/proc/self/smaps", O_RDONLY);
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, text + used, sizeof text - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = 0;
	close(fd);
}

static bool has_word(const char *line, const char *word)
{
	const char *end = strchr(line, '\n'), *at = strstr(line, word);

	return at && end && at < end;
}

static void read_pages(unsigned short *pages)
{
	unsigned long from, to, start, end, at;
	unsigned bits = 0;
	char perm[8], *line;

	memset(pages, 0, PAGES * sizeof *pages);
	read_text();
	start = end = 0;
	for (line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perm) == 3) {
			start = from;
			end = to;
			bits = MAPPED | (perm[0] == 'r' ? READ : 0) | (perm[1] == 'w' ? WRITE : 0) |
			       (perm[2] == 'x' ? EXEC : 0) | (perm[3] == 's' ? SHARED : 0);
		}
		if (strncmp(line, "VmFlags:", 8))
			continue;
		bits |= (has_word(line, " sl") ? SEALED : 0) | (has_word(line, " dc") ? NOFORK : 0) |
			(has_word(line, " wf") ? WIPES : 0) | (has_word(line, " dd") ? NODUMP : 0);
		/* The window's part: a sanitizer's mappings have terabytes. */
		for (at = max(start, BASE); at < min(end, BASE + PAGES * PAGE_SIZE); at += PAGE_SIZE)
			pages[(at - BASE) / PAGE_SIZE] = (unsigned short)bits;
	}
}

static void serve(int in, int out)
{
	struct op ops[BATCH];
	struct reply reply;

	while (read(in, ops, sizeof ops) == sizeof ops) {
		for (int i = 0; i < BATCH; i++) {
			reply.result[i] = do_call(&ops[i]);
			if (reply.result[i] < 0 || ops[i].kind == REMAP)
				merge_window();
		}
		read_pages(reply.pages);
		if (write(out, &reply, sizeof reply) != sizeof reply)
			break;
	}
	_exit(0);
}

static pid_t child;
static int to_child, from_child;

static void child_start(void)
{
	int in[2], out[2];

	if (pipe(in) || pipe(out))
		exit(1);
	fflush(stdout);
	child = fork();
	if (!child) {
		close(in[1]);
		close(out[0]);
		serve(in[0], out[1]);
	}
	close(in[0]);
	close(out[1]);
	to_child = in[1];
	from_child = out[0];
}

static void child_end(void)
{
	close(to_child);
	close(from_child);
	waitpid(child, NULL, 0);
}

/* ---- the naive list ---- */

struct page {
	unsigned bits;
	int object, offset; /* of shared memory */
};

static struct page list[PAGES];
static int objects;

static int page_of(u64 addr)
{
	return (int)((addr - BASE) / PAGE_SIZE);
}

static bool together(int a, int b)
{
	if (a < 0 || b >= PAGES || list[a].bits != list[b].bits || !list[a].bits)
		return false;
	return !(list[a].bits & SHARED) ||
	       (list[a].object == list[b].object && list[a].offset + 1 == list[b].offset);
}

/* Where the mapping of page @i ends. */
static int end_of(int i)
{
	while (together(i, i + 1))
		i++;
	return i + 1;
}

static bool sealed(int a, int b)
{
	for (; a < b; a++)
		if (list[a].bits & SEALED)
			return true;
	return false;
}

static unsigned prot_bits(int prot)
{
	return (prot & PROT_READ ? READ : 0) | (prot & PROT_WRITE ? WRITE : 0) |
	       (prot & PROT_EXEC ? EXEC : 0);
}

static void wipe(int a, int b)
{
	memset(&list[a], 0, (size_t)(b - a) * sizeof list[0]);
}

static long naive_map(const struct op *op, int a, int b)
{
	bool replace = op->flags & MAP_FIXED;

	if (!op->len)
		return -EINVAL;
	if (op->addr % PAGE_SIZE)
		return -EINVAL;
	for (int i = a; i < b && !replace; i++)
		if (list[i].bits)
			return -EEXIST;
	if ((op->flags & MAP_TYPE) != MAP_PRIVATE && (op->flags & MAP_TYPE) != MAP_SHARED)
		return -EINVAL;
	if (sealed(a, b))
		return -EPERM;
	objects++;
	for (int i = a; i < b; i++)
		list[i] = (struct page){MAPPED | prot_bits(op->prot) | (op->flags & MAP_SHARED ? SHARED : 0),
					objects, i - a};
	return (long)op->addr;
}

static long naive_unmap(int a, int b)
{
	if (sealed(a, b))
		return -EPERM;
	wipe(a, b);
	return 0;
}

static long naive_protect(const struct op *op, int a, int b)
{
	for (; a < b; a++) {
		if (!list[a].bits)
			return -ENOMEM;
		if (list[a].bits & SEALED)
			return -EPERM;
		list[a].bits = (list[a].bits & ~(READ | WRITE | EXEC)) | prot_bits(op->prot);
	}
	return 0;
}

static long naive_seal(int a, int b)
{
	for (int i = a; i < b; i++)
		if (!list[i].bits)
			return -ENOMEM;
	for (; a < b; a++)
		list[a].bits |= SEALED;
	return 0;
}

static long advise_page(struct page *p, int advice)
{
	bool discards = advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE ||
			advice == MADV_DONTFORK || advice == MADV_WIPEONFORK;

	if (discards && (p->bits & (SEALED | SHARED | WRITE)) == SEALED)
		return -EPERM;
	switch (advice) {
	case MADV_FREE:
		return p->bits & SHARED ? -EINVAL : 0;
	case MADV_REMOVE:
		return p->bits & SHARED ? 0 : -EINVAL;
	case MADV_DONTFORK:
		p->bits |= NOFORK;
		return 0;
	case MADV_DOFORK:
		p->bits &= ~NOFORK;
		return 0;
	case MADV_WIPEONFORK:
		if (p->bits & SHARED)
			return -EINVAL;
		p->bits |= WIPES;
		return 0;
	case MADV_KEEPONFORK:
		p->bits &= ~WIPES;
		return 0;
	case MADV_DONTDUMP:
		p->bits |= NODUMP;
		return 0;
	case MADV_DODUMP:
		p->bits &= ~NODUMP;
		return 0;
	}
	return 0;
}

static long naive_advise(const struct op *op, int a, int b)
{
	long hole = 0, error;

	for (; a < b; a++) {
		if (!list[a].bits) {
			hole = -ENOMEM;
			continue;
		}
		error = advise_page(&list[a], (int)op->flags);
		if (error)
			return error;
	}
	return hole;
}

/* One mapping's part of [a, a + n) to @to, where it shall have @m pages. */
static long naive_move(const struct op *op, int a, int n, int to, int m)
{
	struct page old[PAGES];
	long error;

	if (!list[a].bits)
		return -EFAULT;
	if (list[a].bits & SEALED)
		return -EPERM;
	if (!n && !(list[a].bits & SHARED))
		return -EINVAL;
	if (a + min(n, m) > end_of(a))
		return -EFAULT;
	if (sealed(to, to + m))
		return -EPERM;
	memcpy(old, list, sizeof old);
	wipe(to, to + m);
	if (!list[a].bits)
		return -EFAULT;
	if (n > m) {
		error = naive_unmap(a + m, a + n);
		if (error)
			return error;
		n = m;
	}
	if (!(op->flags & MREMAP_DONTUNMAP))
		wipe(a, a + n);
	for (int i = 0; i < m; i++)
		list[to + i] = (struct page){old[a].bits, old[a].object, old[a].offset + i};
	return 0;
}

static long naive_remap(const struct op *op, int a, int n, int to, int m)
{
	bool placed = op->flags & MREMAP_FIXED;
	long error, result = -EFAULT;
	int end;

	if (op->flags & ~7UL || op->addr % PAGE_SIZE || !m)
		return -EINVAL;
	if (placed && (op->new_addr % PAGE_SIZE || !(op->flags & MREMAP_MAYMOVE) ||
		       ((op->flags & MREMAP_DONTUNMAP) && n != m) || (a + n > to && to + m > a)))
		return -EINVAL;
	if (placed && n != m) {
		error = naive_move(op, a, n, to, m);
		return error ? error : (long)op->new_addr;
	}
	for (int i = a; placed && i < a + n; i = end) {
		end = min(end_of(i), a + n);
		if (!list[i].bits) {
			end = i + 1;
			if (i == a)
				return -EFAULT;
			continue;
		}
		error = naive_move(op, i, end - i, to + i - a, end - i);
		if (error)
			return error;
		result = (long)op->new_addr;
	}
	if (placed)
		return result;
	if (!list[a].bits)
		return -EFAULT;
	if (list[a].bits & SEALED)
		return -EPERM;
	if (n > m) {
		error = naive_unmap(a + m, a + n);
		return error ? error : (long)op->addr;
	}
	if (n == m)
		return (long)op->addr;
	if (!n && !(list[a].bits & SHARED))
		return -EINVAL;
	end = end_of(a);
	if (a + n > end)
		return -EFAULT;
	if (a + n < end)
		return -ENOMEM;
	for (int i = end; i < a + m; i++)
		if (list[i].bits)
			return -ENOMEM;
	for (int i = end; i < a + m; i++)
		list[i] = (struct page){list[a].bits, list[a].object, list[a].offset + i - a};
	return (long)op->addr;
}

static long naive(const struct op *op)
{
	int a = page_of(op->addr), n = (int)(page_up(op->len) / PAGE_SIZE), b = a + n;

	if (op->kind != MAP && op->kind != REMAP && op->addr % PAGE_SIZE)
		return -EINVAL;
	switch (op->kind) {
	case MAP:
		return naive_map(op, a, b);
	case UNMAP:
		return n ? naive_unmap(a, b) : -EINVAL;
	case PROTECT:
		if (!n)
			return 0;
		return op->prot & ~7 ? -EINVAL : naive_protect(op, a, b);
	case ADVISE:
		if (op->flags == 12345)
			return -EINVAL;
		return naive_advise(op, a, b);
	case SEAL:
		return op->flags ? -EINVAL : naive_seal(a, b);
	default:
		return naive_remap(op, a, n, page_of(op->new_addr), (int)(page_up(op->new_len) / PAGE_SIZE));
	}
}

/* ---- husk's own ---- */

static struct kernel kernel;
static struct task task;
void object_count(struct kernel *k, const char *name, long by)
{
}

static long ours(const struct op *op)
{
	long r;

	switch (op->kind) {
	case MAP:
		r = mm_map(&task, task.mm, op->addr, op->len, op->prot, (int)op->flags, NULL, 0);
		break;
	case UNMAP:
		r = mm_unmap(task.mm, op->addr, op->len);
		break;
	case PROTECT:
		r = mm_protect(&task, op->addr, op->len, (u64)op->prot);
		break;
	case REMAP:
		r = mm_remap(&task, op->addr, op->len, op->new_len, op->flags, op->new_addr);
		break;
	case ADVISE:
		r = mm_advise(&task, op->addr, op->len, (int)op->flags);
		break;
	default:
		r = mm_seal(&task, op->addr, op->len, op->flags);
	}
	for (int i = 0; i < queued; i++)
		if (queue[i].undo)
			queue[i].undo(queue[i].arg, 0);
	queued = 0;
	return r;
}

static unsigned our_page(int i)
{
	struct vma *v = vma_lookup(&task.mm->vmas, BASE + (u64)i * PAGE_SIZE);
	u64 f = v ? v->flags : 0;

	if (!v)
		return 0;
	return MAPPED | (f & VM_READ ? READ : 0) | (f & VM_WRITE ? WRITE : 0) | (f & VM_EXEC ? EXEC : 0) |
	       (f & VM_MAYSHARE ? SHARED : 0) | (f & VM_SEALED ? SEALED : 0) |
	       (f & VM_DONTCOPY ? NOFORK : 0) | (f & VM_WIPEONFORK ? WIPES : 0) |
	       (f & VM_DONTDUMP ? NODUMP : 0);
}

static void mm_start(void)
{
	static struct trap_space space;

	task.mm = mm_new(&kernel);
	if (!task.mm)
		exit(1);
	task.mm->space = &space;
}

/* ---- calls ---- */

static u64 any_len(void)
{
	u64 len = rnd(12) * PAGE_SIZE;

	return rnd(20) ? len : len + 1 + rnd(PAGE_SIZE - 1);
}

static u64 any_addr(void)
{
	u64 addr = BASE + rnd(PAGES - 14) * PAGE_SIZE;

	return rnd(40) ? addr : addr + 1 + rnd(PAGE_SIZE - 1);
}

static void choose_advice(struct op *op)
{
	static const int advices[] = {MADV_DONTNEED, MADV_FREE,       MADV_REMOVE,     MADV_DONTFORK,
				      MADV_DOFORK,   MADV_DOFORK,     MADV_WIPEONFORK, MADV_DONTDUMP,
				      MADV_DODUMP,   MADV_KEEPONFORK, MADV_KEEPONFORK, MADV_COLD,
				      12345};

	do
		op->flags = (u64)advices[rnd(ARRAY_SIZE(advices))];
	while (op->flags == MADV_REMOVE && !can_remove);
}

static void choose_remap(struct op *op)
{
	static const int flags[] = {0,
				    0,
				    MREMAP_MAYMOVE | MREMAP_FIXED,
				    MREMAP_MAYMOVE | MREMAP_FIXED,
				    MREMAP_MAYMOVE | MREMAP_FIXED,
				    MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
				    MREMAP_FIXED,
				    MREMAP_MAYMOVE | MREMAP_FIXED | 64};

	op->flags = (u64)flags[rnd(ARRAY_SIZE(flags))];
	op->new_len = rnd(3) ? op->len : any_len();
	op->new_addr = any_addr();
}

/* Whether only what the naive list and the host may not see keeps mappings apart there, or the other way round. */
static bool told_by_history(const struct op *op)
{
	int a = page_of(op->addr), b = a + 1 + (int)(page_up(max(op->len, op->new_len)) / PAGE_SIZE);

	for (int i = a; i < b && i + 1 < PAGES; i++) {
		struct vma *v = vma_lookup(&task.mm->vmas, BASE + (u64)i * PAGE_SIZE);
		bool one = v && v->end > BASE + (u64)(i + 1) * PAGE_SIZE;

		if (one != together(i, i + 1))
			return true;
	}
	return false;
}

static void choose_op(struct op *op)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
				    PROT_READ | PROT_EXEC};
	static const enum kind kinds[] = {MAP,   MAP,   MAP,   UNMAP,  UNMAP,  PROTECT, PROTECT,
					  REMAP, REMAP, REMAP, ADVISE, ADVISE, ADVISE};
	static const int fixed[] = {MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE};

	*op = (struct op){.kind = kinds[rnd(ARRAY_SIZE(kinds))], .addr = any_addr(), .len = any_len()};
	if (can_seal && !rnd(25))
		op->kind = SEAL;
	op->prot = prots[rnd(ARRAY_SIZE(prots))];
	switch (op->kind) {
	case MAP:
		op->flags = MAP_ANONYMOUS | (u64)fixed[rnd(4)];
		op->flags |= rnd(30) ? (rnd(4) ? MAP_PRIVATE : MAP_SHARED) : 0;
		break;
	case PROTECT:
		if (!rnd(40))
			op->prot |= 0x40;
		break;
	case REMAP:
		choose_remap(op);
		break;
	case ADVISE:
		choose_advice(op);
		break;
	case SEAL:
		op->len = rnd(3) * PAGE_SIZE;
		op->flags = !rnd(10);
		break;
	default:
		break;
	}
}

/* A call that all three can be asked. */
static void next_op(struct op *op)
{
	for (;;) {
		choose_op(op);
		if (op->kind != REMAP)
			return;
		if (!told_by_history(op) &&
		    (can_move_many || op->len != op->new_len || !(op->flags & MREMAP_FIXED) ||
		     end_of(page_of(op->addr)) >= page_of(op->addr + page_up(op->len))))
			return;
		left_out++;
	}
}

static const char *const kind_names[] = {"mmap", "munmap", "mprotect", "mremap", "madvise", "mseal"};

static void complain(const struct op *op, long got, long want, const char *whose)
{
	if (failures++ < 20)
		printf("not ok step %d: %s(page %d, %#lx, prot %d, flags %#lx, page %d, %#lx): %s %ld, list "
		       "%ld\n",
		       step, kind_names[op->kind], page_of(op->addr), op->len, op->prot, op->flags,
		       op->kind == REMAP ? page_of(op->new_addr) : 0, op->new_len, whose, got, want);
}

static void run_batch(void)
{
	struct op ops[BATCH];
	struct reply reply;
	long want[BATCH], got;

	for (int i = 0; i < BATCH; i++, step++) {
		next_op(&ops[i]);
		got = ours(&ops[i]);
		want[i] = naive(&ops[i]);
		if (got != want[i])
			complain(&ops[i], got, want[i], "husk");
		for (int p = 0; p < PAGES; p++)
			EXPECT(our_page(p) == list[p].bits);
		if (failures)
			return;
	}
	if (write(to_child, ops, sizeof ops) != sizeof ops ||
	    read(from_child, &reply, sizeof reply) != sizeof reply) {
		EXPECT(!"the child is there");
		return;
	}
	for (int i = 0; i < BATCH; i++)
		if (reply.result[i] != want[i])
			complain(&ops[i], reply.result[i], want[i], "host");
	for (int p = 0; p < PAGES; p++)
		EXPECT(reply.pages[p] == list[p].bits);
}

static void look_at_host(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	can_remove = major * 100 + minor >= 607; /* from memory that is not writable now */
	can_move_many = major * 100 + minor >= 617;
	can_seal = major * 100 + minor >= 618 && !syscall(NR_MSEAL, 0UL, 0UL, 0UL);
}

int main(int argc, char **argv)
{
	static const struct trap_ops ops = {.op = fake_op, .space_put = fake_put};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	look_at_host();
	list_init(&kernel.mms);
	kernel.host_seals = true;
	kernel.trap_ops = &ops;
	kernel.ops.space_died = fake_died;
	task.k = &kernel;
	while (step < STEPS && !failures) {
		child_start();
		mm_start();
		wipe(0, PAGES);
		for (int i = 0; i < SESSION / BATCH && !failures; i++)
			run_batch();
		mm_unuse(task.mm);
		child_end();
	}
	printf("%s mm_model: %d calls%s, %d left out%s\n", failures ? "not ok" : "ok", step,
	       can_seal ? "" : " without seals", left_out, can_move_many ? "" : " (moves of several, too)");
	return failures != 0;
}
