/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts commands again and again, in turn, and prints a line for each: the median time from before the start to its
 * end, and the median CPU time of all its processes that were waited for, both in nanoseconds.
 *
 *	start COMMAND [ARG]... [+ COMMAND [ARG]...]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STARTS 101
#define MOST   8

struct command {
	char **argv;
	double wall[STARTS], cpu[STARTS];
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double ns_of(struct timeval t)
{
	return (double)t.tv_sec * 1e9 + (double)t.tv_usec * 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, STARTS, sizeof *values, compare);
	return values[STARTS / 2];
}

static int start(struct command *c, int round)
{
	double begin = now();
	pid_t child = fork();
	struct rusage usage;
	int status;

	if (child < 0) {
		perror("fork");
		return -1;
	}
	if (!child) {
		execvp(c->argv[0], c->argv);
		perror(c->argv[0]);
		_exit(127);
	}
	wait4(child, &status, 0, &usage);
	c->wall[round] = now() - begin;
	c->cpu[round] = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
	if (!status)
		return 0;
	fprintf(stderr, "start: %s ended with %#x\n", c->argv[0], status);
	return -1;
}

int main(int argc, char **argv)
{
	static struct command commands[MOST];
	int n = 0, first = 1;

	for (int i = 1; i <= argc && n < MOST; i++) {
		if (i < argc && strcmp(argv[i], "+"))
			continue;
		argv[i] = NULL;
		if (i > first)
			commands[n++].argv = argv + first;
		first = i + 1;
	}
	if (!n) {
		fprintf(stderr, "usage: start COMMAND [ARG]... [+ COMMAND [ARG]...]...\n");
		return 2;
	}
	for (int round = 0; round < STARTS; round++)
		for (int i = 0; i < n; i++)
			if (start(&commands[i], round))
				return 1;
	for (int i = 0; i < n; i++)
		printf("%.0f %.0f\n", median(commands[i].wall), median(commands[i].cpu));
	return 0;
}
