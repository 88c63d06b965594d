/* SPDX-License-Identifier: Apache-2.0 */
/* The trap drivers that this build has: one line of registry.c each, the one to take first on top. */
#ifndef HUSK_TRAP_REGISTRY_H
#define HUSK_TRAP_REGISTRY_H

#include <linux/filter.h>

#include "trap/trap.h"

struct trap_driver {
	const char *name;
	const struct trap_ops *ops; /* NULL: not in this build */
	const char *sentence;       /* how it catches guests, for people */
};

extern const struct trap_driver trap_drivers[];
extern const size_t trap_driver_count;

#define TRAP_DRIVERS_MAX 8 /* and the NULL behind them */

/* The drivers that @name asks for, in the order in which they are to be tried, NULL-terminated: one, or with
 * "auto", "" or NULL all that this build has. 0, or -1 with a sentence in @why. */
int trap_choose(const char *name, const struct trap_ops **out, char *why, size_t size);

/* The filter that guest processes run below in the seccomp and dispatch traps, as it is given to the host, into @out
 * (@room instructions); @gated as in trap.h. Its length, or 0 where there is too little room. *stub: where the stub's
 * code begins, to which its addresses belong. */
size_t trap_guest_filter(struct sock_filter *out, size_t room, bool gated, u64 *stub);

/* The driver of that name, or NULL. */
const struct trap_driver *trap_driver_find(const char *name);

#endif
