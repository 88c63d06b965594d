/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping host threads on one CPU, or off it, for a while.
 *
 * A struct onecpu is a CPU and what a thread might use when that CPU was chosen: one for all threads that may use the same,
 * or one each. Choosing binds nobody. It holds no resources: whoever is bound is to be released by the one who bound it.
 */
#ifndef HUSK_HOST_ONECPU_H
#define HUSK_HOST_ONECPU_H

#include <sched.h>
#include <stdbool.h>

struct onecpu {
	int cpu;
	cpu_set_t all; /* what the thread might use */
};

/* Chooses @cpu, of those that host thread @tid (0: the caller) may use now. -EINVAL: it is none of them, *@o being left as
 * it was; else sched_getaffinity(2)'s errors. */
int onecpu_choose(struct onecpu *o, int tid, int cpu);

/* Whether the thread might use no other. */
bool onecpu_is_only(const struct onecpu *o);

/* Let host thread @tid (0: the caller) use the CPU @o alone, all but that one, or all again. sched_setaffinity(2)'s errors:
 * -EINVAL where there is no other to use, -ESRCH where the thread has ended. */
int onecpu_bind(const struct onecpu *o, int tid);
int onecpu_keep_off(const struct onecpu *o, int tid);
int onecpu_release(const struct onecpu *o, int tid);

#endif
