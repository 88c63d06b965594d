/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors on their way to a guest process. */
#ifndef HUSK_TRAP_FDS_H
#define HUSK_TRAP_FDS_H

#include "base/types.h"

/* Sends @n descriptors (1 to HUSK_MAX_FDS, borrowed) with one byte over @socket, without waiting: 0 or -errno. */
int send_fds(int socket, const int *fds, u32 n);

#endif
