/* SPDX-License-Identifier: Apache-2.0 */
/* System calls about time: clocks, sleeping, interval timers and POSIX timers. Nobody sets clocks here. */
#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#include "task/posix_timer.h"

#define NSEC 1000000000L

struct ktimespec {
	s64 sec, nsec;
};

struct ktimeval {
	s64 sec, usec;
};

static struct ktimespec timespec_of(u64 ns)
{
	return (struct ktimespec){(s64)(ns / NSEC), (s64)(ns % NSEC)};
}

static struct ktimeval timeval_of(u64 ns)
{
	return (struct ktimeval){(s64)(ns / NSEC), (s64)(ns % NSEC / 1000)};
}

/* ns of a checked time; far futures become the end of time. */
static u64 ns_of(s64 sec, s64 nsec)
{
	return sec >= (s64)(~0UL >> 1) / NSEC ? ~0UL >> 1 : (u64)(sec * NSEC + nsec);
}

static bool timespec_valid(const struct ktimespec *ts)
{
	return ts->sec >= 0 && ts->nsec >= 0 && ts->nsec < NSEC;
}

/* ---- clocks ---- */

long sys_clock_gettime(struct task *t, struct call *c)
{
	struct ktimespec ts;
	s64 ns;
	int r = clock_read(t, (int)c->arg[0], &ns);

	if (r < 0)
		return r;
	ts = timespec_of((u64)ns);
	return user_put(t, c->arg[1], &ts);
}

long sys_clock_getres(struct task *t, struct call *c)
{
	int clock = (int)c->arg[0], r;
	struct ktimespec ts = {0, 1};
	struct timespec host;
	s64 ns;

	r = clock_read(t, clock, &ns);
	if (r < 0)
		return r;
	if ((clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE) &&
	    !clock_getres(clock, &host))
		ts.nsec = host.tv_nsec;
	return c->arg[1] ? user_put(t, c->arg[1], &ts) : 0;
}

