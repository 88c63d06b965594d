/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of ptrace(2) share: requests, waiting for stops, traced children. */
#ifndef GUEST_PTRACE_H
#define GUEST_PTRACE_H

#include <linux/ptrace.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "check.h"

#define EVENT(event)         (SIGTRAP | (event) << 8)
#define EVENT_STOP_OF(signo) ((signo) | PTRACE_EVENT_STOP << 8)

#define EXECUTED_STATUS 33 /* with which a test ends that a traced child has executed */

/* The first thing in main(): the test has a minute, and where it was executed by a test itself (with an argument) it ends
 * at once. Where the test's own program lies, for execl(). */
static char *__attribute__((unused)) ptrace_begin(int argc)
{
	static char path[4096];

	if (argc > 1)
		_exit(EXECUTED_STATUS);
	alarm(60);
	CHECK(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
	return path;
}

/* The system call itself: libc's function has its own ideas of PEEK. */
static long pt(long request, pid_t pid, uintptr_t addr, uintptr_t data)
{
	return syscall(SYS_ptrace, request, pid, addr, data);
}

/* The next stop of @pid: what waitpid() gives above its 7f; -1 when it ended, with its status in *ended. */
static int __attribute__((unused)) stop_of(pid_t pid, int *ended)
{
	int status = 0;
	pid_t r;

	do {
		r = waitpid(pid, &status, __WALL);
	} while (r < 0 && errno == EINTR);
	if (r == pid && WIFSTOPPED(status))
		return status >> 8;
	if (ended)
		*ended = r == pid ? status : -errno;
	return -1;
}

static void __attribute__((unused)) expect_stop(const char *file, int line, pid_t pid, int code)
{
	int ended = 0, got = stop_of(pid, &ended);

	check_count_++;
	if (got != code) {
		check_failures_++;
		check_report_(file, line, "stop", ": %#x (ended %#x), not %#x", got, ended, code);
	}
}
#define EXPECT_STOP(pid, code) expect_stop(__FILE__, __LINE__, pid, code)

static void __attribute__((unused)) expect_end(const char *file, int line, pid_t pid, int status)
{
	int ended = 0, got = stop_of(pid, &ended);

	check_count_++;
	if (got != -1 || ended != status) {
		check_failures_++;
		check_report_(file, line, "end", ": stop %#x, status %#x, not %#x", got, ended, status);
	}
}
#define EXPECT_END(pid, status) expect_end(__FILE__, __LINE__, pid, status)

/* A child that is traced and has stopped itself; then it does @body(@arg) and exits with what that returns. */
static pid_t __attribute__((unused)) traced_child(int (*body)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (!pid) {
		if (pt(PTRACE_TRACEME, 0, 0, 0))
			_exit(99);
		raise(SIGSTOP);
		_exit(body(arg));
	}
	EXPECT_STOP(pid, SIGSTOP);
	return pid;
}

/* To its end. */
static void __attribute__((unused)) goes_on(pid_t pid)
{
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
}

/* A child that becomes something (nullable), that nobody traces yet, and that waits for signals. */
static pid_t __attribute__((unused)) child_that(void (*become)(void))
{
	int ready[2];
	char byte = 0;
	pid_t pid;

	CHECK_OK(pipe(ready));
	pid = fork();
	if (!pid) {
		if (become)
			become();
		if (write(ready[1], &byte, 1) != 1)
			_exit(98);
		for (;;)
			pause();
	}
	close(ready[1]);
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static pid_t __attribute__((unused)) pausing_child(void)
{
	return child_that(NULL);
}

static void __attribute__((unused)) kill_and_reap(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		;
}

#endif
