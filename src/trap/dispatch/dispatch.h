/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatch trap: Syscall User Dispatch brings the guest's calls to the stub, before the host looks at any filter.
 *
 * It shares everything else with the seccomp trap: the stub, the channel, and the filter itself, which stays as the
 * second line and holds the stub's own host calls. There is no selector byte, which a guest could write: what is
 * dispatched is decided by address alone.
 */
#ifndef HUSK_TRAP_DISPATCH_DISPATCH_H
#define HUSK_TRAP_DISPATCH_DISPATCH_H

#include "channel/channel.h"

/* The best mode that the host has, found by trying it on the calling thread: 0, or -errno with a sentence in @why. */
int dispatch_find(enum dispatch_mode *mode, char *why, size_t size);

#endif
