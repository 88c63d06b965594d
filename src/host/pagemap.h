/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages of a guest process the host holds. */
#ifndef HUSK_HOST_PAGEMAP_H
#define HUSK_HOST_PAGEMAP_H

#include <stdbool.h>

#include "host/types.h"

/* Sets there[i] for each of the @n pages (at most 256) from @addr on that are in memory or swapped out. False: the host does
 * not say. */
bool host_pages(struct hostpid pid, u64 addr, u32 n, bool *there);

#endif
