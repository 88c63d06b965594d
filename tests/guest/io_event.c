/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are counters, timers and signals: eventfd, timerfd, signalfd; and getrandom. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static volatile int bits = 0x40000000;

static int events_of(int fd, int want)
{
	struct pollfd p = {fd, want, 0};

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static void test_eventfd(void)
{
	uint64_t v;
	int e = eventfd(3, EFD_NONBLOCK), status;
	pid_t pid;

	CHECK_ERRNO(eventfd(0, bits), EINVAL);
	CHECK_EQ(events_of(e, POLLIN | POLLOUT), POLLIN | POLLOUT);
	CHECK_EQ(read(e, &v, 8), 8);
	CHECK_EQ(v, 3);
	CHECK_ERRNO(read(e, &v, 8), EAGAIN);
	CHECK_ERRNO(read(e, &v, 4), EINVAL);
	v = ~0UL;
	CHECK_ERRNO(write(e, &v, 8), EINVAL);
	v = ~0UL - 1;
	CHECK_EQ(write(e, &v, 8), 8);
	CHECK_EQ(events_of(e, POLLIN | POLLOUT), POLLIN);
	v = 1;
	CHECK_ERRNO(write(e, &v, 8), EAGAIN);
	CHECK_EQ(lseek(e, 5, SEEK_SET), 0);
	close(e);
	e = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	CHECK_EQ(read(e, &v, 8), 8);
	CHECK_EQ(v, 1);
	CHECK_EQ(read(e, &v, 8), 8);
	CHECK_ERRNO(read(e, &v, 8), EAGAIN);
	close(e);
	e = eventfd(0, 0);
	pid = fork();
	if (!pid) {
		v = 5;
		_exit(write(e, &v, 8) != 8);
	}
	CHECK_EQ(read(e, &v, 8), 8);
	CHECK_EQ(v, 5);
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	close(e);
}

static void test_timerfd(void)
{
	struct itimerspec it = {.it_value = {0, 20000000}, .it_interval = {0, 10000000}}, old;
	struct timespec now;
	uint64_t v = 0;
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), e = eventfd(0, 0);

	CHECK_ERRNO(timerfd_create(99, 0), EINVAL);
	CHECK_ERRNO(timerfd_create(CLOCK_MONOTONIC, bits), EINVAL);
	CHECK_ERRNO(timerfd_settime(e, 0, &it, NULL), EINVAL);
	CHECK_ERRNO(timerfd_settime(-1, 0, &it, NULL), EBADF);
	CHECK_OK(timerfd_gettime(t, &old));
	CHECK(!old.it_value.tv_sec && !old.it_value.tv_nsec);
	CHECK_OK(timerfd_settime(t, 0, &it, &old));
	CHECK_OK(timerfd_gettime(t, &old));
	CHECK(!old.it_value.tv_sec && old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 20000000);
	CHECK_EQ(old.it_interval.tv_nsec, 10000000);
	CHECK_EQ(events_of(t, POLLIN), 0);
	CHECK_EQ(read(t, &v, 8), 8);
	CHECK(v >= 1);
	CHECK_EQ(read(t, &v, 8), 8);
	CHECK(v >= 1);
	CHECK_ERRNO(read(t, &v, 4), EINVAL);
	it = (struct itimerspec){0};
	CHECK_OK(timerfd_settime(t, 0, &it, NULL));
	fcntl(t, F_SETFL, O_NONBLOCK);
	CHECK_ERRNO(read(t, &v, 8), EAGAIN);
	/* An absolute time that has passed. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	it.it_value = now;
	CHECK_OK(timerfd_settime(t, TFD_TIMER_ABSTIME, &it, NULL));
	CHECK_EQ(poll(&(struct pollfd){t, POLLIN, 0}, 1, 5000), 1);
	CHECK_EQ(read(t, &v, 8), 8);
	CHECK_EQ(v, 1);
	it.it_value.tv_nsec = 1000000000;
	CHECK_ERRNO(timerfd_settime(t, 0, &it, NULL), EINVAL);
	close(t);
	close(e);
}

static void test_signalfd(void)
{
	struct signalfd_siginfo si[2];
	union sigval value = {.sival_int = 4711};
	sigset_t set;
	int s, status;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	CHECK(s >= 0);
	CHECK_ERRNO(signalfd(-1, &set, bits), EINVAL);
	CHECK_ERRNO(signalfd(0x7ff, &set, 0), EBADF);
	CHECK_ERRNO(read(s, si, sizeof si), EAGAIN);
	CHECK_ERRNO(read(s, si, 10), EINVAL);
	CHECK_EQ(events_of(s, POLLIN), 0);
	sigqueue(getpid(), SIGUSR1, value);
	CHECK_EQ(events_of(s, POLLIN), POLLIN);
	CHECK_EQ(read(s, si, sizeof si), sizeof si[0]);
	CHECK_EQ(si[0].ssi_signo, SIGUSR1);
	CHECK_EQ(si[0].ssi_code, SI_QUEUE);
	CHECK_EQ(si[0].ssi_int, 4711);
	CHECK_EQ(si[0].ssi_pid, getpid());
	pid = fork();
	if (!pid)
		_exit(7);
	fcntl(s, F_SETFL, 0);
	CHECK_EQ(read(s, si, sizeof si), sizeof si[0]);
	CHECK_EQ(si[0].ssi_signo, SIGCHLD);
	CHECK_EQ(si[0].ssi_status, 7);
	CHECK_EQ(si[0].ssi_pid, pid);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	sigemptyset(&set);
	CHECK_EQ(signalfd(s, &set, 0), s);
	raise(SIGUSR1);
	CHECK_EQ(events_of(s, POLLIN), 0);
	close(s);
	signal(SIGUSR1, SIG_IGN);
}

static void test_getrandom(void)
{
	unsigned char a[256], b[256], zero[256] = {0};

	CHECK_EQ(getrandom(a, sizeof a, 0), sizeof a);
	CHECK_EQ(getrandom(b, sizeof b, GRND_NONBLOCK), sizeof b);
	CHECK(memcmp(a, b, sizeof a) && memcmp(a, zero, sizeof a));
	CHECK_ERRNO(syscall(SYS_getrandom, a, 8, 0x40), EINVAL);
	CHECK_ERRNO(syscall(SYS_getrandom, 8, 8, 0), EFAULT);
	CHECK_EQ(getrandom(a, 0, 0), 0);
}

int main(void)
{
	test_eventfd();
	test_timerfd();
	test_signalfd();
	test_getrandom();
	return check_done();
}
