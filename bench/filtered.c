/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a filter like Docker's makes of calls:
 *
 *   filtered LAUNCHER     LAUNCHER runs a command under the filter (tests/tools/docker_filter)
 *
 * Two workers that make the same calls, one of them under the filter, take turns of some thousand calls each. Prints for each
 * call its name, its ns without and under the filter, and the median of the pairs' ratios in thousandths, separated by tabs.
 *
 * What the launcher's filter does not look into, the worker's own does, stacked above: personality, whose argument Docker's
 * profile compares, and openat, whose flags must have none of a few bits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAIRS 41

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
	{"getpgid", turn, 1000},
	{"getpid", stub, 10000},
	{"personality (argument)", argument, 1000},
	{"openat (flags)", flags, 1000},
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

/* Reads which calls to make, answers how long one took; until its input ends. */
static int work(int filtered)
{
	unsigned char kind;

	if (filtered && install())
		return 1;
	while (read(0, &kind, 1) == 1) {
		unsigned long long start = now();
		double ns;

		for (int i = 0; i < kinds[kind].count; i++)
			if (kinds[kind].call() < 0)
				return 1;
		ns = (double)(now() - start) / kinds[kind].count;
		if (write(1, &ns, sizeof ns) != sizeof ns)
			return 1;
	}
	return 0;
}

struct worker {
	int to, from;
};

static void worker_start(struct worker *w, char *const *argv)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		exit(1);
	if (!fork()) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execv(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*w = (struct worker){in[1], out[0]};
}

static double batch(const struct worker *w, size_t kind)
{
	unsigned char byte = (unsigned char)kind;
	double ns;

	if (write(w->to, &byte, 1) != 1 || read(w->from, &ns, sizeof ns) != sizeof ns) {
		fprintf(stderr, "filtered: a worker has ended\n");
		exit(1);
	}
	return ns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, PAIRS, sizeof *v, compare);
	return v[PAIRS / 2];
}

static void measure(const struct worker *plain, const struct worker *filtered, size_t kind)
{
	double without[PAIRS], under[PAIRS], ratio[PAIRS];

	for (int i = 0; i < PAIRS; i++) {
		without[i] = batch(plain, kind);
		under[i] = batch(filtered, kind);
		ratio[i] = under[i] / without[i];
	}
	printf("%s\t%.1f\t%.1f\t%.0f\n", kinds[kind].name, median(without), median(under),
	       1000 * median(ratio));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct worker plain, filtered;

	if (argc == 3 && !strcmp(argv[1], "work"))
		return work(!strcmp(argv[2], "filtered"));
	if (argc != 2) {
		fprintf(stderr, "usage: filtered LAUNCHER\n");
		return 1;
	}
	worker_start(&plain, (char *[]){argv[0], "work", "plain", NULL});
	worker_start(&filtered, (char *[]){argv[1], argv[0], "work", "filtered", NULL});
	for (size_t kind = 0; kind < KINDS; kind++) {
		batch(&plain, kind);
		batch(&filtered, kind);
		measure(&plain, &filtered, kind);
	}
	close(plain.to);
	close(filtered.to);
	while (wait(NULL) > 0)
		continue;
	return 0;
}
