/* SPDX-License-Identifier: Apache-2.0 */
/* poll, ppoll, select, pselect: readiness, timeouts and what is left of them, masks, errors, many
 * descriptors. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static void *volatile bad_pointer = (void *)8;

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	alarms++;
}

static long ms_since(struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - from->tv_sec) * 1000 + (now.tv_nsec - from->tv_nsec) / 1000000;
}

static void test_poll(void)
{
	int p[2];
	struct timespec start;
	struct pollfd f[3];
	struct rlimit rl;

	CHECK_OK(pipe(p));
	f[0] = (struct pollfd){p[0], POLLIN, 0x55};
	f[1] = (struct pollfd){p[1], POLLOUT, 0x55};
	f[2] = (struct pollfd){-1, POLLIN, 0x55};
	CHECK_EQ(poll(f, 3, -1), 1);
	CHECK_EQ(f[0].revents, 0);
	CHECK_EQ(f[1].revents, POLLOUT);
	CHECK_EQ(f[2].revents, 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	CHECK_EQ(poll(f, 1, 30), 0);
	CHECK(ms_since(&start) >= 29);
	CHECK_EQ(poll(f, 1, 0), 0);
	CHECK_EQ(poll(NULL, 0, 1), 0);
	f[2].fd = 999;
	CHECK_EQ(poll(f + 2, 1, -1), 1);
	CHECK_EQ(f[2].revents, POLLNVAL);
	CHECK_ERRNO(poll((struct pollfd *)bad_pointer, 1, 0), EFAULT);
	getrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur < 1u << 30)
		CHECK_ERRNO(poll(f, rl.rlim_cur + 1, 0), EINVAL);
	close(p[1]);
	CHECK_EQ(poll(f, 1, -1), 1);
	CHECK_EQ(f[0].revents, POLLHUP);
	close(p[0]);
}

static void test_wake(void)
{
	int p[2], q[2], status;
	struct pollfd f[2];
	fd_set set;
	char c;
	pid_t pid;

	CHECK_OK(pipe(p));
	CHECK_OK(pipe(q));
	pid = fork();
	if (!pid) {
		read(q[0], &c, 1);
		write(p[1], "a", 1);
		read(q[0], &c, 1);
		write(p[1], "b", 1);
		_exit(0);
	}
	f[0] = (struct pollfd){p[0], POLLIN, 0};
	write(q[1], "x", 1);
	CHECK_EQ(poll(f, 1, 5000), 1);
	CHECK_EQ(f[0].revents, POLLIN);
	read(p[0], &c, 1);
	write(q[1], "x", 1);
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	CHECK_EQ(select(p[0] + 1, &set, NULL, NULL, NULL), 1);
	CHECK(FD_ISSET(p[0], &set));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static void test_select(void)
{
	int p[2];
	fd_set r, w, e;
	struct timeval tv = {0, 20000};

	CHECK_OK(pipe(p));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(p[0], &r);
	FD_SET(p[0], &e);
	CHECK_EQ(select(p[1] + 1, &r, NULL, &e, &tv), 0);
	CHECK(!FD_ISSET(p[0], &r) && !FD_ISSET(p[0], &e));
	CHECK_EQ(tv.tv_sec, 0);
	CHECK_EQ(tv.tv_usec, 0);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	write(p[1], "x", 1);
	tv = (struct timeval){10, 0};
	CHECK_EQ(select(p[1] + 1, &r, &w, NULL, &tv), 2);
	CHECK(FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
	CHECK(tv.tv_sec == 9 && tv.tv_usec > 500000);
	close(p[0]);
	close(p[1]);
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	CHECK_ERRNO(select(p[0] + 1, &r, NULL, NULL, NULL), EBADF);
	CHECK_ERRNO(select(-1, NULL, NULL, NULL, NULL), EINVAL);
	tv = (struct timeval){-1, 0};
	CHECK_ERRNO(select(0, NULL, NULL, NULL, &tv), EINVAL);
	CHECK_ERRNO(syscall(SYS_select, 1, 8, 0, 0, 0), EFAULT);
}

static void test_masks(void)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct timespec ts = {5, 0};
	sigset_t block, none, now;
	struct itimerval it = {.it_value = {0, 20000}};
	fd_set r;
	int p[2];

	CHECK_OK(pipe(p));
	sigaction(SIGALRM, &sa, NULL);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigprocmask(SIG_BLOCK, &block, NULL);
	/* Pending before: taken at once, once the mask lets it. */
	raise(SIGALRM);
	CHECK_EQ(alarms, 0);
	CHECK_ERRNO(ppoll(&(struct pollfd){p[0], POLLIN, 0}, 1, &ts, &none), EINTR);
	CHECK_EQ(alarms, 1);
	sigprocmask(SIG_SETMASK, NULL, &now);
	CHECK(sigismember(&now, SIGALRM));
	/* Coming while it waits. */
	setitimer(ITIMER_REAL, &it, NULL);
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	CHECK_ERRNO(pselect(p[0] + 1, &r, NULL, NULL, NULL, &none), EINTR);
	CHECK_EQ(alarms, 2);
	/* The raw call tells how much was left, by a signal too. */
	setitimer(ITIMER_REAL, &it, NULL);
	ts = (struct timespec){5, 0};
	CHECK_ERRNO(syscall(SYS_ppoll, NULL, 0, &ts, &none, 8), EINTR);
	CHECK(ts.tv_sec == 4 && ts.tv_nsec > 0);
	CHECK_ERRNO(syscall(SYS_ppoll, NULL, 0, NULL, &none, 4), EINVAL);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	/* poll is never restarted by SA_RESTART. */
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	CHECK_ERRNO(poll(NULL, 0, -1), EINTR);
	close(p[0]);
	close(p[1]);
}

static void test_many(void)
{
	enum { N = 200 };
	struct pollfd f[N];
	int p[N][2], n = 0;

	for (int i = 0; i < N; i++) {
		if (pipe(p[i]))
			break;
		f[n++] = (struct pollfd){p[i][0], POLLIN, 0};
	}
	CHECK_EQ(n, N);
	CHECK_EQ(poll(f, n, 0), 0);
	for (int i = 0; i < n; i += 3)
		write(p[i][1], "x", 1);
	CHECK_EQ(poll(f, n, -1), (n + 2) / 3);
	for (int i = 0; i < n; i++)
		CHECK_EQ(f[i].revents, i % 3 ? 0 : POLLIN);
	for (int i = 0; i < n; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
}

int main(void)
{
	test_poll();
	test_wake();
	test_select();
	test_masks();
	test_many();
	return check_done();
}
