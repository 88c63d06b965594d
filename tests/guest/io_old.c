/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors by calls that the C library replaces by newer ones: pipe, select, eventfd, signalfd, epoll_create,
 * epoll_pwait, epoll_pwait2; and close_range.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "check.h"

#define BAD ((void *)8)

static void pipes(void)
{
	int p[2];
	char c;

	CHECK_OK(syscall(SYS_pipe, p));
	CHECK_EQ(fcntl(p[0], F_GETFD), 0);
	CHECK_EQ(fcntl(p[0], F_GETFL), O_RDONLY);
	CHECK_EQ(fcntl(p[1], F_GETFL), O_WRONLY);
	CHECK_EQ(write(p[1], "p", 1), 1);
	CHECK_EQ(read(p[0], &c, 1), 1);
	close(p[0]);
	close(p[1]);
	CHECK_ERRNO(syscall(SYS_pipe, BAD), EFAULT);
	CHECK_EQ(dup(0), p[0]); /* the failed call has left nothing behind */
	close(p[0]);
}

static void selecting(void)
{
	struct timeval tv = {0, 0}, wrong = {0, -1};
	fd_set r, w;
	int p[2];

	CHECK_OK(pipe(p));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	CHECK_EQ(syscall(SYS_select, p[1] + 1, &r, &w, NULL, &tv), 1);
	CHECK(!FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
	FD_SET(p[0], &r);
	CHECK_EQ(syscall(SYS_select, p[0] + 1, &r, NULL, NULL, &tv), 0);
	CHECK(!FD_ISSET(p[0], &r));
	CHECK_EQ(write(p[1], "s", 1), 1);
	FD_SET(p[0], &r);
	tv.tv_sec = 100;
	CHECK_EQ(syscall(SYS_select, p[1] + 1, &r, &w, NULL, &tv), 2);
	CHECK(FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
	CHECK(tv.tv_sec >= 98 && tv.tv_sec < 100 + 1);
	CHECK_EQ(syscall(SYS_select, p[1] + 1, &r, NULL, NULL, NULL), 1);
	CHECK_ERRNO(syscall(SYS_select, -1, NULL, NULL, NULL, &tv), EINVAL);
	CHECK_ERRNO(syscall(SYS_select, 1, NULL, NULL, NULL, &wrong), EINVAL);
	CHECK_ERRNO(syscall(SYS_select, 1, BAD, NULL, NULL, &tv), EFAULT);
	CHECK_ERRNO(syscall(SYS_select, 1, NULL, NULL, NULL, BAD), EFAULT);
	close(p[0]);
	FD_SET(p[0], &r);
	CHECK_ERRNO(syscall(SYS_select, p[1] + 1, &r, NULL, NULL, &tv), EBADF);
	close(p[1]);
}

static void events(void)
{
	int fd = syscall(SYS_eventfd, 5);
	unsigned long n = 0;

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 5);
	close(fd);
}

static void signals(void)
{
	struct signalfd_siginfo info;
	unsigned long set = 1UL << (SIGUSR1 - 1), old, other = 1UL << (SIGUSR2 - 1);
	int fd;

	CHECK_OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, 8));
	fd = syscall(SYS_signalfd, -1, &set, 8);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_OK(fcntl(fd, F_SETFL, O_NONBLOCK));
	CHECK_ERRNO(read(fd, &info, sizeof info), EAGAIN);
	raise(SIGUSR1);
	CHECK_EQ(read(fd, &info, sizeof info), sizeof info);
	CHECK_EQ(info.ssi_signo, SIGUSR1);
	CHECK_EQ(info.ssi_pid, getpid());
	CHECK_EQ(syscall(SYS_signalfd, fd, &other, 8), fd);
	raise(SIGUSR1);
	CHECK_ERRNO(read(fd, &info, sizeof info), EAGAIN);
	CHECK_EQ(syscall(SYS_signalfd, fd, &set, 8), fd);
	CHECK_EQ(read(fd, &info, sizeof info), sizeof info);
	CHECK_ERRNO(syscall(SYS_signalfd, 99, &set, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_signalfd, 99, BAD, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_signalfd, 99, &set, 8), EBADF);
	CHECK_ERRNO(syscall(SYS_signalfd, 0, &set, 8), EINVAL);
	close(fd);
	CHECK_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8));
}

