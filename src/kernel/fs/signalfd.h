/* SPDX-License-Identifier: Apache-2.0 */
/* Signals read from a file: signalfd(2). */
#ifndef HUSK_KERNEL_FS_SIGNALFD_H
#define HUSK_KERNEL_FS_SIGNALFD_H

#include "vfs/file.h"

/* A file that gives its reader's pending signals of @mask. 0, -ENOMEM, -ENFILE; the file is the caller's. */
int signalfd_open(struct kernel *k, u64 mask, u32 flags, struct file **out);
/* Changes the mask: -EINVAL when @f is no signalfd. */
int signalfd_set_mask(struct file *f, u64 mask);

#endif
