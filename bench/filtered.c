/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a filter like Docker's makes of calls.
 *
 * Some processes, one after the other, make the same calls without and then under the filter: so that both are made from
 * where the scheduler has put the process. Prints for each call its name, its ns without and under the filter, and the median
 * of the processes' ratios in thousandths, separated by tabs. Of each process the least of some batches counts, since noise
 * only adds.
 *
 * What the filter does not look into, a second one does, stacked above: personality, whose argument Docker's profile
 * compares, and openat, whose flags must have none of a few bits.
 */
#include "tests/tools/docker_filter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 41
#define BATCHES   12

static long turn(void)
{
	return syscall(SYS_getpgid, 0);
}

static long stub(void)
{
	return syscall(SYS_getpid);
}

static long argument(void)
{
	return syscall(SYS_personality, 0xffffffff);
}

/* Of a descriptor that is not there: the least that the call can do. */
static long flags(void)
{
	return syscall(SYS_openat, -1, "x", O_RDONLY) + 2;
}

static const struct {
	const char *name;
	long (*call)(void);
	int count; /* of a batch */
} kinds[] = {
	{"getpgid", turn, 100},
	{"getpid", stub, 1000},
	{"personality (argument)", argument, 100},
	{"openat (flags)", flags, 100},
};

#define KINDS (sizeof kinds / sizeof *kinds)

static int install(void)
{
	static struct sock_filter f[] = {
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
		{BPF_JMP | BPF_JEQ | BPF_K, 2, 0, SYS_personality},
		{BPF_JMP | BPF_JEQ | BPF_K, 6, 0, SYS_openat},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args[0])},
		{BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 0},
		{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 8},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, 4, 0xffffffff},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args[2])},
		{BPF_JMP | BPF_JSET | BPF_K, 1, 0, O_TRUNC | O_APPEND},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
	};
	struct sock_fprog program = {sizeof f / sizeof *f, f};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static unsigned long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* ns of each kind, in the least batch. */
static int measure(double *ns)
{
	for (size_t kind = 0; kind < KINDS; kind++) {
		for (int i = 0; i < BATCHES; i++) {
			unsigned long long start = now();
			double one;

			for (int j = 0; j < kinds[kind].count; j++)
				if (kinds[kind].call() < 0)
					return -1;
			one = (double)(now() - start) / kinds[kind].count;
			if (!i || one < ns[kind])
				ns[kind] = one;
		}
	}
	return 0;
}

struct result {
	double without[KINDS], under[KINDS];
};

/* The whole life of a process. */
static void work(int to)
{
	struct result r;
	int bad = measure(r.without) || docker_filter_install(0) || install() || measure(r.under) ||
		  write(to, &r, sizeof r) != sizeof r;

	_exit(bad);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, PROCESSES, sizeof *v, compare);
	return v[PROCESSES / 2];
}

int main(void)
{
	static struct result results[PROCESSES];
	int fd[2];

	if (pipe(fd))
		return 1;
	for (int i = 0; i < PROCESSES; i++) {
		int status = -1;

		if (!fork())
			work(fd[1]);
		if (wait(&status) < 0 || status ||
		    read(fd[0], &results[i], sizeof results[i]) != sizeof results[i]) {
			fprintf(stderr, "filtered: a process has failed\n");
			return 1;
		}
	}
	for (size_t kind = 0; kind < KINDS; kind++) {
		double without[PROCESSES], under[PROCESSES], ratio[PROCESSES];

		for (int i = 0; i < PROCESSES; i++) {
			without[i] = results[i].without[kind];
			under[i] = results[i].under[kind];
			ratio[i] = under[i] / without[i];
		}
		printf("%s\t%.1f\t%.1f\t%.0f\n", kinds[kind].name, median(without), median(under),
		       1000 * median(ratio));
	}
	return 0;
}
