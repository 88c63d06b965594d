/* SPDX-License-Identifier: Apache-2.0 */
/* The limits that the first process begins with: its caller's, or Linux's own (include/asm-generic/resource.h), NOFILE
 * as systemd's. */
#include <string.h>

#include "task/life.h"

#define STACK_LIMIT   (8UL << 20)
#define CORE_LIMIT    0
#define MEMLOCK_LIMIT (8UL << 20)
#define MQUEUE_BYTES  819200
#define PENDING_LIMIT 31000

static void limits_default(struct rlimit limits[RLIM_NLIMITS])
{
	const struct rlimit infinite = {RLIM_INFINITY, RLIM_INFINITY};

	for (int i = 0; i < RLIM_NLIMITS; i++)
		limits[i] = infinite;
	limits[RLIMIT_STACK].rlim_cur = STACK_LIMIT;
	limits[RLIMIT_CORE].rlim_cur = CORE_LIMIT;
	limits[RLIMIT_NOFILE] = (struct rlimit){1024, 524288};
	limits[RLIMIT_MEMLOCK] = (struct rlimit){MEMLOCK_LIMIT, MEMLOCK_LIMIT};
	limits[RLIMIT_NPROC] = (struct rlimit){PENDING_LIMIT, PENDING_LIMIT};
	limits[RLIMIT_SIGPENDING] = (struct rlimit){PENDING_LIMIT, PENDING_LIMIT};
	limits[RLIMIT_MSGQUEUE] = (struct rlimit){MQUEUE_BYTES, MQUEUE_BYTES};
	limits[RLIMIT_NICE] = (struct rlimit){0, 0};
	limits[RLIMIT_RTPRIO] = (struct rlimit){0, 0};
}

void limits_first(struct thread_group *g)
{
	const struct rlimit *caller = g->k->caller_limits;

	limits_default(g->limits);
	if (caller)
		memcpy(g->limits, caller, sizeof g->limits);
	cpu_limit_changed(g);
}
