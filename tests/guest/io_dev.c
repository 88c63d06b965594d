/* SPDX-License-Identifier: Apache-2.0 */
/* The device nodes that every program expects, their numbers and what reading and writing them does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "check.h"

static void test_node(const char *path, int major_number, int minor_number)
{
	struct stat st;

	CHECK_OK(stat(path, &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_mode & 0666, 0666);
	CHECK_EQ(major(st.st_rdev), major_number);
	CHECK_EQ(minor(st.st_rdev), minor_number);
}

int main(void)
{
	char buf[64], link[64], *m;
	struct stat a, b;
	int fd;
	ssize_t n;

	test_node("/dev/null", 1, 3);
	test_node("/dev/zero", 1, 5);
	test_node("/dev/full", 1, 7);
	test_node("/dev/random", 1, 8);
	test_node("/dev/urandom", 1, 9);
	test_node("/dev/tty", 5, 0);
	fd = open("/dev/null", O_RDWR);
	CHECK_EQ(read(fd, buf, 8), 0);
	CHECK_EQ(write(fd, buf, 8), 8);
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 0);
	close(fd);
	CHECK_EQ(fd = open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0666), fd);
	CHECK(fd >= 0);
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	memset(buf, 'x', sizeof buf);
	CHECK_EQ(read(fd, buf, 64), 64);
	CHECK(!buf[0] && !buf[63]);
	CHECK_EQ(write(fd, buf, 8), 8);
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(m != MAP_FAILED);
	CHECK_EQ(m[100], 0);
	m[100] = 1;
	munmap(m, 4096);
	close(fd);
	fd = open("/dev/full", O_RDWR);
	CHECK_ERRNO(write(fd, buf, 1), ENOSPC);
	CHECK_EQ(read(fd, buf, 4), 4);
	close(fd);
	fd = open("/dev/urandom", O_RDONLY);
	CHECK_EQ(read(fd, buf, 64), 64);
	close(fd);
	n = readlink("/dev/fd", link, sizeof link - 1);
	link[n > 0 ? n : 0] = 0;
	CHECK_STR(link, "/proc/self/fd");
	n = readlink("/dev/stdin", link, sizeof link - 1);
	link[n > 0 ? n : 0] = 0;
	CHECK_STR(link, "/proc/self/fd/0");
	CHECK_OK(fstat(1, &a));
	CHECK_OK(stat("/dev/stdout", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(a.st_mode, b.st_mode);
	fd = open("/dev/shm/husk-test", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd >= 0) {
		CHECK_EQ(write(fd, "x", 1), 1);
		close(fd);
		CHECK_OK(unlink("/dev/shm/husk-test"));
	}
	return check_done();
}
