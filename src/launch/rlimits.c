/* SPDX-License-Identifier: Apache-2.0 */
/* Host limits of the kernel process and the guests' processes: no core files, as many descriptors as may be.
 */
#include "launch/launch.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

int launch_rlimits(struct launch *l)
{
	struct rlimit none = {0, 0}, files;
	struct layer_state *state = &l->layers[LAYER_RLIMITS];

	/* A guest's core would hold husk's windows too; husk writes none of its own. */
	if (setrlimit(RLIMIT_CORE, &none) || getrlimit(RLIMIT_NOFILE, &files))
		return -errno;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		return -errno;
	if (files.rlim_max < LAUNCH_DESCRIPTORS)
		return -EMFILE;
	snprintf(state->why, sizeof state->why, "no core files; %llu descriptors",
		 (unsigned long long)files.rlim_cur);
	return 0;
}
