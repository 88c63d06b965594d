/* SPDX-License-Identifier: Apache-2.0 */
/* fcntl(F_NOTIFY): a signal when something happens in a directory. */
#ifndef HUSK_KERNEL_VFS_DNOTIFY_H
#define HUSK_KERNEL_VFS_DNOTIFY_H

#include "vfs/file.h"

/* @arg: DN_* bits, added to those that are there; none: no more signals. @owner: the descriptor table that asked. 0,
 * -ENOTDIR, -ENOMEM. */
int file_dnotify(struct file *f, const struct fdtable *owner, int fd, u32 arg);
/* @owner has closed a descriptor of @f; NULL: the file goes away. */
void file_dnotify_end(struct file *f, const struct fdtable *owner);

#endif
