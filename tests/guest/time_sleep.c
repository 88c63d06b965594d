/* SPDX-License-Identifier: Apache-2.0 */
/* Shows clocks and sleeping: order of clocks, resolutions, CPU clocks, errors, absolute and relative sleeps.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static long ns(int clock)
{
	struct timespec ts;

	if (syscall(SYS_clock_gettime, clock, &ts))
		return -1;
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

static void test_clocks(void)
{
	static const int clocks[] = {CLOCK_REALTIME,          CLOCK_MONOTONIC,     CLOCK_PROCESS_CPUTIME_ID,
				     CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
				     CLOCK_MONOTONIC_COARSE,  CLOCK_BOOTTIME,      CLOCK_TAI};
	struct timespec ts, libc;
	struct timeval tv;
	struct timezone tz;
	time_t sec;
	long a, b;

	for (unsigned i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
		a = ns(clocks[i]);
		b = ns(clocks[i]);
		CHECK(a > 0 || clocks[i] == CLOCK_THREAD_CPUTIME_ID || clocks[i] == CLOCK_PROCESS_CPUTIME_ID);
		CHECK(b >= a);
		CHECK_EQ(syscall(SYS_clock_getres, clocks[i], &ts), 0);
		CHECK(ts.tv_sec == 0 && ts.tv_nsec > 0 && ts.tv_nsec <= 10000000);
	}
	/* The vDSO's clock and the call's are one. */
	a = ns(CLOCK_MONOTONIC);
	clock_gettime(CLOCK_MONOTONIC, &libc);
	b = ns(CLOCK_MONOTONIC);
	CHECK(libc.tv_sec * 1000000000L + libc.tv_nsec >= a && libc.tv_sec * 1000000000L + libc.tv_nsec <= b);
	CHECK_EQ(syscall(SYS_gettimeofday, &tv, &tz), 0);
	sec = syscall(SYS_time, &sec);
	CHECK(sec == tv.tv_sec || sec == tv.tv_sec + 1 || sec == tv.tv_sec - 1);
	CHECK_ERRNO(syscall(SYS_clock_gettime, 10, &ts), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_gettime, 99, &ts), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_gettime, 99, 8L), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_REALTIME, 8L), EFAULT);
	CHECK_ERRNO(syscall(SYS_clock_getres, 99, NULL), EINVAL);
	CHECK_EQ(syscall(SYS_clock_getres, CLOCK_REALTIME, NULL), 0);
	CHECK_ERRNO(clock_settime(CLOCK_MONOTONIC, &libc), EINVAL);
	ts.tv_nsec = 1000000000;
	CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &ts), EINVAL);
	if (geteuid()) {
		ts.tv_nsec = 0;
		CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &ts), EPERM);
	}
	struct timex tx = {.modes = 0};
	CHECK(adjtimex(&tx) >= 0);
	CHECK(tx.tick >= 9000 && tx.tick <= 11000);
}

static void *spin(void *arg)
{
	long start = ns(CLOCK_THREAD_CPUTIME_ID);

	while (ns(CLOCK_THREAD_CPUTIME_ID) - start < 30000000)
		;
	return arg;
}

/* CPU time grows with work, not with sleep; each thread has its own, the process their sum. */
static void test_cpu(void)
{
	struct timespec ms = {0, 30000000};
	long t0, p0, other;
	pthread_t t;
	clockid_t clock;

	t0 = ns(CLOCK_THREAD_CPUTIME_ID);
	nanosleep(&ms, NULL);
	CHECK(ns(CLOCK_THREAD_CPUTIME_ID) - t0 < 20000000);
	p0 = ns(CLOCK_PROCESS_CPUTIME_ID);
	t0 = ns(CLOCK_THREAD_CPUTIME_ID);
	pthread_create(&t, NULL, spin, NULL);
	CHECK_EQ(pthread_getcpuclockid(t, &clock), 0);
	pthread_join(t, NULL);
	other = ns(CLOCK_PROCESS_CPUTIME_ID) - p0;
	CHECK(other >= 29000000);
	CHECK(ns(CLOCK_THREAD_CPUTIME_ID) - t0 < 20000000);
	CHECK_EQ(clock_getcpuclockid(0, &clock), 0);
	CHECK(ns(clock) >= 29000000);
	CHECK_EQ(clock_getcpuclockid(getpid(), &clock), 0);
	CHECK(ns(clock) >= 29000000);
}

