/* SPDX-License-Identifier: Apache-2.0 */
/* Gives up privileges for good: no_new_privs, and every capability in every set. */
#include "launch/launch.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int launch_no_new_privs(struct launch *l)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	snprintf(l->layers[LAYER_NO_NEW_PRIVS].why, sizeof l->layers[0].why,
		 "no program run from here gains rights");
	return 0;
}

/* As root too: the guest's root is husk's invention, and needs nothing of the host's. The bounding set goes
 * as far as the host lets it (only who has CAP_SETPCAP may); with no_new_privs set it could not be used
 * anyway. */
int launch_capabilities(struct launch *l)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2] = {{0}};
	struct layer_state *state = &l->layers[LAYER_CAPABILITIES];
	int cap, dumpable;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/* Until there is no such capability, or none may be dropped. */
	for (cap = 0; cap < 64 && !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
		;
	dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	if (syscall(SYS_capset, &header, none)) {
		int error = errno;

		snprintf(state->why, sizeof state->why, "capset: error %d", error);
		return -error;
	}
	/* process_vm_readv() on guests wants them, and us, dumpable. */
	if (dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	snprintf(state->why, sizeof state->why, "all dropped");
	return 0;
}
