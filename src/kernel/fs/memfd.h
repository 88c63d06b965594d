/* SPDX-License-Identifier: Apache-2.0 */
/* Anonymous memory as a file, with seals: memfd_create(2). */
#ifndef HUSK_KERNEL_FS_MEMFD_H
#define HUSK_KERNEL_FS_MEMFD_H

#include "vfs/file.h"

#define MEMFD_NAME_MAX 249 /* NAME_MAX without "memfd:" */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC	16U
#endif

/* An empty file; @flags are memfd_create's, checked. 0, -ENOMEM, -ENFILE; the file is the caller's. */
int memfd_open(struct kernel *k, const struct cred *cred, const char *name, u32 flags, struct file **out);

#endif
