/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests that keep the kernel process busy for nothing: threads that announce turns which they never take, without end.
 * Others must go on meanwhile, and a time limit must hold.
 *
 * `noise` ends by itself; `noise forever` only when husk ends it.
 */
#include "tests/escape/escape.h"

#include <pthread.h>

static void *announce(void *arg)
{
	struct region_header *region = (struct region_header *)HUSK_CHAN_BASE;

	for (;;) {
		__atomic_store_n(&region->ready[0], ~0UL, __ATOMIC_SEQ_CST);
		__atomic_store_n(&region->summary, ~0UL, __ATOMIC_SEQ_CST);
	}
	return arg;
}

static int noise(void *arg)
{
	pthread_t t;

	for (int i = 0; i < 2; i++)
		if (pthread_create(&t, NULL, announce, NULL))
			return UNSURE;
	if (arg)
		for (;;)
			pause();
	/* Time passes here too. */
	for (int i = 0; i < 50; i++)
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	return NOTHING;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	if (argc > 1)
		return noise(argv);
	attempt("turns that are only announced", noise, NULL, 20000);
	if (hung)
		printf("not ok - timers stood still\n");
	escaped += hung;
	return verdict("turns that are only announced");
}
