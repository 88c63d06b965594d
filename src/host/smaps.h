/* SPDX-License-Identifier: Apache-2.0 */
/* What the host says of a guest process's pages. */
#ifndef HUSK_HOST_SMAPS_H
#define HUSK_HOST_SMAPS_H

#include "host/types.h"

/* The text of the host's /proc/PID/smaps, malloc()ed and ended by NUL; NULL where it cannot be had. */
char *host_smaps(struct hostpid pid);

#endif
