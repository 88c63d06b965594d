/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets' names in the file tree. */
#ifndef HUSK_KERNEL_NET_UNIX_PATH_H
#define HUSK_KERNEL_NET_UNIX_PATH_H

#include "core/task.h"

struct inode;

/* The socket inode at @path, which @t may write to; a reference for the caller. -ECONNREFUSED when it is no
 * socket. */
int unix_path_find(struct task *t, const char *path, struct inode **out);
/* A new socket inode at @path; a reference for the caller. -EEXIST, and all that mknod() says. */
int unix_path_make(struct task *t, const char *path, struct inode **out);

#endif
