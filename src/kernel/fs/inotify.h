/* SPDX-License-Identifier: Apache-2.0 */
/* inotify(7): instances with their watches and queued events. */
#ifndef HUSK_KERNEL_FS_INOTIFY_H
#define HUSK_KERNEL_FS_INOTIFY_H

#include "vfs/inode.h"

#define INOTIFY_MAX_QUEUED    16384
#define INOTIFY_MAX_INSTANCES 128
#define INOTIFY_MAX_WATCHES   65536

/* A new instance's file, the caller's: 0, -EMFILE above INOTIFY_MAX_INSTANCES, -ENOMEM. */
int inotify_open(struct kernel *k, u32 flags, struct file **out);
bool file_is_inotify(const struct file *f);
/* Adds a watch on what @d names or changes the one that is there, as @mask (IN_*) says: its number, -EEXIST
 * (IN_MASK_CREATE), -ENOSPC above INOTIFY_MAX_WATCHES, -ENOMEM. */
int inotify_watch(struct file *f, struct dentry *d, u32 mask);
int inotify_unwatch(struct file *f, int wd); /* 0, -EINVAL */

#endif
