/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals as job control sees them: who is in their foreground. Those of the host keep attributes and size there,
 * those of husk's own are half of a struct pty. */
#ifndef HUSK_KERNEL_FS_TTY_H
#define HUSK_KERNEL_FS_TTY_H

#include "base/list.h"
#include "host/types.h"
#include "vfs/file.h"

struct tty {
	struct kernel *k;
	struct list node; /* in kernel->ttys */
	int refs;
	u64 rdev;         /* the host's device number */
	int sid;          /* the guest session that it controls; 0: none */
	int pgid;         /* its foreground process group; 0: none */
	bool adopted;     /* it was looked at when the first session asked for its terminal */
	struct pty *pty;  /* the pair that it is part of; NULL: a terminal of the host's */
	struct hostfd fd; /* owned: a descriptor of its own, so that /dev/tty can be opened when 0, 1, 2 are
			     closed */
};

/* The terminal behind @fd, shared by all descriptors of one terminal; a reference for the caller. NULL: no
 * memory. */
struct tty *tty_find_or_new(struct kernel *k, struct hostfd fd, u64 rdev);
void tty_put(struct tty *tty);
/* A new file on @tty, as open("/dev/tty") gives it. 0 or -errno. */
int tty_open(struct tty *tty, u32 flags, struct file **out);
/* Attribute and size ioctls on the host terminal @fd; -ENOTTY for all others. */
long tty_host_ioctl(struct hostfd fd, struct task *t, u32 cmd, u64 arg);

#endif
