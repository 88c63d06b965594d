/* SPDX-License-Identifier: Apache-2.0 */
/* cachestat(2): what of a file is in memory, whose business that is, and every check in its order. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

#define NR_cachestat 451

struct cache {
	uint64_t pages, dirty, writeback, evicted, recently_evicted;
};

static char path[] = "/dev/shm/husk-cacheXXXXXX", data[20000];

static long cachestat(int fd, uint64_t offset, uint64_t size, struct cache *out)
{
	uint64_t range[2] = {offset, size};

	memset(out, 0x77, sizeof *out);
	return syscall(NR_cachestat, fd, range, out, 0);
}

/* How many pages @fd has in memory from @offset on; -1: the call fails, or says more than that they are there. */
static long pages(int fd, uint64_t offset, uint64_t size)
{
	struct cache c;

	if (cachestat(fd, offset, size, &c) || c.dirty || c.writeback || c.evicted || c.recently_evicted)
		return -1;
	return (long)c.pages;
}

/* A file in memory: small, then mapped (which moves it elsewhere in husk). */
static void test_ranges(int fd)
{
	CHECK_EQ(pages(fd, 0, 0), 0);
	CHECK_EQ(write(fd, data, 1), 1);
	CHECK_EQ(pages(fd, 0, 0), 1);
	CHECK_EQ(pwrite(fd, data, 9000, 0), 9000);
	for (int mapped = 0; mapped < 2; mapped++) {
		CHECK_EQ(pages(fd, 0, 0), 3);
		CHECK_EQ(pages(fd, 4096, 1), 1);
		CHECK_EQ(pages(fd, 4095, 2), 2);
		CHECK_EQ(pages(fd, 4096, 0), 2);
		CHECK_EQ(pages(fd, 1, -1UL), 3);
		CHECK_EQ(pages(fd, -1UL, 1), 0);
		CHECK_EQ(pages(fd, -1UL, 0), 0);
		CHECK_EQ(pages(fd, -4096UL, 8192), 0);
		CHECK_EQ(pages(fd, 100000, 5), 0);
		CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	}
	/* A hole is not there, neither when it has been read. */
	CHECK_OK(ftruncate(fd, 100000));
	CHECK_EQ(pread(fd, data, 1, 50000), 1);
	CHECK_EQ(pages(fd, 0, 0), 3);
	CHECK_EQ(pwrite(fd, "x", 1, 90000), 1);
	CHECK_EQ(pages(fd, 0, 0), 4);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	CHECK_EQ(pages(fd, 0, 0), 3);
	CHECK_OK(ftruncate(fd, 0));
	CHECK_EQ(pages(fd, 0, 0), 0);
}

/* One that was just read is in memory, at least there. */
static void test_disk(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct cache c;

	CHECK_EQ(pread(fd, data, 4096, 0), 4096);
	CHECK_EQ(cachestat(fd, 0, 4096, &c), 0);
	CHECK_EQ(c.pages, 1);
	CHECK_EQ(cachestat(fd, 1L << 40, 0, &c), 0);
	CHECK_EQ(c.pages, 0);
	close(fd);
}

/* All that has no pages has none in memory. */
static void test_others(void)
{
	int p[2], fd;

	CHECK_OK(pipe(p));
	CHECK_EQ(pages(p[0], 0, 0), 0);
	fd = open("/proc/self/status", O_RDONLY);
	CHECK_EQ(pages(fd, 0, 0), 0);
	close(fd);
	fd = eventfd(0, 0);
	CHECK_EQ(pages(fd, 0, 0), 0);
	close(fd);
}

static void test_order(int fd)
{
	int by_path = open(path, O_PATH);
	uint64_t range[2] = {0, 0};
	struct cache c;

	CHECK_ERRNO(syscall(NR_cachestat, -1, 8, 8, 1), EBADF);
	CHECK_ERRNO(syscall(NR_cachestat, by_path, 8, 8, 1), EBADF);
	CHECK_ERRNO(syscall(NR_cachestat, fd, 8, 8, 1), EFAULT);
	CHECK_ERRNO(syscall(NR_cachestat, fd, range, 8, 1), EINVAL);
	CHECK_ERRNO(syscall(NR_cachestat, fd, range, 8, 0), EFAULT);
	CHECK_ERRNO(syscall(NR_cachestat, fd, range, &c, 1), EINVAL);
}

/* Who may not write a file is not told. */
static void as_nobody(void)
{
	int fd = open(path, O_RDONLY), readable = open("/proc/self/exe", O_RDONLY);
	uint64_t range[2] = {0, 0};
	struct cache c;

	CHECK_OK(setresuid(65534, 65534, 65534));
	CHECK_ERRNO(syscall(NR_cachestat, readable, 8, 8, 1), EFAULT);
	CHECK_ERRNO(syscall(NR_cachestat, readable, range, 8, 1), EPERM);
	CHECK_ERRNO(syscall(NR_cachestat, fd, range, &c, 0), EPERM);
	close(fd);
	CHECK_OK(setresuid(-1, -1, -1));
}

static void as_writer(void)
{
	int fd = open(path, O_RDONLY);

	CHECK_OK(chmod(path, 0666));
	CHECK_OK(setresuid(65534, 65534, 65534));
	CHECK_EQ(pages(fd, 0, 0), 0);
}

int main(void)
{
	int fd = mkstemp(path), memfd = memfd_create("m", 0);
	struct cache c;

	if (cachestat(fd, 0, 0, &c) == -1 && (errno == ENOSYS || errno == EPERM)) {
		unlink(path);
		check_skip("Linux before 6.5, or it is forbidden");
	}
	test_ranges(fd);
	test_ranges(memfd);
	test_others();
	test_order(fd);
	if (!geteuid()) {
		test_disk();
		CHECK_OK(chmod(path, 0644));
		CHECK_EQ(check_in_child(as_nobody), 0);
		CHECK_EQ(check_in_child(as_writer), 0);
	}
	unlink(path);
	return check_done();
}
