/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular files that are read again and again, which husk may let a process do by itself: whatever happens to the file,
 * its descriptors and its process in between, the next call sees it.
 *
 * `fs_donate [FILE]`: what is written is FILE's, else a new file's. Threads are in fs_donate_race.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define SIZE  100000 /* of the file: byte i is at(i) */
#define OFTEN 40     /* calls after which a file is not read in the same way as at first */

static char path[64];
/* What is odd about arguments is not for the compiler to see. */
static void *volatile nowhere = (void *)8;
static volatile int minus_one = -1, too_many = 1025;

static char at(long i)
{
	return (char)(i * 7 + i / 256);
}

static void fill(int fd)
{
	char bytes[SIZE];

	for (long i = 0; i < SIZE; i++)
		bytes[i] = at(i);
	CHECK_EQ(pwrite(fd, bytes, SIZE, 0), SIZE);
}

static void make_file(void)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	fill(fd);
	close(fd);
}

/* Reads bytes one by one, the first of which is number @from. */
static void read_some(int fd, long from, int n)
{
	for (int i = 0; i < n; i++) {
		char byte = 0;

		CHECK_EQ(read(fd, &byte, 1), 1);
		CHECK_EQ(byte, at(from + i));
	}
}

/* Open for reading, and read often: the offset is OFTEN. */
static int open_often(void)
{
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	read_some(fd, 0, OFTEN);
	return fd;
}