static volatile int handled;

static void handler(int signo)
{
	handled++;
}

static void polling(void)
{
	unsigned long none = 0, usr1 = 1UL << (SIGUSR1 - 1), old, now;
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 77}, got[4];
	struct timespec zero = {0, 0}, wrong = {0, 1000000000};
	int ep = syscall(SYS_epoll_create, 1), p[2];

	CHECK(ep >= 0);
	CHECK_EQ(fcntl(ep, F_GETFD), 0);
	CHECK_ERRNO(syscall(SYS_epoll_create, 0), EINVAL);
	CHECK_OK(pipe(p));
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	CHECK_EQ(syscall(SYS_epoll_pwait, ep, got, 4, 0, NULL, 0), 0);
	CHECK_EQ(syscall(SYS_epoll_pwait2, ep, got, 4, &zero, NULL, 0), 0);
	CHECK_EQ(write(p[1], "e", 1), 1);
	CHECK_EQ(syscall(SYS_epoll_pwait, ep, got, 4, -1, NULL, 0), 1);
	CHECK(got[0].events == EPOLLIN && got[0].data.u64 == 77);
	CHECK_EQ(syscall(SYS_epoll_pwait2, ep, got, 4, NULL, NULL, 0), 1);
	CHECK_ERRNO(syscall(SYS_epoll_pwait2, ep, got, 4, &wrong, NULL, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_epoll_pwait2, ep, got, 4, BAD, NULL, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_epoll_pwait, ep, got, 0, 0, NULL, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_epoll_pwait, ep, got, 4, 0, &none, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_epoll_pwait, ep, got, 4, 0, BAD, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_epoll_pwait, ep, BAD, 4, 0, NULL, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_epoll_pwait, p[0], got, 4, 0, NULL, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_epoll_pwait, 99, got, 4, 0, NULL, 0), EBADF);

	/* A pending signal that the mask lets in ends the wait, and the old mask comes back. */
	signal(SIGUSR1, handler);
	CHECK_OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &usr1, &old, 8));
	read(p[0], got, 1);
	raise(SIGUSR1);
	CHECK_EQ(syscall(SYS_epoll_pwait, ep, got, 4, 0, NULL, 0), 0);
	CHECK_EQ(handled, 0);
	CHECK_ERRNO(syscall(SYS_epoll_pwait, ep, got, 4, -1, &none, 8), EINTR);
	CHECK_EQ(handled, 1);
	raise(SIGUSR1);
	CHECK_ERRNO(syscall(SYS_epoll_pwait2, ep, got, 4, NULL, &none, 8), EINTR);
	CHECK_EQ(handled, 2);
	CHECK_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, &now, 8));
	CHECK_EQ(now, old | usr1);
	close(ep);
	close(p[0]);
	close(p[1]);
}

static void closing(void)
{
	int a = fcntl(0, F_DUPFD, 50), b = fcntl(0, F_DUPFD, 52), c = fcntl(0, F_DUPFD, 60);

	CHECK(a == 50 && b == 52 && c == 60);
	CHECK_OK(syscall(SYS_close_range, 50, 55, 4 /* CLOSE_RANGE_CLOEXEC */));
	CHECK_EQ(fcntl(50, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(52, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(60, F_GETFD), 0);
	CHECK_OK(syscall(SYS_close_range, 50, 55, 0));
	CHECK_ERRNO(fcntl(50, F_GETFD), EBADF);
	CHECK_ERRNO(fcntl(52, F_GETFD), EBADF);
	CHECK_OK(syscall(SYS_close_range, 55, ~0U, 2 /* CLOSE_RANGE_UNSHARE */));
	CHECK_ERRNO(fcntl(60, F_GETFD), EBADF);
	CHECK_EQ(fcntl(1, F_GETFD), 0);
	CHECK_OK(syscall(SYS_close_range, 1000, 2000, 0));
	CHECK_ERRNO(syscall(SYS_close_range, 5, 4, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_close_range, 5, 4, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_close_range, 50, 51, 8), EINVAL);
}

int main(void)
{
	closing();
	pipes();
	selecting();
	events();
	signals();
	polling();
	return check_done();
}
