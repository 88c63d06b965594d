/* SPDX-License-Identifier: Apache-2.0 */
/* RLIMIT_FSIZE in everything that writes: what fits is written, at the limit comes SIGXFSZ and EFBIG, and offsets stay. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "check.h"

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif
#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x40
#endif

#define SIZE  16384
#define LIMIT 20000

static char data[SIZE];
static volatile int signals;

static void count(int signo)
{
	signals++;
}

static int told(void)
{
	int n = signals;

	signals = 0;
	return n;
}

static void limit(rlim_t size)
{
	struct rlimit r;

	CHECK_OK(getrlimit(RLIMIT_FSIZE, &r));
	r.rlim_cur = size;
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &r));
}

/* A file of SIZE bytes without a name: of a tree, or a memfd. */
static int new_file(const char *dir)
{
	char name[64];
	int fd;

	if (dir) {
		snprintf(name, sizeof name, "%s/fs_fsize.XXXXXX", dir);
		fd = mkstemp(name);
		unlink(name);
	} else {
		fd = memfd_create("fs_fsize", 0);
	}
	CHECK_OK(fd);
	CHECK_EQ(write(fd, data, SIZE), SIZE);
	return fd;
}

static void test_writes(int fd)
{
	struct iovec v = {data, 10000};

	CHECK_EQ(pwrite(fd, data, 10000, SIZE), LIMIT - SIZE);
	CHECK_EQ(told(), 0);
	CHECK_ERRNO(pwrite(fd, data, 1, LIMIT), EFBIG);
	CHECK_EQ(told(), 1);
	CHECK_EQ(pwrite(fd, data, 0, LIMIT), 0);
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
	CHECK_ERRNO(pwritev2(fd, &v, 1, -1, RWF_APPEND), EFBIG);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100);
	CHECK_OK(fcntl(fd, F_SETFL, O_APPEND));
	CHECK_ERRNO(write(fd, data, 1), EFBIG);
	CHECK_EQ(told(), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100);
	CHECK_EQ(write(fd, data, 0), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100);
	CHECK_OK(ftruncate(fd, LIMIT - 10));
	CHECK_EQ(write(fd, data, 100), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), LIMIT);
	CHECK_OK(fcntl(fd, F_SETFL, 0));
	CHECK_EQ(told(), 0);
}

static void test_sizes(int fd)
{
	CHECK_ERRNO(ftruncate(fd, LIMIT + 1), EFBIG);
	CHECK_EQ(told(), 1);
	CHECK_ERRNO(fallocate(fd, 0, LIMIT, 1), EFBIG);
	CHECK_EQ(told(), 1);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, LIMIT, 10000));
	CHECK_OK(ftruncate(fd, 100));
	CHECK_OK(fallocate(fd, 0, 0, LIMIT));
	CHECK_EQ(told(), 0);
}

/* Files in memory mind it also where the size stays, and know few modes: those are looked at first. */
static void test_kept_size(int fd)
{
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE, LIMIT, 1), EFBIG);
	CHECK_EQ(told(), 1);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, LIMIT, 4096), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_ZERO_RANGE, LIMIT, 4096), EOPNOTSUPP);
	CHECK_EQ(told(), 0);
}

static void test_copies(int fd, int from)
{
	loff_t in = 0, out = LIMIT - 10;
	off_t at = 0;
	int p[2];

	CHECK_EQ(copy_file_range(from, &in, fd, &out, 100, 0), 10);
	CHECK_EQ(told(), 0);
	CHECK_EQ(in, 10);
	CHECK_EQ(out, LIMIT);
	CHECK_ERRNO(copy_file_range(from, &in, fd, &out, 1, 0), EFBIG);
	CHECK_ERRNO(copy_file_range(from, &in, fd, &out, 0, 0), EFBIG);
	CHECK_EQ(told(), 2);
	CHECK_EQ(lseek(fd, LIMIT - 10, SEEK_SET), LIMIT - 10);
	CHECK_EQ(sendfile(fd, from, &at, 100), 10);
	told();
	CHECK_ERRNO(sendfile(fd, from, &at, 100), EFBIG);
	CHECK_EQ(told(), 1);
	CHECK_OK(pipe(p));
	CHECK_EQ(write(p[1], data, 100), 100);
	CHECK_ERRNO(splice(p[0], NULL, fd, NULL, 100, 0), EFBIG);
	CHECK_EQ(told(), 1);
	out = LIMIT - 10;
	CHECK_EQ(splice(p[0], NULL, fd, &out, 100, 0), 10);
	close(p[0]);
	close(p[1]);
	told();
}

/* What contradicts itself is told before what no file can do. */
static void test_flags(int fd)
{
	struct iovec v = {data, 1};

	CHECK_ERRNO(pwritev2(fd, &v, 1, 0, RWF_APPEND | RWF_NOAPPEND | RWF_ATOMIC), EINVAL);
	CHECK_ERRNO(pwritev2(fd, &v, 1, 0, RWF_APPEND | RWF_NOAPPEND | 0x8000), EOPNOTSUPP);
	CHECK_ERRNO(preadv2(fd, &v, 1, 0, RWF_ATOMIC), EOPNOTSUPP);
}

int main(void)
{
	static const char *const dirs[] = {"/tmp", "/dev/shm", NULL};
	struct sigaction sa = {.sa_handler = count};

	CHECK_OK(sigaction(SIGXFSZ, &sa, NULL));
	for (int i = 0; i < 3; i++) {
		int fd = new_file(dirs[i]), from = new_file(dirs[i]);

		limit(LIMIT);
		test_writes(fd);
		test_sizes(fd);
		if (i)
			test_kept_size(fd);
		test_copies(fd, from);
		test_flags(fd);
		limit(RLIM_INFINITY);
		close(fd);
		close(from);
	}
	return check_done();
}
