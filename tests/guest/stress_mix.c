/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that rooms work together under load: threads that fork, exec, map, signal and talk through pipes at
 * once, with sums that tell whether anything was lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check.h"

#define THREADS 6
#define ROUNDS  25

static atomic_long total;
static atomic_int handled;

static void on_usr1(int signo)
{
	handled++;
}

/* read() and write() of all bytes, over interruptions. */
static int all(int fd, void *buf, size_t n, int out)
{
	char *p = buf;

	while (n) {
		ssize_t r = out ? write(fd, p, n) : read(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* A child that adds numbers it gets through one pipe and gives the sum back through another. */
static void forked_sum(long seed)
{
	int to[2], from[2];
	long sum = 0, want = 0;
	pid_t pid;

	CHECK(!pipe2(to, O_CLOEXEC) && !pipe2(from, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		long x;

		close(to[1]);
		close(from[0]);
		/* Counted: other threads' children hold this pipe's other end, too. */
		for (int i = 0; i < 50 && !all(to[0], &x, sizeof x, 0); i++)
			sum += x;
		all(from[1], &sum, sizeof sum, 1);
		_exit(7);
	}
	CHECK(pid > 0);
	close(to[0]);
	close(from[1]);
	for (long i = 0; i < 50; i++) {
		long x = seed * i;

		want += x;
		CHECK(!all(to[1], &x, sizeof x, 1));
	}
	close(to[1]);
	CHECK(!all(from[0], &sum, sizeof sum, 0));
	CHECK_EQ(sum, want);
	close(from[0]);
	CHECK_EQ(wait_for(pid), 7 << 8);
	total += sum;
}

/* Memory that is copied on write in a child, mapped and unmapped meanwhile. */
static void forked_memory(long seed)
{
	size_t size = 64 * 4096;
	long *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	CHECK(p != MAP_FAILED && shared != MAP_FAILED);
	for (size_t i = 0; i < size / 8; i += 512)
		p[i] = seed;
	pid = fork();
	if (!pid) {
		long s = 0;

		for (size_t i = 0; i < size / 8; i += 512) {
			s += p[i];
			p[i] = -1;
		}
		munmap(p, size / 2);
		*shared = s;
		_exit(p[size / 8 - 512] == -1 ? 3 : 4);
	}
	CHECK(!mprotect(p, 4096, PROT_READ));
	CHECK_EQ(wait_for(pid), 3 << 8);
	CHECK_EQ(*shared, 64 * seed);
	CHECK_EQ(p[512], seed);
	total += *shared;
	munmap(p, size);
	munmap(shared, 4096);
}

static void exec_true(void)
{
	int p[2];
	char buf[16];
	pid_t pid;

	CHECK(!pipe2(p, O_CLOEXEC));
	pid = vfork();
	if (!pid) {
		dup2(p[1], 1);
		execl("/bin/echo", "echo", "abc", NULL);
		_exit(127);
	}
	close(p[1]);
	CHECK(!all(p[0], buf, 4, 0));
	CHECK(!memcmp(buf, "abc\n", 4));
	CHECK_EQ(wait_for(pid), 0);
	close(p[0]);
	total += 1;
}

static void events(long seed)
{
	int s[2], e = eventfd(0, EFD_CLOEXEC);
	char buf[3000], back[3000];
	struct pollfd fds[2];
	unsigned long long v = 0;

	memset(buf, (int)seed, sizeof buf);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	CHECK(!all(s[0], buf, sizeof buf, 1));
	fds[0] = (struct pollfd){s[1], POLLIN, 0};
	fds[1] = (struct pollfd){e, POLLIN, 0};
	CHECK(poll(fds, 2, 5000) == 1 || errno == EINTR);
	CHECK(!all(s[1], back, sizeof back, 0));
	CHECK(!memcmp(buf, back, sizeof buf));
	v = 5;
	CHECK(!all(e, &v, 8, 1));
	CHECK(!all(e, &v, 8, 0));
	CHECK_EQ(v, 5);
	total += (long)v;
	close(s[0]);
	close(s[1]);
	close(e);
}

static void *work(void *arg)
{
	long id = (long)arg;

	for (int i = 0; i < ROUNDS; i++) {
		switch ((id + i) % 4) {
		case 0:
			forked_sum(id + 1);
			break;
		case 1:
			forked_memory(id + 1);
			break;
		case 2:
			exec_true();
			break;
		case 3:
			events(id + 1);
			break;
		}
	}
	return NULL;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_usr1};
	pthread_t t[THREADS];
	atomic_int sent = 0;
	long want = 0;

	sigaction(SIGUSR1, &sa, NULL);
	for (long i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&t[i], NULL, work, (void *)i));
	for (int i = 0; i < 60; i++) {
		if (!pthread_kill(t[i % THREADS], SIGUSR1))
			sent++;
		poll(NULL, 0, 1);
	}
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_join(t[i], NULL));
	for (long id = 0; id < THREADS; id++) {
		for (int i = 0; i < ROUNDS; i++) {
			long seed = id + 1;
			long sums[] = {seed * 1225, 64 * seed, 1, 5};

			want += sums[(id + i) % 4];
		}
	}
	CHECK_EQ(total, want);
	CHECK(handled > 0 && handled <= sent);
	errno = 0;
	CHECK_ERRNO(wait(NULL), ECHILD);
	return check_done();
}
