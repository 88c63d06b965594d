/* SPDX-License-Identifier: Apache-2.0 */
/* Starts a command again and again and prints the median time from before the start to its end, in
 * nanoseconds. */
#include "bench.h"

#include <fcntl.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
	double ns[21];
	int count = sizeof ns / sizeof *ns;

	if (argc < 2) {
		fprintf(stderr, "usage: start COMMAND [ARG]...\n");
		return 2;
	}
	for (int i = 0; i < count; i++) {
		unsigned long long t = bench_now();
		pid_t child = fork();
		int status;

		bench_need(child >= 0, "fork");
		if (!child) {
			execvp(argv[1], argv + 1);
			perror(argv[1]);
			_exit(127);
		}
		waitpid(child, &status, 0);
		ns[i] = (double)(bench_now() - t);
		if (status) {
			fprintf(stderr, "start: %s ended with %#x\n", argv[1], status);
			return 1;
		}
	}
	qsort(ns, count, sizeof *ns, bench_compare);
	printf("%.0f\n", ns[count / 2]);
	return 0;
}
