/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs for what waiting costs, as bench/run measures it from outside:
 *
 *   waiting tick MS      sleeps a millisecond MS times: one call each
 *   waiting compute MS   computes a millisecond MS times, and makes one call behind each
 *   waiting null MS      makes calls that do nothing for MS milliseconds; prints the ns of one, the median of slices
 *   waiting threads N    has N threads made, together 5,000 calls by them, and all joined; prints the ns that each call
 *                        takes of the whole, the median of rounds
 *   waiting busy         computes until it is killed
 *
 * The first two print `ready` when they begin and stay asleep at their end, so that CPU time can be read from outside.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MS     1000000ULL
#define SLICES 41
#define BATCH  16
#define ROUNDS 21
#define CALLS  5000 /* of all threads in a round */
#define MOST   1000 /* threads */

static unsigned long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* A call that only looks, and that husk's stub never answers by itself. */
static void call(void)
{
	syscall(SYS_personality, 0xffffffff);
}

static void begin(void)
{
	puts("ready");
	fflush(stdout);
}

static void tick(unsigned long ms)
{
	unsigned long long at = now();

	while (ms--) {
		struct timespec ts;

		at += MS;
		ts = (struct timespec){at / 1000000000, at % 1000000000};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	}
}

static void compute(unsigned long ms)
{
	unsigned long long at = now();

	while (ms--) {
		at += MS;
		while (now() < at)
			;
		call();
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void *make_calls(void *arg)
{
	struct stat st;

	for (unsigned long n = *(unsigned long *)arg; n; n--)
		fstatat(AT_FDCWD, "/usr/bin/env", &st, 0);
	return NULL;
}

static double by_threads(unsigned long count)
{
	static pthread_t threads[MOST];
	unsigned long each = CALLS / count;
	double ns[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		unsigned long long start = now();

		for (unsigned long t = 0; t < count; t++)
			if (pthread_create(&threads[t], NULL, make_calls, &each))
				exit(1);
		for (unsigned long t = 0; t < count; t++)
			pthread_join(threads[t], NULL);
		ns[i] = (double)(now() - start) / (each * count);
	}
	qsort(ns, ROUNDS, sizeof ns[0], compare);
	return ns[ROUNDS / 2];
}

static double null_call(unsigned long ms)
{
	double ns[SLICES];

	for (int i = 0; i < SLICES; i++) {
		unsigned long long start = now(), end = start + ms * MS / SLICES, at;
		unsigned long n = 0;

		do {
			for (int j = 0; j < BATCH; j++)
				call();
			n += BATCH;
			at = now();
		} while (at < end);
		ns[i] = (double)(at - start) / n;
	}
	qsort(ns, SLICES, sizeof ns[0], compare);
	return ns[SLICES / 2];
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned long ms = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	if (!strcmp(what, "threads") && ms > 0 && ms <= MOST) {
		printf("%.0f\n", by_threads(ms));
		return 0;
	}
	if (!strcmp(what, "null")) {
		printf("%.0f\n", null_call(ms));
		return 0;
	}
	begin();
	if (!strcmp(what, "tick"))
		tick(ms);
	else if (!strcmp(what, "compute"))
		compute(ms);
	else if (!strcmp(what, "busy"))
		for (;;)
			;
	pause();
	return 0;
}
