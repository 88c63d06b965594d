/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing files to the host's disk. */
#ifndef HUSK_KERNEL_VFS_SYNC_H
#define HUSK_KERNEL_VFS_SYNC_H

#include "vfs/file.h"

#define SYNC_FDS 2 /* host descriptors behind one file, at most */

struct super;

/* Both: 0 or -errno; or CALL_PARK, after which the caller's step or handler runs again and asks again: then for the result,
 * which is told once. c->priv is taken meanwhile. */

/* As fsync(2), or fdatasync(2); @f has ops->sync. */
long file_sync(struct task *t, struct call *c, struct file *f, bool data_only);
/* As syncfs(2). */
long super_sync(struct task *t, struct call *c, struct super *sb);

#endif