static void wait_for(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void test_offsets(void)
{
	int fd = open_often(), twin = dup(fd), third;
	char buf[300], *far;

	read_some(twin, OFTEN, OFTEN);
	read_some(fd, 2 * OFTEN, 10);
	third = fcntl(fd, F_DUPFD_CLOEXEC, 600); /* beyond what husk donates */
	read_some(third, 2 * OFTEN + 10, 10);
	read_some(fd, 2 * OFTEN + 20, OFTEN);
	CHECK_EQ(lseek(fd, 1000, SEEK_SET), 1000);
	CHECK_EQ(lseek(twin, 0, SEEK_CUR), 1000);
	CHECK_EQ(lseek(twin, -10, SEEK_CUR), 990);
	CHECK_EQ(lseek(fd, 0, SEEK_END), SIZE);
	for (int i = 0; i < OFTEN; i++)
		CHECK_EQ(read(fd, buf, 10), 0);
	CHECK_EQ(lseek(fd, 5, SEEK_END), SIZE + 5);
	CHECK_EQ(read(fd, buf, 10), 0);
	CHECK_EQ(lseek(fd, -3, SEEK_END), SIZE - 3);
	CHECK_EQ(read(fd, buf, 10), 3);
	CHECK_EQ(lseek(fd, 1L << 43, SEEK_SET), 1L << 43);
	CHECK_EQ(read(fd, buf, 10), 0);
	CHECK_EQ(lseek(fd, 20, SEEK_SET), 20);
	for (int i = 0; i < OFTEN; i++)
		CHECK_EQ(pread(fd, buf, 300, 700), 300);
	CHECK_EQ(buf[0], at(700));
	CHECK_EQ(pread(fd, buf, 300, SIZE), 0);
	read_some(fd, 20, OFTEN);
	far = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_EQ(pread(fd, far, 2 * SIZE, 10), SIZE - 10);
	CHECK_EQ(far[5], at(15));
	CHECK_EQ(pread(fd, far, SIZE, 10), SIZE - 10);
	munmap(far, SIZE);
	close(fd);
	read_some(twin, 20 + OFTEN, 10);
	close(twin);
	read_some(third, 30 + OFTEN, 10);
	close(third);
}

static void test_vectors(void)
{
	char a[3], b[5];
	struct iovec iov[2] = {{a, 3}, {b, 5}}, many[40];
	int fd = open_often();
	long pos = OFTEN;

	for (int i = 0; i < OFTEN; i++, pos += 8) {
		CHECK_EQ(readv(fd, iov, 2), 8);
		CHECK_EQ(a[0], at(pos));
		CHECK_EQ(b[0], at(pos + 3));
		CHECK_EQ(b[4], at(pos + 7));
	}
	for (int i = 0; i < 40; i++)
		many[i] = iov[0];
	CHECK_EQ(readv(fd, many, 40), 120);
	pos += 120;
	CHECK_EQ(readv(fd, iov, 0), 0);
	CHECK_ERRNO(readv(fd, iov, minus_one), EINVAL);
	CHECK_ERRNO(readv(fd, iov, too_many), EINVAL);
	CHECK_ERRNO(readv(fd, nowhere, 1), EFAULT);
	iov[1].iov_base = nowhere;
	CHECK_EQ(readv(fd, iov, 2), 3);
	CHECK_EQ(a[0], at(pos));
	read_some(fd, pos + 3, 3);
	iov[1].iov_len = -1;
	CHECK_ERRNO(readv(fd, iov, 2), EINVAL);
	read_some(fd, pos + 6, 3);
	close(fd);
}

static void test_errors(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), byte;
	int fd = open_often(), null;
	long pos = OFTEN;

	munmap(page + 4096, 4096);
	for (int i = 0; i < OFTEN; i++) {
		CHECK_ERRNO(read(fd, nowhere, 4), EFAULT);
		CHECK_ERRNO(read(fd, page + 4096, 4), EFAULT);
		CHECK_ERRNO(pread(fd, nowhere, 4, 3), EFAULT);
		CHECK_ERRNO(read(fd, (void *)0x7fff10000000, 4), EFAULT);
		CHECK_ERRNO(pread(fd, &byte, 1, -1), EINVAL);
		CHECK_ERRNO(read(fd, page, (size_t)minus_one), EFAULT);
		CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
		CHECK_ERRNO(lseek(fd, -SIZE - 1, SEEK_END), EINVAL);
		CHECK_ERRNO(lseek(fd, 0, 5), EINVAL);
		CHECK_ERRNO(lseek(fd, SIZE, SEEK_DATA), ENXIO);
		CHECK_ERRNO(write(fd, page, 1), EBADF);
		CHECK_EQ(read(fd, page, 0), 0);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), pos);
		read_some(fd, pos, 1);
		pos++;
	}
	CHECK_EQ(read(fd, page + 4090, 100), 6);
	CHECK_EQ(page[4090], at(pos));
	CHECK_EQ(page[4095], at(pos + 5));
	read_some(fd, pos + 6, OFTEN);
	mprotect(page, 4096, PROT_READ);
	CHECK_ERRNO(read(fd, page, 4), EFAULT);
	read_some(fd, pos + 6 + OFTEN, OFTEN);
	close(fd);
	CHECK_ERRNO(read(fd, &byte, 1), EBADF);
	CHECK_ERRNO(lseek(fd, 0, SEEK_CUR), EBADF);
	null = open("/dev/null", O_RDONLY);
	CHECK_EQ(null, fd);
	CHECK_EQ(read(fd, &byte, 1), 0);
	close(fd);
	CHECK_EQ(open(path, O_WRONLY), fd);
	CHECK_ERRNO(read(fd, &byte, 1), EBADF);
	close(fd);
	CHECK_EQ(open(path, O_PATH), fd);
	CHECK_ERRNO(read(fd, &byte, 1), EBADF);
	CHECK_ERRNO(lseek(fd, 0, SEEK_CUR), EBADF);
	close(fd);
	munmap(page, 4096);
}

/* Another file under the same number. */
static void test_numbers(void)
{
	int fd = open_often(), zero = open("/dev/zero", O_RDONLY), again;
	char byte = 1;

	CHECK_EQ(dup2(zero, fd), fd);
	CHECK_EQ(read(fd, &byte, 1), 1);
	CHECK_EQ(byte, 0);
	CHECK_ERRNO(close(-1), EBADF);
	close(fd);
	close(zero);
	for (int i = 0; i < 100; i++) {
		again = open_often();
		CHECK_EQ(again, fd);
		CHECK_EQ(lseek(again, i, SEEK_SET), i);
		read_some(again, i, 2);
		if (i & 1)
			CHECK_OK(close_range((unsigned)fd, (unsigned)fd, 0));
		else
			close(again);
	}
}

