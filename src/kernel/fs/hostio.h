/* SPDX-License-Identifier: Apache-2.0 */
/* Host descriptors that husk was started with, as the guest's files. */
#ifndef HUSK_KERNEL_FS_HOSTIO_H
#define HUSK_KERNEL_FS_HOSTIO_H

#include "vfs/file.h"

struct tty;

/* The open host file behind @fd (regular file, pipe, socket, terminal, device) as a guest file with the
 * host's access mode and attributes. 0 or -errno; on success @fd is the file's, and *out is the caller's. */
int hostio_open(struct kernel *k, struct hostfd fd, struct file **out);

/* The terminal behind @f, or NULL. Borrowed. */
struct tty *file_tty(struct file *f);

#endif
