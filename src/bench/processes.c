/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and threads: their beginning and end, threads that hand a futex to and fro, and a shell at work. */
#include "bench/bench.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void fork_exit_wait(void *state, u64 n)
{
	while (n--) {
		pid_t child = fork();

		bench_need(child >= 0, "fork");
		if (!child)
			_exit(0);
		waitpid(child, NULL, 0);
	}
}

/* A dynamic program that does nothing, as a shell starts it. */
static void vfork_exec_wait(void *state, u64 n)
{
	while (n--) {
		int status = -1;
		pid_t child = vfork();

		if (!child) {
			execl("/bin/true", "true", NULL);
			_exit(127);
		}
		bench_need(child > 0 && waitpid(child, &status, 0) == child && !status, "/bin/true");
	}
}

/* Each round of the loop forks three processes, two of which execute a program. */
static void shell(void *state, u64 n)
{
	char script[160];
	int status = -1;
	pid_t child;

	snprintf(script, sizeof script,
		 "i=0; while [ $i -lt %llu ]; do /bin/echo $i | /bin/cat >/dev/null; (exit 0); i=$((i+1)); "
		 "done",
		 (unsigned long long)n);
	child = vfork();
	if (!child) {
		execl("/bin/sh", "sh", "-c", script, NULL);
		_exit(127);
	}
	bench_need(child > 0 && waitpid(child, &status, 0) == child && !status, "/bin/sh");
}

static void *nothing(void *arg)
{
	return arg;
}

static void thread_create_join(void *state, u64 n)
{
	while (n--) {
		pthread_t thread;

		bench_need(!pthread_create(&thread, NULL, nothing, NULL), "pthread_create");
		pthread_join(thread, NULL);
	}
}

/* A word that two threads hand to each other: 0: the measured one's turn, 1: its partner's, 2: the end. */
struct pair {
	atomic_int turn;
	pthread_t partner;
};

static void hand_over(struct pair *p, int mine, int next)
{
	int seen;

	while ((seen = atomic_load(&p->turn)) != mine && seen != 2)
		syscall(SYS_futex, &p->turn, FUTEX_WAIT_PRIVATE, seen, NULL);
	if (seen == 2)
		return;
	atomic_store(&p->turn, next);
	syscall(SYS_futex, &p->turn, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static void *partner(void *arg)
{
	struct pair *p = arg;

	while (atomic_load(&p->turn) != 2)
		hand_over(p, 1, 0);
	return NULL;
}

static void *start_pair(void)
{
	struct pair *p = calloc(1, sizeof *p);

	bench_need(p && !pthread_create(&p->partner, NULL, partner, p), "pthread_create");
	return p;
}

static void futex_ping_pong(void *state, u64 n)
{
	while (n--)
		hand_over(state, 0, 1);
}

static void stop_pair(void *state)
{
	struct pair *p = state;

	hand_over(p, 0, 2);
	pthread_join(p->partner, NULL);
	free(p);
}

const struct workload bench_processes[] = {
	{"fork+exit+wait", BENCH_PROCESSES, NULL, fork_exit_wait, NULL, 1},
	{"vfork+exec+wait", BENCH_PROCESSES, NULL, vfork_exec_wait, NULL, 1},
	{"shell: 3 forks, 2 execs", BENCH_PROCESSES, NULL, shell, NULL, 1},
	{"thread create+join", BENCH_PROCESSES, NULL, thread_create_join, NULL, 1},
	{"futex ping-pong", BENCH_PROCESSES, start_pair, futex_ping_pong, stop_pair, 1},
};
const size_t bench_processes_count = ARRAY_SIZE(bench_processes);
