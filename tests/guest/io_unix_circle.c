/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that sockets which only each other's messages hold are closed in the end: a pipe's end that waits in one of them
 * is gone then, and whoever reads from the pipe finds its end.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static void send_fd(int socket, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	CHECK_EQ(sendmsg(socket, &m, 0), 1);
}

static int receive_fd(int socket)
{
	char room[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
	int fd = -1;

	CHECK_EQ(recvmsg(socket, &m, 0), 1);
	if (m.msg_controllen >= CMSG_LEN(sizeof fd))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

/* Other sockets come and go, which is when circles are looked for, until the pipe has ended. */
static int ends(int pipe_end)
{
	struct pollfd p = {pipe_end, POLLIN, 0};
	int sv[2];

	for (int i = 0; i < 2000; i++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
		close(sv[0]);
		close(sv[1]);
		if (poll(&p, 1, 1) == 1)
			return p.revents & POLLHUP;
	}
	return 0;
}

/* Both ends of a pair wait in each other, and the pipe in one of them. */
static void test_pair(int type)
{
	int sv[2], fds[2];

	CHECK_EQ(socketpair(AF_UNIX, type, 0, sv), 0);
	CHECK_EQ(pipe(fds), 0);
	send_fd(sv[0], fds[1]);
	send_fd(sv[0], sv[0]);
	send_fd(sv[1], sv[1]);
	close(fds[1]);
	close(sv[0]);
	close(sv[1]);
	CHECK(ends(fds[0]));
	close(fds[0]);
}

/* One that waits in itself. */
static void test_self(void)
{
	int sv[2], fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv), 0);
	CHECK_EQ(pipe(fds), 0);
	send_fd(sv[0], fds[1]);
	send_fd(sv[0], sv[1]);
	close(fds[1]);
	close(sv[0]);
	close(sv[1]);
	CHECK(ends(fds[0]));
	close(fds[0]);
}

/* A connection that nobody has accepted holds its own listener. */
static void test_listener(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	socklen_t size = sizeof sa;
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), fds[2];

	/* A name that nobody else has. */
	CHECK_EQ(bind(l, (struct sockaddr *)&sa, sizeof sa.sun_family), 0);
	CHECK_EQ(getsockname(l, (struct sockaddr *)&sa, &size), 0);
	CHECK_EQ(listen(l, 1), 0);
	CHECK_EQ(connect(c, (struct sockaddr *)&sa, size), 0);
	CHECK_EQ(pipe(fds), 0);
	send_fd(c, fds[1]);
	send_fd(c, l);
	close(fds[1]);
	close(l);
	close(c);
	CHECK(ends(fds[0]));
	close(fds[0]);
}

/* What somebody can still reach stays: a circle, and what waits in it, of which one socket is open. */
static void test_open(void)
{
	int a[2], b[2], fds[2], got;
	struct pollfd p;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
	CHECK_EQ(pipe(fds), 0);
	/* b[1] waits in a[1], a[0] and the pipe in b[1]. */
	send_fd(b[0], fds[1]);
	send_fd(b[0], a[0]);
	send_fd(a[0], b[1]);
	close(fds[1]);
	close(a[0]);
	close(b[0]);
	close(b[1]);
	p = (struct pollfd){fds[0], POLLIN, 0};
	for (int i = 0; i < 50; i++) {
		int sv[2];

		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
		close(sv[0]);
		close(sv[1]);
	}
	CHECK_EQ(poll(&p, 1, 0), 0);
	got = receive_fd(a[1]);
	fds[1] = receive_fd(got);
	CHECK_EQ(write(fds[1], "y", 1), 1);
	CHECK_EQ(poll(&p, 1, 0), 1);
	close(fds[0]);
	close(fds[1]);
	close(got);
	close(a[1]);
}

int main(void)
{
	test_pair(SOCK_STREAM);
	test_pair(SOCK_DGRAM);
	test_pair(SOCK_SEQPACKET);
	test_self();
	test_listener();
	test_open();
	return check_done();
}
