/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: create, join, cancel, TLS; a leader that exits first; robust mutexes of dead owners; exit_group. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static __thread int tls = 5;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn, count;

static void *adds(void *arg)
{
	CHECK_EQ(tls, 5);
	tls = (int)(long)arg;
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&mutex);
		count++;
		pthread_mutex_unlock(&mutex);
	}
	CHECK_EQ(tls, (int)(long)arg);
	CHECK(syscall(SYS_gettid) != getpid());
	return (void *)((long)arg * 2);
}

static void create_join(void)
{
	pthread_t t[8];
	void *result;

	for (int round = 0; round < 20; round++) {
		for (long i = 0; i < 8; i++)
			CHECK_EQ(pthread_create(&t[i], NULL, adds, (void *)i), 0);
		for (long i = 0; i < 8; i++) {
			CHECK_EQ(pthread_join(t[i], &result), 0);
			CHECK_EQ((long)result, i * 2);
		}
	}
	CHECK_EQ(count, 20 * 8 * 1000);
	CHECK_EQ(tls, 5);
}

static void *ping(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != me)
			pthread_cond_wait(&cond, &mutex);
		turn = !me;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void conditions(void)
{
	pthread_t a, b;

	pthread_create(&a, NULL, ping, (void *)0L);
	pthread_create(&b, NULL, ping, (void *)1L);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	CHECK_EQ(turn, 0);
}

static void *waits(void *arg)
{
	char c;

	(void)!read(*(int *)arg, &c, 1);
	return NULL;
}

static void cancel(void)
{
	pthread_t t;
	void *result;
	int p[2];

	CHECK_OK(pipe(p));
	CHECK_EQ(pthread_create(&t, NULL, waits, &p[0]), 0);
	CHECK_EQ(pthread_cancel(t), 0);
	CHECK_EQ(pthread_join(t, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	close(p[0]);
	close(p[1]);
}

static void *dies_with_mutex(void *arg)
{
	pthread_mutex_lock(arg);
	return NULL;
}

static void robust(void)
{
	pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;
	pthread_t t;
	pid_t pid;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(m, &attr);
	pthread_create(&t, NULL, dies_with_mutex, m);
	pthread_join(t, NULL);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	pthread_mutex_unlock(m);

	/* A process that dies by a signal, while another waits. */
	pid = fork();
	if (!pid) {
		pthread_mutex_lock(m);
		raise(SIGKILL);
	}
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	pid = fork();
	if (!pid) {
		int r = pthread_mutex_lock(m);

		pthread_mutex_consistent(m);
		pthread_mutex_unlock(m);
		_exit(r);
	}
	pthread_mutex_unlock(m);
	int status = -1;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(status == 0 || status == EOWNERDEAD << 8);

	/* exec gives them up too. */
	pid = fork();
	if (!pid) {
		pthread_mutex_lock(m);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	pthread_mutex_consistent(m);
	pthread_mutex_unlock(m);
	munmap(m, 4096);
}

static void *joins_leader(void *arg)
{
	void *result;

	/* The leader has gone: a zombie whose group lives on. */
	if (pthread_join(*(pthread_t *)arg, &result) || kill(getpid(), 0) ||
	    syscall(SYS_tgkill, getpid(), getpid(), 0))
		_exit(1);
	_exit(21);
}

/* Ends when the leader is a zombie. */
static void *outlives_leader(void *arg)
{
	char text[200] = "", *state;

	do {
		int fd = open("/proc/self/stat", O_RDONLY);

		if (read(fd, text, sizeof text - 1) <= 0)
			_exit(1);
		close(fd);
		state = strrchr(text, ')');
		sched_yield();
	} while (!state || state[2] != 'Z');
	return NULL;
}

static void leader_exits(void)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		static pthread_t leader;
		pthread_t t;

		leader = pthread_self();
		pthread_create(&t, NULL, joins_leader, &leader);
		pthread_exit(NULL);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 21 << 8);

	/* By exit(2) alone the code of the thread that ends last counts. */
	pid = fork();
	if (!pid) {
		pthread_t t;

		pthread_create(&t, NULL, outlives_leader, NULL);
		pthread_detach(t);
		syscall(SYS_exit, 33);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void *spins(void *arg)
{
	*(volatile int *)arg = 1;
	for (;;)
		sched_yield();
	return NULL;
}

static void *loops(void *arg)
{
	*(volatile int *)arg = 1;
	for (;;)
		__asm__ volatile("");
	return NULL;
}

/* exit_group and a fatal signal end threads wherever they are: in a call, in a loop without calls, asleep. */
static void group_ends(void)
{
	for (int by_signal = 0; by_signal < 2; by_signal++) {
		int status = -1;
		pid_t pid = fork();

		if (!pid) {
			volatile int a = 0, b = 0;
			pthread_t t;
			int p[2];

			if (pipe(p))
				_exit(1);
			pthread_create(&t, NULL, spins, (void *)&a);
			pthread_create(&t, NULL, loops, (void *)&b);
			pthread_create(&t, NULL, waits, &p[0]);
			while (!a || !b)
				sched_yield();
			if (by_signal)
				raise(SIGTERM);
			_exit(44);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, by_signal ? SIGTERM : 44 << 8);
	}
}

static void *forks(void *arg)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid)
		_exit(getpid() == syscall(SYS_gettid) ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return arg;
}

static void fork_in_threads(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, forks, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	create_join();
	conditions();
	cancel();
	robust();
	leader_exits();
	group_ends();
	fork_in_threads();
	return check_done();
}
