/* SPDX-License-Identifier: Apache-2.0 */
/* /dev: a tree in memory with the nodes that every program expects. */
#ifndef HUSK_KERNEL_FS_DEV_H
#define HUSK_KERNEL_FS_DEV_H

#include "vfs/inode.h"

/* The file system, to be mounted on /dev. 0, -ENOMEM, or -ENOSPC. */
int dev_super(struct kernel *k, struct super **out);

#endif
