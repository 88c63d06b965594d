/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the VMA store itself costs: ns an operation, by how much is mapped, without seals and with every eighth mapping
 * sealed. Each figure is the best of some batches at random places; two further lines count what the search for seals
 * costs for each mapping that is passed.
 *
 *	mapped  [###].[###].[###].[###].     three pages each, no two of which could be one, and a gap of a page
 *
 * mmap is a search for three pages, which are only to be had below everything, and the insertion; munmap takes away one
 * mapping, mprotect changes one as a whole or its middle page (two splits, and two merges on the way back), mremap moves
 * one, madvise sets a flag, fault looks an address up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mm/vma.h"

#define BASE    (1UL << 32)
#define STRIDE  (4 * PAGE_SIZE)
#define SIZE    (3 * PAGE_SIZE)
#define BATCH   64
#define BATCHES 300
#define COUNTS  9
#define RW      (VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)
#define OTHER   (VM_READ | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)

static const int counts[COUNTS] = {1, 3, 6, 12, 24, 100, 1000, 10000, 60000};

static struct vma_store store;
static int mapped, batch, places[BATCH];
static unsigned long long seed = 1, sink;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static void need(int error)
{
	if (error) {
		fprintf(stderr, "bench-vma: %d\n", error);
		exit(1);
	}
}

static u64 start_of(int i)
{
	return BASE + (u64)i * STRIDE;
}

static void map_one(int i)
{
	need(vma_insert(&store, start_of(i), start_of(i) + SIZE, RW, start_of(i) >> PAGE_SHIFT, NULL, NULL));
}

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

/* ---- operations: one, and what puts it back, which is not measured ---- */

static u64 found[BATCH];

static void op_mmap(int k)
{
	found[k] = vma_gap_down(&store, SIZE, PAGE_SIZE, start_of(mapped), PAGE_SIZE);
	/* A flag of its own: the next one is not to be one with it. */
	need(vma_insert(&store, found[k], found[k] + SIZE, k & 1 ? RW : OTHER, 0, NULL, NULL));
}

static void undo_mmap(int k)
{
	need(vma_remove(&store, found[k], found[k] + SIZE));
}

static void op_munmap(int k)
{
	need(vma_remove(&store, start_of(places[k]), start_of(places[k]) + SIZE));
}

static void undo_munmap(int k)
{
	map_one(places[k]);
}

static void op_protect(int k)
{
	need(vma_change(&store, start_of(places[k]), start_of(places[k]) + SIZE, VM_WRITE, 0));
}

static void undo_protect(int k)
{
	need(vma_change(&store, start_of(places[k]), start_of(places[k]) + SIZE, 0, VM_WRITE));
}

static void op_split(int k)
{
	need(vma_change(&store, start_of(places[k]) + PAGE_SIZE, start_of(places[k]) + 2 * PAGE_SIZE,
			VM_WRITE, 0));
}

static void op_merge(int k)
{
	need(vma_change(&store, start_of(places[k]) + PAGE_SIZE, start_of(places[k]) + 2 * PAGE_SIZE, 0,
			VM_WRITE));
}

static void op_remap(int k)
{
	struct vma *v = vma_lookup(&store, start_of(places[k]));
	u64 flags = v->flags, pgoff = v->pgoff;

	found[k] = vma_gap_down(&store, SIZE, PAGE_SIZE, start_of(mapped), PAGE_SIZE);
	need(vma_remove(&store, v->start, v->end));
	need(vma_insert(&store, found[k], found[k] + SIZE, flags, pgoff, NULL, NULL));
}

static void undo_remap(int k)
{
	undo_mmap(k);
	map_one(places[k]);
}

static void op_advise(int k)
{
	need(vma_change(&store, start_of(places[k]), start_of(places[k]) + SIZE, 0, VM_RAND_READ));
}

static void undo_advise(int k)
{
	need(vma_change(&store, start_of(places[k]), start_of(places[k]) + SIZE, VM_RAND_READ, 0));
}

static void op_gap(int k)
{
	sink += vma_gap_down(&store, SIZE, PAGE_SIZE, start_of(mapped), PAGE_SIZE);
}

static void op_fault(int k)
{
	sink += vma_lookup(&store, start_of(places[k]) + 2 * PAGE_SIZE)->flags;
}

static const struct op {
	const char *name;
	void (*before)(int k); /* nullable */
	void (*run)(int k);
	void (*undo)(int k); /* nullable */
} ops[] = {
	{"mmap", NULL, op_mmap, undo_mmap},
	{"munmap", NULL, op_munmap, undo_munmap},
	{"mprotect", NULL, op_protect, undo_protect},
	{"mprotect, splits", NULL, op_split, op_merge},
	{"mprotect, merges", op_split, op_merge, NULL},
	{"mremap", NULL, op_remap, undo_remap},
	{"madvise", NULL, op_advise, undo_advise},
	{"find gap", NULL, op_gap, NULL},
	{"fault look-up", NULL, op_fault, NULL},
};

/* Different places, sealed ones left out. */
static void choose(void)
{
	int first = (int)rnd((unsigned)mapped), step = mapped > BATCH ? mapped / BATCH : 1;

	for (batch = 0; batch < BATCH && batch < mapped; batch++)
		places[batch] = (first + batch * step) % mapped;
	for (int k = 0; k < batch; k++) {
		int with = (int)rnd((unsigned)batch), kept = places[k];

		places[k] = places[with];
		places[with] = kept;
	}
	for (int k = 0; k < batch; k++)
		if (vma_lookup(&store, start_of(places[k]))->flags & VM_SEALED)
			places[k--] = places[--batch];
}

static double measure(const struct op *op)
{
	double best = 1e9;

	for (int i = 0; i < BATCHES; i++) {
		u64 t;

		choose();
		if (!batch)
			return 0;
		for (int k = 0; k < batch && op->before; k++)
			op->before(k);
		t = now();
		for (int k = 0; k < batch; k++)
			op->run(k);
		t = now() - t;
		for (int k = batch - 1; k >= 0 && op->undo; k--)
			op->undo(k);
		if ((double)t / batch < best)
			best = (double)t / batch;
	}
	return best;
}

/* The question before each munmap: is some of it sealed? Over up to 1,000 mappings, ns for each that was passed. */
static double measure_check(void)
{
	int n = mapped < 1000 ? mapped : 1000;
	double best = 1e9;

	for (int i = 0; i < BATCHES; i++) {
		u64 t = now(), from = start_of((int)rnd((unsigned)(mapped - n + 1)));

		for (int k = 0; k < 1000 / n; k++)
			sink += vma_sealed(&store, from + (sink & 1), from + (u64)n * STRIDE);
		t = now() - t;
		if ((double)t / (1000 / n * n) < best)
			best = (double)t / (1000 / n * n);
	}
	return best;
}

static void build(int n, int sealed)
{
	vma_store_init(&store, 1 << 20);
	mapped = n;
	for (int i = 0; i < n; i++)
		map_one(i);
	for (int i = 7; i < n && sealed; i += 8)
		need(vma_change(&store, start_of(i), start_of(i) + SIZE, 0, VM_SEALED));
}

static void heading(const char *what)
{
	printf("%-22s", what);
	for (int i = 0; i < COUNTS; i++)
		printf("%8d", counts[i]);
	printf("\n");
}

static void table(int sealed)
{
	double figures[sizeof ops / sizeof *ops][COUNTS];

	for (int i = 0; i < COUNTS; i++) {
		build(counts[i], sealed);
		for (size_t o = 0; o < sizeof ops / sizeof *ops; o++)
			figures[o][i] = measure(&ops[o]);
		vma_store_clear(&store);
	}
	heading(sealed ? "ns, every 8th sealed" : "ns, nothing sealed");
	for (size_t o = 0; o < sizeof ops / sizeof *ops; o++) {
		printf("%-22s", ops[o].name);
		for (int i = 0; i < COUNTS; i++)
			printf("%8.1f", figures[o][i]);
		printf("\n");
	}
	printf("\n");
}

/* A seal far from what is looked at makes the search look; without any it does not begin. */
static void checks(int sealed)
{
	printf("%-22s", sealed ? "a seal elsewhere" : "no seal");
	for (int i = 0; i < COUNTS; i++) {
		build(counts[i], 0);
		if (sealed)
			need(vma_insert(&store, PAGE_SIZE, 2 * PAGE_SIZE, VM_SEALED, 0, NULL, NULL));
		printf("%8.2f", measure_check());
		vma_store_clear(&store);
	}
	printf("\n");
}

int main(void)
{
	table(0);
	table(1);
	heading("seal check, ns a VMA");
	checks(0);
	checks(1);
	return sink == 42;
}
