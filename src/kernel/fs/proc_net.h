/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/net: the tables of the network. */
#ifndef HUSK_KERNEL_FS_PROC_NET_H
#define HUSK_KERNEL_FS_PROC_NET_H

#include "vfs/synth.h"

/* The directory's entries. */
extern const struct synth_entry proc_net_entries[];

#endif
