/* SPDX-License-Identifier: Apache-2.0 */
/* What every zygote is executed from and begins with: the stub's ELF image, and an environment of nothing. */
#ifndef HUSK_TRAP_IMAGE_H
#define HUSK_TRAP_IMAGE_H

#include "trap/trap.h"

/* The stub's image to be executed: a sealed memfd, or a file without a name where the host forbids executing memfds,
 * which wants to be opened before writing to the host's tree is given up. Readable, so that the zygote is dumpable
 * (process_vm_readv()). The descriptor, owned by the caller, or -errno. */
int image_open(void);
/* The same for a driver: of @config, or opened now. The descriptor, owned by the caller, or -errno with a sentence in
 * @why. */
int image_take(const struct trap_config *config, char *why, size_t size);

/* In the child, which may share its parent's memory: puts fds[0..n-1] to the numbers from HUSK_SOCKET_FD on, closes all
 * others but 0, 1 and 2, which become @filler, sets the core limit to 0, and executes @image. Comes back only with -errno:
 * -EMFILE when there are too few descriptors. */
int image_exec(int image, const int *fds, int n, int filler);

#endif
