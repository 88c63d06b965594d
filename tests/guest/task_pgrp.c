/* SPDX-License-Identifier: Apache-2.0 */
/* Process groups and sessions: who may go where, what exec changes, orphaned groups with stopped members. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "check.h"

static int run(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(fn());
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static int sessions(void)
{
	pid_t pid = getpid();

	CHECK_EQ(setsid(), pid);
	CHECK_EQ(getsid(0), pid);
	CHECK_EQ(getpgrp(), pid);
	CHECK_ERRNO(setsid(), EPERM);
	CHECK_ERRNO(setpgid(0, 0), EPERM);
	CHECK_ERRNO(getsid(4999999), ESRCH);
	CHECK_ERRNO(getpgid(4999999), ESRCH);
	return check_failed();
}

static int group_rules(void)
{
	pid_t child, other;
	int p[2], go[2];
	char c;

	CHECK_ERRNO(setpgid(0, -1), EINVAL);
	CHECK_ERRNO(setpgid(4999999, 0), ESRCH);
	CHECK_ERRNO(setpgid(getppid(), 0), ESRCH);
	CHECK_ERRNO(setpgid(0, 4999999), EPERM);
	CHECK_OK(setpgid(0, 0));
	CHECK_EQ(getpgrp(), getpid());
	/* A group leader cannot make a session. */
	CHECK_ERRNO(setsid(), EPERM);

	CHECK_OK(pipe(p));
	child = fork();
	if (!child) {
		setsid();
		if (write(p[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_ERRNO(setpgid(child, child), EPERM); /* another session */
	CHECK_OK(pipe(go));
	other = fork();
	if (!other) {
		/* Not before the parent has had its say; a descriptor that exec closes tells it when. */
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		close(p[0]);
		execl("/bin/sleep", "sleep", "60", NULL);
		_exit(1);
	}
	CHECK_OK(setpgid(other, 0));
	CHECK_ERRNO(setpgid(other, child), EPERM);
	CHECK_EQ(write(go[1], "x", 1), 1);
	CHECK_EQ(getpgid(other), other);
	kill(child, SIGKILL);
	kill(other, SIGKILL);
	waitpid(child, NULL, 0);
	/* A zombie still has its group. */
	waitid(P_PID, other, NULL, WEXITED | WNOWAIT);
	CHECK_EQ(getpgid(other), other);
	waitpid(other, NULL, 0);
	CHECK_ERRNO(getpgid(other), ESRCH);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(go[i]);
	}
	return check_failed();
}

static int after_exec(void)
{
	int p[2];
	char c;
	pid_t pid;

	CHECK_OK(pipe2(p, 02000000 /* O_CLOEXEC */));
	pid = fork();
	if (!pid) {
		execl("/bin/sleep", "sleep", "60", NULL);
		_exit(1);
	}
	close(p[1]);
	CHECK_EQ(read(p[0], &c, 1), 0);
	CHECK_ERRNO(setpgid(pid, pid), EACCES);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(p[0]);
	return check_failed();
}

/* Its parent's end orphans a stopped child's group: SIGHUP and SIGCONT. */
static int orphaned_group(void)
{
	int p[2], status;
	pid_t middle, child = 0;
	siginfo_t info;

	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	CHECK_OK(setsid() == -1 ? -1 : 0);
	CHECK_OK(pipe(p));
	middle = fork();
	if (!middle) {
		setpgid(0, 0);
		child = fork();
		if (!child) {
			signal(SIGHUP, SIG_DFL);
			for (;;)
				pause();
		}
		setpgid(child, child);
		kill(child, SIGSTOP);
		waitid(P_PID, child, &info, WSTOPPED | WNOWAIT);
		if (write(p[1], &child, sizeof child) != sizeof child)
			_exit(1);
		_exit(0);
	}
	CHECK_EQ(read(p[0], &child, sizeof child), sizeof child);
	CHECK_EQ(waitpid(middle, NULL, 0), middle);
	/* Here the new parent is in the same session but another group: the group is not orphaned. */
	CHECK_EQ(waitpid(child, &status, WNOHANG), 0);
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, &status, 0), child);
	close(p[0]);
	close(p[1]);
	return check_failed();
}

static int pdeath(void)
{
	int p[2], status;
	pid_t middle, child;
	char c;

	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	CHECK_ERRNO(prctl(PR_SET_PDEATHSIG, 65, 0, 0, 0), EINVAL);
	CHECK_OK(pipe(p));
	middle = fork();
	if (!middle) {
		child = fork();
		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
			if (write(p[1], "x", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		_exit(read(p[0], &c, 1) != 1);
	}
	CHECK_EQ(waitpid(middle, &status, 0), middle);
	CHECK_EQ(status, 0);
	CHECK(waitpid(-1, &status, 0) > 0);
	CHECK_EQ(status, SIGTERM);
	close(p[0]);
	close(p[1]);
	return check_failed();
}

int main(void)
{
	CHECK_EQ(run(sessions), 0);
	CHECK_EQ(run(group_rules), 0);
	CHECK_EQ(run(after_exec), 0);
	CHECK_EQ(run(orphaned_group), 0);
	CHECK_EQ(run(pdeath), 0);
	return check_done();
}
