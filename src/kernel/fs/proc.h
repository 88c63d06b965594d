/* SPDX-License-Identifier: Apache-2.0 */
/* /proc: the tree and its system-wide files. What it shows of processes is registered by the task room. */
#ifndef HUSK_KERNEL_FS_PROC_H
#define HUSK_KERNEL_FS_PROC_H

#include "vfs/inode.h"

/* The file system, to be mounted on /proc. kernel->proc_pids (nullable) finds and lists processes. 0 or
 * -ENOMEM. */
int proc_super(struct kernel *k, struct super **out);

#endif
