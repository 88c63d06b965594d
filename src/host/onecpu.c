/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping host threads on one CPU, or off it: affinity masks made of one number. */
#include "host/onecpu.h"

#include <errno.h>

static int allow(int tid, const cpu_set_t *set)
{
	return sched_setaffinity(tid, sizeof *set, set) < 0 ? -errno : 0;
}

int onecpu_choose(struct onecpu *o, int tid, int cpu)
{
	cpu_set_t all;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return -EINVAL;
	if (sched_getaffinity(tid, sizeof all, &all) < 0)
		return -errno;
	if (!CPU_ISSET((size_t)cpu, &all))
		return -EINVAL;
	*o = (struct onecpu){cpu, all};
	return 0;
}

bool onecpu_is_only(const struct onecpu *o)
{
	return CPU_COUNT(&o->all) == 1;
}

int onecpu_bind(const struct onecpu *o, int tid)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)o->cpu, &one);
	return allow(tid, &one);
}

int onecpu_keep_off(const struct onecpu *o, int tid)
{
	cpu_set_t others = o->all;

	CPU_CLR((size_t)o->cpu, &others);
	return allow(tid, &others);
}

int onecpu_release(const struct onecpu *o, int tid)
{
	return allow(tid, &o->all);
}
