/* SPDX-License-Identifier: Apache-2.0 */
/* What `husk bench` finds out, between its measuring (cmd_bench.c) and its telling (bench_report.c). */
#ifndef HUSK_CLI_CMD_BENCH_H
#define HUSK_CLI_CMD_BENCH_H

#include "bench/bench.h"
#include "cli/bench_session.h"
#include "trap/registry.h"

#define BENCH_VARIANTS_MAX (TRAP_DRIVERS_MAX + 1)

/* One workload natively (variant 0) or in a trap. */
struct bench_cell {
	bool measured, counted;
	double ns; /* of one operation: the median of the rounds */
	/* All of one operation. */
	double turns, kernel_switches, guest_switches, by_signal, by_patch, in_stub;
};

struct bench_row {
	const struct workload *workload;
	struct bench_cell cells[BENCH_VARIANTS_MAX];
};

struct bench_report {
	u32 rounds, cpus, nvariants, nrows;
	const char *variants[BENCH_VARIANTS_MAX]; /* "native", and the names of traps */
	struct bench_row *rows;
};

/* Tables on standard output. 0 or -1 (said). */
int bench_show(const struct bench_report *report);
/* JSON on descriptor @fd. 0 or -errno. */
int bench_write_json(const struct bench_report *report, int fd);

#endif
