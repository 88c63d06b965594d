/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host descriptors and host process ids as types of their own, so that they cannot be mixed up with the
 * guest's plain ints. A host pid or descriptor never comes from a guest.
 */
#ifndef HUSK_HOST_TYPES_H
#define HUSK_HOST_TYPES_H

#include "base/types.h"

struct hostfd {
	int fd; /* -1: none */
};

struct hostpid {
	int pid; /* 0: none */
};

#define HOSTFD_NONE ((struct hostfd){-1})

static inline bool hostfd_valid(struct hostfd f)
{
	return f.fd >= 0;
}

#endif
