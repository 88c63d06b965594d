/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory calls against a host that sometimes refuses: a model of the host's mappings (one entry per page)
 * carries out what the mm room orders, or fails it and calls its undo. After each call the store must say
 * what the host has.
 *
 * `mm_undo [seed]`.
 *
 * links: src/kernel/mm/vma.c src/kernel/mm/vma_gap.c src/kernel/mm/vma_snapshot.c
 *
 * links: src/kernel/mm/mm.c src/kernel/mm/undo.c src/kernel/mm/map.c
 *
 * links: src/kernel/mm/change.c src/kernel/mm/remap.c src/kernel/mm/brk.c src/kernel/mm/fault.c
 *
 * links: src/kernel/mm/advise.c src/kernel/mm/lock.c src/kernel/mm/seal.c src/kernel/mm/leave.c
 *
 * links: src/kernel/mm/moved.c src/kernel/mm/vma_tree.c src/base/rbtree.c src/base/bug.c
 *
 * links: src/kernel/mm/patch.c src/kernel/mm/patch_map.c src/kernel/mm/patch_place.c
 *
 * links: src/kernel/mm/patch_text.c src/trap/site.c src/trap/insn.c src/host/file.c src/host/cpuid.c
 */
#include "mm/mm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/internal.h"
#include "mm_alone.h"
#include "random.h"

#define PAGES 96
#define STEPS 100000
#define BASE  (1UL << 30)

struct page {
	bool mapped;
	int prot;
	bool sealed;
};

static struct page host[PAGES];
static int live;
static int refuse_percent;
static struct kernel kernel;
static struct task task;

/* ---- what the mm room needs of others ---- */

void object_count(struct kernel *k, const char *name, long by)
{
	live += (int)by;
}

/* ---- the host ---- */

static int page_of(u64 addr)
{
	return (int)((addr - BASE) / PAGE_SIZE);
}

static void set_pages(u64 addr, u64 len, bool mapped, int prot)
{
	int i;

	EXPECT(addr >= BASE && page_of(addr + len) <= PAGES);
	for (i = page_of(addr); i < page_of(addr + len) && i < PAGES; i++) {
		EXPECT(!host[i].sealed);
		host[i] = (struct page){mapped, prot, false};
	}
}

static void carry_out(const struct trap_op *op)
{
	struct page copy[PAGES];
	int i, n = (int)(op->len / PAGE_SIZE), grown = (int)(op->new_len / PAGE_SIZE);

	switch (op->kind) {
	case TRAP_OP_MAP:
		EXPECT(op->flags & MAP_FIXED);
		set_pages(op->addr, op->len, true, op->prot);
		break;
	case TRAP_OP_UNMAP:
		set_pages(op->addr, op->len, false, 0);
		break;
	case TRAP_OP_PROTECT:
		for (i = page_of(op->addr); i < page_of(op->addr + op->len); i++) {
			EXPECT(host[i].mapped && !host[i].sealed);
			host[i].prot = op->prot;
		}
		break;
	case TRAP_OP_REMAP:
		memcpy(copy, host, sizeof copy);
		for (i = 0; i < n; i++)
			EXPECT(copy[page_of(op->addr) + i].mapped);
		if (!(op->flags & MREMAP_FIXED)) {
			set_pages(op->addr, op->new_len, true, copy[page_of(op->addr)].prot);
			break;
		}
		if (n && !(op->flags & MREMAP_DONTUNMAP))
			set_pages(op->addr, op->len, false, 0);
		for (i = 0; i < grown; i++)
			host[page_of(op->new_addr) + i] = copy[page_of(op->addr)];
		break;
	case TRAP_OP_SEAL:
		for (i = page_of(op->addr); i < page_of(op->addr + op->len); i++) {
			EXPECT(host[i].mapped);
			host[i].sealed = true;
		}
		break;
	case TRAP_OP_ADVISE:
	case TRAP_OP_MINCORE:
	case TRAP_OP_DONATE:
	case TRAP_OP_CLOSE:
		break;
	}
}