/* Nobody may set a clock: what Linux answers to those without CAP_SYS_TIME. */
long sys_clock_settime(struct task *t, struct call *c)
{
	int clock = (int)c->arg[0];
	struct ktimespec ts;
	s64 ns;
	int r = clock_read(t, clock, &ns);

	if (r < 0)
		return r;
	if (clock != CLOCK_REALTIME && clock >= 0 && clock != CLOCK_PROCESS_CPUTIME_ID &&
	    clock != CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	r = user_get(t, &ts, c->arg[1]);
	if (r < 0)
		return r;
	if (clock == CLOCK_REALTIME && !timespec_valid(&ts))
		return -EINVAL;
	return -EPERM;
}

long sys_gettimeofday(struct task *t, struct call *c)
{
	struct timespec now;
	struct ktimeval tv;
	struct {
		s32 west, dst;
	} tz = {0, 0};
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	tv = (struct ktimeval){now.tv_sec, now.tv_nsec / 1000};
	if (c->arg[0]) {
		r = user_put(t, c->arg[0], &tv);
		if (r < 0)
			return r;
	}
	return c->arg[1] ? user_put(t, c->arg[1], &tz) : 0;
}

long sys_settimeofday(struct task *t, struct call *c)
{
	struct ktimeval tv;
	struct {
		s32 west, dst;
	} tz;
	int r;

	if (c->arg[0]) {
		r = user_get(t, &tv, c->arg[0]);
		if (r < 0)
			return r;
		if (tv.usec < 0 || tv.usec >= 1000000 || tv.sec < 0)
			return -EINVAL;
	}
	if (c->arg[1]) {
		r = user_get(t, &tz, c->arg[1]);
		if (r < 0)
			return r;
	}
	return -EPERM;
}

long sys_time(struct task *t, struct call *c)
{
	struct timespec now;
	s64 sec;
	int r;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	sec = now.tv_sec;
	if (c->arg[0]) {
		r = user_put(t, c->arg[0], &sec);
		if (r < 0)
			return r;
	}
	return sec;
}

/* Reading the clock's discipline is allowed to all, changing it to none. */
static long adjust(struct task *t, u64 addr)
{
	struct timex tx;
	struct timespec now;
	int r = user_get(t, &tx, addr);

	if (r < 0)
		return r;
	if (tx.modes && tx.modes != ADJ_OFFSET_SS_READ)
		return -EPERM;
	clock_gettime(CLOCK_REALTIME, &now);
	memset(&tx, 0, sizeof tx);
	tx.status = STA_UNSYNC;
	tx.maxerror = tx.esterror = 16000000;
	tx.constant = 2;
	tx.precision = 1;
	tx.tolerance = 32768000;
	tx.tick = 10000;
	tx.time.tv_sec = now.tv_sec;
	tx.time.tv_usec = now.tv_nsec / 1000;
	r = user_put(t, addr, &tx);
	return r < 0 ? r : TIME_ERROR;
}

long sys_adjtimex(struct task *t, struct call *c)
{
	return adjust(t, c->arg[0]);
}

long sys_clock_adjtime(struct task *t, struct call *c)
{
	int clock = (int)c->arg[0];
	struct timex tx;
	s64 ns;
	int r = user_get(t, &tx, c->arg[1]);

	if (r >= 0)
		r = clock_read(t, clock, &ns);
	if (r < 0)
		return r;
	return clock == CLOCK_REALTIME ? adjust(t, c->arg[1]) : -EOPNOTSUPP;
}

/* ---- sleeping ---- */

static long sleep_restart(struct task *t, struct call *c);

/* scratch: where the remaining time goes (0: nowhere), whether the time is absolute. */
static long sleep_step(struct task *t, struct call *c)
{
	long r;
	u64 now;

	if (c->timed_out || kernel_now(t->k) >= c->deadline)
		return 0;
	r = call_wait(t);
	if (r == CALL_PARK)
		return r;
	now = kernel_now(t->k);
	if (r == -ETIMEDOUT || now >= c->deadline)
		return 0;
	if (c->scratch[1])
		return -ERESTARTNOHAND;
	if (c->scratch[0]) {
		struct ktimespec left = timespec_of(c->deadline - now);

		r = user_put(t, c->scratch[0], &left);
		if (r < 0)
			return r;
	}
	t->restart_block.fn = sleep_restart;
	t->restart_block.deadline = c->deadline;
	t->restart_block.arg[0] = c->scratch[0];
	return -ERESTART_RESTARTBLOCK;
}

static long sleep_restart(struct task *t, struct call *c)
{
	c->deadline = t->restart_block.deadline;
	c->scratch[0] = t->restart_block.arg[0];
	c->step = sleep_step;
	return sleep_step(t, c);
}

static long sleep_until(struct task *t, struct call *c, u64 deadline, u64 remaining, bool absolute)
{
	c->deadline = deadline;
	c->scratch[0] = remaining;
	c->scratch[1] = absolute;
	c->step = sleep_step;
	return sleep_step(t, c);
}

static u64 after(struct task *t, const struct ktimespec *ts)
{
	u64 at;

	return __builtin_add_overflow(kernel_now(t->k), ns_of(ts->sec, ts->nsec), &at) ? ~0UL >> 1 : at;
}

long sys_nanosleep(struct task *t, struct call *c)
{
	struct ktimespec ts;
	int r = user_get(t, &ts, c->arg[0]);

	if (r < 0)
		return r;
	if (!timespec_valid(&ts))
		return -EINVAL;
	return sleep_until(t, c, after(t, &ts), c->arg[1], false);
}

long sys_clock_nanosleep(struct task *t, struct call *c)
{
	int clock = (int)c->arg[0], flags = (int)c->arg[1], r;
	struct ktimespec ts;
	u64 at;
	s64 ns;

	/* Linux: raw and coarse clocks have no timers; a thread cannot wait for its own CPU time. */
	r = clock_read(t, clock, &ns);
	if (r < 0 || clock == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	if (clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE)
		return -EOPNOTSUPP;
	r = user_get(t, &ts, c->arg[2]);
	if (r < 0)
		return r;
	if (!timespec_valid(&ts))
		return -EINVAL;
	r = clock_to_monotonic(t->k, clock, (s64)ns_of(ts.sec, ts.nsec), &at);
	if (r < 0)
		return r;
	if (flags & TIMER_ABSTIME)
		return sleep_until(t, c, at, 0, true);
	return sleep_until(t, c, after(t, &ts), c->arg[3], false);
}

long sys_restart_syscall(struct task *t, struct call *c)
{
	call_fn *fn = t->restart_block.fn;

	t->restart_block.fn = NULL;
	if (!fn)
		return -EINTR;
	/* An interruption of the restarted call restarts the same way. */
	t->restart_block.fn = fn;
	return fn(t, c);
}

/* ---- interval timers ---- */

static bool itimer_read(const struct ktimeval v[2], struct itimer *out)
{
	for (int i = 0; i < 2; i++) {
		if (v[i].sec < 0 || v[i].usec < 0 || v[i].usec >= 1000000)
			return false;
	}
	out->interval = ns_of(v[0].sec, v[0].usec * 1000);
	out->value = ns_of(v[1].sec, v[1].usec * 1000);
	return true;
}

static int itimer_write(struct task *t, u64 addr, const struct itimer *it)
{
	struct ktimeval v[2] = {timeval_of(it->interval), timeval_of(it->value)};

	return user_write(t, addr, v, sizeof v);
}

long sys_getitimer(struct task *t, struct call *c)
{
	struct itimer now;
	int r = itimer_set(t->group, (int)c->arg[0], NULL, &now);

	return r < 0 ? r : itimer_write(t, c->arg[1], &now);
}

long sys_setitimer(struct task *t, struct call *c)
{
	struct ktimeval v[2] = {{0, 0}, {0, 0}};
	struct itimer new, old;
	int r;

	if (c->arg[1]) {
		r = user_read(t, v, c->arg[1], sizeof v);
		if (r < 0)
			return r;
	}
	if (!itimer_read(v, &new))
		return -EINVAL;
	r = itimer_set(t->group, (int)c->arg[0], &new, &old);
	if (r < 0)
		return r;
	return c->arg[2] ? itimer_write(t, c->arg[2], &old) : 0;
}

long sys_alarm(struct task *t, struct call *c)
{
	struct itimer new = {ns_of((s64)(u32)c->arg[0], 0), 0}, old;
	u64 sec;

	itimer_set(t->group, ITIMER_REAL, &new, &old);
	/* Linux: rounded, but never down to "no alarm". */
	sec = old.value / NSEC;
	if (old.value % NSEC >= NSEC / 2 || (!sec && old.value))
		sec++;
	return (long)sec;
}

/* ---- POSIX timers ---- */

struct ksigevent {
	u64 value;
	s32 signo, notify, tid, pad[11];
};

_Static_assert(sizeof(struct ksigevent) == 64, "struct sigevent of x86-64");

/* Whether timers may run on @clock: 0, or what timer_create(2) answers. */
static int timer_clock(struct task *t, int clock)
{
	s64 ns;
	int r = clock_read(t, clock, &ns);

	if (r < 0)
		return r;
	if (clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE)
		return -EOPNOTSUPP;
	return 0;
}

static bool sigevent_valid(struct task *t, const struct ksigevent *ev)
{
	struct task *target;

	switch (ev->notify) {
	case SIGEV_SIGNAL | SIGEV_THREAD_ID:
		target = task_find(t->k, ev->tid);
		if (!target || target->group != t->group)
			return false;
		break;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		break;
	case SIGEV_NONE:
		return true;
	default:
		return false;
	}
	return ev->signo > 0 && ev->signo <= 64;
}

long sys_timer_create(struct task *t, struct call *c)
{
	int clock = (int)c->arg[0], r;
	struct ksigevent ev = {.signo = SIGALRM, .notify = SIGEV_SIGNAL};
	struct posix_timer *pt;

	if (c->arg[1]) {
		r = user_get(t, &ev, c->arg[1]);
		if (r < 0)
			return r;
	}
	r = timer_clock(t, clock);
	if (r < 0)
		return r;
	r = posix_timer_new(t, &pt);
	if (r < 0)
		return r;
	r = -EINVAL;
	if (!sigevent_valid(t, &ev))
		goto delete;
	if (!c->arg[1])
		ev.value = (u32)pt->id;
	pt->clock = clock;
	pt->cpu = clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
	pt->owner_tid = t->tid;
	pt->notify = ev.notify;
	pt->target_tid = ev.tid;
	pt->signal.info = signal_info(ev.signo, SI_TIMER);
	pt->signal.info.si_timerid = pt->id;
	pt->signal.info.si_value.sival_ptr = (void *)ev.value;
	r = user_write(t, c->arg[2], &pt->id, sizeof pt->id);
	if (!r)
		return 0;
	delete : posix_timer_delete(pt);
	return r;
}

static int itimerspec_write(struct task *t, u64 addr, const struct itimer *it)
{
	struct ktimespec v[2] = {timespec_of(it->interval), timespec_of(it->value)};

	return user_write(t, addr, v, sizeof v);
}

long sys_timer_settime(struct task *t, struct call *c)
{
	struct ktimespec v[2];
	struct posix_timer *pt;
	struct itimer new, old;
	int r;

	if (!c->arg[2])
		return -EINVAL;
	r = user_read(t, v, c->arg[2], sizeof v);
	if (r < 0)
		return r;
	if (!timespec_valid(&v[0]) || !timespec_valid(&v[1]))
		return -EINVAL;
	pt = posix_timer_find(t, (int)c->arg[0]);
	if (!pt)
		return -EINVAL;
	new = (struct itimer){ns_of(v[1].sec, v[1].nsec), ns_of(v[0].sec, v[0].nsec)};
	posix_timer_get(t, pt, &old);
	r = posix_timer_set(t, pt, &new, (int)c->arg[1] & TIMER_ABSTIME);
	if (r < 0)
		return r;
	return c->arg[3] ? itimerspec_write(t, c->arg[3], &old) : 0;
}

long sys_timer_gettime(struct task *t, struct call *c)
{
	struct posix_timer *pt = posix_timer_find(t, (int)c->arg[0]);
	struct itimer now;

	if (!pt)
		return -EINVAL;
	posix_timer_get(t, pt, &now);
	return itimerspec_write(t, c->arg[1], &now);
}

long sys_timer_getoverrun(struct task *t, struct call *c)
{
	struct posix_timer *pt = posix_timer_find(t, (int)c->arg[0]);

	return pt ? pt->last_overrun : -EINVAL;
}

long sys_timer_delete(struct task *t, struct call *c)
{
	struct posix_timer *pt = posix_timer_find(t, (int)c->arg[0]);

	if (!pt)
		return -EINVAL;
	posix_timer_delete(pt);
	return 0;
}
