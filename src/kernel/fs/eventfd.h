/* SPDX-License-Identifier: Apache-2.0 */
/* Counters and timers as files: eventfd(2), timerfd_create(2). */
#ifndef HUSK_KERNEL_FS_EVENTFD_H
#define HUSK_KERNEL_FS_EVENTFD_H

#include <time.h>

#include "vfs/file.h"

/* A counter that begins with @count; @flags: O_NONBLOCK. 0, -ENOMEM or -ENFILE; the file is the caller's. */
int eventfd_open(struct kernel *k, u32 count, u32 flags, bool semaphore, struct file **out);

/* A disarmed timer of @clock, which the caller has checked. */
int timerfd_open(struct kernel *k, int clock, u32 flags, struct file **out);
bool file_is_timerfd(const struct file *f);
/* timerfd_settime(2) and _gettime(2) with checked times; @old is filled. */
int timerfd_set(struct file *f, int flags, const struct itimerspec *value, struct itimerspec *old);
void timerfd_get(struct file *f, struct itimerspec *value);

#endif
