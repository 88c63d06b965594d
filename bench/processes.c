/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and threads: their beginning and end, and two threads that hand a futex to and fro. */
#include "bench.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void fork_exit_wait(unsigned long n)
{
	while (n--) {
		pid_t child = fork();

		bench_need(child >= 0, "fork");
		if (!child)
			_exit(0);
		waitpid(child, NULL, 0);
	}
}

/* /bin/true, as a shell starts it. */
static void vfork_exec_wait(unsigned long n)
{
	while (n--) {
		pid_t child = vfork();

		bench_need(child >= 0, "vfork");
		if (!child) {
			execl("/bin/true", "true", NULL);
			_exit(127);
		}
		waitpid(child, NULL, 0);
	}
}

static void *nothing(void *arg)
{
	return arg;
}

static void thread_create_join(unsigned long n)
{
	while (n--) {
		pthread_t thread;

		bench_need(!pthread_create(&thread, NULL, nothing, NULL), "pthread_create");
		pthread_join(thread, NULL);
	}
}

static atomic_int turn; /* 0: ours, 1: the partner's, 2: the end */

static void hand_over(int mine, int next)
{
	int seen;

	while ((seen = atomic_load(&turn)) != mine && seen != 2)
		syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, seen, NULL);
	if (seen == 2)
		return;
	atomic_store(&turn, next);
	syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static void *partner(void *arg)
{
	while (atomic_load(&turn) != 2)
		hand_over(1, 0);
	return NULL;
}

static void futex_ping_pong(unsigned long n)
{
	static pthread_t thread;
	static int running;

	if (!running) {
		running = 1;
		bench_need(!pthread_create(&thread, NULL, partner, NULL), "pthread_create");
	}
	if (!n) {
		hand_over(0, 2);
		pthread_join(thread, NULL);
		return;
	}
	while (n--)
		hand_over(0, 1);
}

static const struct bench benches[] = {
	{"fork+exit+wait", fork_exit_wait},
	{"vfork+exec+wait", vfork_exec_wait},
	{"thread create+join", thread_create_join},
	{"futex ping-pong", futex_ping_pong},
};

BENCH_MAIN(benches)
