/* SPDX-License-Identifier: Apache-2.0 */
/* How many processors this process may use: its affinity (a cpuset shows there too) and its cgroups' quotas. */
#ifndef HUSK_HOST_CPUS_H
#define HUSK_HOST_CPUS_H

#include "base/types.h"

struct host_cpus {
	u32 online;  /* of the machine */
	u32 allowed; /* by affinity and cpuset */
	u64 quota;   /* thousandths of a processor by the tightest cgroup on the way to the root; 0: none */
	u32 usable;  /* whole processors that may be busy at the same time: at least 1 */
};

/* Reads it from the host; what cannot be read limits nothing. */
void host_cpus_read(struct host_cpus *cpus);

#endif
