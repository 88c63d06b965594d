/* SPDX-License-Identifier: Apache-2.0 */
/* /sys: processors, nodes, huge pages. */
#ifndef HUSK_KERNEL_FS_SYSFS_H
#define HUSK_KERNEL_FS_SYSFS_H

#include "vfs/inode.h"

/* The file system, to be mounted on /sys. 0 or -ENOMEM. */
int sysfs_super(struct kernel *k, struct super **out);

#endif
