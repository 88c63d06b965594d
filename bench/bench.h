/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the micro benchmarks measure: an operation is repeated until a round has taken long enough, and the
 * median of several rounds is printed as `name nanoseconds`, one line each.
 *
 *	PROGRAM [NAME]...    just these; --list names them
 */
#ifndef HUSK_BENCH_H
#define HUSK_BENCH_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BENCH_ROUNDS   5
#define BENCH_ROUND_NS 20000000ull

struct bench {
	const char *name;
	/* Does the operation @n times. What it must set up once it sets up at its first call; @n 0 takes it
	 * down. */
	void (*run)(unsigned long n);
};

static inline unsigned long long bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Ends the program when @ok does not hold. */
static inline void bench_need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static inline void bench_measure(const struct bench *b)
{
	double ns[BENCH_ROUNDS];
	unsigned long n = 1;
	unsigned long long t = 0;

	/* Warm up and find how many make a round. */
	for (;;) {
		t = bench_now();
		b->run(n);
		t = bench_now() - t;
		if (t >= BENCH_ROUND_NS / 4 || n > 1ul << 30)
			break;
		n *= t < BENCH_ROUND_NS / 40 ? 8 : 2;
	}
	n = (unsigned long)((double)n * BENCH_ROUND_NS / (t ? t : 1));
	if (!n)
		n = 1;
	for (int i = 0; i < BENCH_ROUNDS; i++) {
		t = bench_now();
		b->run(n);
		ns[i] = (double)(bench_now() - t) / (double)n;
	}
	b->run(0);
	qsort(ns, BENCH_ROUNDS, sizeof *ns, bench_compare);
	printf("%s %.1f\n", b->name, ns[BENCH_ROUNDS / 2]);
	fflush(stdout);
}

static inline int bench_main(const struct bench *benches, int count, int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (int i = 0; i < count; i++)
			printf("%s\n", benches[i].name);
		return 0;
	}
	for (int i = 0; i < count; i++) {
		int wanted = argc < 2;

		for (int j = 1; j < argc; j++)
			wanted |= !strcmp(argv[j], benches[i].name);
		if (wanted)
			bench_measure(&benches[i]);
	}
	return 0;
}

#define BENCH_MAIN(benches)                                                                  \
	int main(int argc, char **argv)                                                      \
	{                                                                                    \
		return bench_main(benches, sizeof(benches) / sizeof *(benches), argc, argv); \
	}

#endif
