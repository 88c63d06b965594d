/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a filter adds to a system call on this host: by the call itself, for comparison with the code that host.c reads back.
 *
 * A child installs the same filter many times over, so that a call runs all of them, and calls; another does the same with
 * filters of four instructions that look at an argument too. What the one takes longer, divided by the number of filters, is
 * what the program's length costs. Children take turns, and of each the least of many batches counts, since noise only adds.
 * The filter would refuse seccomp(2) itself: in both, two instructions before it let that pass.
 */
#include "bench.h"

#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACKED   16
#define PATH_MOST 32768 /* converted instructions of all filters, at most twice as many as there were */
#define PAIRS     7
#define BATCHES   40
#define CALLS     1000

static const struct sock_filter passes[] = {
	{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
	{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_seccomp},
	{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
};

/* The whole life of a child. */
static void call_under(const struct sock_fprog *prog, unsigned filters, int nr, uint64_t arg, double *least)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (unsigned i = 0; i < filters; i++)
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, prog))
			_exit(1);
	for (unsigned i = 0; i < BATCHES; i++) {
		uint64_t start = __builtin_ia32_rdtsc();
		double ticks;

		for (unsigned j = 0; j < CALLS; j++)
			syscall(nr, arg);
		ticks = (double)(__builtin_ia32_rdtsc() - start) / CALLS;
		if (!i || ticks < *least)
			*least = ticks;
	}
	/* exit_group may be refused, which ends it as well. */
	_exit(0);
}

/* Ticks of a call under @filters times @f, or -1. */
static double time_under(const struct sock_filter *f, unsigned size, unsigned filters, int nr, uint64_t arg,
			 double *shared)
{
	static struct sock_filter whole[4096];
	struct sock_fprog prog = {(unsigned short)(size + 3), whole};
	pid_t pid;

	memcpy(whole, passes, sizeof passes);
	memcpy(whole + 3, f, size * sizeof *f);
	*shared = -1;
	pid = fork();
	if (!pid)
		call_under(&prog, filters, nr, arg, shared);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return *shared;
}

static double ticks_per_ns(void)
{
	struct timespec t;
	uint64_t ticks = __builtin_ia32_rdtsc(), start, now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = start = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	while (now - start < 20000000) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	}
	return (double)(__builtin_ia32_rdtsc() - ticks) / (double)(now - start);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double calls_cost(const struct bench_filter *b)
{
	static const struct sock_filter least[] = {
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, 16},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x12345678},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
	};
	unsigned room = PATH_MOST / (2 * b->size + 16), filters = room < STACKED ? room : STACKED;
	double differences[PAIRS], rate = ticks_per_ns();
	double *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED || b->size + 3 > 4096)
		return 0;
	for (unsigned i = 0; i < PAIRS; i++) {
		double with = time_under(b->f, b->size, filters, b->nr, b->arg, shared);
		double without = time_under(least, 4, filters, b->nr, b->arg, shared);

		if (with < 0 || without < 0)
			return 0;
		differences[i] = (with - without) / rate / filters;
	}
	munmap(shared, 4096);
	qsort(differences, PAIRS, sizeof *differences, compare_doubles);
	return differences[PAIRS / 2];
}
