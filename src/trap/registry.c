/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of trap drivers. Its order is that in which `auto` tries them: the fastest first. A driver is
 * taken when it starts; there is no asking before, because starting it does all that asking would do.
 */
#include "trap/registry.h"

#include <stdio.h>
#include <string.h>

#include "channel/channel.h"
#include "trap/seccomp/filter.h"

const struct trap_driver trap_drivers[] = {
	{"seccomp", &trap_seccomp, "a filter turns calls into SIGSYS, a stub hands them over"},
	{"dispatch", &trap_dispatch, "user dispatch turns calls into SIGSYS, a stub hands them over"},
	{"ptrace", &trap_ptrace, "the kernel process traces the guests and takes their calls from them"},
};

const size_t trap_driver_count = ARRAY_SIZE(trap_drivers);

const struct trap_driver *trap_driver_find(const char *name)
{
	for (size_t i = 0; i < trap_driver_count; i++)
		if (!strcmp(trap_drivers[i].name, name))
			return &trap_drivers[i];
	return NULL;
}

static void list_names(char *to, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < trap_driver_count && used < size; i++)
		used += (size_t)snprintf(to + used, size - used, ", %s", trap_drivers[i].name);
}

int trap_choose(const char *name, const struct trap_ops **out, char *why, size_t size)
{
	bool all = !name || !*name || !strcmp(name, "auto");
	const struct trap_driver *one = all ? NULL : trap_driver_find(name);
	size_t n = 0;
	char names[128] = "";

	_Static_assert(ARRAY_SIZE(trap_drivers) < TRAP_DRIVERS_MAX, "room for the NULL");
	if (!all && !one) {
		list_names(names, sizeof names);
		snprintf(why, size, "'%s' is none of auto%s", name, names);
		return -1;
	}
	if (one && !one->ops) {
		snprintf(why, size, "%s is not in this build; use auto", name);
		return -1;
	}
	for (size_t i = 0; i < trap_driver_count; i++)
		if (trap_drivers[i].ops && (all || one == &trap_drivers[i]))
			out[n++] = trap_drivers[i].ops;
	out[n] = NULL;
	return 0;
}

size_t trap_guest_filter(struct sock_filter *out, size_t room, bool gated, u64 *stub)
{
	*stub = HUSK_STUB_BASE;
	return room < STUB_FILTER_MAX ? 0 : stub_filter_build(out, gated);
}
