/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What calls on mappings cost a program, by how many mappings it has: ns an operation, a line for each, name and figures
 * in the order of the counts. An ordinary program, for bench/vma/run to compare.
 *
 *	calls [MOST]     no counts above MOST
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096UL
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static const int counts[] = {1, 3, 6, 12, 24, 100, 1000, 10000, 60000};
#define COUNTS ((int)(sizeof counts / sizeof *counts))

static char *area;
static int mapped;
static unsigned long long seed = 1;

static char *place(int i)
{
	return area + (unsigned long)i * 4 * PAGE;
}

static int any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (int)(seed % (unsigned)mapped);
}

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void map_at(int i)
{
	need(mmap(place(i), 3 * PAGE, RW, ANON | MAP_FIXED | MAP_NORESERVE, -1, 0) == place(i), "mmap");
}

/* Three pages each, with a free page between; one more behind all, so that none can grow where it is. */
static void build(int n)
{
	area = mmap(NULL, (unsigned long)(n + 1) * 4 * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	need(area != MAP_FAILED, "mmap");
	need(!munmap(area, (unsigned long)(n + 1) * 4 * PAGE), "munmap");
	for (mapped = 0; mapped < n; mapped++)
		map_at(mapped);
	map_at(mapped);
}

static void tear(void)
{
	need(!munmap(area, (unsigned long)(mapped + 1) * 4 * PAGE), "munmap");
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Two calls each: there and back. */
static void map_and_unmap(void)
{
	char *p = mmap(NULL, PAGE, RW, ANON, -1, 0);

	need(p != MAP_FAILED && !munmap(p, PAGE), "mmap, munmap");
}

static void unmap_and_map(void)
{
	int i = any();

	need(!munmap(place(i), 3 * PAGE), "munmap");
	map_at(i);
}

static void protect(void)
{
	int i = any();

	need(!mprotect(place(i), 3 * PAGE, PROT_READ) && !mprotect(place(i), 3 * PAGE, RW), "mprotect");
}

static void protect_middle(void)
{
	int i = any();

	need(!mprotect(place(i) + PAGE, PAGE, PROT_READ) && !mprotect(place(i) + PAGE, PAGE, RW), "mprotect");
}

static void move(void)
{
	int i = any();
	char *p = mremap(place(i), 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);

	need(p != MAP_FAILED, "mremap");
	need(mremap(p, 5 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place(i)) == place(i), "mremap");
}

static void advise(void)
{
	int i = any();

	need(!madvise(place(i), 3 * PAGE, MADV_RANDOM) && !madvise(place(i), 3 * PAGE, MADV_NORMAL),
	     "madvise");
}

static const struct {
	const char *name;
	void (*run)(void);
} ops[] = {
	{"mmap+munmap", map_and_unmap},
	{"munmap+mmap", unmap_and_map},
	{"mprotect", protect},
	{"mprotect, splits+merges", protect_middle},
	{"mremap", move},
	{"madvise", advise},
};
#define OPS ((int)(sizeof ops / sizeof *ops))

static double measure(void (*run)(void))
{
	double best = 1e12;

	for (int round = 0; round < 7; round++) {
		double t = now();

		for (int i = 0; i < 200; i++)
			run();
		t = (now() - t) / 400;
		if (t < best)
			best = t;
	}
	return best;
}

int main(int argc, char **argv)
{
	int most = argc > 1 ? atoi(argv[1]) : 60000;
	double figures[OPS][COUNTS];
	int n;

	for (n = 0; n < COUNTS && counts[n] <= most; n++) {
		build(counts[n]);
		for (int o = 0; o < OPS; o++)
			figures[o][n] = measure(ops[o].run);
		tear();
	}
	printf("counts");
	for (int i = 0; i < n; i++)
		printf("\t%d", counts[i]);
	printf("\n");
	for (int o = 0; o < OPS; o++) {
		printf("%s", ops[o].name);
		for (int i = 0; i < n; i++)
			printf("\t%.0f", figures[o][i]);
		printf("\n");
	}
	return 0;
}
