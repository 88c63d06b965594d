/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workloads of `husk bench`: one table, run by husk's own binary as an ordinary program, natively and as a
 * guest. They know nothing of husk and ask nothing of it.
 */
#ifndef HUSK_BENCH_BENCH_H
#define HUSK_BENCH_BENCH_H

#include "base/types.h"

enum bench_group { BENCH_CALLS, BENCH_FAULTS, BENCH_PROCESSES, NR_BENCH_GROUPS };

struct workload {
	const char *name;
	enum bench_group group;
	/* Makes what the operations need; NULL when that is nothing. What it returns goes to the other two. */
	void *(*begin)(void);
	/* Does the operation @n times. */
	void (*run)(void *state, u64 n);
	void (*end)(void *state); /* nullable */
	/* Fewer operations than these pay for more than themselves: rounds hold a multiple. */
	u64 batch;
};

extern const struct workload bench_calls[], bench_faults[], bench_processes[];
extern const size_t bench_calls_count, bench_faults_count, bench_processes_count;

/* The workloads one after the other, by group: NULL behind the last. */
const struct workload *bench_workload(size_t i);
const struct workload *bench_find(const char *name);
const char *bench_group_name(enum bench_group group);

/*
 * The program that is measured: `husk bench-worker NAME [COUNT]`. With COUNT it does the operation so many times and
 * ends. Without, it reads numbers from standard input, a line each, does the operation so often, and answers by a
 * line with the nanoseconds that it took; at the end of input it ends. The exit status.
 */
int bench_worker(char **argv);

/* In workloads: ends the program, saying @what and errno, unless @ok. */
void bench_need(bool ok, const char *what);

#endif
