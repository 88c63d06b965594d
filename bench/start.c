/* SPDX-License-Identifier: Apache-2.0 */
/* Starts a command again and again and prints the median time from before the start to its end, in
 * nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STARTS 21

static unsigned long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double ns[STARTS];

	if (argc < 2) {
		fprintf(stderr, "usage: start COMMAND [ARG]...\n");
		return 2;
	}
	for (int i = 0; i < STARTS; i++) {
		unsigned long long start = now();
		pid_t child = fork();
		int status;

		if (child < 0) {
			perror("fork");
			return 1;
		}
		if (!child) {
			execvp(argv[1], argv + 1);
			perror(argv[1]);
			_exit(127);
		}
		waitpid(child, &status, 0);
		ns[i] = (double)(now() - start);
		if (status) {
			fprintf(stderr, "start: %s ended with %#x\n", argv[1], status);
			return 1;
		}
	}
	qsort(ns, STARTS, sizeof *ns, compare);
	printf("%.0f\n", ns[STARTS / 2]);
	return 0;
}
