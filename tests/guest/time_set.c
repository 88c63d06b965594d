/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's clock from who may not set it: adjtimex and clock_adjtime as readers; clock_settime and settimeofday only
 * with what is refused, for natively root might succeed. And the older nanosleep, time and gettimeofday, by number.
 */
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#include "check.h"

#define BAD ((void *)8)

static void reading(void)
{
	struct timex tx = {0};
	struct timeval tv = {0};
	struct timezone tz;
	struct timespec ts;
	time_t now = 0;
	int state = syscall(SYS_adjtimex, &tx);

	CHECK(state >= 0 && state <= 5);
	CHECK_OK(clock_gettime(CLOCK_REALTIME, &ts));
	CHECK(tx.time.tv_sec <= ts.tv_sec && tx.time.tv_sec >= ts.tv_sec - 10);
	CHECK_EQ(tx.tick, 10000);
	tx.modes = 0;
	CHECK_EQ(clock_adjtime(CLOCK_REALTIME, &tx), state);
	CHECK_ERRNO(clock_adjtime(99, &tx), EINVAL);
	CHECK_ERRNO(clock_adjtime(CLOCK_MONOTONIC, &tx), EOPNOTSUPP);
	CHECK_ERRNO(syscall(SYS_clock_adjtime, 99, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_adjtimex, BAD), EFAULT);
	CHECK_OK(syscall(SYS_gettimeofday, &tv, &tz));
	CHECK(tv.tv_sec >= ts.tv_sec && tv.tv_sec <= ts.tv_sec + 10);
	CHECK_ERRNO(syscall(SYS_gettimeofday, BAD, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_gettimeofday, NULL, BAD), EFAULT);
	CHECK_EQ(syscall(SYS_time, &now), now);
	CHECK(now >= ts.tv_sec - 1 && now <= ts.tv_sec + 10);
	CHECK_ERRNO(syscall(SYS_time, BAD), EFAULT);
}

static void setting(void)
{
	struct timespec ts = {0, 1000000000}, fine = {1000, 0};
	struct timeval tv = {0, 1000000}, early = {-1, 0};

	CHECK_ERRNO(syscall(SYS_settimeofday, &tv, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_settimeofday, &early, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_settimeofday, BAD, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_settime, 99, BAD), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &fine), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_BOOTTIME, &fine), EINVAL);
	if (geteuid()) {
		struct timeval now = {1000, 0};
		struct timex tx = {.modes = ADJ_TICK, .tick = 10000};

		CHECK_ERRNO(syscall(SYS_settimeofday, &now, NULL), EPERM);
		CHECK_ERRNO(syscall(SYS_clock_settime, CLOCK_REALTIME, &fine), EPERM);
		CHECK_ERRNO(syscall(SYS_adjtimex, &tx), EPERM);
		tx.modes = ADJ_OFFSET_SINGLESHOT;
		CHECK_ERRNO(syscall(SYS_adjtimex, &tx), EPERM);
	}
}

static void sleeping(void)
{
	struct timespec zero = {0, 0}, short_one = {0, 2000000}, wrong = {0, -1}, from, to;

	CHECK_OK(syscall(SYS_nanosleep, &zero, NULL));
	clock_gettime(CLOCK_MONOTONIC, &from);
	CHECK_OK(syscall(SYS_nanosleep, &short_one, BAD)); /* the rest is only written when it is cut short */
	clock_gettime(CLOCK_MONOTONIC, &to);
	CHECK((to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec >= 2000000);
	CHECK_ERRNO(syscall(SYS_nanosleep, &wrong, NULL), EINVAL);
	wrong.tv_sec = -1;
	wrong.tv_nsec = 0;
	CHECK_ERRNO(syscall(SYS_nanosleep, &wrong, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_nanosleep, BAD, NULL), EFAULT);
}

int main(void)
{
	reading();
	setting();
	sleeping();
	return check_done();
}
