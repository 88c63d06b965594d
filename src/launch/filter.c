/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel process's own seccomp filter: only the host calls that host/filter.c lists. */
#include "launch/launch.h"

#include "host/filter.h"

#include <errno.h>
#include <stdio.h>

int launch_filter(struct launch *l)
{
	struct layer_state *state = &l->layers[LAYER_FILTER];
	u32 what = (l->traces ? HOST_FILTER_TRACES : 0) | (l->writes ? HOST_FILTER_WRITES : 0);
	int error;

	if (l->no_filter) {
		snprintf(state->why, sizeof state->why, "switched off");
		return -ECANCELED;
	}
#ifdef __SANITIZE_ADDRESS__
	/* The sanitizer makes host calls of its own. */
	snprintf(state->why, sizeof state->why, "a sanitizer's build");
	return -ECANCELED;
#endif
	error = host_filter_install(l->filter_kills, what);
	if (error)
		snprintf(state->why, sizeof state->why, "refused (error %d)", -error);
	else
		snprintf(state->why, sizeof state->why, "%d host calls", host_filter_count(what));
	return error;
}
