/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that make files without a path: pipe, eventfd, timerfd, memfd_create; and getrandom. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>

#include "core/task.h"
#include "fs/eventfd.h"
#include "fs/pipe.h"
#include "vfs/inode.h"

#define MEMFD_NAME_MAX 249 /* NAME_MAX without "memfd:" */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC        16U
#endif

/* ---- pipe ---- */

static long make_pipe(struct task *t, u64 addr, u32 flags)
{
	struct file *ends[2];
	int err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_EXCL))
		return -EINVAL;
	/* O_NOTIFICATION_PIPE: as a kernel without CONFIG_WATCH_QUEUE. */
	if (flags & O_EXCL)
		return -ENOPKG;
	err = pipe_open_pair(t->k, t->cred, flags & (O_NONBLOCK | O_DIRECT), &ends[0], &ends[1]);
	return err < 0 ? err : fd_install_pair(t, ends, flags & O_CLOEXEC, addr);
}

long sys_pipe(struct task *t, struct call *c)
{
	return make_pipe(t, c->arg[0], 0);
}

long sys_pipe2(struct task *t, struct call *c)
{
	return make_pipe(t, c->arg[0], c->arg[1]);
}

/* ---- eventfd ---- */

static long make_eventfd(struct task *t, u32 count, int flags)
{
	struct file *f;
	int err;

	if (flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE))
		return -EINVAL;
	err = eventfd_open(t->k, count, flags & EFD_NONBLOCK, flags & EFD_SEMAPHORE, &f);
	return err < 0 ? err : fd_install(t, f, flags & EFD_CLOEXEC);
}

long sys_eventfd(struct task *t, struct call *c)
{
	return make_eventfd(t, c->arg[0], 0);
}

long sys_eventfd2(struct task *t, struct call *c)
{
	return make_eventfd(t, c->arg[0], c->arg[1]);
}

/* ---- timerfd ---- */

long sys_timerfd_create(struct task *t, struct call *c)
{
	int clock = c->arg[0], flags = c->arg[1], err;
	struct file *f;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		break;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		/* Linux: for CAP_WAKE_ALARM. Here: for nobody, since a guest shall not wake the machine. */
		return -EPERM;
	default:
		return -EINVAL;
	}
	err = timerfd_open(t->k, clock, flags & TFD_NONBLOCK, &f);
	return err < 0 ? err : fd_install(t, f, flags & TFD_CLOEXEC);
}

static int timerfd_fd_get(struct task *t, int fd, struct file **out)
{
	int err = fd_get(t, fd, out);

	if (err < 0)
		return err;
	if (file_is_timerfd(*out))
		return 0;
	file_put(*out);
	return -EINVAL;
}

static bool timespec_valid(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && (u64)ts->tv_nsec < 1000000000;
}

long sys_timerfd_settime(struct task *t, struct call *c)
{
	int flags = c->arg[1];
	struct itimerspec value, old;
	struct file *f;
	long err = user_get(t, &value, c->arg[2]);

	if (err < 0)
		return err;
	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	if (!timespec_valid(&value.it_value) || !timespec_valid(&value.it_interval))
		return -EINVAL;
	err = timerfd_fd_get(t, c->arg[0], &f);
	if (err < 0)
		return err;
	err = timerfd_set(f, flags, &value, &old);
	file_put(f);
	if (err >= 0 && c->arg[3])
		err = user_put(t, c->arg[3], &old);
	return err;
}

long sys_timerfd_gettime(struct task *t, struct call *c)
{
	struct itimerspec value;
	struct file *f;
	long err = timerfd_fd_get(t, c->arg[0], &f);

	if (err < 0)
		return err;
	timerfd_get(f, &value);
	file_put(f);
	return user_put(t, c->arg[1], &value);
}

/* ---- memfd_create ---- */

/* Linux: while no huge pages are set aside such a file is made, but cannot be mapped (ENOMEM). Here: ENOSYS at once, as by a
 * kernel without hugetlbfs, because they are the host's to give. */
static long huge_memfd(u32 flags)
{
	u32 size = flags >> MAP_HUGE_SHIFT;

	return size && size != 21 && size != 30 ? -ENODEV : -ENOSYS;
}

long sys_memfd_create(struct task *t, struct call *c)
{
	u32 flags = c->arg[1], sizes = flags & MFD_HUGETLB ? (u32)MAP_HUGE_MASK << MAP_HUGE_SHIFT : 0;
	char name[MEMFD_NAME_MAX + 1];
	struct file *f;
	long err;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC | sizes))
		return -EINVAL;
	if ((flags & MFD_EXEC) && (flags & MFD_NOEXEC_SEAL))
		return -EINVAL;
	err = user_string(t, name, c->arg[0], sizeof name);
	if (err == -ENAMETOOLONG)
		return -EINVAL;
	if (err < 0)
		return err;
	if (flags & MFD_HUGETLB)
		return huge_memfd(flags);
	err = tmpfs_anonymous(t->k, name, flags, t->cred, &f);
	return err < 0 ? err : fd_install(t, f, flags & MFD_CLOEXEC);
}

/* ---- getrandom ---- */

long sys_getrandom(struct task *t, struct call *c)
{
	u32 flags = c->arg[2];
	struct uio u;
	char buf[4096];

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & (GRND_INSECURE | GRND_RANDOM)) == (GRND_INSECURE | GRND_RANDOM))
		return -EINVAL;
	uio_init(&u, t, c->arg[0], min(c->arg[1], (u64)INT32_MAX));
	while (u.left) {
		long n = getrandom(buf, min(u.left, sizeof buf), 0);

		if (n < 0)
			return u.done ? (long)u.done : -errno;
		n = uio_to_user(&u, buf, n);
		if (n <= 0)
			return u.done ? (long)u.done : n < 0 ? n : -EFAULT;
	}
	return u.done;
}