static void test_processes(void)
{
	int fd = open_often(), ends[2];
	char byte;
	pid_t pid;

	CHECK_OK(pipe(ends));
	pid = fork();
	if (!pid) {
		read_some(fd, OFTEN, OFTEN);
		CHECK_EQ(write(ends[1], "", 1), 1);
		close(fd);
		_exit(check_failed());
	}
	CHECK_EQ(read(ends[0], &byte, 1), 1);
	read_some(fd, 2 * OFTEN, OFTEN);
	wait_for(pid);
	read_some(fd, 3 * OFTEN, OFTEN);
	pid = vfork();
	if (!pid) {
		int ok = read(fd, &byte, 1) == 1 && byte == at(4 * OFTEN) && !close(fd) &&
			 open("/dev/zero", O_RDONLY) == fd && read(fd, &byte, 1) == 1 && !byte;

		_exit(ok ? 0 : 1);
	}
	wait_for(pid);
	read_some(fd, 4 * OFTEN + 1, OFTEN);
	pid = fork();
	if (!pid) {
		for (int i = 0; i < 3; i++) {
			pid = fork();
			if (pid) {
				int status;

				waitpid(pid, &status, 0);
				_exit(status != 0);
			}
			lseek(fd, 2, SEEK_CUR);
			read_some(fd, 5 * OFTEN + 3 + i * (2 + OFTEN), OFTEN);
		}
		_exit(check_failed());
	}
	wait_for(pid);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8 * OFTEN + 7);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

/* This program again: reads @fd on from @from, or finds it closed. */
static int after_exec(int fd, long from)
{
	char byte;

	if (from < 0) {
		CHECK_ERRNO(read(fd, &byte, 1), EBADF);
	} else {
		read_some(fd, from, OFTEN);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), from + OFTEN);
	}
	return check_failed();
}

static void test_exec(void)
{
	int fd = open_often();

	for (int cloexec = 0; cloexec < 2; cloexec++) {
		char number[16], from[16];
		pid_t pid;

		snprintf(number, sizeof number, "%d", fd);
		snprintf(from, sizeof from, "%d", cloexec ? -1 : OFTEN);
		fcntl(fd, F_SETFD, cloexec ? FD_CLOEXEC : 0);
		pid = fork();
		if (!pid) {
			execl("/proc/self/exe", "fs_donate", "after-exec", number, from, NULL);
			_exit(3);
		}
		wait_for(pid);
		read_some(fd, 2 * OFTEN + cloexec * OFTEN, OFTEN);
	}
	close(fd);
}

static void test_changes(void)
{
	int fd = open_often(), other, both;
	char buf[64];

	/* The first write to a file that was only read so far may move its bytes. */
	other = open(path, O_WRONLY);
	CHECK(other >= 0);
	CHECK_EQ(pwrite(other, "changed", 7, OFTEN), 7);
	CHECK_EQ(read(fd, buf, 7), 7);
	CHECK(!memcmp(buf, "changed", 7));
	read_some(fd, OFTEN + 7, OFTEN);
	CHECK_EQ(pwrite(other, "again", 5, 300), 5);
	CHECK_EQ(pread(fd, buf, 5, 300), 5);
	CHECK(!memcmp(buf, "again", 5));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2 * OFTEN + 7);

	CHECK_OK(ftruncate(other, 10));
	CHECK_EQ(read(fd, buf, 7), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 10);
	CHECK_OK(ftruncate(other, 20));
	CHECK_EQ(read(fd, buf, sizeof buf), 10);
	CHECK_EQ(buf[0] | buf[9], 0);
	for (int i = 0; i < OFTEN; i++)
		CHECK_EQ(pread(fd, buf, sizeof buf, 0), 20);

	both = open(path, O_RDWR | O_APPEND);
	CHECK_EQ(write(both, "end", 3), 3);
	CHECK_EQ(lseek(both, 0, SEEK_CUR), 23);
	CHECK_EQ(read(fd, buf, sizeof buf), 3);
	for (int i = 0; i < OFTEN; i++) {
		CHECK_EQ(pread(both, buf, 3, 20), 3);
		CHECK_EQ(pwrite(both, "", 1, 0), 1); /* goes to the end all the same */
		CHECK_EQ(lseek(both, i, SEEK_SET), i);
		CHECK_EQ(read(both, buf, 1), 1);
		CHECK_EQ(lseek(both, 0, SEEK_CUR), i + 1);
		CHECK_EQ(read(fd, buf, sizeof buf), 1);
	}
	CHECK_EQ(fcntl(both, F_SETFL, 0), 0);
	CHECK_EQ(lseek(both, 2, SEEK_SET), 2);
	CHECK_EQ(write(both, "xyz", 3), 3);
	CHECK_EQ(read(both, buf, 1), 1);
	CHECK_EQ(lseek(both, 0, SEEK_CUR), 6);
	CHECK_EQ(pread(fd, buf, 3, 2), 3);
	CHECK(!memcmp(buf, "xyz", 3));
	CHECK_OK(ftruncate(other, 0));
	fill(other);
	close(other);
	close(both);
	close(fd);
}

