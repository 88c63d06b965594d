/* SPDX-License-Identifier: Apache-2.0 */
/* Shows membarrier(2): its registrations, its errors, and that it orders the memory of threads that run. */
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define ROUNDS 300

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

/* Dekker's way into a critical section, with the barrier on one side alone: one of the two sees the other. */
static volatile int fast_wants, slow_wants, turn, fast_saw;
static volatile int stop;

static void *fast(void *arg)
{
	for (int last = 0; !stop;) {
		int now = turn;

		if (now == last)
			continue;
		last = now;
		fast_wants = now;
		__asm__ volatile("" ::: "memory"); /* the compiler's order alone */
		fast_saw = slow_wants == now ? now : -now;
	}
	return NULL;
}

static void check_order(void)
{
	pthread_t thread;
	int both_missed = 0;

	pthread_create(&thread, NULL, fast, NULL);
	for (int i = 1; i <= ROUNDS; i++) {
		int saw;

		turn = i;
		slow_wants = i;
		if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
			break;
		saw = fast_wants == i;
		while (fast_saw != i && fast_saw != -i)
			sched_yield();
		both_missed += !saw && fast_saw == -i;
	}
	stop = 1;
	pthread_join(thread, NULL);
	CHECK_EQ(both_missed, 0);
}

int main(void)
{
	long commands = membarrier(MEMBARRIER_CMD_QUERY);
	int status;
	pid_t pid;

	if (commands < 0 || !(commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		check_skip("the host offers no private membarrier");
	CHECK(commands & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	CHECK_ERRNO(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED), EPERM);
	CHECK_ERRNO(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE), EPERM);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED), 0);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED), 0);
	CHECK_ERRNO(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE), EPERM);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE), 0);
	CHECK_EQ(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE), 0);
	CHECK_ERRNO(membarrier(1 << 20), EINVAL);
	CHECK_ERRNO(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 2, 0), EINVAL);
	check_order();

	/* A fork keeps what its parent registered for. */
	pid = fork();
	if (!pid)
		_exit(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0);
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	return check_done();
}
