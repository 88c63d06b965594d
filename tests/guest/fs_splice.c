/* SPDX-License-Identifier: Apache-2.0 */
/* splice, tee, vmsplice, sendfile and copy_file_range between all kinds of files, with their errors. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

static char text[4096], buf[200000];

static int temp(const char *content, size_t size)
{
	char name[] = "/dev/shm/husk-spliceXXXXXX";
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	unlink(name);
	CHECK_EQ(write(fd, content, size), (long)size);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void new_pipe(int p[2])
{
	CHECK_OK(pipe(p));
}

static void drop(int p[2])
{
	close(p[0]);
	close(p[1]);
}

static const char *content(int fd, size_t size)
{
	ssize_t n = pread(fd, text, size, 0);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static const char *drain(int fd)
{
	ssize_t n = read(fd, text, sizeof text - 1);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static void test_splice(void)
{
	int p[2], q[2], s[2], f = temp("0123456789", 10), g = temp("", 0),
			      ap = open("/proc/self/fd/0", O_PATH);
	loff_t off = 3, bad = -1;
	char name[40];

	new_pipe(p);
	new_pipe(q);
	CHECK_EQ(splice(f, NULL, p[1], NULL, 0, 0), 0);
	CHECK_EQ(splice(-1, NULL, -1, NULL, 0, 0), 0);
	CHECK_ERRNO(splice(f, NULL, p[1], NULL, 5, 16), EINVAL);
	CHECK_ERRNO(splice(999, NULL, p[1], NULL, 5, 0), EBADF);
	CHECK_ERRNO(splice(f, NULL, 999, NULL, 5, 0), EBADF);
	CHECK_ERRNO(splice(f, NULL, ap, NULL, 5, 0), EBADF);
	CHECK_ERRNO(splice(f, NULL, g, NULL, 5, 0), EINVAL);
	CHECK_ERRNO(splice(p[1], NULL, q[1], NULL, 5, 0), EBADF);
	CHECK_ERRNO(splice(p[0], NULL, q[0], NULL, 5, 0), EBADF);
	CHECK_ERRNO(splice(p[0], NULL, p[1], NULL, 5, 0), EINVAL);
	CHECK_ERRNO(splice(p[0], &off, q[1], NULL, 5, 0), ESPIPE);
	CHECK_ERRNO(splice(f, &off, q[1], &off, 5, 0), ESPIPE);
	CHECK_ERRNO(splice(f, &bad, p[1], NULL, 5, 0), EINVAL);
	CHECK_ERRNO(splice(f, (void *)8, p[1], NULL, 5, 0), EFAULT);
	CHECK_ERRNO(splice(p[0], NULL, q[1], NULL, 5, SPLICE_F_NONBLOCK), EAGAIN);
	/* file to pipe, by the file's offset and by one of the call's */
	CHECK_EQ(splice(f, NULL, p[1], NULL, 4, 0), 4);
	CHECK_STR(drain(p[0]), "0123");
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 4);
	CHECK_EQ(splice(f, &off, p[1], NULL, 4, 0), 4);
	CHECK_EQ(off, 7);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 4);
	CHECK_STR(drain(p[0]), "3456");
	CHECK_EQ(splice(f, NULL, p[1], NULL, 100, 0), 6);
	CHECK_EQ(splice(f, NULL, p[1], NULL, 100, 0), 0);
	/* pipe to pipe, pipe to file */
	CHECK_EQ(splice(p[0], NULL, q[1], NULL, 3, 0), 3);
	CHECK_STR(drain(q[0]), "456");
	off = 2;
	CHECK_EQ(splice(p[0], NULL, g, &off, 100, 0), 3);
	CHECK_EQ(off, 5);
	CHECK_EQ(lseek(g, 0, SEEK_CUR), 0);
	CHECK_EQ(pread(g, text, 10, 0), 5);
	CHECK(!memcmp(text,
		      "\0\0"
		      "789",
		      5));
	CHECK_EQ(write(p[1], "end", 3), 3);
	CHECK_EQ(splice(p[0], NULL, g, NULL, 100, 0), 3);
	CHECK_EQ(lseek(g, 0, SEEK_CUR), 3);
	CHECK_STR(content(g, 10), "end89");
	snprintf(name, sizeof name, "/proc/self/fd/%d", g);
	ap = open(name, O_WRONLY | O_APPEND);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_ERRNO(splice(p[0], NULL, ap, NULL, 1, 0), EINVAL);
	CHECK_STR(drain(p[0]), "x");
	close(ap);
	/* sockets */
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_EQ(write(p[1], "socket", 6), 6);
	CHECK_EQ(splice(p[0], NULL, s[0], NULL, 100, 0), 6);
	CHECK_EQ(splice(s[1], NULL, p[1], NULL, 100, 0), 6);
	CHECK_STR(drain(p[0]), "socket");
	CHECK_ERRNO(splice(s[1], &off, p[1], NULL, 100, 0), EINVAL);
	drop(s);
	/* ends */
	close(q[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_ERRNO(splice(p[0], NULL, q[1], NULL, 1, 0), EPIPE);
	CHECK_STR(drain(p[0]), "x");
	close(p[1]);
	CHECK_EQ(splice(p[0], NULL, g, NULL, 1, 0), 0);
	close(p[0]);
	close(q[1]);
	close(f);
	close(g);
}

/* Through a full pipe, with a reader that takes its time. */
static void test_much(void)
{
	int p[2], f, g = temp("", 0), status;
	size_t done = 0;
	ssize_t n;
	pid_t pid;

	for (size_t i = 0; i < sizeof buf; i++)
		buf[i] = (char)(i * 7 + i / 251);
	f = temp(buf, sizeof buf);
	new_pipe(p);
	pid = fork();
	if (!pid) {
		close(p[1]);
		while ((n = splice(p[0], NULL, g, NULL, 70000, SPLICE_F_MOVE)) > 0)
			;
		_exit(n != 0);
	}
	close(p[0]);
	while (done < sizeof buf && (n = splice(f, NULL, p[1], NULL, sizeof buf - done, SPLICE_F_MORE)) > 0)
		done += n;
	CHECK_EQ(done, sizeof buf);
	close(p[1]);
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	for (size_t i = 0; i < sizeof buf; i += sizeof text) {
		size_t size = sizeof buf - i < sizeof text ? sizeof buf - i : sizeof text;

		CHECK_EQ(pread(g, text, size, i), (long)size);
		CHECK(!memcmp(text, buf + i, size));
	}
	close(f);
	close(g);
}

static void test_tee(void)
{
	int p[2], q[2], f = temp("x", 1), n;

	new_pipe(p);
	new_pipe(q);
	CHECK_EQ(tee(p[0], q[1], 0, 0), 0);
	CHECK_ERRNO(tee(p[0], q[1], 5, 16), EINVAL);
	CHECK_ERRNO(tee(999, q[1], 5, 0), EBADF);
	CHECK_ERRNO(tee(p[0], 999, 5, 0), EBADF);
	CHECK_ERRNO(tee(f, q[1], 5, 0), EINVAL);
	CHECK_ERRNO(tee(p[0], f, 5, 0), EINVAL);
	CHECK_ERRNO(tee(p[1], q[1], 5, 0), EBADF);
	CHECK_ERRNO(tee(p[0], q[0], 5, 0), EBADF);
	CHECK_ERRNO(tee(p[0], p[1], 5, 0), EINVAL);
	CHECK_ERRNO(tee(p[0], q[1], 5, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(write(p[1], "hello", 5), 5);
	CHECK_EQ(tee(p[0], q[1], 100, 0), 5);
	CHECK_EQ(tee(p[0], q[1], 2, 0), 2);
	CHECK_STR(drain(q[0]), "hellohe");
	CHECK_STR(drain(p[0]), "hello");
	/* as much as there is room for */
	memset(buf, 'p', 65536);
	CHECK_EQ(write(p[1], buf, 65536), 65536);
	CHECK_EQ(write(q[1], buf, 61440), 61440);
	n = tee(p[0], q[1], 65536, 0);
	CHECK_EQ(n, 4096);
	CHECK_ERRNO(tee(p[0], q[1], 65536, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(read(q[0], buf, sizeof buf), 65536);
	CHECK_EQ(read(p[0], buf, sizeof buf), 65536);
	/* a copy stays when the original is written on */
	CHECK_EQ(write(p[1], "one", 3), 3);
	CHECK_EQ(tee(p[0], q[1], 10, 0), 3);
	CHECK_EQ(write(p[1], "two", 3), 3);
	CHECK_EQ(write(q[1], "three", 5), 5);
	CHECK_STR(drain(p[0]), "onetwo");
	CHECK_STR(drain(q[0]), "onethree");
	/* ends */
	close(p[1]);
	CHECK_EQ(tee(p[0], q[1], 5, 0), 0);
	drop(q);
	close(p[0]);
	new_pipe(p);
	new_pipe(q);
	close(q[0]);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_ERRNO(tee(p[0], q[1], 5, 0), EPIPE);
	drop(p);
	close(q[1]);
	close(f);
}

static void test_vmsplice(void)
{
	struct iovec iov[2] = {{"abc", 3}, {"defg", 4}};
	char out[10] = "";
	int p[2], f = temp("x", 1);

	new_pipe(p);
	CHECK_ERRNO(vmsplice(f, iov, 2, 0), EBADF);
	CHECK_ERRNO(vmsplice(999, iov, 2, 0), EBADF);
	CHECK_ERRNO(vmsplice(p[1], iov, 2, 16), EINVAL);
	CHECK_ERRNO(vmsplice(p[1], iov, 1025, 0), EINVAL);
	CHECK_ERRNO(vmsplice(p[1], (void *)8, 1, 0), EFAULT);
	CHECK_EQ(vmsplice(p[1], iov, 0, 0), 0);
	CHECK_EQ(vmsplice(p[1], iov, 2, 0), 7);
	iov[0] = (struct iovec){out, 5};
	iov[1] = (struct iovec){out + 5, 5};
	CHECK_EQ(vmsplice(p[0], iov, 2, 0), 7);
	CHECK_STR(out, "abcdefg");
	CHECK_ERRNO(vmsplice(p[0], iov, 2, SPLICE_F_NONBLOCK), EAGAIN);
	drop(p);
	close(f);
}

static void test_sendfile(void)
{
	int f = temp("0123456789", 10), g = temp("", 0), p[2], s[2], dir = open("/dev/shm", O_RDONLY), ap;
	off_t off = 2, bad = -5;
	char name[40];

	new_pipe(p);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_ERRNO(sendfile(g, 999, NULL, 5), EBADF);
	CHECK_ERRNO(sendfile(999, f, NULL, 5), EBADF);
	CHECK_ERRNO(sendfile(p[0], f, NULL, 5), EBADF);
	CHECK_ERRNO(sendfile(p[1], p[1], NULL, 5), EBADF);
	CHECK_ERRNO(sendfile(g, f, &bad, 5), EINVAL);
	CHECK_ERRNO(sendfile(g, f, (void *)8, 5), EFAULT);
	CHECK_ERRNO(sendfile(g, p[0], &off, 5), ESPIPE);
	CHECK_ERRNO(sendfile(g, dir, NULL, 5), EINVAL);
	CHECK_EQ(sendfile(g, f, NULL, 0), 0);
	CHECK_EQ(sendfile(g, f, NULL, 4), 4);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 4);
	CHECK_EQ(lseek(g, 0, SEEK_CUR), 4);
	CHECK_EQ(sendfile(g, f, &off, 100), 8);
	CHECK_EQ(off, 10);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 4);
	CHECK_STR(content(g, 100), "012323456789");
	CHECK_EQ(sendfile(p[1], f, NULL, 3), 3);
	CHECK_STR(drain(p[0]), "456");
	CHECK_EQ(sendfile(s[0], f, NULL, 100), 3);
	CHECK_STR(drain(s[1]), "789");
	CHECK_EQ(sendfile(s[0], f, NULL, 100), 0);
	CHECK_EQ(write(p[1], "pipe", 4), 4);
	CHECK_ERRNO(sendfile(s[0], p[0], NULL, 4), EINVAL);
	snprintf(name, sizeof name, "/proc/self/fd/%d", g);
	ap = open(name, O_WRONLY | O_APPEND);
	CHECK_ERRNO(sendfile(ap, f, NULL, 5), EINVAL);
	close(ap);
	drop(p);
	drop(s);
	close(f);
	close(g);
	close(dir);
}

static void test_copy_range(void)
{
	int f = temp("0123456789", 10), g = temp("", 0), p[2], dir = open("/dev/shm", O_RDONLY), ap, ro;
	off_t from = 2, to = 5, huge = 0x7ffffffffffffffe;
	char name[40];

	new_pipe(p);
	CHECK_ERRNO(copy_file_range(999, NULL, g, NULL, 5, 0), EBADF);
	CHECK_ERRNO(copy_file_range(f, NULL, 999, NULL, 5, 0), EBADF);
	CHECK_ERRNO(copy_file_range(f, NULL, g, NULL, 5, 2), EINVAL);
	CHECK_ERRNO(copy_file_range(p[0], NULL, g, NULL, 5, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(f, NULL, p[1], NULL, 5, 0), EINVAL);
	CHECK_ERRNO(copy_file_range(dir, NULL, g, NULL, 5, 0), EISDIR);
	CHECK_ERRNO(copy_file_range(f, NULL, dir, NULL, 5, 0), EISDIR);
	snprintf(name, sizeof name, "/proc/self/fd/%d", g);
	ap = open(name, O_WRONLY | O_APPEND);
	ro = open(name, O_RDONLY);
	CHECK_ERRNO(copy_file_range(f, NULL, ap, NULL, 5, 0), EBADF);
	CHECK_ERRNO(copy_file_range(f, NULL, ro, NULL, 5, 0), EBADF);
	CHECK_ERRNO(copy_file_range(ap, NULL, g, NULL, 5, 0), EBADF);
	CHECK_ERRNO(copy_file_range(f, (void *)8, g, NULL, 5, 0), EFAULT);
	CHECK_ERRNO(copy_file_range(f, &from, f, &to, 5, 0), EINVAL);
	CHECK_EQ(copy_file_range(f, &huge, g, NULL, 5, 0), 0);
	CHECK_EQ(copy_file_range(f, NULL, g, &huge, 5, 0), 1); /* up to the largest size */
	CHECK_EQ(lseek(f, 0, SEEK_SET), 0);
	CHECK_OK(ftruncate(g, 0));
	CHECK_EQ(copy_file_range(f, NULL, g, NULL, 0, 0), 0);
	CHECK_EQ(copy_file_range(f, NULL, g, NULL, 4, 0), 4);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 4);
	CHECK_EQ(lseek(g, 0, SEEK_CUR), 4);
	CHECK_EQ(copy_file_range(f, &from, g, &to, 100, 0), 8);
	CHECK_EQ(from, 10);
	CHECK_EQ(to, 13);
	CHECK_EQ(pread(g, text, 100, 0), 13);
	CHECK(!memcmp(text,
		      "0123\0"
		      "23456789",
		      13));
	CHECK_EQ(copy_file_range(f, &from, g, NULL, 100, 0), 0);
	from = 0;
	to = 5;
	CHECK_EQ(copy_file_range(f, &from, f, &to, 5, 0), 5);
	CHECK_STR(content(f, 100), "0123401234");
	from = 8;
	to = 10;
	CHECK_EQ(copy_file_range(f, &from, f, &to, 100, 0), 2); /* cut to the end first: no overlap */
	CHECK_STR(content(f, 100), "012340123434");
	close(ap);
	close(ro);
	drop(p);
	close(f);
	close(g);
	close(dir);
}

int main(void)
{
	test_splice();
	test_much();
	test_tee();
	test_vmsplice();
	test_sendfile();
	test_copy_range();
	return check_done();
}
