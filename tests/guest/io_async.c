/* SPDX-License-Identifier: Apache-2.0 */
/* O_ASYNC: SIGIO, or the signal of F_SETSIG with its siginfo, from pipes and sockets. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check.h"

static volatile sig_atomic_t count;
static siginfo_t last;

static void note(int sig, siginfo_t *info, void *context)
{
	count++;
	last = *info;
}

static void catch (int sig)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};

	CHECK_OK(sigaction(sig, &sa, NULL));
}

static void test_pipe(void)
{
	char buf[65536] = "";
	int p[2];

	CHECK_OK(pipe2(p, O_NONBLOCK));
	count = 0;
	CHECK_EQ(write(p[1], "a", 1), 1);
	CHECK_EQ(count, 0);
	CHECK_OK(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	CHECK_EQ(write(p[1], "a", 1), 1);
	CHECK_EQ(count, 0); /* nobody owns it */
	CHECK_OK(fcntl(p[0], F_SETOWN, getpid()));
	CHECK_EQ(write(p[1], "a", 1), 1);
	CHECK_EQ(count, 1);
	CHECK_EQ(last.si_signo, SIGIO);
	CHECK_EQ(last.si_code, SI_KERNEL);
	CHECK_OK(fcntl(p[0], F_SETSIG, SIGRTMIN));
	CHECK_EQ(write(p[1], "a", 1), 1);
	CHECK_EQ(count, 2);
	CHECK_EQ(last.si_signo, SIGRTMIN);
	CHECK_EQ(last.si_code, POLL_IN);
	CHECK_EQ(last.si_fd, p[0]);
	CHECK_EQ(last.si_band, POLLIN | POLLRDNORM);
	CHECK_OK(fcntl(p[0], F_SETFL, O_NONBLOCK));
	CHECK_EQ(write(p[1], "a", 1), 1);
	CHECK_EQ(count, 2);
	/* the writing end, when room comes */
	while (write(p[1], buf, sizeof buf) > 0)
		;
	CHECK_OK(fcntl(p[1], F_SETOWN, getpid()));
	CHECK_OK(fcntl(p[1], F_SETSIG, SIGRTMIN));
	CHECK_OK(fcntl(p[1], F_SETFL, O_NONBLOCK | O_ASYNC));
	count = 0;
	while (read(p[0], buf, sizeof buf) == sizeof buf)
		;
	CHECK(count >= 1);
	CHECK_EQ(last.si_code, POLL_OUT);
	CHECK_EQ(last.si_fd, p[1]);
	CHECK_EQ(last.si_band, POLLOUT | POLLWRNORM | POLLWRBAND);
	count = 0;
	close(p[1]); /* with it goes the request */
	CHECK_EQ(count, 0);
	close(p[0]);
	/* the end of the last writer is news */
	CHECK_OK(pipe(p));
	CHECK_OK(fcntl(p[0], F_SETOWN, getpid()));
	CHECK_OK(fcntl(p[0], F_SETFL, O_ASYNC));
	count = 0;
	close(p[1]);
	CHECK_EQ(count, 1);
	close(p[0]);
}

static void test_socket(void)
{
	int s[2], on = 1;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_OK(ioctl(s[0], FIOASYNC, &on));
	on = getpid();
	CHECK_OK(ioctl(s[0], FIOSETOWN, &on));
	on = 0;
	CHECK_OK(ioctl(s[0], FIOGETOWN, &on));
	CHECK_EQ(on, getpid());
	CHECK_OK(ioctl(s[0], SIOCGPGRP, &on));
	CHECK_EQ(on, getpid());
	CHECK_EQ(fcntl(s[0], F_GETOWN), getpid());
	count = 0;
	CHECK_EQ(write(s[1], "x", 1), 1);
	CHECK_EQ(count, 1);
	CHECK_EQ(last.si_signo, SIGIO);
	close(s[1]);
	CHECK(count >= 2);
	close(s[0]);
}

/* To a thread, to a group; not to whom its setter might not signal. */
static void test_targets(void)
{
	struct f_owner_ex ex = {.type = F_OWNER_TID, .pid = gettid()};
	int p[2], status;
	pid_t pid;

	CHECK_OK(pipe(p));
	CHECK_OK(fcntl(p[0], F_SETOWN_EX, &ex));
	CHECK_OK(fcntl(p[0], F_SETSIG, 0));
	CHECK_OK(fcntl(p[0], F_SETFL, O_ASYNC));
	count = 0;
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(count, 1);
	pid = fork();
	if (!pid) {
		signal(SIGIO, SIG_DFL);
		setpgid(0, 0);
		CHECK_OK(fcntl(p[0], F_SETOWN, -getpid()));
		write(p[1], "x", 1);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGIO);
	CHECK_EQ(count, 1);
	CHECK_EQ(write(p[1], "x", 1), 1); /* the group is gone */
	CHECK_EQ(count, 1);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	catch (SIGIO);
	catch (SIGRTMIN);
	test_pipe();
	test_socket();
	test_targets();
	return check_done();
}
