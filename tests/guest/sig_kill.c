/* SPDX-License-Identifier: Apache-2.0 */
/* Shows whom kill() and its kin reach, and their errors in order: groups, threads, permissions, zombies. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static volatile int seen[65];
static volatile pid_t taker;

static void note(int signo)
{
	seen[signo]++;
	taker = (pid_t)syscall(SYS_gettid);
}

static pid_t sleeper(void)
{
	pid_t child = fork();

	if (!child) {
		for (;;)
			pause();
	}
	return child;
}

static void test_errors(void)
{
	pid_t self = getpid(), gone = fork();

	if (!gone)
		_exit(0);
	CHECK_EQ(waitid(P_PID, (id_t)gone, NULL, WEXITED | WNOWAIT), 0);
	/* A zombie can still be named. */
	CHECK_EQ(kill(gone, 0), 0);
	CHECK_EQ(kill(gone, SIGKILL), 0);
	waitpid(gone, NULL, 0);
	CHECK_ERRNO(kill(gone, 0), ESRCH);
	CHECK_ERRNO(kill(gone, 99), ESRCH);
	CHECK_ERRNO(kill(self, 65), EINVAL);
	CHECK_ERRNO(kill(self, -1), EINVAL);
	CHECK_EQ(kill(self, 0), 0);
	CHECK_EQ(kill(0, 0), 0);
	CHECK_ERRNO(kill(-gone, 0), ESRCH);
	CHECK_ERRNO(kill(INT_MIN, 0), ESRCH);
	CHECK_ERRNO(syscall(SYS_tkill, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_tkill, gone, 0), ESRCH);
	CHECK_ERRNO(syscall(SYS_tgkill, 0, self, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_tgkill, self, gone, 0), ESRCH);
	CHECK_EQ(syscall(SYS_tgkill, self, self, 0), 0);
	CHECK_ERRNO(syscall(SYS_tgkill, getppid(), self, 0), ESRCH);
	CHECK_ERRNO(syscall(SYS_tgkill, self, self, 65), EINVAL);
}

static void test_groups(void)
{
	pid_t a, b;
	int status;

	a = sleeper();
	setpgid(a, a);
	b = fork();
	if (!b) {
		setpgid(0, a);
		for (;;)
			pause();
	}
	setpgid(b, a);
	CHECK_EQ(kill(-a, SIGTERM), 0);
	CHECK_EQ(waitpid(-a, &status, 0) > 0 && WTERMSIG(status) == SIGTERM, 1);
	CHECK_EQ(waitpid(-a, &status, 0) > 0 && WTERMSIG(status) == SIGTERM, 1);
	CHECK_ERRNO(kill(-a, 0), ESRCH);

	/* kill(0) reaches the own group, self included. */
	a = fork();
	if (!a) {
		setpgid(0, 0);
		signal(SIGUSR1, note);
		kill(0, SIGUSR1);
		_exit(seen[SIGUSR1] == 1 ? 0 : 1);
	}
	CHECK_EQ(waitpid(a, &status, 0), a);
	CHECK_EQ(status, 0);
}

static void test_permission(void)
{
	pid_t child;
	int status, p[2];
	char c;

	if (geteuid()) /* needs root to become another user */
		return;
	CHECK_EQ(pipe(p), 0);
	child = fork();
	if (!child) {
		int bad = 0;

		if (setresuid(12345, 12345, 12345))
			_exit(99);
		bad |= !(kill(getppid(), 0) == -1 && errno == EPERM) << 0;
		bad |= !(kill(getppid(), SIGTERM) == -1 && errno == EPERM) << 1;
		bad |= !(kill(getppid(), 77) == -1 && errno == EINVAL) << 2;
		bad |= !(kill(getppid(), SIGCONT) == 0) << 3; /* same session */
		bad |= !(kill(1, 0) == -1 && errno == EPERM) << 4;
		bad |= !(kill(getpid(), 0) == 0) << 5;
		_exit(bad);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	child = fork();
	if (!child) {
		close(p[0]);
		if (setresuid(12345, 12345, 12345) || write(p[1], "x", 1) != 1)
			_exit(99);
		for (;;)
			pause();
	}
	close(p[1]);
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(kill(child, SIGTERM), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, SIGTERM);
	close(p[0]);
}

static pthread_barrier_t barrier;
static volatile pid_t other;

static void *thread(void *arg)
{
	other = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&barrier);
	/* Out of its handler again, where it would find the next signal, too. */
	while (!taker)
		usleep(100);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return arg;
}

static void test_threads(void)
{
	pthread_t t;

	signal(SIGUSR2, note);
	pthread_barrier_init(&barrier, NULL, 2);
	taker = 0;
	pthread_create(&t, NULL, thread, NULL);
	pthread_barrier_wait(&barrier);
	CHECK_EQ(syscall(SYS_tgkill, getpid(), other, SIGUSR2), 0);
	while (!taker)
		usleep(100);
	CHECK_EQ(taker, other);
	pthread_barrier_wait(&barrier);
	taker = 0;
	CHECK_EQ(kill(getpid(), SIGUSR2), 0);
	CHECK_EQ(taker, getpid());   /* the main thread, as it does not block it: before kill() returns */
	CHECK_EQ(kill(other, 0), 0); /* any thread's number names the process */
	pthread_barrier_wait(&barrier);
	pthread_join(t, NULL);
}

/* A signal that ends a process ends all of its threads, whichever takes it. */
static void *spin(void *arg)
{
	(void)arg;
	for (;;)
		__asm__ volatile("pause");
	return NULL;
}

static void test_fatal(void)
{
	int status;
	pid_t child = fork();

	if (!child) {
		pthread_t t;
		sigset_t all;

		pthread_create(&t, NULL, spin, NULL);
		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, NULL);
		kill(getpid(), SIGINT);
		for (;;)
			pause();
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, SIGINT);
	child = fork();
	if (!child) {
		pthread_t t;

		pthread_create(&t, NULL, spin, NULL);
		pthread_kill(t, SIGQUIT);
		for (;;)
			pause();
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status & 0x7f, SIGQUIT);
}

int main(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	test_errors();
	test_groups();
	test_permission();
	test_threads();
	test_fatal();
	return check_done();
}
