/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping, first touch of fresh pages, and the copy of a page that is shared after fork. */
#include "bench.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE  4096ul
#define CHUNK 1024ul /* pages */

static void map_unmap(unsigned long n)
{
	while (n--) {
		void *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		bench_need(p != MAP_FAILED, "mmap");
		munmap(p, 16 * PAGE);
	}
}

/* Small pages: a huge one would be counted as one touch. */
static char *fresh(void)
{
	char *p = mmap(NULL, CHUNK * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	bench_need(p != MAP_FAILED, "mmap");
	madvise(p, CHUNK * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static void first_touch(unsigned long n)
{
	while (n) {
		unsigned long pages = n < CHUNK ? n : CHUNK;
		char *p = fresh();

		for (unsigned long i = 0; i < pages; i++)
			((volatile char *)p)[i * PAGE] = 1;
		munmap(p, CHUNK * PAGE);
		n -= pages;
	}
}

/* A child writes to pages that it shares with its parent. The fork is part of the figure: one in a thousand
 * pages. */
static void copy_on_write(unsigned long n)
{
	while (n) {
		unsigned long pages = n < CHUNK ? n : CHUNK;
		char *p = fresh();
		pid_t child;

		memset(p, 1, CHUNK * PAGE);
		child = fork();
		bench_need(child >= 0, "fork");
		if (!child) {
			for (unsigned long i = 0; i < pages; i++)
				((volatile char *)p)[i * PAGE] = 2;
			_exit(0);
		}
		waitpid(child, NULL, 0);
		munmap(p, CHUNK * PAGE);
		n -= pages;
	}
}

static const struct bench benches[] = {
	{"mmap+munmap", map_unmap},
	{"first touch", first_touch},
	{"copy on write", copy_on_write},
};

BENCH_MAIN(benches)
