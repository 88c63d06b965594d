/* SPDX-License-Identifier: Apache-2.0 */
/* The workloads of dispatch.c, for the table of calls. */
#ifndef HUSK_BENCH_DISPATCH_H
#define HUSK_BENCH_DISPATCH_H

#include "base/types.h"

/* As struct workload's begin() and run(). */
void *dispatch_begin(void);
void dispatch_blocked(void *state, u64 n);
void dispatch_allowed(void *state, u64 n);
void dispatch_known(void *state, u64 n);

#endif
