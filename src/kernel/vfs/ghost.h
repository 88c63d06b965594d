/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ghosts: directories that a mount needs where a file system that cannot be changed has none. They live in the cache of
 * dentries alone, pinned by the mounts on them.
 */
#ifndef HUSK_KERNEL_VFS_GHOST_H
#define HUSK_KERNEL_VFS_GHOST_H

#include "vfs/inode.h"

bool inode_is_ghost(const struct inode *i);
/* Makes the ghost @name in @dir, which becomes it: 0 or -ENOMEM. */
int ghost_child(struct path *dir, const char *name);
/* The names below f's directory that exist only as (ways to) mount points: a file system's iterate() ends with it, with
 * offsets from @base on, above its own. */
int ghosts_emit(struct file *f, struct dir_context *ctx, u64 base);

#endif
