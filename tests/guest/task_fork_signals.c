/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that come while a process is being made, and right after: none is lost, none hits the wrong one. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define ROUNDS 60

static volatile sig_atomic_t seen;

static void count(int signo)
{
	seen++;
}

static pid_t forked(void)
{
	pid_t child = fork();

	CHECK(child >= 0);
	return child;
}

/* Killed in its first steps, of which it has no end. */
static void killed_at_once(void)
{
	int status;

	for (int i = 0; i < ROUNDS; i++) {
		pid_t child = forked();

		if (!child)
			for (volatile unsigned n = 0;; n++)
				;
		CHECK_OK(kill(child, SIGKILL));
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_EQ(status, SIGKILL);
	}
}

/* The handler, which is the parent's, runs in the child. */
static void handled_at_once(void)
{
	int status;

	for (int i = 0; i < ROUNDS; i++) {
		pid_t child;

		seen = 0;
		child = forked();
		if (!child) {
			while (!seen)
				;
			_exit(10 + seen);
		}
		CHECK_OK(kill(child, SIGUSR1));
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_EQ(status, 11 << 8);
		CHECK_EQ(seen, 0);
	}
}

/* Blocked in the parent, and so in the child until it takes it. */
static void taken_at_once(void)
{
	sigset_t usr1, old;
	int status, signo = 0;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_OK(sigprocmask(SIG_BLOCK, &usr1, &old));
	for (int i = 0; i < ROUNDS; i++) {
		pid_t child = forked();

		if (!child)
			_exit(sigwait(&usr1, &signo) ? 99 : signo);
		CHECK_OK(kill(child, SIGUSR1));
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_EQ(status, SIGUSR1 << 8);
	}
	CHECK_OK(sigprocmask(SIG_SETMASK, &old, NULL));
}

static void stopped_at_once(void)
{
	int status;

	for (int i = 0; i < ROUNDS; i++) {
		pid_t child = forked();

		if (!child)
			_exit(3);
		CHECK_OK(kill(child, SIGSTOP));
		CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
		if (WIFSTOPPED(status)) {
			CHECK_OK(kill(child, SIGCONT));
			CHECK_EQ(waitpid(child, &status, 0), child);
		}
		CHECK_EQ(status, 3 << 8);
	}
}

/* A third process sends to the whole group, those in the making included. */
static void from_beside(void)
{
	pid_t sender, leader = forked();
	int status;

	if (leader) {
		CHECK_EQ(waitpid(leader, &status, 0), leader);
		CHECK_EQ(status, 0);
		return;
	}
	CHECK_OK(setpgid(0, 0));
	sender = forked();
	if (!sender) {
		const struct timespec pause = {0, 100000}; /* so that forks come about between two signals */

		while (getppid() != 1 && !kill(0, SIGUSR1))
			nanosleep(&pause, NULL);
		_exit(0);
	}
	for (int i = 0; i < ROUNDS; i++) {
		pid_t child = forked();

		if (!child) {
			/* Written on by the handler's frames, read by nobody else. */
			volatile char stack[4096] = {0};

			for (unsigned n = 0; n < sizeof stack; n++)
				stack[n] = (char)(n + (unsigned)i);
			for (unsigned n = 0; n < sizeof stack; n++)
				if (stack[n] != (char)(n + (unsigned)i))
					_exit(1);
			_exit(42);
		}
		while (waitpid(child, &status, 0) < 0)
			CHECK_EQ(errno, EINTR);
		CHECK_EQ(status, 42 << 8);
	}
	CHECK_OK(kill(sender, SIGKILL));
	CHECK_EQ(waitpid(sender, &status, 0), sender);
	_exit(check_failed());
}

/* A group that ends while it grows leaves nobody behind: the pipe's last writer is gone. */
static void group_killed(void)
{
	int fds[2], status;
	char byte;

	for (int i = 0; i < 10; i++) {
		pid_t leader;

		CHECK_OK(pipe(fds));
		leader = forked();
		if (!leader) {
			setpgid(0, 0);
			close(fds[0]);
			(void)!write(fds[1], "", 1);
			for (;;) {
				pid_t child = fork();

				if (!child)
					_exit(0);
				if (child > 0)
					waitpid(child, NULL, 0);
			}
		}
		close(fds[1]);
		CHECK_EQ(read(fds[0], &byte, 1), 1);
		CHECK_OK(kill(-leader, SIGKILL));
		CHECK_EQ(waitpid(leader, &status, 0), leader);
		CHECK_EQ(status, SIGKILL);
		CHECK_EQ(read(fds[0], &byte, 1), 0);
		close(fds[0]);
	}
}

int main(void)
{
	struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};

	CHECK_OK(sigaction(SIGUSR1, &action, NULL));
	killed_at_once();
	handled_at_once();
	taken_at_once();
	stopped_at_once();
	group_killed();
	from_beside();
	return check_done();
}
