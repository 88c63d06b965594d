/* SPDX-License-Identifier: Apache-2.0 */
/* /dev: the nodes that every program expects. */
#ifndef HUSK_KERNEL_FS_DEV_H
#define HUSK_KERNEL_FS_DEV_H

#include "vfs/inode.h"

/* The file system, to be mounted on /dev. 0 or -ENOMEM. */
int dev_super(struct kernel *k, struct super **out);

#endif
