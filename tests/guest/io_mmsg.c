/* SPDX-License-Identifier: Apache-2.0 */
/* Several messages with one call: sendmmsg, recvmmsg; and the older accept, getpeername, getsockname. */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "check.h"

#define BAD ((void *)8)

static struct mmsghdr *volatile const bad = BAD;

static void messages(int type)
{
	char text[3][8], in[4][8];
	struct iovec out_iov[3], in_iov[4];
	struct mmsghdr out[3] = {0}, got[4] = {0};
	struct timespec ts = {10, 0}, wrong = {0, 1000000000};
	int s[2];

	CHECK_OK(socketpair(AF_UNIX, type, 0, s));
	for (int i = 0; i < 3; i++) {
		snprintf(text[i], sizeof text[i], "msg%d", i);
		out_iov[i] = (struct iovec){text[i], 4 + i};
		out[i].msg_hdr.msg_iov = &out_iov[i];
		out[i].msg_hdr.msg_iovlen = 1;
	}
	for (int i = 0; i < 4; i++) {
		in_iov[i] = (struct iovec){in[i], i == 1 ? 2 : 8};
		got[i].msg_hdr.msg_iov = &in_iov[i];
		got[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK_EQ(sendmmsg(s[0], out, 3, 0), 3);
	CHECK(out[0].msg_len == 4 && out[1].msg_len == 5 && out[2].msg_len == 6);
	/* The fourth would wait; MSG_WAITFORONE takes what there is. */
	CHECK_EQ(recvmmsg(s[1], got, 4, MSG_WAITFORONE, NULL), 3);
	CHECK(got[0].msg_len == 4 && !memcmp(in[0], "msg0", 4));
	CHECK(got[1].msg_len == 2 && !memcmp(in[1], "ms", 2));
	CHECK(got[1].msg_hdr.msg_flags & MSG_TRUNC);
	CHECK(got[2].msg_len == 6 && !memcmp(in[2], "msg2", 5));
	CHECK_ERRNO(recvmmsg(s[1], got, 4, MSG_DONTWAIT, NULL), EAGAIN);
	CHECK_EQ(sendmmsg(s[0], out, 2, 0), 2);
	CHECK_EQ(recvmmsg(s[1], got, 2, 0, &ts), 2);
	CHECK(ts.tv_sec == 9 || ts.tv_sec == 10);
	CHECK_EQ(sendmmsg(s[0], out, 0, 0), 0);
	CHECK_EQ(recvmmsg(s[1], got, 0, 0, NULL), 0);
	/* What fails after the first counts for the next call. */
	out[1].msg_hdr.msg_iov = BAD;
	CHECK_EQ(sendmmsg(s[0], out, 3, 0), 1);
	CHECK_EQ(recvmmsg(s[1], got, 4, MSG_WAITFORONE, NULL), 1);
	out[0].msg_hdr.msg_iov = BAD;
	CHECK_ERRNO(sendmmsg(s[0], out, 3, 0), EFAULT);
	CHECK_ERRNO(sendmmsg(s[0], bad, 1, 0), EFAULT);
	CHECK_ERRNO(recvmmsg(s[1], got, 1, 0, &wrong), EINVAL);
	CHECK_ERRNO(syscall(SYS_recvmmsg, 99, got, 1, 0, BAD), EFAULT);
	CHECK_ERRNO(recvmmsg(99, got, 1, 0, &wrong), EINVAL);
	CHECK_ERRNO(recvmmsg(99, got, 1, 0, NULL), EBADF);
	CHECK_ERRNO(sendmmsg(99, out, 1, 0), EBADF);
	CHECK_ERRNO(sendmmsg(0, out, 1, 0), ENOTSOCK);
	CHECK_ERRNO(recvmmsg(0, got, 1, 0, NULL), ENOTSOCK);
	close(s[0]);
	close(s[1]);
}

/* A message comes while recvmmsg waits. */
static void waiting(void)
{
	char c[2];
	struct iovec iov[2] = {{c, 1}, {c + 1, 1}};
	struct mmsghdr m[2] = {{.msg_hdr = {.msg_iov = iov, .msg_iovlen = 1}},
			       {.msg_hdr = {.msg_iov = iov + 1, .msg_iovlen = 1}}};
	int s[2], status;

	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	if (!fork()) {
		CHECK_EQ(recvmmsg(s[1], m, 2, 0, NULL), 2);
		CHECK(c[0] == 'a' && c[1] == 'b');
		CHECK_EQ(send(s[1], "", 0, 0), 0);
		_exit(check_failed());
	}
	CHECK_EQ(send(s[0], "a", 1, 0), 1);
	CHECK_EQ(send(s[0], "b", 1, 0), 1);
	CHECK_EQ(recv(s[0], c, 1, 0), 0);
	wait(&status);
	CHECK_EQ(status, 0);
}

static void connections(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX}, b;
	socklen_t len = sizeof(sa_family_t) + 1 + snprintf(a.sun_path + 1, 60, "io_mmsg.%d", getpid()), n;
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), s;

	CHECK_OK(bind(l, (struct sockaddr *)&a, len));
	CHECK_ERRNO(syscall(SYS_accept, l, NULL, NULL), EINVAL);
	CHECK_OK(listen(l, 4));
	CHECK_ERRNO(getpeername(c, (struct sockaddr *)&b, &n), ENOTCONN);
	CHECK_OK(connect(c, (struct sockaddr *)&a, len));
	n = sizeof b;
	s = syscall(SYS_accept, l, &b, &n);
	CHECK(s >= 0);
	CHECK_EQ(fcntl(s, F_GETFD), 0);
	CHECK_EQ(n, sizeof(sa_family_t)); /* the client has no name */
	CHECK_EQ(b.sun_family, AF_UNIX);
	n = sizeof b;
	memset(&b, 0, sizeof b);
	CHECK_OK(getpeername(c, (struct sockaddr *)&b, &n));
	CHECK_EQ(n, len);
	CHECK(!memcmp(&a, &b, len));
	n = 4;
	memset(&b, 0, sizeof b);
	CHECK_OK(getsockname(s, (struct sockaddr *)&b, &n));
	CHECK_EQ(n, len); /* its whole length, though only 4 bytes were wanted */
	CHECK(!memcmp(&a, &b, 4) && !b.sun_path[2]);
	n = -1;
	CHECK_ERRNO(getpeername(c, (struct sockaddr *)&b, &n), EINVAL);
	CHECK_ERRNO(syscall(SYS_getpeername, c, &b, BAD), EFAULT);
	n = sizeof b;
	CHECK_ERRNO(syscall(SYS_getpeername, c, BAD, &n), EFAULT);
	CHECK_ERRNO(syscall(SYS_getsockname, 99, &b, &n), EBADF);
	CHECK_ERRNO(syscall(SYS_getpeername, 0, &b, &n), ENOTSOCK);
	fcntl(l, F_SETFL, O_NONBLOCK);
	CHECK_ERRNO(syscall(SYS_accept, l, NULL, NULL), EAGAIN);
	CHECK_ERRNO(syscall(SYS_accept, c, NULL, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_accept, 99, NULL, NULL), EBADF);
	CHECK_ERRNO(syscall(SYS_accept, 0, NULL, NULL), ENOTSOCK);
	close(c);
	close(s);
	close(l);
}

int main(void)
{
	messages(SOCK_DGRAM);
	messages(SOCK_SEQPACKET);
	waiting();
	connections();
	return check_done();
}
