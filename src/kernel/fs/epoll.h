/* SPDX-License-Identifier: Apache-2.0 */
/* Event polls: epoll(7). */
#ifndef HUSK_KERNEL_FS_EPOLL_H
#define HUSK_KERNEL_FS_EPOLL_H

#include <sys/epoll.h>

#include "vfs/file.h"

/* An empty instance. 0, -ENOMEM or -ENFILE; the file is the caller's. */
int epoll_open(struct kernel *k, struct file **out);
bool file_is_epoll(const struct file *f);

/* epoll_ctl(2) on @ep, an epoll file: entries are named by @target (borrowed) and @fd together. @event is
 * NULL for EPOLL_CTL_DEL. -EPERM, -EINVAL, -EEXIST, -ENOENT, -ELOOP, -ENOMEM. */
int epoll_control(struct file *ep, struct task *t, int op, struct file *target, int fd,
		  const struct epoll_event *event);

/* Takes up to @max ready events for @t: their number. */
int epoll_harvest(struct file *ep, struct task *t, struct epoll_event *events, int max);
/* Where epoll_wait() sleeps. */
struct wait_queue *epoll_queue(struct file *ep);

#endif
