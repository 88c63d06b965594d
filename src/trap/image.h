/* SPDX-License-Identifier: Apache-2.0 */
/* What every zygote is executed from and begins with: the stub's ELF image, and an environment of nothing. */
#ifndef HUSK_TRAP_IMAGE_H
#define HUSK_TRAP_IMAGE_H

#include "base/types.h"

/* A sealed memfd with the stub's image, readable so that the zygote is dumpable (process_vm_readv()). The descriptor,
 * owned by the caller, or -errno with a sentence in @why. */
int image_open(char *why, size_t size);

/* In the child: puts fds[0..n-1] to the numbers from HUSK_SOCKET_FD on, closes all others but 0, 1 and 2, which become
 * @filler, sets the core limit to 0, and executes @image. Comes back only with -errno: -EMFILE when there are too few
 * descriptors. */
int image_exec(int image, const int *fds, int n, int filler);

#endif
