/* SPDX-License-Identifier: Apache-2.0 */
/* Shows RLIMIT_CPU: SIGXCPU at the soft limit, which moves up, SIGKILL at the hard one; a sleeper is left alone. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t seen;

static void on_xcpu(int signo)
{
	seen++;
}

static void limit(rlim_t soft, rlim_t hard)
{
	struct rlimit l = {soft, hard};

	if (setrlimit(RLIMIT_CPU, &l))
		_exit(2);
}

static int run(void (*child)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		child();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void burns_soft(void)
{
	limit(1, RLIM_INFINITY);
	for (;;)
		;
}

static void handles_then_hard(void)
{
	struct rlimit l;

	signal(SIGXCPU, on_xcpu);
	limit(1, 2);
	while (!seen)
		;
	getrlimit(RLIMIT_CPU, &l);
	if (l.rlim_cur != 2)
		_exit(3);
	for (;;)
		;
}

static void inherits(void)
{
	struct rlimit l;

	limit(7, 9);
	if (!fork()) {
		getrlimit(RLIMIT_CPU, &l);
		_exit(l.rlim_cur != 7 || l.rlim_max != 9);
	}
	int status;

	wait(&status);
	limit(8, 9);
	_exit(WEXITSTATUS(status));
}

int main(void)
{
	int status = run(burns_soft);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU);
	status = run(handles_then_hard);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_EQ(run(inherits), 0);
	return check_done();
}
