/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd_create(2): a timer whose expirations are read from a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/text.h"
#include "core/kernel.h"
#include "vfs/anon.h"
#include "core/timer.h"
#include "fs/eventfd.h"

#define NSEC 1000000000UL

struct timerfd {
	struct kernel *k;
	int clock;
	struct timer timer;
	u64 expires, interval; /* ns of CLOCK_MONOTONIC; 0: disarmed, once */
	u64 ticks;             /* expirations not read yet */
	struct wait_queue wait;
};

static u64 to_ns(struct timespec ts)
{
	if ((u64)ts.tv_sec >= (u64)INT64_MAX / NSEC)
		return INT64_MAX;
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static struct timespec from_ns(u64 ns)
{
	return (struct timespec){ns / NSEC, ns % NSEC};
}

static void timerfd_fire(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);

	t->ticks++;
	/* A periodic timer rests until its ticks are read: timerfd_catch_up() counts what passed meanwhile. */
	if (!t->interval)
		t->expires = 0;
	wake_all(&t->wait);
}

/* Counts the periods that have passed since the timer fired and arms it for the next. */
static void timerfd_catch_up(struct timerfd *t)
{
	u64 now = kernel_now(t->k), more;

	if (!t->interval || !t->ticks || now < t->expires)
		return;
	more = (now - t->expires) / t->interval;
	t->ticks += more;
	t->expires += (more + 1) * t->interval;
	timer_arm(t->k, &t->timer, t->expires, timerfd_fire);
}

static long timerfd_read(struct file *f, struct uio *to, u64 *pos)
{
	struct timerfd *t = f->priv;
	u64 value;
	long n;

	if (to->left < sizeof value)
		return -EINVAL;
	if (!t->ticks)
		return -EAGAIN;
	timerfd_catch_up(t);
	value = t->ticks;
	n = uio_to_user(to, &value, sizeof value);
	if (n < (long)sizeof value)
		return n < 0 ? n : -EFAULT;
	t->ticks = 0;
	return sizeof value;
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->priv;

	poll_wait(pt, &t->wait);
	return t->ticks ? EPOLLIN : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->priv;

	timer_cancel(t->k, &t->timer);
	object_count(t->k, "timerfd", -1);
	free(t);
}

static void timerfd_show(struct file *f, struct text *out)
{
	struct timerfd *t = f->priv;
	u64 now = kernel_now(t->k), left = t->expires > now ? t->expires - now : 0;

	text_add(out, "clockid: %d\nticks: %lu\nsettime flags: 00\n", t->clock, t->ticks);
	text_add(out, "it_value: (%lu, %lu)\nit_interval: (%lu, %lu)\n", left / NSEC, left % NSEC,
		 t->interval / NSEC, t->interval % NSEC);
}

static const struct file_ops timerfd_ops = {
	.show = timerfd_show,
	.read = timerfd_read,
	.poll = timerfd_poll,
	.release = timerfd_release,
	.name = "[timerfd]",
	.seek = anon_seek,
	.rw = RW_NOWAIT,
	.stream = true,
};

bool file_is_timerfd(const struct file *f)
{
	return f->ops == &timerfd_ops;
}

int timerfd_open(struct kernel *k, int clock, u32 flags, struct file **out)
{
	struct timerfd *t = calloc(1, sizeof *t);
	int err;

	if (!t)
		return -ENOMEM;
	t->k = k;
	t->clock = clock;
	wait_queue_init(&t->wait);
	err = file_new(k, &timerfd_ops, O_RDWR | flags, NULL, t, out);
	if (err < 0) {
		free(t);
		return err;
	}
	object_count(k, "timerfd", 1);
	return 0;
}

void timerfd_get(struct file *f, struct itimerspec *value)
{
	struct timerfd *t = f->priv;
	u64 now = kernel_now(t->k), left = 0;

	timerfd_catch_up(t);
	/* Linux: an armed timer never shows 0. */
	if (t->expires)
		left = t->expires > now ? t->expires - now : 1;
	value->it_value = from_ns(left);
	value->it_interval = from_ns(t->interval);
}

/* The CLOCK_MONOTONIC time at which @clock will show @ns. */
static u64 clock_to_monotonic(int clock, u64 ns, u64 now)
{
	struct timespec ts;
	s64 away;

	clock_gettime(clock, &ts);
	away = (s64)ns - (s64)to_ns(ts);
	if (away <= 0)
		return now;
	return now > INT64_MAX - (u64)away ? INT64_MAX : now + away;
}

int timerfd_set(struct file *f, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	struct timerfd *t = f->priv;
	u64 ns = to_ns(value->it_value), now = kernel_now(t->k);

	timerfd_get(f, old);
	timer_cancel(t->k, &t->timer);
	t->ticks = 0;
	t->interval = to_ns(value->it_interval);
	t->expires = 0;
	if (!ns)
		return 0;
	if (flags & TFD_TIMER_ABSTIME)
		t->expires = clock_to_monotonic(t->clock, ns, now);
	else
		t->expires = ns > INT64_MAX - now ? INT64_MAX : now + ns;
	timer_arm(t->k, &t->timer, t->expires, timerfd_fire);
	return 0;
}
