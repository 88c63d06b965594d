/* SPDX-License-Identifier: Apache-2.0 */
/* O_ASYNC: a signal to a file's owner when it may be read from or written to (fcntl(2), F_SETOWN, F_SETSIG). */
#ifndef HUSK_KERNEL_VFS_ASYNC_H
#define HUSK_KERNEL_VFS_ASYNC_H

#include "vfs/file.h"

/* Whether files of this kind send signals at all: pipes, sockets, terminals. */
bool file_can_async(const struct file *f);
/* Turns O_ASYNC on or off, for descriptor @fd, which siginfo will show: 0, -ENOMEM. */
int file_set_async(struct file *f, int fd, bool on);
/* The file goes away. */
void file_async_end(struct file *f);

#endif
