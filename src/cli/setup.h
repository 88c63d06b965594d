/* SPDX-License-Identifier: Apache-2.0 */
/* What every sandbox that husk starts has in common, and trying a trap by one that lives a moment. */
#ifndef HUSK_CLI_SETUP_H
#define HUSK_CLI_SETUP_H

#include "kernel/boot/boot.h"
#include "launch/launch.h"

/* Whether a developers' option of the environment is on: set to anything but "" and 0. */
bool developer_option(const char *name);

/* Puts @launch (borrowed; its root is set) between @config and the host, opens the stub's image, which stays open until
 * this process ends, and takes the developers' options from the environment. */
void setup_confinement(struct sandbox_config *config, struct launch *launch);

/* A sandbox of husk's own on the host's tree: as the caller, with @traps (borrowed, NULL-terminated), no streams, and
 * confined by @launch, which is borrowed too. The program is still to be set. */
void setup_sandbox(struct sandbox_config *config, struct launch *launch, const struct trap_ops *const *traps);

/* A sandbox in which `true` ran, or did not. */
struct trial {
	bool works; /* the trap started, and `true` ended with 0 or is not there */
	bool ran;   /* `true` is there */
	bool gated;
	u64 ns; /* from before the start to the end of all */
	char why[1024];
	struct launch launch;
};

/* Tries the driver @ops in a child, which ends within some seconds. Always fills @trial. */
void setup_try(const struct trap_ops *ops, struct trial *trial);

#endif
