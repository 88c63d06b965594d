/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: mapping, and every kind of fault. Which of them a kernel in user space must resolve itself is its own
 * affair: "stack growth" and "fault to a handler" always come to it.
 */
#include "bench/bench.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK     1024ul /* pages; less than a stack may have */
#define GUARD_GAP 512ul  /* pages that a growing stack keeps from what lies below it, and more */

static void *map(size_t pages, int prot, int flags, void *at)
{
	void *p = mmap(at, pages * PAGE_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	bench_need(p != MAP_FAILED, "mmap");
	return p;
}

/* Small pages: a huge one would be counted as one touch. */
static volatile char *fresh(void)
{
	void *p = map(CHUNK, PROT_READ | PROT_WRITE, 0, NULL);

	madvise(p, CHUNK * PAGE_SIZE, MADV_NOHUGEPAGE);
	return p;
}

static void map_unmap(void *state, u64 n)
{
	while (n--)
		munmap(map(16, PROT_READ | PROT_WRITE, 0, NULL), 16 * PAGE_SIZE);
}

static void first_touch(void *state, u64 n)
{
	while (n) {
		u64 pages = min(n, CHUNK);
		volatile char *p = fresh();

		for (u64 i = 0; i < pages; i++)
			p[i * PAGE_SIZE] = 1;
		munmap((void *)p, CHUNK * PAGE_SIZE);
		n -= pages;
	}
}

static void *touched(void)
{
	volatile char *p = fresh();

	memset((void *)p, 1, CHUNK * PAGE_SIZE);
	return (void *)p;
}

/* A child writes to pages that it shares with its parent. The fork is part of the figure: one in a thousand pages. */
static void copy_on_write(void *state, u64 n)
{
	volatile char *p = state;

	while (n) {
		u64 pages = min(n, CHUNK);
		pid_t child = fork();

		bench_need(child >= 0, "fork");
		if (!child) {
			for (u64 i = 0; i < pages; i++)
				p[i * PAGE_SIZE] = 2;
			_exit(0);
		}
		waitpid(child, NULL, 0);
		n -= pages;
	}
}

/* Pages of a file that lies in the host's cache: the program's own. MADV_RANDOM: one page a fault. */
static void file_page(void *state, u64 n)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat st;

	bench_need(fd >= 0 && !fstat(fd, &st) && st.st_size > (off_t)PAGE_SIZE, "/proc/self/exe");
	while (n) {
		u64 whole = (u64)st.st_size / PAGE_SIZE, pages = min(n, whole);
		volatile char *p = mmap(NULL, whole * PAGE_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);

		bench_need(p != MAP_FAILED, "mmap");
		madvise((void *)p, whole * PAGE_SIZE, MADV_RANDOM);
		for (u64 i = 0; i < pages; i++)
			(void)p[i * PAGE_SIZE];
		munmap((void *)p, whole * PAGE_SIZE);
		n -= pages;
	}
	close(fd);
}

/* One page that grows downwards into a hole, a page a fault, as a stack does. */
static void stack_growth(void *state, u64 n)
{
	while (n) {
		u64 pages = min(n, CHUNK - 1);
		char *hole = map(CHUNK + GUARD_GAP, PROT_NONE, MAP_NORESERVE, NULL);
		char *top = hole + (CHUNK + GUARD_GAP - 1) * PAGE_SIZE;

		munmap(hole, (CHUNK + GUARD_GAP) * PAGE_SIZE);
		map(1, PROT_READ | PROT_WRITE, MAP_GROWSDOWN | MAP_FIXED, top);
		for (u64 i = 1; i <= pages; i++)
			*(volatile char *)(top - i * PAGE_SIZE) = 1;
		munmap(hole, (CHUNK + GUARD_GAP) * PAGE_SIZE);
		n -= pages;
	}
}

/* As collectors of garbage do: the handler opens the page that was touched. */
static void open_page(int signo, siginfo_t *info, void *context)
{
	if (mprotect(info->si_addr, PAGE_SIZE, PROT_READ | PROT_WRITE))
		_exit(1);
}

static void *catch_faults(void)
{
	struct sigaction action = {.sa_sigaction = open_page, .sa_flags = SA_SIGINFO};

	bench_need(!sigaction(SIGSEGV, &action, NULL), "sigaction");
	return map(1, PROT_NONE, 0, NULL);
}

static void fault_to_handler(void *state, u64 n)
{
	volatile char *page = state;

	while (n--) {
		*page = 1;
		bench_need(!mprotect((void *)page, PAGE_SIZE, PROT_NONE), "mprotect");
	}
}

const struct workload bench_faults[] = {
	{"stack growth", BENCH_FAULTS, NULL, stack_growth, NULL, CHUNK - 1},
	{"fault to a handler", BENCH_FAULTS, catch_faults, fault_to_handler, NULL, 1},
	{"first touch", BENCH_FAULTS, NULL, first_touch, NULL, CHUNK},
	{"copy on write", BENCH_FAULTS, touched, copy_on_write, NULL, CHUNK},
	{"page of a file", BENCH_FAULTS, NULL, file_page, NULL, CHUNK},
	{"mmap+munmap", BENCH_FAULTS, NULL, map_unmap, NULL, 1},
};
const size_t bench_faults_count = ARRAY_SIZE(bench_faults);
