/* SPDX-License-Identifier: Apache-2.0 */
/* What --stats, --result and the demo report. */
#ifndef HUSK_KERNEL_CORE_STATS_H
#define HUSK_KERNEL_CORE_STATS_H

#include "base/types.h"

/* One more than there are: the last entry stands for every number that is not known. */
#define HUSK_NR_CALLS 471

struct stats {
	u64 calls[HUSK_NR_CALLS];   /* handled by the kernel, by number */
	u64 call_ns[HUSK_NR_CALLS]; /* time in handlers (only with --stats) */
	u64 errors[HUSK_NR_CALLS];  /* of them, that failed */
	u64 unknown_calls;          /* numbers outside the table */
	u64 by_signal, by_patch;    /* calls by how they came */
	/* Answered in the stub, or by the host at its order: counted in memory that guests can write, so a hint. */
	u64 stub_calls;
	u64 stub_by_call[HUSK_NR_CALLS];
	u64 faults, fault_signals; /* faults that came to the kernel; of them, made signals */
	u64 turns;                 /* events of any kind */
	u64 processes, threads, execs;
	u64 interrupts;
	u64 refused; /* calls refused on purpose */
	bool timing; /* take call_ns */
};

#endif
