/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes: order and capacity, atomic writes, packets, ends, EPIPE with SIGPIPE, sizes, blocking and waking. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

static void *volatile bad_pointer = (void *)8;
static volatile int minus_one = -1;

static volatile sig_atomic_t pipes_broken;

static void on_sigpipe(int sig)
{
	pipes_broken++;
}

static void test_basics(void)
{
	int p[2], n;
	char buf[64];
	struct stat st;

	CHECK_ERRNO(pipe2(p, 0x1), EINVAL);
	CHECK_ERRNO(pipe2((int *)bad_pointer, 0), EFAULT);
	CHECK_OK(pipe2(p, O_NONBLOCK | O_CLOEXEC));
	CHECK_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(p[0], F_GETFL), O_RDONLY | O_NONBLOCK);
	CHECK_EQ(fcntl(p[1], F_GETFL), O_WRONLY | O_NONBLOCK);
	CHECK_OK(fstat(p[0], &st));
	CHECK(S_ISFIFO(st.st_mode));
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK_ERRNO(read(p[0], buf, 1), EAGAIN);
	CHECK_ERRNO(read(p[1], buf, 1), EBADF);
	CHECK_ERRNO(write(p[0], buf, 1), EBADF);
	CHECK_ERRNO(lseek(p[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERRNO(pread(p[0], buf, 1, 0), ESPIPE);
	CHECK_EQ(write(p[1], "hello ", 6), 6);
	CHECK_EQ(write(p[1], "world", 5), 5);
	CHECK_OK(ioctl(p[0], FIONREAD, &n));
	CHECK_EQ(n, 11);
	CHECK_ERRNO(read(p[0], bad_pointer, 4), EFAULT);
	CHECK_EQ(read(p[0], buf, 4), 4);
	CHECK_EQ(read(p[0], buf + 4, 60), 7);
	CHECK(!memcmp(buf, "hello world", 11));
	CHECK_ERRNO(write(p[1], bad_pointer, 4), EFAULT);
	CHECK_EQ(write(p[1], "x", 0), 0);
	CHECK_EQ(read(p[0], buf, 0), 0);
	close(p[1]);
	CHECK_EQ(read(p[0], buf, 1), 0);
	close(p[0]);
}

static void test_capacity(void)
{
	int p[2];
	static char big[1 << 17];
	long total = 0, n;

	memset(big, 'b', sizeof big);
	CHECK_OK(pipe2(p, O_NONBLOCK));
	CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 65536);
	CHECK_EQ(write(p[1], big, sizeof big), 65536);
	CHECK_ERRNO(write(p[1], big, 1), EAGAIN);
	CHECK_EQ(read(p[0], big, 4095), 4095);
	/* No page has become free: what is written whole or not at all is not. */
	CHECK_ERRNO(write(p[1], big, PIPE_BUF), EAGAIN);
	CHECK_EQ(read(p[0], big, 1), 1);
	CHECK_EQ(write(p[1], big, PIPE_BUF), PIPE_BUF);
	CHECK_ERRNO(fcntl(p[0], F_SETPIPE_SZ, 4096), EBUSY);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 100000), 131072);
	CHECK_EQ(write(p[1], big, sizeof big), 65536);
	while ((n = read(p[0], big, 10000)) > 0)
		total += n;
	CHECK_EQ(total, 131072);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 1), 4096);
	CHECK_EQ(write(p[1], big, 8192), 4096);
	close(p[0]);
	close(p[1]);
	CHECK_ERRNO(fcntl(0x7fff, F_GETPIPE_SZ), EBADF);
}

static void test_packets(void)
{
	int p[2];
	char buf[16];

	CHECK_OK(pipe2(p, O_NONBLOCK | O_DIRECT));
	CHECK_EQ(write(p[1], "one", 3), 3);
	CHECK_EQ(write(p[1], "second", 6), 6);
	CHECK_EQ(read(p[0], buf, 16), 3);
	CHECK_EQ(read(p[0], buf, 2), 2);
	CHECK_ERRNO(read(p[0], buf, 16), EAGAIN);
	close(p[0]);
	close(p[1]);
}

