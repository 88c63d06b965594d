/* SPDX-License-Identifier: Apache-2.0 */
/* FIFOs: opens that wait for the other end, O_NONBLOCK and O_RDWR opens, hang-up, unlinking. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

static char dir[64] = "/tmp/husk-fifo-XXXXXX", path[80];

static void on_alarm(int sig)
{
}

static void test_blocking_open(void)
{
	char buf[8];
	int fd, status;
	pid_t pid = fork();

	if (!pid) {
		fd = open(path, O_WRONLY);
		_exit(fd >= 0 && write(fd, "ping", 4) == 4 ? 0 : 1);
	}
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQ(read(fd, buf, 8), 4);
	CHECK_EQ(read(fd, buf, 8), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(fd);
}

static void test_nonblock(void)
{
	struct pollfd p;
	char c;
	int r, w, rw;

	CHECK_ERRNO(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
	r = open(path, O_RDONLY | O_NONBLOCK);
	CHECK(r >= 0);
	CHECK_EQ(read(r, &c, 1), 0);
	p = (struct pollfd){r, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 0); /* no writer yet is no hang-up */
	w = open(path, O_WRONLY | O_NONBLOCK);
	CHECK(w >= 0);
	CHECK_ERRNO(read(r, &c, 1), EAGAIN);
	CHECK_EQ(write(w, "z", 1), 1);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	close(w);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLHUP);
	CHECK_EQ(read(r, &c, 1), 1);
	CHECK_EQ(read(r, &c, 1), 0);
	close(r);
	rw = open(path, O_RDWR);
	CHECK(rw >= 0);
	CHECK_EQ(write(rw, "q", 1), 1);
	CHECK_EQ(read(rw, &c, 1), 1);
	close(rw);
}

static void test_interrupted(void)
{
	struct sigaction sa = {.sa_handler = on_alarm};

	sigaction(SIGALRM, &sa, NULL);
	ualarm(20000, 0);
	CHECK_ERRNO(open(path, O_RDONLY), EINTR);
	/* The interrupted reader is gone: a writer would find none. */
	CHECK_ERRNO(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
}

static void test_unlinked(void)
{
	struct stat st;
	int a = open(path, O_RDWR | O_NONBLOCK);

	CHECK(a >= 0);
	CHECK_OK(stat(path, &st));
	CHECK(S_ISFIFO(st.st_mode));
	CHECK_OK(unlink(path));
	CHECK_EQ(write(a, "x", 1), 1);
	CHECK_ERRNO(open(path, O_RDONLY | O_NONBLOCK), ENOENT);
	close(a);
}

int main(void)
{
	if (!mkdtemp(dir))
		check_skip("no /tmp");
	snprintf(path, sizeof path, "%s/f", dir);
	CHECK_OK(mkfifo(path, 0600));
	CHECK_ERRNO(mkfifo(path, 0600), EEXIST);
	test_blocking_open();
	test_nonblock();
	test_interrupted();
	test_unlinked();
	CHECK_OK(rmdir(dir));
	return check_done();
}
