/* SPDX-License-Identifier: Apache-2.0 */
/* Timeouts and signal masks as the poll family passes them. */
#include "sys/timeout.h"

#include <errno.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/time.h>
#include <time.h>

#include "task/signal.h"

#define NSEC 1000000000UL

static u64 add_saturated(u64 a, u64 b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

struct timeout timeout_from_ms(struct task *t, int ms)
{
	struct timeout to = {.zero = ms == 0};

	if (ms > 0)
		to.deadline = kernel_now(t->k) + ms * 1000000UL;
	return to;
}

static long set_timeout(struct task *t, s64 sec, u64 nsec, struct timeout *to)
{
	u64 ns;

	if (sec < 0 || nsec >= NSEC)
		return -EINVAL;
	ns = (u64)sec >= INT64_MAX / NSEC ? INT64_MAX : sec * NSEC + nsec;
	to->zero = !ns;
	if (ns)
		to->deadline = add_saturated(kernel_now(t->k), ns);
	return 0;
}

long timeout_read_timespec(struct task *t, u64 addr, struct timeout *to, struct timeout_back *back)
{
	struct timespec ts;
	long err;

	*to = (struct timeout){0};
	*back = (struct timeout_back){0};
	if (!addr)
		return 0;
	err = user_get(t, &ts, addr);
	if (err < 0)
		return err;
	err = set_timeout(t, ts.tv_sec, ts.tv_nsec, to);
	if (err < 0)
		return err;
	/* A timeout of zero is not updated. */
	if (!to->zero)
		*back = (struct timeout_back){.addr = addr, .deadline = to->deadline};
	return 0;
}

long timeout_read_timeval(struct task *t, u64 addr, struct timeout *to, struct timeout_back *back)
{
	struct timeval tv;
	long err;

	*to = (struct timeout){0};
	*back = (struct timeout_back){0};
	if (!addr)
		return 0;
	err = user_get(t, &tv, addr);
	if (err < 0)
		return err;
	err = set_timeout(t, tv.tv_sec + tv.tv_usec / 1000000, (u64)(tv.tv_usec % 1000000) * 1000, to);
	if (err < 0)
		return err;
	if (!to->zero)
		*back = (struct timeout_back){.addr = addr, .deadline = to->deadline, .timeval = true};
	return 0;
}

long timeout_write_back(struct task *t, const struct timeout_back *back, long ret)
{
	u64 now, left, value[2];

	if (!back->addr)
		return ret;
	if (!(t->personality & STICKY_TIMEOUTS)) {
		now = kernel_now(t->k);
		left = back->deadline > now ? back->deadline - now : 0;
		value[0] = left / NSEC;
		value[1] = back->timeval ? left % NSEC / 1000 : left % NSEC;
		if (!user_write(t, back->addr, value, sizeof value))
			return ret;
	}
	/* Restarting would wait for the whole time again. */
	return ret == -ERESTARTNOHAND ? -EINTR : ret;
}

long sigmask_read(struct task *t, u64 addr, u64 size, u64 *mask, bool *given)
{
	long err;

	*given = false;
	if (!addr)
		return 0;
	if (size != sizeof *mask)
		return -EINVAL;
	err = user_read(t, mask, addr, sizeof *mask);
	if (err < 0)
		return err;
	*mask &= ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
	*given = true;
	return 0;
}
