/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what the ends of tracers and traced processes mean for each other: either killed wherever it is, zombies that two
 * wait for.
 */
#include "ptrace.h"

/* ---- ends ---- */

/* A tracer that brings @pid to a stop and is killed there; what @pid says tells whether it lives. */
static void tracer_dies(int how, unsigned long options, int expected)
{
	int status, ready[2];
	pid_t tracer, pid;
	char byte;

	CHECK_OK(pipe(ready));
	pid = fork();
	if (!pid) {
		signal(SIGUSR1, SIG_DFL);
		for (;;)
			syscall(SYS_getppid);
	}
	tracer = fork();
	if (!tracer) {
		if (pt(PTRACE_SEIZE, pid, 0, options))
			_exit(93);
		switch (how) {
		case 0: /* it runs */
			break;
		case 1:
			pt(PTRACE_INTERRUPT, pid, 0, 0);
			stop_of(pid, NULL);
			break;
		case 2: /* in a call's stop */
			pt(PTRACE_INTERRUPT, pid, 0, 0);
			stop_of(pid, NULL);
			pt(PTRACE_SYSCALL, pid, 0, 0);
			stop_of(pid, NULL);
			break;
		case 3: /* in a signal's */
			kill(pid, SIGUSR1);
			stop_of(pid, NULL);
			break;
		case 4: /* of which nobody has heard */
			kill(pid, SIGUSR1);
			waitid(P_PID, pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
			break;
		}
		if (write(ready[1], "", 1) != 1)
			_exit(92);
		for (;;)
			pause();
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	kill(tracer, SIGKILL);
	CHECK_EQ(waitpid(tracer, &status, 0), tracer);
	if (!expected) {
		/* It goes on; nobody traces it. */
		CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
		CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
		CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
		EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
		kill_and_reap(pid);
	} else {
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, expected);
	}
	close(ready[0]);
	close(ready[1]);
}

static void test_tracer_dies(void)
{
	for (int how = 0; how < 4; how++) {
		tracer_dies(how, 0, 0);
		tracer_dies(how, PTRACE_O_EXITKILL, SIGKILL);
	}
	tracer_dies(4, 0, SIGUSR1);
}

static int spins(void *arg)
{
	for (;;)
		syscall(SYS_getppid);
	return 0;
}

static int usr1_forever(void *arg)
{
	for (;;)
		raise(SIGUSR1);
	return 0;
}

/* Killed at a stop: its tracer's requests say that it is gone, and it can be waited for. */
static void test_traced_dies(void)
{
	unsigned long word;
	pid_t pid;

	pid = traced_child(usr1_forever, NULL);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	kill(pid, SIGKILL);
	EXPECT_END(pid, SIGKILL);
	CHECK_ERRNO(pt(PTRACE_PEEKUSR, pid, 0, (uintptr_t)&word), ESRCH);

	pid = traced_child(spins, NULL);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	kill(pid, SIGKILL);
	EXPECT_END(pid, SIGKILL);

	pid = traced_child(spins, NULL);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	kill(pid, SIGKILL);
	EXPECT_END(pid, SIGKILL);

	pid = traced_child(spins, NULL);
	CHECK_OK(pt(PTRACE_SINGLESTEP, pid, 0, 0));
	kill(pid, SIGKILL);
	while (stop_of(pid, NULL) != -1)
		;
}

/* A stranger traces our child: it hears of the end first, then we do. */
static void test_stranger(void)
{
	int status, ready[2], go[2];
	pid_t pid, tracer;
	siginfo_t info;
	char byte;

	CHECK_OK(pipe(ready));
	CHECK_OK(pipe(go));
	pid = pausing_child();
	tracer = fork();
	if (!tracer) {
		CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
		kill(pid, SIGKILL);
		CHECK_OK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
		CHECK_EQ(write(ready[1], "", 1), 1);
		CHECK_EQ(read(go[0], &byte, 1), 1);
		EXPECT_END(pid, SIGKILL);
		_exit(check_failed());
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK_EQ(write(go[1], "", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, SIGKILL);
	CHECK_EQ(waitpid(tracer, &status, 0), tracer);
	CHECK_EQ(status, 0);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	ptrace_begin(1);
	test_tracer_dies();
	test_traced_dies();
	test_stranger();
	return check_done();
}
