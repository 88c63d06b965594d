/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads on one channel slot: the second takes the first one's signal stack by the stub's sigaltstack
 * instruction and makes calls, so that both fill the same header. The process may die; husk goes on.
 */
#include "tests/escape/escape.h"

#include <fcntl.h>
#include <pthread.h>

static uint64_t site;

static void *second(void *arg)
{
	for (uint64_t slot = 1; slot < 4; slot++) {
		stack_t ss = {.ss_sp =
				      (void *)(HUSK_CHAN_BASE + slot * HUSK_SLOT_SIZE + HUSK_SIGSTACK_OFFSET),
			      .ss_size = HUSK_SIGSTACK_SIZE};

		STUB_CALL(site, SYS_sigaltstack, (uint64_t)&ss, 0);
		for (int i = 0; i < 3000; i++) {
			syscall(SYS_getppid);
			if (i % 16 == 0)
				close(open("/etc/passwd", O_RDONLY));
		}
	}
	return arg;
}

static int both(void *arg)
{
	pthread_t t;

	(void)arg;
	if (pthread_create(&t, NULL, second, NULL))
		return UNSURE;
	for (int i = 0; i < 6000; i++) {
		syscall(SYS_getppid);
		if (i % 16 == 0)
			munmap(mmap(NULL, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
	}
	pthread_join(t, NULL);
	return NOTHING;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	for (int s = 0; s < nsites; s++) {
		site = sites[s];
		attempt("two threads on one slot", both, NULL, 1500);
	}
	return verdict("two threads on one slot");
}
