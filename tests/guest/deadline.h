/* SPDX-License-Identifier: Apache-2.0 */
/* Absolute timeouts. */
#ifndef HUSK_TESTS_GUEST_DEADLINE_H
#define HUSK_TESTS_GUEST_DEADLINE_H

#include <time.h>

/* The time on @clock in @ms milliseconds. */
static struct timespec in_ms(int clock, long ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += ms * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

#endif