static void test_broken(void)
{
	int p[2], status;
	pid_t pid;
	struct pollfd pfd;

	signal(SIGPIPE, on_sigpipe);
	CHECK_OK(pipe(p));
	close(p[0]);
	CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
	CHECK_EQ(pipes_broken, 1);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
	pfd = (struct pollfd){p[1], POLLOUT, 0};
	CHECK_EQ(poll(&pfd, 1, 0), 1);
	CHECK(pfd.revents & POLLERR);
	close(p[1]);
	pid = fork();
	if (!pid) {
		signal(SIGPIPE, SIG_DFL);
		if (pipe(p))
			_exit(1);
		close(p[0]);
		write(p[1], "x", 1);
		_exit(2);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

/* A child writes more than fits while we read slowly: all bytes arrive, in order, in one write() of the
 * child's. */
static void test_blocking(void)
{
	enum { SIZE = 1 << 20 };
	int p[2], status;
	char buf[5000], *data = malloc(SIZE);
	long at = 0, n, bad = 0;
	pid_t pid;

	for (int i = 0; i < SIZE; i++)
		data[i] = i * 7 + (i >> 9);
	CHECK_OK(pipe(p));
	pid = fork();
	if (!pid) {
		close(p[0]);
		_exit(write(p[1], data, SIZE) == SIZE ? 0 : 1);
	}
	close(p[1]);
	while ((n = read(p[0], buf, sizeof buf)) > 0) {
		bad += memcmp(buf, data + at, n) != 0;
		at += n;
	}
	CHECK_EQ(at, SIZE);
	CHECK_EQ(bad, 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(p[0]);
	free(data);
}

static void test_vectors(void)
{
	int p[2];
	char a[3], b[5];
	struct iovec out[] = {{"abc", 3}, {"", 0}, {"defgh", 5}}, in[] = {{a, 3}, {b, 5}};

	CHECK_OK(pipe(p));
	CHECK_EQ(writev(p[1], out, 3), 8);
	CHECK_EQ(readv(p[0], in, 2), 8);
	CHECK(!memcmp(a, "abc", 3) && !memcmp(b, "defgh", 5));
	CHECK_ERRNO(writev(p[1], out, minus_one), EINVAL);
	CHECK_ERRNO(readv(p[0], in, IOV_MAX + 2 + minus_one), EINVAL);
	close(p[0]);
	close(p[1]);
}

#define PAGE 4096

/* Much at once, and memory that ends in the midst of it. */
static void test_big(void)
{
	char *at = mmap(NULL, 100 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov[3] = {{at + 1, 5 * PAGE}, {at + 20 * PAGE, 3}, {at + 30 * PAGE, 7 * PAGE}};
	int p[2], i, n;

	CHECK(at != MAP_FAILED);
	CHECK_OK(pipe2(p, O_NONBLOCK));
	CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 64 * PAGE), 64 * PAGE);
	for (i = 0; i < 50 * PAGE; i++)
		at[i] = (char)(i % 251);
	CHECK_EQ(write(p[1], at, 50 * PAGE - 5), 50 * PAGE - 5);
	CHECK_EQ(read(p[0], at + 50 * PAGE, 50 * PAGE), 50 * PAGE - 5);
	CHECK(!memcmp(at, at + 50 * PAGE, 50 * PAGE - 5));
	/* More than there is room for. */
	CHECK_EQ(write(p[1], at, 70 * PAGE), 64 * PAGE);
	CHECK_ERRNO(write(p[1], at, 1), EAGAIN);
	CHECK_EQ(read(p[0], at + 90 * PAGE, 3 * PAGE + 7), 3 * PAGE + 7);
	CHECK(!memcmp(at, at + 90 * PAGE, 3 * PAGE + 7));
	CHECK_EQ(read(p[0], at + 60 * PAGE, 30 * PAGE), 30 * PAGE);
	CHECK(!memcmp(at + 3 * PAGE + 7, at + 60 * PAGE, 30 * PAGE));
	while (read(p[0], at + 60 * PAGE, 40 * PAGE) > 0)
		;
	/* Vectors. */
	CHECK_EQ(writev(p[1], iov, 3), 12 * PAGE + 3);
	CHECK_EQ(read(p[0], at + 60 * PAGE, 40 * PAGE), 12 * PAGE + 3);
	CHECK(!memcmp(at + 60 * PAGE, at + 1, 5 * PAGE));
	CHECK(!memcmp(at + 65 * PAGE, at + 20 * PAGE, 3));
	CHECK(!memcmp(at + 65 * PAGE + 3, at + 30 * PAGE, 7 * PAGE));
	/* Whole pages are written, and taken, or nothing of them is. */
	CHECK_OK(mprotect(at + 10 * PAGE, PAGE, PROT_NONE));
	CHECK_EQ(write(p[1], at + 2 * PAGE - 100, 20 * PAGE), 8 * PAGE);
	CHECK_OK(ioctl(p[0], FIONREAD, &n));
	CHECK_EQ(n, 8 * PAGE);
	CHECK_EQ(read(p[0], at + 6 * PAGE + 50, 8 * PAGE), 3 * PAGE);
	CHECK(!memcmp(at + 6 * PAGE + 50, at + 2 * PAGE - 100, 3 * PAGE));
	CHECK_OK(ioctl(p[0], FIONREAD, &n));
	CHECK_EQ(n, 5 * PAGE);
	CHECK_ERRNO(read(p[0], at + 9 * PAGE + 50, 8 * PAGE), EFAULT);
	CHECK_ERRNO(read(p[0], at + 10 * PAGE - 5, 10), EFAULT);
	CHECK_ERRNO(write(p[1], at + 9 * PAGE + 50, 8 * PAGE), EFAULT);
	CHECK_EQ(read(p[0], at + 60 * PAGE, 8 * PAGE), 5 * PAGE);
	for (i = 0; i < 5 * PAGE && at[60 * PAGE + i] == (char)((5 * PAGE - 100 + i) % 251); i++)
		;
	CHECK_EQ(i, 5 * PAGE);
	close(p[0]);
	close(p[1]);
	munmap(at, 100 * PAGE);
}

/* A packet among a stream's bytes. */
static void test_mixed(void)
{
	static char from[8 * PAGE], to[16 * PAGE];
	int p[2];

	memset(from, 'a', sizeof from);
	CHECK_OK(pipe2(p, O_NONBLOCK));
	CHECK_EQ(write(p[1], from, 3 * PAGE), 3 * PAGE);
	CHECK_OK(fcntl(p[1], F_SETFL, O_NONBLOCK | O_DIRECT));
	CHECK_EQ(write(p[1], from, 2 * PAGE + 10), 2 * PAGE + 10);
	CHECK_EQ(write(p[1], from, 5), 5);
	CHECK_OK(fcntl(p[1], F_SETFL, O_NONBLOCK));
	CHECK_EQ(write(p[1], from, 4 * PAGE), 4 * PAGE);
	CHECK_EQ(read(p[0], to, sizeof to), 4 * PAGE);
	CHECK_EQ(read(p[0], to, sizeof to), PAGE);
	CHECK_EQ(read(p[0], to, sizeof to), 10);
	CHECK_EQ(read(p[0], to, sizeof to), 5);
	CHECK_EQ(read(p[0], to, sizeof to), 4 * PAGE);
	close(p[0]);
	close(p[1]);
}

static void test_two_processes(void)
{
	int a[2], b[2], status;
	char c = 0;
	pid_t pid;

	CHECK_OK(pipe(a));
	CHECK_OK(pipe(b));
	pid = fork();
	if (!pid) {
		close(a[1]);
		while (read(a[0], &c, 1) == 1) {
			c++;
			if (write(b[1], &c, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < 200; i++) {
		c = i;
		CHECK_EQ(write(a[1], &c, 1), 1);
		CHECK_EQ(read(b[0], &c, 1), 1);
		CHECK_EQ(c, (char)(i + 1));
	}
	close(a[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(a[0]);
	close(b[0]);
	close(b[1]);
}

/* A pipe that is opened anew by /proc after its writers have gone has hung up, unlike a FIFO without a writer yet. */
static void test_opened_anew(void)
{
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		struct pollfd w = {.events = POLLIN};
		char path[32], c;
		int p[2];

		CHECK_OK(pipe(p));
		CHECK_EQ(write(p[1], "x", 1), 1);
		CHECK_OK(close(p[1]));
		snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
		w.fd = open(path, O_RDONLY | flags);
		CHECK(w.fd >= 0);
		CHECK_EQ(poll(&w, 1, 0), 1);
		CHECK_EQ(w.revents, POLLIN | POLLHUP);
		CHECK_EQ(read(w.fd, &c, 1), 1);
		CHECK_EQ(poll(&w, 1, 0), 1);
		CHECK_EQ(w.revents, POLLHUP);
		CHECK_EQ(read(w.fd, &c, 1), 0);
		close(w.fd);
		close(p[0]);
	}
}

int main(void)
{
	test_basics();
	test_capacity();
	test_packets();
	test_broken();
	test_blocking();
	test_vectors();
	test_big();
	test_mixed();
	test_two_processes();
	test_opened_anew();
	return check_done();
}
