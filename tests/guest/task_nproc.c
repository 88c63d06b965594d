/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows RLIMIT_NPROC: how many processes and threads an ordinary user may have; EAGAIN beyond; no limit for root; a
 * program is not executed by who has become a user with too many.
 */
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define USER 54321 /* who has no other process */

static void limit(rlim_t n)
{
	struct rlimit r;

	CHECK_EQ(getrlimit(RLIMIT_NPROC, &r), 0);
	r.rlim_cur = n < r.rlim_max ? n : r.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &r), 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static void reap(pid_t pid)
{
	int status = -1;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* Whoever we are: one process more than none is too many. */
static void test_none_left(void)
{
	pthread_t t;
	pid_t pid;

	limit(1);
	CHECK_ERRNO(fork(), EAGAIN);
	CHECK_ERRNO(vfork(), EAGAIN);
	CHECK_EQ(pthread_create(&t, NULL, nothing, NULL), EAGAIN);
	limit(RLIM_INFINITY);
	pid = fork();
	if (!pid)
		_exit(check_failed());
	CHECK(pid > 0);
	reap(pid);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	return pid;
}

static void end(pid_t pid)
{
	int status;

	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
}

/* As a user without other processes: each counts, a zombie too, until it is waited for. */
static void test_count(void)
{
	pid_t a, b, c;
	siginfo_t info;

	limit(3);
	a = sleeper();
	b = sleeper();
	CHECK(a > 0 && b > 0);
	CHECK_ERRNO(fork(), EAGAIN);
	kill(a, SIGKILL);
	CHECK_EQ(waitid(P_PID, a, &info, WEXITED | WNOWAIT), 0);
	CHECK_ERRNO(fork(), EAGAIN);
	end(a);
	c = sleeper();
	CHECK(c > 0);
	CHECK_ERRNO(fork(), EAGAIN);
	end(b);
	end(c);
}

static void as_user(void (*test)(void))
{
	pid_t pid = fork();

	if (!pid) {
		CHECK_EQ(setgroups(0, NULL), 0);
		CHECK_EQ(setresgid(USER, USER, USER), 0);
		CHECK_EQ(setresuid(USER, USER, USER), 0);
		test();
		_exit(check_failed());
	}
	reap(pid);
}

/* Root is not limited; a change of user is never refused, but the next program is while there are too many. */
static void test_change(void)
{
	int fds[2];
	pid_t other[2], pid;
	char byte;

	CHECK_EQ(pipe(fds), 0);
	for (int i = 0; i < 2; i++) {
		other[i] = fork();
		if (!other[i]) {
			CHECK_EQ(setresuid(USER, USER, USER), 0);
			CHECK_EQ(write(fds[1], "x", 1), 1);
			pause();
			_exit(0);
		}
		CHECK_EQ(read(fds[0], &byte, 1), 1);
	}
	pid = fork();
	if (!pid) {
		limit(1);
		pid = fork();
		if (!pid)
			_exit(0);
		CHECK(pid > 0);
		reap(pid);
		CHECK_EQ(setresuid(USER, USER, USER), 0);
		CHECK_ERRNO(execl("/bin/false", "false", NULL), EAGAIN);
		_exit(check_failed());
	}
	reap(pid);
	for (int i = 0; i < 2; i++)
		end(other[i]);
	/* With nobody in the way it is executed. */
	pid = fork();
	if (!pid) {
		limit(1);
		CHECK_EQ(setresuid(USER, USER, USER), 0);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	reap(pid);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	if (geteuid()) {
		test_none_left();
		return check_done();
	}
	as_user(test_none_left);
	as_user(test_count);
	test_change();
	return check_done();
}
