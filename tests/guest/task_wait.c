/* SPDX-License-Identifier: Apache-2.0 */
/* wait4 and waitid: options, targets, results, errors; ignored SIGCHLD; stops and continuations; adoption. */
#define _GNU_SOURCE
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static pid_t child_that_exits(int code)
{
	pid_t pid = fork();

	if (!pid)
		_exit(code);
	return pid;
}

static pid_t child_that_sleeps(void)
{
	pid_t pid = fork();

	if (!pid) {
		for (;;)
			pause();
	}
	return pid;
}

static void errors(void)
{
	siginfo_t info;
	int status;

	CHECK_ERRNO(waitpid(-1, &status, 0), ECHILD);
	CHECK_ERRNO(waitpid(-1, &status, 0x100), EINVAL);
	CHECK_ERRNO(waitpid(INT_MIN, &status, 0), ESRCH);
	CHECK_ERRNO(waitid(P_ALL, 0, &info, 0), EINVAL);
	CHECK_ERRNO(waitid(P_ALL, 0, &info, WNOHANG), EINVAL);
	CHECK_ERRNO(waitid(77, 0, &info, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_PID, 0, &info, WEXITED), EINVAL);
	CHECK_ERRNO(waitid(P_PID, 1, &info, WEXITED), ECHILD);
	CHECK_ERRNO(waitid(P_PIDFD, 1, &info, WEXITED), EBADF);
	CHECK_ERRNO(waitid(P_PIDFD, 999, &info, WEXITED), EBADF);
}

static void results(void)
{
	pid_t pid = child_that_exits(300), other;
	struct rusage usage;
	siginfo_t info;
	int status;

	memset(&info, 1, sizeof info);
	CHECK_EQ(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(info.si_signo, SIGCHLD);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_uid, getuid());
	CHECK_EQ(info.si_status, 300 & 0xff);
	CHECK_EQ(wait4(pid, &status, 0, &usage), pid);
	CHECK_EQ(status, (300 & 0xff) << 8);
	CHECK_ERRNO(wait4(pid, &status, 0, &usage), ECHILD);

	pid = child_that_sleeps();
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	memset(&info, 1, sizeof info);
	CHECK_EQ(waitid(P_PID, pid, &info, WEXITED | WNOHANG), 0);
	CHECK_EQ(info.si_pid, 0);
	CHECK_EQ(info.si_signo, 0);
	kill(pid, SIGTERM);
	CHECK_EQ(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(info.si_code, CLD_KILLED);
	CHECK_EQ(info.si_status, SIGTERM);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);

	/* Null pointers are left alone; any child is found. */
	pid = child_that_exits(0);
	other = child_that_exits(0);
	CHECK(waitpid(-1, NULL, 0) > 0);
	CHECK(waitpid(0, NULL, 0) > 0);
	CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
	CHECK_ERRNO(waitpid(other, NULL, 0), ECHILD);

	/* A bad address costs the status, not the reaping. */
	pid = child_that_exits(0);
	CHECK_ERRNO(syscall(SYS_wait4, pid, 8, 0, NULL), EFAULT);
	CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
}

static void stops(void)
{
	pid_t pid = child_that_sleeps();
	siginfo_t info;
	int status;

	kill(pid, SIGSTOP);
	CHECK_EQ(waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT), 0);
	CHECK_EQ(info.si_code, CLD_STOPPED);
	CHECK_EQ(info.si_status, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
	kill(pid, SIGCONT);
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
	CHECK_EQ(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WTERMSIG(status), SIGKILL);
}

static volatile sig_atomic_t chld_count;

static void on_chld(int signo)
{
	(void)signo;
	chld_count++;
}

/* Children of who ignores SIGCHLD leave no zombies; wait() blocks until all are gone. */
static void ignored(void)
{
	struct sigaction sa = {.sa_handler = SIG_IGN}, old;
	pid_t pid;

	sigaction(SIGCHLD, &sa, &old);
	pid = child_that_exits(1);
	CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
	sa.sa_handler = on_chld;
	sa.sa_flags = SA_NOCLDWAIT | SA_RESTART;
	sigaction(SIGCHLD, &sa, NULL);
	pid = child_that_exits(1);
	CHECK_ERRNO(waitpid(pid, NULL, 0), ECHILD);
	CHECK_EQ(chld_count, 1);
	sa.sa_flags = 0;
	sigaction(SIGCHLD, &sa, NULL);
	pid = child_that_exits(1);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	CHECK_EQ(chld_count, 2);
	sigaction(SIGCHLD, &old, NULL);
}

static void groups(void)
{
	pid_t a = child_that_sleeps(), b = child_that_sleeps();
	siginfo_t info;

	CHECK_OK(setpgid(a, a));
	CHECK_OK(setpgid(b, a));
	kill(-a, SIGKILL);
	CHECK_EQ(waitid(P_PGID, a, &info, WEXITED), 0);
	CHECK(info.si_pid == a || info.si_pid == b);
	CHECK_EQ(waitpid(-a, NULL, 0), a + b - info.si_pid);
	CHECK_ERRNO(waitpid(-a, NULL, 0), ECHILD);
}

/* An orphan's new parent is the nearest subreaper. */
static void adoption(void)
{
	int p[2], on = 0, status;
	pid_t middle, orphan;

	CHECK_OK(pipe(p));
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	CHECK_OK(prctl(PR_GET_CHILD_SUBREAPER, &on, 0, 0, 0));
	CHECK_EQ(on, 1);
	middle = fork();
	if (!middle) {
		orphan = fork();
		if (!orphan) {
			char c;

			close(p[1]);
			/* Goes on when its parent is gone. */
			while (read(p[0], &c, 1) > 0)
				;
			_exit(17);
		}
		_exit(orphan > 0 ? 0 : 1);
	}
	CHECK_EQ(waitpid(middle, &status, 0), middle);
	CHECK_EQ(status, 0);
	close(p[1]);
	close(p[0]);
	CHECK((orphan = waitpid(-1, &status, 0)) > 0);
	CHECK_EQ(status, 17 << 8);
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0));
}

/* The child's times are the parent's only when it was waited for. */
static void usage(void)
{
	struct rusage before, after, own;
	pid_t pid;

	getrusage(RUSAGE_CHILDREN, &before);
	pid = fork();
	if (!pid) {
		volatile unsigned long n = 0;

		do {
			for (int i = 0; i < 1000000; i++)
				n += (unsigned long)i;
			getrusage(RUSAGE_SELF, &own);
		} while (own.ru_utime.tv_sec * 1000000 + own.ru_utime.tv_usec + own.ru_stime.tv_usec < 60000);
		_exit(0);
	}
	CHECK_EQ(wait4(pid, NULL, 0, &own), pid);
	getrusage(RUSAGE_CHILDREN, &after);
	CHECK(own.ru_utime.tv_sec * 1000000 + own.ru_utime.tv_usec + own.ru_stime.tv_usec >= 50000);
	CHECK((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec -
		      before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec >=
	      50000);
}

int main(void)
{
	signal(SIGCHLD, SIG_DFL);
	errors();
	results();
	stops();
	ignored();
	groups();
	adoption();
	usage();
	return check_done();
}
