/* SPDX-License-Identifier: Apache-2.0 */
/* Shows what a handler makes of a blocked call: EINTR or restart, by call and by SA_RESTART; ignored signals;
 * stops. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static volatile int *counter; /* shared with the helper */
#define calls (*counter)
static int wake[2]; /* a pipe whose writing the helper does after the signal, to end what was restarted */
static volatile int *word;

static void note(int signo)
{
	(void)signo;
	calls++;
}

static void wait_state(pid_t pid, char state)
{
	char path[64], line[256];

	for (;;) {
		FILE *f;
		char *p;
		int found = 0;

		snprintf(path, sizeof path, "/proc/%d/stat", pid);
		f = fopen(path, "r");
		if (!f)
			return;
		if (fgets(line, sizeof line, f) && (p = strrchr(line, ')')))
			found = p[2] == state;
		fclose(f);
		if (found)
			return;
		sched_yield();
	}
}

enum end { END_NOTHING, END_WRITE, END_WORD, END_CHILD };

/* A child that signals its parent once that sleeps, then ends what may have been restarted. */
static pid_t helper(int signo, enum end end)
{
	int before = calls;
	pid_t parent = getpid(), child = fork();

	if (child)
		return child;
	wait_state(parent, 'S');
	kill(parent, signo);
	/* What ends the call must not come before the signal has interrupted it. */
	while (signo == SIGUSR1 && calls == before)
		sched_yield();
	if (signo == SIGSTOP) {
		wait_state(parent, 'T');
		kill(parent, SIGCONT);
	}
	/* The parent sleeps again, or has gone on. */
	if (end == END_WRITE && write(wake[1], "x", 1) != 1)
		_exit(1);
	if (end == END_WORD) {
		*word = 1;
		syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	_exit(0);
}

static void handle(int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_handler = note;
	sa.sa_flags = flags;
	sigaction(SIGUSR1, &sa, NULL);
}

static long try_read(int flags, int signo)
{
	char c;
	long r;
	int e;
	pid_t child;

	handle(flags);
	child = helper(signo, END_WRITE);
	r = read(wake[0], &c, 1);
	e = errno;
	waitpid(child, NULL, 0);
	if (r < 0) {
		if (read(wake[0], &c, 1) != 1)
			return -1000;
		return -e;
	}
	return r;
}

static long try_futex(int flags, int signo, int op, const struct timespec *timeout)
{
	long r;
	int e;
	pid_t child;

	handle(flags);
	*word = 0;
	child = helper(signo, END_WORD);
	r = syscall(SYS_futex, word, op, 0, timeout, NULL, ~0u);
	e = errno;
	waitpid(child, NULL, 0);
	if (r < 0 && e == EAGAIN) /* restarted, and the word had changed by then */
		return 0;
	return r < 0 ? -e : r;
}

static void test_sleep(void)
{
	struct timespec req = {5, 0}, rem = {99, 0}, now, then;
	pid_t child;

	handle(SA_RESTART);
	child = helper(SIGUSR1, END_NOTHING);
	CHECK_ERRNO(nanosleep(&req, &rem), EINTR);
	CHECK(rem.tv_sec <= 5); /* the timer's slack comes on top of what was asked for */
	waitpid(child, NULL, 0);
	child = helper(SIGUSR1, END_NOTHING);
	rem.tv_sec = 99;
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &req, &rem), EINTR);
	CHECK(rem.tv_sec <= 5); /* the timer's slack comes on top of what was asked for */
	waitpid(child, NULL, 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_sec += 5;
	rem.tv_sec = 99;
	child = helper(SIGUSR1, END_NOTHING);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, &rem), EINTR);
	CHECK_EQ(rem.tv_sec, 99);
	waitpid(child, NULL, 0);

	/* A stop and a continuation do not shorten it and do not end it. */
	req = (struct timespec){0, 60000000};
	clock_gettime(CLOCK_MONOTONIC, &now);
	child = helper(SIGSTOP, END_NOTHING);
	CHECK_EQ(nanosleep(&req, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &then);
	CHECK((then.tv_sec - now.tv_sec) * 1000000000L + then.tv_nsec - now.tv_nsec >= 60000000);
	waitpid(child, NULL, 0);
}

static void test_wait(void)
{
	int status;
	pid_t sleeper, child;

	for (int restart = 0; restart < 2; restart++) {
		handle(restart ? SA_RESTART : 0);
		sleeper = fork();
		if (!sleeper) {
			char c;

			_exit(read(wake[0], &c, 1) == 1 ? 3 : 4);
		}
		child = helper(SIGUSR1, END_WRITE);
		errno = 0;
		if (restart) {
			CHECK_EQ(waitpid(sleeper, &status, 0), sleeper);
		} else {
			CHECK_ERRNO(waitpid(sleeper, &status, 0), EINTR);
			CHECK_EQ(waitpid(sleeper, &status, 0), sleeper);
		}
		CHECK_EQ(WEXITSTATUS(status), 3);
		waitpid(child, NULL, 0);
	}
}

int main(void)
{
	struct timespec five = {5, 0};
	struct pollfd pfd;
	int before;
	pid_t child;

	CHECK_EQ(pipe(wake), 0);
	word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	counter = word + 1;
	before = calls;
	CHECK_EQ(try_read(0, SIGUSR1), -EINTR);
	CHECK_EQ(calls, before + 1);
	CHECK_EQ(try_read(SA_RESTART, SIGUSR1), 1);
	CHECK_EQ(calls, before + 2);
	signal(SIGUSR2, SIG_IGN);
	CHECK_EQ(try_read(0, SIGUSR2), 1);
	CHECK_EQ(try_read(0, SIGSTOP), 1);
	CHECK_EQ(try_read(0, SIGWINCH), 1);

	CHECK_EQ(try_futex(0, SIGUSR1, FUTEX_WAIT, NULL), -EINTR);
	CHECK_EQ(try_futex(SA_RESTART, SIGUSR1, FUTEX_WAIT, NULL), 0);
	CHECK_EQ(try_futex(SA_RESTART, SIGUSR1, FUTEX_WAIT, &five), -EINTR);
	CHECK_EQ(try_futex(0, SIGSTOP, FUTEX_WAIT, &five), 0);
	CHECK_EQ(try_futex(0, SIGUSR1, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, &five), -EINTR);
	test_sleep();
	test_wait();

	/* The poll family never restarts after a handler. */
	pfd = (struct pollfd){.fd = wake[0], .events = POLLIN};
	handle(SA_RESTART);
	child = helper(SIGUSR1, END_NOTHING);
	CHECK_ERRNO(poll(&pfd, 1, 5000), EINTR);
	waitpid(child, NULL, 0);
	child = helper(SIGSTOP, END_WRITE);
	CHECK_EQ(poll(&pfd, 1, 5000), 1);
	waitpid(child, NULL, 0);
	return check_done();
}