static void test_holes(void)
{
	int fd, reader;
	off_t data, hole;

	make_file();
	fd = open(path, O_RDWR);
	CHECK_OK(ftruncate(fd, 0));
	CHECK_EQ(pwrite(fd, "x", 1, 5 << 20), 1);
	reader = open(path, O_RDONLY);
	data = lseek(reader, 0, SEEK_DATA);
	hole = lseek(reader, 0, SEEK_HOLE);
	CHECK(data >= 0 && data <= 5 << 20);
	for (int i = 0; i < OFTEN; i++) {
		CHECK_EQ(lseek(reader, 0, SEEK_DATA), data);
		CHECK_EQ(lseek(reader, 0, SEEK_CUR), data);
		CHECK_EQ(lseek(reader, 0, SEEK_HOLE), hole);
		CHECK_EQ(lseek(reader, 5 << 20, SEEK_HOLE), (5 << 20) + 1);
		CHECK_ERRNO(lseek(reader, (5 << 20) + 1, SEEK_DATA), ENXIO);
	}
	CHECK_EQ(pwrite(fd, "y", 1, 0), 1);
	CHECK_EQ(lseek(reader, 0, SEEK_DATA), 0);
	close(reader);
	close(fd);
	make_file();
}

/* What others than reads tell of the offset. */
static void test_told(void)
{
	int fd = open_often(), out, left, place;
	char text[256], *pos;

	snprintf(text, sizeof text, "/proc/self/fdinfo/%d", fd);
	out = open(text, O_RDONLY);
	CHECK(read(out, text, sizeof text) > 0);
	close(out);
	pos = strstr(text, "pos:");
	CHECK_EQ(pos ? atoi(pos + 4) : -1, OFTEN);
	read_some(fd, OFTEN, OFTEN);
	CHECK_OK(ioctl(fd, FIONREAD, &left));
	CHECK_EQ(left, SIZE - 2 * OFTEN);
	read_some(fd, 2 * OFTEN, 3 * OFTEN);
	out = memfd_create("out", 0);
	CHECK_EQ(sendfile(out, fd, NULL, 10), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5 * OFTEN + 10);
	CHECK_EQ(pread(out, text, 10, 0), 10);
	CHECK_EQ(text[0], at(5 * OFTEN));
	place = 5 * OFTEN + 10;
	read_some(fd, place, 5 * OFTEN);
	close(out);
	close(fd);
}

static void test_passed(void)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	int pair[2], fd = open_often(), got;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	CHECK_EQ(sendmsg(pair[0], &m, 0), 1);
	close(fd);
	CHECK_EQ(recvmsg(pair[1], &m, 0), 1);
	memcpy(&got, CMSG_DATA(&control.header), sizeof got);
	read_some(got, OFTEN, OFTEN);
	close(got);
	close(pair[0]);
	close(pair[1]);
}

static void test_watched(void)
{
	int fd = open_often(), in = inotify_init1(IN_NONBLOCK);
	char event[512], byte;

	CHECK(inotify_add_watch(in, path, IN_ACCESS) > 0);
	for (int i = 0; i < OFTEN; i++) {
		CHECK_EQ(read(fd, &byte, 1), 1);
		CHECK(read(in, event, sizeof event) >= (ssize_t)sizeof(struct inotify_event));
	}
	close(in);
	read_some(fd, 2 * OFTEN, 2 * OFTEN);
	close(fd);
}

