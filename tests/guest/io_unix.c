/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets: pairs, names, listening, descriptors and credentials that travel, shutdown, options. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "check.h"

static int send_fd(int sock, int fd, const char *text)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)text, strlen(text)};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

	control.h = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.h), &fd, sizeof fd);
	return sendmsg(sock, &m, 0);
}

static int recv_fd(int sock, char *buf, size_t size, int *fd, int flags)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {buf, size};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	int n = recvmsg(sock, &m, flags);

	*fd = -1;
	if (n >= 0 && m.msg_controllen >= sizeof control.h && control.h.cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(&control.h), sizeof *fd);
	return n;
}

static void test_stream_pair(void)
{
	int s[2], n;
	char buf[32];
	struct stat st;
	struct pollfd p;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s));
	CHECK_EQ(fcntl(s[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(s[0], F_GETFL), O_RDWR | O_NONBLOCK);
	CHECK_OK(fstat(s[0], &st));
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_ERRNO(read(s[0], buf, 1), EAGAIN);
	CHECK_EQ(write(s[0], "abc", 3), 3);
	CHECK_EQ(send(s[0], "def", 3, 0), 3);
	CHECK_OK(ioctl(s[1], FIONREAD, &n));
	CHECK_EQ(n, 6);
	CHECK_EQ(recv(s[1], buf, 32, MSG_PEEK), 6);
	CHECK_EQ(read(s[1], buf, 4), 4);
	CHECK_EQ(read(s[1], buf + 4, 28), 2);
	CHECK(!memcmp(buf, "abcdef", 6));
	CHECK_ERRNO(lseek(s[0], 0, SEEK_SET), ESPIPE);
	p = (struct pollfd){s[1], POLLIN | POLLOUT | POLLRDHUP, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	CHECK_OK(shutdown(s[0], SHUT_WR));
	CHECK_EQ(read(s[1], buf, 1), 0);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(write(s[1], "back", 4), 4);
	CHECK_EQ(read(s[0], buf, 32), 4);
	CHECK_ERRNO(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(s[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(s[1], "x", 1), EPIPE);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK(p.revents & POLLHUP);
	close(s[1]);
	/* Unread bytes make the other side's end a reset. */
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	write(s[0], "x", 1);
	close(s[1]);
	CHECK_ERRNO(read(s[0], buf, 1), ECONNRESET);
	CHECK_EQ(read(s[0], buf, 1), 0);
	close(s[0]);
}

static void test_packets(int type)
{
	int s[2];
	char buf[8];

	CHECK_OK(socketpair(AF_UNIX, type, 0, s));
	CHECK_EQ(send(s[0], "first", 5, 0), 5);
	CHECK_EQ(send(s[0], "", 0, 0), 0);
	CHECK_EQ(send(s[0], "a long packet", 13, 0), 13);
	CHECK_EQ(recv(s[1], buf, 8, 0), 5);
	CHECK_EQ(recv(s[1], buf, 8, 0), 0);
	CHECK_EQ(recv(s[1], buf, 8, MSG_TRUNC), 13);
	CHECK_ERRNO(recv(s[1], buf, 8, MSG_DONTWAIT), EAGAIN);
	close(s[0]);
	close(s[1]);
}

static void test_rights(void)
{
	int s[2], p[2], fd, status;
	char buf[16], c;
	struct stat a, b;
	pid_t pid;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_OK(pipe(p));
	pid = fork();
	if (!pid) {
		if (recv_fd(s[1], buf, 16, &fd, MSG_CMSG_CLOEXEC) != 4 || fd < 0)
			_exit(1);
		if (fcntl(fd, F_GETFD) != FD_CLOEXEC)
			_exit(2);
		_exit(write(fd, "!", 1) == 1 ? 0 : 3);
	}
	CHECK_EQ(send_fd(s[0], p[1], "take"), 4);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(read(p[0], &c, 1), 1);
	/* Closed by its sender, alive in the queue. */
	CHECK_EQ(send_fd(s[0], p[1], "q"), 1);
	fstat(p[1], &a);
	close(p[1]);
	CHECK_EQ(recv_fd(s[1], buf, 16, &fd, 0), 1);
	CHECK(fd >= 0);
	CHECK_OK(fstat(fd, &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	close(fd);
	CHECK_EQ(read(p[0], &c, 1), 0);
	CHECK_ERRNO(send_fd(s[0], 999, "x"), EBADF);
	/* A socket inside its own queue, dropped with it. */
	CHECK_EQ(send_fd(s[0], s[0], "self"), 4);
	close(s[0]);
	close(s[1]);
	close(p[0]);
}

static void test_credentials(void)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	int s[2], one = 1;
	char buf[8];
	struct iovec iov = {buf, 8};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct ucred u;
	socklen_t len = sizeof u;

	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &len));
	CHECK_EQ(u.pid, getpid());
	CHECK_EQ(u.uid, geteuid());
	CHECK_OK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
	CHECK_EQ(write(s[0], "cred", 4), 4);
	CHECK_EQ(recvmsg(s[1], &m, 0), 4);
	CHECK_EQ(control.h.cmsg_type, SCM_CREDENTIALS);
	memcpy(&u, CMSG_DATA(&control.h), sizeof u);
	CHECK_EQ(u.pid, getpid());
	CHECK_EQ(u.gid, getegid());
	close(s[0]);
	close(s[1]);
}

static void serve(struct sockaddr_un *sa, socklen_t len, int type)
{
	int l = socket(AF_UNIX, type, 0), c, status, value;
	struct sockaddr_un peer;
	socklen_t size = sizeof peer;
	char buf[8];
	pid_t pid;

	CHECK_OK(bind(l, (void *)sa, len));
	CHECK_ERRNO(bind(l, (void *)sa, len), sa->sun_path[0] ? EADDRINUSE : EINVAL);
	c = socket(AF_UNIX, type, 0);
	CHECK_ERRNO(bind(c, (void *)sa, len), EADDRINUSE);
	CHECK_ERRNO(connect(c, (void *)sa, len), ECONNREFUSED);
	close(c);
	CHECK_ERRNO(accept(l, NULL, NULL), EINVAL);
	CHECK_OK(listen(l, 5));
	pid = fork();
	if (!pid) {
		c = socket(AF_UNIX, type, 0);
		if (connect(c, (void *)sa, len))
			_exit(1);
		if (write(c, "hello", 5) != 5 || read(c, buf, 8) != 3)
			_exit(2);
		_exit(memcmp(buf, "bye", 3) ? 3 : 0);
	}
	c = accept4(l, (void *)&peer, &size, SOCK_CLOEXEC);
	CHECK(c >= 0);
	CHECK_EQ(size, sizeof(sa_family_t));
	CHECK_EQ(peer.sun_family, AF_UNIX);
	CHECK_EQ(fcntl(c, F_GETFD), FD_CLOEXEC);
	size = sizeof peer;
	CHECK_OK(getsockname(c, (void *)&peer, &size));
	CHECK_EQ(size, len);
	CHECK(!memcmp(peer.sun_path, sa->sun_path, len - offsetof(struct sockaddr_un, sun_path)));
	CHECK_EQ(read(c, buf, 8), 5);
	CHECK_EQ(write(c, "bye", 3), 3);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	size = sizeof value;
	CHECK_OK(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &value, &size));
	CHECK_EQ(value, 1);
	CHECK_OK(getsockopt(c, SOL_SOCKET, SO_TYPE, &value, &size));
	CHECK_EQ(value, type);
	close(c);
	close(l);
}

static void test_names(void)
{
	char dir[] = "/tmp/husk-unix-XXXXXX";
	struct sockaddr_un sa = {.sun_family = AF_UNIX}, from;
	socklen_t len, size = sizeof from;
	struct stat st;
	int a, b;
	char buf[8];

	if (!mkdtemp(dir))
		check_skip("no /tmp");
	len = offsetof(struct sockaddr_un, sun_path) + 1 +
	      snprintf(sa.sun_path, sizeof sa.sun_path, "%s/s", dir);
	serve(&sa, len, SOCK_STREAM);
	CHECK_OK(stat(sa.sun_path, &st));
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_ERRNO(open(sa.sun_path, O_RDWR), ENXIO);
	a = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERRNO(connect(a, (void *)&sa, len), ECONNREFUSED);
	CHECK_OK(unlink(sa.sun_path));
	CHECK_ERRNO(connect(a, (void *)&sa, len), ENOENT);
	close(a);
	serve(&sa, len, SOCK_SEQPACKET);
	unlink(sa.sun_path);
	rmdir(dir);
	/* Abstract names: gone with their socket. */
	len = offsetof(struct sockaddr_un, sun_path) + 1 +
	      snprintf(sa.sun_path + 1, sizeof sa.sun_path - 1, "husk-test-%d", getpid());
	sa.sun_path[0] = 0;
	serve(&sa, len, SOCK_STREAM);
	serve(&sa, len, SOCK_STREAM);
	/* Datagrams with a sender's name. */
	a = socket(AF_UNIX, SOCK_DGRAM, 0);
	b = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_OK(bind(a, (void *)&sa, len));
	CHECK_OK(bind(b, (void *)&sa, sizeof(sa_family_t))); /* the kernel chooses */
	CHECK_EQ(sendto(b, "dg", 2, 0, (void *)&sa, len), 2);
	CHECK_EQ(recvfrom(a, buf, 8, 0, (void *)&from, &size), 2);
	CHECK_EQ(size, offsetof(struct sockaddr_un, sun_path) + 6);
	CHECK_EQ(sendto(a, "re", 2, 0, (void *)&from, size), 2);
	CHECK_EQ(recv(b, buf, 8, 0), 2);
	CHECK_ERRNO(send(b, "x", 1, 0), ENOTCONN);
	CHECK_OK(connect(b, (void *)&sa, len));
	CHECK_EQ(send(b, "x", 1, 0), 1);
	close(a);
	CHECK_ERRNO(send(b, "x", 1, 0), ECONNREFUSED);
	close(b);
}

static void test_errors(void)
{
	struct timeval tv = {0, 20000};
	struct sockaddr_un sa = {.sun_family = AF_INET};
	int s = socket(AF_UNIX, SOCK_STREAM, 0), n = open("/dev/null", O_RDONLY), pair[2];
	char c;

	CHECK_ERRNO(socket(AF_UNIX, 77, 0), EINVAL);
	CHECK_ERRNO(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM, 99), EPROTONOSUPPORT);
	CHECK_ERRNO(socket(12345, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERRNO(send(n, "x", 1, 0), ENOTSOCK);
	CHECK_ERRNO(listen(-1, 1), EBADF);
	CHECK_ERRNO(listen(s, 1), EINVAL);
	CHECK_ERRNO(connect(s, (void *)&sa, sizeof sa), EINVAL);
	CHECK_ERRNO(send(s, "x", 1, MSG_NOSIGNAL), ENOTCONN);
	CHECK_ERRNO(recv(s, &c, 1, 0), EINVAL);
	CHECK_ERRNO(getpeername(s, (void *)&sa, &(socklen_t){sizeof sa}), ENOTCONN);
	CHECK_ERRNO(shutdown(s, 9), EINVAL);
	CHECK_ERRNO(getsockopt(s, SOL_SOCKET, 12345, &c, &(socklen_t){1}), ENOPROTOOPT);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CHECK_OK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	CHECK_ERRNO(recv(pair[0], &c, 1, 0), EAGAIN);
	close(pair[0]);
	close(pair[1]);
	close(s);
	close(n);
}

/* More than the buffers hold, both ways of waiting. */
static void test_blocking(void)
{
	enum { SIZE = 1 << 20 };
	char *data = malloc(SIZE), *got = malloc(SIZE);
	int s[2], status;
	pid_t pid;

	for (int i = 0; i < SIZE; i++)
		data[i] = i * 13 + (i >> 11);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid = fork();
	if (!pid) {
		close(s[0]);
		_exit(send(s[1], data, SIZE, 0) == SIZE ? 0 : 1);
	}
	close(s[1]);
	CHECK_EQ(recv(s[0], got, SIZE, MSG_WAITALL), SIZE);
	CHECK(!memcmp(data, got, SIZE));
	CHECK_EQ(recv(s[0], got, 1, 0), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(s[0]);
	free(data);
	free(got);
}

int main(void)
{
	test_stream_pair();
	test_packets(SOCK_DGRAM);
	test_packets(SOCK_SEQPACKET);
	test_rights();
	test_credentials();
	test_names();
	test_errors();
	test_blocking();
	return check_done();
}