static void test_sleep(void)
{
	struct timespec ms = {0, 3000000}, zero = {0, 0}, bad = {0, 1000000000}, neg = {-1, 0}, at;
	long t0;

	t0 = ns(CLOCK_MONOTONIC);
	CHECK_EQ(nanosleep(&ms, NULL), 0);
	CHECK(ns(CLOCK_MONOTONIC) - t0 >= 3000000);
	CHECK_EQ(nanosleep(&zero, NULL), 0);
	CHECK_ERRNO(nanosleep(&bad, NULL), EINVAL);
	CHECK_ERRNO(nanosleep(&neg, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_nanosleep, 8L, NULL), EFAULT);
	for (int i = 0; i < 3; i++) {
		static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

		CHECK_EQ(clock_nanosleep(clocks[i], 0, &ms, NULL), 0);
		clock_gettime(clocks[i], &at);
		t0 = at.tv_sec * 1000000000L + at.tv_nsec + 3000000;
		at = (struct timespec){t0 / 1000000000, t0 % 1000000000};
		CHECK_EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &at, NULL), 0);
		CHECK(ns(clocks[i]) >= t0);
		CHECK_EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &at, NULL), 0); /* already past */
	}
	CHECK_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ms, NULL), EINVAL);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &ms, NULL), EOPNOTSUPP);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC_COARSE, 0, &ms, NULL), EOPNOTSUPP);
	CHECK_EQ(clock_nanosleep(99, 0, &ms, NULL), EINVAL);
	CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, 0, &bad, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_restart_syscall), EINTR);
}

/* Sleepers wait for their own deadlines, not for each other's: whatever the order in which they came. */
#define SLEEPERS 4

static struct timespec base;
static int far_slept;

static void nothing(int signo)
{
	(void)signo;
}

/* The first sleeps for an hour, the others for the less the later they begin. */
static void *sleeper(void *arg)
{
	long n = (long)arg, t = base.tv_nsec + (SLEEPERS - n) * 8000000;
	struct timespec at = {base.tv_sec + t / 1000000000, t % 1000000000}, now;
	int r;

	if (!n)
		at.tv_sec += 3600;
	r = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	CHECK_EQ(r, n ? 0 : EINTR);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (n)
		CHECK(now.tv_sec > at.tv_sec || (now.tv_sec == at.tv_sec && now.tv_nsec >= at.tv_nsec));
	else
		__atomic_store_n(&far_slept, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void test_sleepers(void)
{
	struct sigaction sa = {.sa_handler = nothing};
	struct timespec ms = {0, 1000000};
	pthread_t t[SLEEPERS];

	sigaction(SIGUSR2, &sa, NULL);
	clock_gettime(CLOCK_MONOTONIC, &base);
	for (long i = 0; i < SLEEPERS; i++)
		pthread_create(&t[i], NULL, sleeper, (void *)i);
	for (int i = 1; i < SLEEPERS; i++)
		pthread_join(t[i], NULL);
	/* It may not have begun to sleep when the first signal comes. */
	while (!__atomic_load_n(&far_slept, __ATOMIC_SEQ_CST)) {
		pthread_kill(t[0], SIGUSR2);
		nanosleep(&ms, NULL);
	}
	pthread_join(t[0], NULL);
}

int main(void)
{
	test_clocks();
	test_cpu();
	test_sleep();
	test_sleepers();
	return check_done();
}
