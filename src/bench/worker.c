/* SPDX-License-Identifier: Apache-2.0 */
/* The program that runs workloads, and the list of them. */
#include "bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const struct workload *bench_workload(size_t i)
{
	const struct {
		const struct workload *table;
		size_t count;
	} tables[] = {
		{bench_calls, bench_calls_count},
		{bench_faults, bench_faults_count},
		{bench_processes, bench_processes_count},
	};

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		if (i < tables[t].count)
			return &tables[t].table[i];
		i -= tables[t].count;
	}
	return NULL;
}

const struct workload *bench_find(const char *name)
{
	const struct workload *w;

	for (size_t i = 0; (w = bench_workload(i)); i++)
		if (!strcmp(w->name, name))
			return w;
	return NULL;
}

const char *bench_group_name(enum bench_group group)
{
	static const char *const names[NR_BENCH_GROUPS] = {
		[BENCH_CALLS] = "Calls", [BENCH_FAULTS] = "Memory", [BENCH_PROCESSES] = "Processes"};

	return names[group];
}

void bench_need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "husk: bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

static void obey(const struct workload *w, void *state)
{
	char line[32];
	u64 start;

	while (fgets(line, sizeof line, stdin)) {
		start = now();
		w->run(state, strtoull(line, NULL, 10));
		printf("%llu\n", (unsigned long long)(now() - start));
		fflush(stdout);
	}
}

int bench_worker(char **argv)
{
	const struct workload *w = argv[0] ? bench_find(argv[0]) : NULL;
	void *state;

	if (!w) {
		fprintf(stderr, "husk: bench-worker: no workload of that name\n");
		return 125;
	}
	state = w->begin ? w->begin() : NULL;
	if (argv[1])
		w->run(state, strtoull(argv[1], NULL, 10));
	else
		obey(w, state);
	if (w->end)
		w->end(state);
	return 0;
}