static void flush(void)
{
	int i;

	for (i = 0; i < queued; i++) {
		bool refused = (int)rnd(100) < refuse_percent;

		if (!refused)
			carry_out(&queue[i]);
		if (queue[i].undo)
			queue[i].undo(queue[i].arg, refused ? -ENOMEM : 0);
	}
	queued = 0;
}

static void validate(struct mm *mm)
{
	int i;

	for (i = 0; i < PAGES; i++) {
		struct vma *v = vma_lookup(&mm->vmas, BASE + (u64)i * PAGE_SIZE);

		EXPECT(!!v == host[i].mapped);
		EXPECT(!v || mm_host_prot(v->flags) == host[i].prot);
		EXPECT(!v || !!(v->flags & VM_SEALED) == host[i].sealed);
	}
	EXPECT(list_empty(&mm->undos));
	EXPECT(mm->total_pages == mm->vmas.total);
}

/* ---- calls ---- */

static u64 any_page(void)
{
	return BASE + rnd(PAGES - 16) * PAGE_SIZE;
}

static u64 any_len(void)
{
	return (1 + rnd(12)) * PAGE_SIZE;
}

static void one_call(struct mm *mm)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC};
	int prot = prots[rnd(4)], shared = rnd(4) ? MAP_PRIVATE : MAP_SHARED;
	u64 a = any_page(), b = any_page();

	if (!rnd(100))
		mm_seal(&task, a, any_len(), 0);
	switch (rnd(9)) {
	case 0:
	case 1:
		mm_map(&task, mm, a, any_len(), prot, shared | MAP_FIXED | MAP_ANONYMOUS, NULL, 0);
		break;
	case 2:
		mm_map(&task, mm, 0, any_len(), prot, shared | MAP_ANONYMOUS, NULL, 0);
		break;
	case 3:
		mm_unmap(mm, a, any_len());
		break;
	case 4:
		mm_protect(&task, a, any_len(), (u64)prot);
		break;
	case 5:
		mm_remap(&task, a, any_len(), any_len(), MREMAP_MAYMOVE | MREMAP_FIXED, b);
		break;
	case 6:
		mm_remap(&task, a, rnd(3) ? any_len() : 0, any_len(), rnd(2) ? MREMAP_MAYMOVE : 0, 0);
		break;
	case 7:
		mm_brk(&task, mm->start_brk + rnd(20) * 1000);
		break;
	case 8:
		mm_advise(&task, a, any_len(), rnd(2) ? MADV_DONTFORK : MADV_DOFORK);
		break;
	}
}

/* As after an exec. */
static void break_seals(struct mm *mm)
{
	int i;

	EXPECT(!vma_change(&mm->vmas, BASE, BASE + PAGES * PAGE_SIZE, VM_SEALED, 0));
	for (i = 0; i < PAGES; i++)
		host[i].sealed = false;
}

int main(int argc, char **argv)
{
	static const struct trap_ops ops = {.op = fake_op, .space_put = fake_put};
	struct trap_space space = {0};
	struct mm *mm;

	list_init(&kernel.mms);
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	kernel.host_seals = true;
	kernel.trap_ops = &ops;
	kernel.ops.space_died = fake_died;
	mm = mm_new(&kernel);
	mm->space = &space;
	mm->start_brk = mm->brk = BASE + 8 * PAGE_SIZE;
	mm->mmap_base = BASE + PAGES * PAGE_SIZE;
	task.k = &kernel;
	task.mm = mm;
	/* The room below the window is taken, so that searches stay in it. */
	vma_insert(&mm->vmas, MM_MIN_ADDR, BASE, VM_SPECIAL, 0, NULL, NULL);
	vma_insert(&mm->vmas, BASE + PAGES * PAGE_SIZE, TRAP_GUEST_TOP, VM_SPECIAL, 0, NULL, NULL);
	for (step = 0; step < STEPS && failures < 20; step++) {
		if (step % 500 == 0)
			break_seals(mm);
		refuse_percent = step & 1 ? 30 : 0;
		one_call(mm);
		flush();
		mm_account(mm);
		validate(mm);
	}
	mm_unuse(mm);
	EXPECT(live == 0);
	printf("%s mm_undo: %d steps\n", failures ? "not ok" : "ok", step);
	return failures != 0;
}
