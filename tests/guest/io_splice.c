/* SPDX-License-Identifier: Apache-2.0 */
/* Data from descriptor to descriptor: splice, vmsplice, tee's refusals, sendfile, copy_file_range. */
#include <fcntl.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

#define BAD ((void *)8)

static int temporary(const char *content)
{
	char name[] = "/tmp/io_splice.XXXXXX";
	int fd = mkstemp(name);

	CHECK_OK(fd);
	unlink(name);
	CHECK_EQ(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void splicing(void)
{
	int file = temporary("abcdefghij"), to = temporary(""), p[2], q[2];
	char buf[16] = "";
	loff_t at = 4;

	CHECK_OK(pipe(p));
	CHECK_OK(pipe2(q, O_NONBLOCK));
	CHECK_EQ(splice(file, NULL, p[1], NULL, 4, 0), 4);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 4);
	CHECK_EQ(splice(file, &at, p[1], NULL, 100, 0), 6);
	CHECK_EQ(at, 10);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 4);
	CHECK_EQ(splice(file, &at, p[1], NULL, 100, 0), 0);
	/* Pipe to pipe, then pipe to file. */
	CHECK_EQ(splice(p[0], NULL, q[1], NULL, 3, 0), 3);
	CHECK_EQ(read(q[0], buf, sizeof buf), 3);
	CHECK(!memcmp(buf, "abc", 3));
	at = 2;
	CHECK_EQ(splice(p[0], NULL, to, &at, 100, 0), 7);
	CHECK_EQ(at, 9);
	CHECK_EQ(pread(to, buf, sizeof buf, 0), 9);
	CHECK(!memcmp(buf, "\0\0defghij", 9));
	CHECK_ERRNO(splice(p[0], NULL, to, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERRNO(splice(q[0], NULL, to, NULL, 1, 0), EAGAIN);
	CHECK_EQ(splice(99, NULL, 98, NULL, 0, 0), 0);
	CHECK_ERRNO(splice(99, NULL, 98, NULL, 1, 0x100), EINVAL);
	CHECK_ERRNO(splice(99, NULL, p[1], NULL, 1, 0), EBADF);
	CHECK_ERRNO(splice(p[0], NULL, 99, NULL, 1, 0), EBADF);
	CHECK_ERRNO(splice(p[1], NULL, to, NULL, 1, 0), EBADF);
	CHECK_ERRNO(splice(file, NULL, to, NULL, 1, 0), EINVAL);
	CHECK_ERRNO(splice(p[0], NULL, p[1], NULL, 1, 0), EINVAL);
	CHECK_ERRNO(splice(p[0], &at, to, NULL, 1, 0), ESPIPE);
	CHECK_ERRNO(splice(file, BAD, p[1], NULL, 1, 0), EFAULT);
	close(p[1]);
	CHECK_EQ(splice(p[0], NULL, to, NULL, 1, 0), 0);
}

static void waiting(void)
{
	int p[2], q[2], s[2], status;
	char c;

	CHECK_OK(pipe(p));
	CHECK_OK(pipe(q));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	if (!fork()) {
		CHECK_EQ(splice(p[0], NULL, s[1], NULL, 1, 0), 1);
		_exit(check_failed());
	}
	CHECK_EQ(write(p[1], "w", 1), 1);
	CHECK_EQ(splice(s[0], NULL, q[1], NULL, 10, 0), 1);
	CHECK_EQ(read(q[0], &c, 1), 1);
	CHECK_EQ(c, 'w');
	wait(&status);
	CHECK_EQ(status, 0);
	signal(SIGPIPE, SIG_IGN);
	close(q[0]);
	CHECK_EQ(write(p[1], "w", 1), 1);
	CHECK_ERRNO(splice(p[0], NULL, q[1], NULL, 1, 0), EPIPE);
}

static void memory(void)
{
	struct iovec iov[2] = {{"one", 3}, {"two", 3}}, in;
	char buf[8];
	int p[2], file = temporary("x");

	CHECK_OK(pipe2(p, O_NONBLOCK));
	CHECK_EQ(vmsplice(p[1], iov, 2, 0), 6);
	CHECK_EQ(read(p[0], buf, sizeof buf), 6);
	CHECK(!memcmp(buf, "onetwo", 6));
	CHECK_EQ(write(p[1], "back", 4), 4);
	in = (struct iovec){buf, sizeof buf};
	CHECK_EQ(vmsplice(p[0], &in, 1, 0), 4);
	CHECK(!memcmp(buf, "back", 4));
	CHECK_EQ(vmsplice(p[1], iov, 0, 0), 0);
	CHECK_ERRNO(vmsplice(p[1], iov, 1, 0x100), EINVAL);
	CHECK_ERRNO(vmsplice(99, iov, 1, 0x100), EINVAL);
	CHECK_ERRNO(vmsplice(99, iov, 1, 0), EBADF);
	CHECK_ERRNO(vmsplice(file, iov, 1, 0), EBADF);
	CHECK_ERRNO(vmsplice(p[1], BAD, 1, 0), EFAULT);
	CHECK_ERRNO(vmsplice(p[1], iov, 2000, 0), EINVAL);
}

static void tees(void)
{
	int p[2], q[2], file = temporary("x");
	char buf[8];

	CHECK_OK(pipe2(p, O_NONBLOCK));
	CHECK_OK(pipe2(q, O_NONBLOCK));
	CHECK_EQ(tee(p[0], q[1], 0, 0), 0);
	CHECK_ERRNO(tee(p[0], q[1], 10, 0x100), EINVAL);
	CHECK_ERRNO(tee(99, q[1], 10, 0), EBADF);
	CHECK_ERRNO(tee(p[0], 99, 10, 0), EBADF);
	CHECK_ERRNO(tee(p[0], file, 10, 0), EINVAL);
	CHECK_ERRNO(tee(file, p[1], 10, 0), EINVAL);
	CHECK_ERRNO(tee(p[0], p[1], 10, 0), EINVAL);
	CHECK_ERRNO(tee(p[1], q[1], 10, 0), EBADF);
	CHECK_ERRNO(tee(p[0], q[1], 10, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(write(p[1], "abcdef", 6), 6);
	CHECK_EQ(tee(p[0], q[1], 4, 0), 4);
	CHECK_EQ(tee(p[0], q[1], 100, 0), 6);
	CHECK_EQ(read(q[0], buf, 4), 4);
	CHECK(!memcmp(buf, "abcd", 4));
	CHECK_EQ(read(q[0], buf, 8), 6);
	CHECK(!memcmp(buf, "abcdef", 6));
	CHECK_EQ(read(p[0], buf, 8), 6);
	CHECK(!memcmp(buf, "abcdef", 6));
	close(p[1]);
	CHECK_EQ(tee(p[0], q[1], 4, 0), 0);
}

static void between_files(void)
{
	int from = temporary("0123456789"), to = temporary("........."), p[2];
	char buf[16];
	off_t at = 3;
	loff_t in = 2, out = 0;

	CHECK_OK(pipe(p));
	CHECK_EQ(sendfile(to, from, &at, 4), 4);
	CHECK_EQ(at, 7);
	CHECK_EQ(lseek(from, 0, SEEK_CUR), 0);
	CHECK_EQ(lseek(to, 0, SEEK_CUR), 4);
	CHECK_EQ(sendfile(p[1], from, NULL, 100), 10);
	CHECK_EQ(read(p[0], buf, sizeof buf), 10);
	CHECK_ERRNO(sendfile(99, from, NULL, 1), EBADF);
	CHECK_ERRNO(sendfile(to, 99, NULL, 1), EBADF);
	CHECK_ERRNO(sendfile(to, p[1], NULL, 1), EBADF);
	at = -1;
	CHECK_ERRNO(sendfile(to, from, &at, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_sendfile, to, from, BAD, 1), EFAULT);

	CHECK_EQ(copy_file_range(from, &in, to, &out, 5, 0), 5);
	CHECK(in == 7 && out == 5);
	CHECK_EQ(pread(to, buf, 9, 0), 9);
	CHECK(!memcmp(buf, "23456....", 9));
	CHECK_EQ(copy_file_range(from, &in, to, &out, 0, 0), 0);
	CHECK_ERRNO(copy_file_range(99, &in, to, &out, 5, 1), EBADF);
	CHECK_ERRNO(copy_file_range(from, &in, to, &out, 5, 1), EINVAL);
	CHECK_ERRNO(copy_file_range(from, BAD, to, &out, 5, 0), EFAULT);
	CHECK_ERRNO(copy_file_range(p[0], NULL, to, NULL, 5, 0), EINVAL);
	in = 0;
	out = 1;
	CHECK_ERRNO(copy_file_range(from, &in, from, &out, 5, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(from, NULL, open("/", O_RDONLY), NULL, 5, 0), EISDIR);
	CHECK_EQ(fcntl(to, F_SETFL, O_APPEND), 0);
	CHECK_ERRNO(copy_file_range(from, NULL, to, NULL, 5, 0), EBADF);
}

int main(void)
{
	splicing();
	waiting();
	memory();
	tees();
	between_files();
	return check_done();
}
