/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the outer jail's layers, and what became of each. */
#include "launch/launch.h"

#include <errno.h>
#include <stdio.h>

static const struct {
	const char *name;
	int phase;
	int (*enter)(struct launch *l);
} layer_table[NR_LAYERS] = {
	[LAYER_NO_NEW_PRIVS] = {"no_new_privs", 0, launch_no_new_privs},
	[LAYER_CAPABILITIES] = {"capabilities", 0, launch_capabilities},
	[LAYER_RLIMITS] = {"rlimits", 0, launch_rlimits},
	[LAYER_LANDLOCK] = {"landlock", 0, launch_landlock},
	[LAYER_FILTER] = {"filter", 1, launch_filter},
};

const char *layer_name(enum layer layer)
{
	return layer_table[layer].name;
}

int launch_confine(int phase, bool traces, void *arg, char *why, size_t size)
{
	struct launch *l = arg;

	l->traces = traces;
	for (int i = 0; i < NR_LAYERS; i++) {
		int error;

		if (layer_table[i].phase != phase)
			continue;
		error = layer_table[i].enter(l);
		l->layers[i].on = !error;
		/* Without no_new_privs an ordinary user may not install the guests' filter: nothing would be
		 * contained. */
		if (error && i == LAYER_NO_NEW_PRIVS) {
			snprintf(why, size, "the host refuses no_new_privs (error %d)", -error);
			return error;
		}
		/* What a guest's program would make of it later nobody would understand. */
		if (error == -EMFILE && i == LAYER_RLIMITS) {
			snprintf(why, size, "too few descriptors may be open; raise ulimit -n to %d at least",
				 LAUNCH_DESCRIPTORS);
			return error;
		}
	}
	return 0;
}
