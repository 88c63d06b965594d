/* SPDX-License-Identifier: Apache-2.0 */
/* What --stats prints: the calls by number, how they came and what they cost, as text or as JSON. */
#ifndef HUSK_TRACE_STATISTICS_H
#define HUSK_TRACE_STATISTICS_H

#include "core/stats.h"

struct statistics {
	const struct stats *stats;
	u64 calls, wall_ns, cpu_ns, peak_bytes;
	const char *trap;
};

/* Both write to the borrowed descriptor @fd and allocate nothing. 0 or the first -errno of a write. */
int statistics_text(const struct statistics *s, int fd);
int statistics_json(const struct statistics *s, int fd);

#endif