static long long ns_of(struct timespec ts)
{
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* A read after a write is seen in the access time, where such are kept at all. */
static void test_times(void)
{
	int fd = open_often(), other = open(path, O_RDWR), kept;
	struct timespec now, then, old[2] = {{1000, 0}, {1000, 0}};
	struct stat st;

	fill(other);
	read_some(fd, OFTEN, 1);
	CHECK_OK(fstat(fd, &st));
	kept = ns_of(st.st_atim) >= ns_of(st.st_mtim);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
		read_some(fd, 0, OFTEN);
		clock_gettime(CLOCK_REALTIME_COARSE, &then);
		do
			clock_gettime(CLOCK_REALTIME_COARSE, &now);
		while (ns_of(now) == ns_of(then));
		fill(other);
		read_some(fd, OFTEN, 3);
		CHECK_OK(fstat(fd, &st));
		CHECK(!kept || ns_of(st.st_atim) >= ns_of(st.st_mtim));
	}
	/* In one tick of the clock, mostly. */
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
		read_some(fd, 0, i);
		CHECK_OK(futimens(other, old));
		CHECK_OK(fstat(fd, &st));
		CHECK_EQ(st.st_atim.tv_sec, 1000);
		read_some(fd, i, 1);
		CHECK_OK(fstat(fd, &st));
		CHECK(!kept || st.st_atim.tv_sec > 1000);
	}
	close(other);
	close(fd);
}

/* A filter that forbids read(2) is in force for files that were read before. */
static void test_filter(void)
{
	int fd = open_often();
	pid_t pid = fork();

	if (!pid) {
		struct sock_filter f[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog prog = {sizeof f / sizeof f[0], f};
		char byte;

		read_some(fd, OFTEN, OFTEN);
		CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
		CHECK_ERRNO(read(fd, &byte, 1), 77);
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2 * OFTEN);
		for (int i = 0; i < OFTEN; i++)
			CHECK_EQ(pread(fd, &byte, 1, 0), 1);
		_exit(check_failed());
	}
	wait_for(pid);
	read_some(fd, 2 * OFTEN, OFTEN);
	close(fd);
}

static volatile int ticks;

static void tick(int signo)
{
	ticks++;
}

/* No read of a file ends with EINTR or less than all, and none is made twice. */
static void test_signals(void)
{
	struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = tick};
	int fd = open_often();
	long pos = OFTEN;
	char buf[16];

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while (ticks < 200) {
		CHECK_EQ(read(fd, buf, 16), 16);
		CHECK_EQ(buf[0], at(pos));
		CHECK_EQ(buf[15], at(pos + 15));
		pos += 16;
		if (pos > SIZE - 16) {
			CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
			pos = 3;
		}
		if (check_failed())
			break;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	close(fd);
}

/* More files than are donated at once, all read in turns. */
static void test_many(void)
{
	enum { FILES = 100 };
	int fd[FILES];

	for (int i = 0; i < FILES; i++) {
		fd[i] = open(path, O_RDONLY);
		CHECK(fd[i] >= 0);
	}
	for (long pos = 0; pos < 6 * OFTEN; pos += OFTEN)
		for (int i = 0; i < FILES; i++)
			read_some(fd[i], pos, OFTEN);
	for (int i = 0; i < FILES; i++) {
		CHECK_EQ(lseek(fd[i], 0, SEEK_CUR), 6 * OFTEN);
		close(fd[i]);
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "after-exec"))
		return after_exec(atoi(argv[2]), atol(argv[3]));
	if (argc == 2) {
		snprintf(path, sizeof path, "%s", argv[1]);
		test_changes();
		test_changes();
		return check_done();
	}
	snprintf(path, sizeof path, "/tmp/fs_donate.%d", getpid());
	make_file();
	test_offsets();
	test_vectors();
	test_errors();
	test_numbers();
	test_processes();
	test_exec();
	test_changes();
	test_holes();
	test_told();
	test_passed();
	test_watched();
	test_times();
	test_filter();
	test_signals();
	test_many();
	unlink(path);
	return check_done();
}
