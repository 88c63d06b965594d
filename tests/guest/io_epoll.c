/* SPDX-License-Identifier: Apache-2.0 */
/* epoll: level and edge triggering, oneshot, exclusive, nesting, closing, errors, waiting with a mask. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "check.h"

static void on_alarm(int sig)
{
}

static int add(int ep, int fd, unsigned events, unsigned long data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int modify(int ep, int fd, unsigned events, unsigned long data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
}

static void test_triggers(int ep)
{
	struct epoll_event ev[4];
	char c;
	int p[2];

	CHECK_OK(pipe2(p, O_NONBLOCK));
	CHECK_OK(add(ep, p[0], EPOLLIN, 7));
	CHECK_ERRNO(add(ep, p[0], EPOLLIN, 7), EEXIST);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 0);
	write(p[1], "ab", 2);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(epoll_wait(ep, ev, 4, -1), 1);
		CHECK_EQ(ev[0].events, EPOLLIN);
		CHECK_EQ(ev[0].data.u64, 7);
	}
	CHECK_OK(modify(ep, p[0], EPOLLIN | EPOLLET, 8));
	CHECK_EQ(epoll_wait(ep, ev, 4, -1), 1);
	CHECK_EQ(ev[0].data.u64, 8);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 0);
	read(p[0], &c, 1);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 0);
	write(p[1], "c", 1);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 1);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 0);
	CHECK_OK(modify(ep, p[0], EPOLLIN | EPOLLONESHOT, 9));
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 1);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 0);
	write(p[1], "d", 1);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 0);
	CHECK_OK(modify(ep, p[0], EPOLLIN | EPOLLONESHOT, 9));
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 1);
	CHECK_OK(modify(ep, p[0], EPOLLIN, 9));
	close(p[1]);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 1);
	CHECK_EQ(ev[0].events, EPOLLIN | EPOLLHUP);
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL), ENOENT);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 0);
	close(p[0]);
}

static void test_lifetime(int ep)
{
	struct epoll_event ev[4];
	int e = eventfd(1, 0), d = dup(e);

	CHECK_OK(add(ep, e, EPOLLIN, 1));
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 1);
	close(e);
	/* The description lives on in the duplicate. */
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 1);
	close(d);
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 0);
}

static void test_errors(int ep)
{
	struct epoll_event ev[2];
	int e = eventfd(0, 0), null = open("/dev/null", O_RDONLY), ep2;

	CHECK_ERRNO(epoll_create1(1), EINVAL);
	CHECK_ERRNO(syscall(SYS_epoll_create, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(ep, ev, 0, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(e, ev, 1, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(-1, ev, 1, 0), EBADF);
	CHECK_ERRNO(add(ep, -1, EPOLLIN, 0), EBADF);
	CHECK_ERRNO(add(ep, ep, EPOLLIN, 0), EINVAL);
	CHECK_ERRNO(add(ep, null, EPOLLIN, 0), EPERM);
	CHECK_ERRNO(modify(ep, e, EPOLLIN, 0), ENOENT);
	CHECK_ERRNO(epoll_ctl(ep, 77, e, ev), EINVAL);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, e, NULL), EFAULT);
	CHECK_ERRNO(add(ep, e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0), EINVAL);
	CHECK_OK(add(ep, e, EPOLLIN | EPOLLEXCLUSIVE, 0));
	CHECK_ERRNO(modify(ep, e, EPOLLIN, 0), EINVAL);
	ep2 = epoll_create1(0);
	CHECK_OK(add(ep2, ep, EPOLLIN, 5));
	CHECK_ERRNO(add(ep, ep2, EPOLLIN, 5), ELOOP);
	CHECK_EQ(epoll_wait(ep2, ev, 2, 0), 0);
	eventfd_write(e, 1);
	CHECK_EQ(epoll_wait(ep2, ev, 2, 1000), 1);
	CHECK_EQ(ev[0].data.u64, 5);
	close(ep2);
	close(e);
	close(null);
}

static void test_waiting(int ep)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval it = {.it_value = {0, 20000}};
	struct epoll_event ev[2];
	sigset_t none, block;
	int e = eventfd(0, 0), status;
	pid_t pid;

	CHECK_OK(add(ep, e, EPOLLIN, 3));
	CHECK_EQ(epoll_wait(ep, ev, 2, 10), 0);
	pid = fork();
	if (!pid) {
		eventfd_write(e, 1);
		_exit(0);
	}
	CHECK_EQ(epoll_wait(ep, ev, 2, 5000), 1);
	CHECK_EQ(ev[0].data.u64, 3);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	close(e);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	CHECK_ERRNO(epoll_wait(ep, ev, 2, -1), EINTR);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGALRM);
	CHECK_ERRNO(epoll_pwait(ep, ev, 2, -1, &none), EINTR);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
}

/* More ready descriptors than one call takes: all get their turn. */
static void test_fair(int ep)
{
	struct epoll_event ev[3];
	int e[8], seen = 0;

	for (int i = 0; i < 8; i++) {
		e[i] = eventfd(1, 0);
		CHECK_OK(add(ep, e[i], EPOLLIN, i));
	}
	for (int round = 0; round < 3; round++) {
		int n = epoll_wait(ep, ev, 3, 0);

		CHECK_EQ(n, 3);
		for (int i = 0; i < n; i++)
			seen |= 1 << ev[i].data.u64;
	}
	CHECK_EQ(seen, 0xff);
	for (int i = 0; i < 8; i++)
		close(e[i]);
}

/* How devices are polled is kept and told (Linux 6.9; another answer without network devices that could be). */
static void test_params(int ep)
{
	struct {
		unsigned usecs;
		unsigned short budget;
		unsigned char prefer, pad;
	} p = {1, 2, 3, 4};
	const unsigned long get = _IOR(0x8a, 2, p), set = _IOW(0x8a, 1, p);
	int p2[2];

	CHECK_OK(pipe(p2));
	CHECK_ERRNO(ioctl(p2[0], get, &p), ENOTTY);
	close(p2[0]);
	close(p2[1]);
	if (ioctl(ep, get, &p) == -1 && errno == ENOTTY)
		return;
	CHECK_EQ(p.usecs | p.budget | p.prefer | p.pad, 0);
	p.usecs = 50;
	p.budget = 64;
	p.prefer = 1;
	CHECK_OK(ioctl(ep, set, &p));
	memset(&p, 0, sizeof p);
	CHECK_OK(ioctl(ep, get, &p));
	CHECK(p.usecs == 50 && p.budget == 64 && p.prefer == 1 && !p.pad);
	p.prefer = 2;
	CHECK_ERRNO(ioctl(ep, set, &p), EINVAL);
	p.prefer = 0;
	p.pad = 1;
	CHECK_ERRNO(ioctl(ep, set, &p), EINVAL);
	p.pad = 0;
	p.usecs = 1U << 31;
	CHECK_ERRNO(ioctl(ep, set, &p), EINVAL);
	p.usecs = 0;
	p.budget = 65;
	if (getuid())
		CHECK_ERRNO(ioctl(ep, set, &p), EPERM);
	CHECK_ERRNO(ioctl(ep, set, 8), EFAULT);
	CHECK_ERRNO(ioctl(ep, get, 8), EFAULT);
	CHECK_ERRNO(ioctl(ep, 0x8a03, &p), EINVAL);
}

int main(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK(ep >= 0);
	CHECK_EQ(fcntl(ep, F_GETFD), FD_CLOEXEC);
	test_triggers(ep);
	test_lifetime(ep);
	test_errors(ep);
	test_waiting(ep);
	test_fair(ep);
	test_params(ep);
	close(ep);
	return check_done();
}
