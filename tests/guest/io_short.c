/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers whose end nobody can touch: the pages of a mapping behind the end of its file, unmapped memory, memory without
 * leave. What lies in front of it is moved, and counted.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "check.h"

#define PAGE 4096
#define BAD  (3 * PAGE)

enum end { BEYOND, GONE, FORBIDDEN, READ_ONLY };

static char pattern[400000], seen[400000];

/* A file without a name. */
static int new_file(const char *dir, size_t size)
{
	char name[64];
	int fd;

	snprintf(name, sizeof name, "%s/io_short.XXXXXX", dir);
	fd = mkstemp(name);
	CHECK_OK(fd);
	CHECK_OK(unlink(name));
	CHECK_OK(ftruncate(fd, size));
	return fd;
}

/* @good bytes (of whole pages), filled with the pattern, and a few pages behind them that cannot be used. */
static char *area(size_t good, enum end end, bool shared)
{
	int fd = new_file("/tmp", end == BEYOND ? good - 10 : good + BAD);
	char *p = mmap(NULL, good + BAD, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED);
	close(fd);
	memcpy(p, pattern, good);
	if (end == GONE)
		CHECK_OK(munmap(p + good, BAD));
	if (end == FORBIDDEN)
		CHECK_OK(mprotect(p + good, BAD, PROT_NONE));
	if (end == READ_ONLY)
		CHECK_OK(mprotect(p + good, BAD, PROT_READ));
	return p;
}

/* Each way to write to a file the last @len bytes of @p, and what lies behind them. */
static void write_files(int fd, char *p, size_t good, size_t len)
{
	char *at = p + good - len;
	struct iovec v[3] = {{at, len / 3}, {NULL, 0}, {at + len / 3, len - len / 3 + 5000}};

	CHECK_EQ(write(fd, at, len + 1), len);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), len);
	CHECK_EQ(lseek(fd, 0, SEEK_END), len);
	CHECK_EQ(pread(fd, seen, sizeof seen, 0), len);
	CHECK(!memcmp(seen, at, len));
	CHECK_EQ(pwrite(fd, at, len + 9000, 10), len);
	CHECK_OK(lseek(fd, 0, SEEK_SET));
	CHECK_EQ(writev(fd, v, 3), len);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), len);
	CHECK_EQ(pwritev(fd, v, 3, 1), len);
	CHECK_ERRNO(write(fd, p + good, 1), EFAULT);
	CHECK_OK(ftruncate(fd, 0));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
}

static void read_files(int fd, char *p, size_t good, size_t len)
{
	char *at = p + good - len;
	struct iovec v[3] = {{at, len / 3}, {NULL, 0}, {at + len / 3, len - len / 3 + 5000}};

	CHECK_EQ(read(fd, at, len + 1), len);
	CHECK(!memcmp(at, pattern, len));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), len);
	CHECK_EQ(pread(fd, at, len + 9000, 10), len);
	CHECK(!memcmp(at, pattern + 10, len));
	CHECK_EQ(preadv(fd, v, 3, 1), len);
	CHECK(!memcmp(at, pattern + 1, len));
	CHECK_OK(lseek(fd, 0, SEEK_SET));
	CHECK_EQ(readv(fd, v, 3), len);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), len);
	CHECK_ERRNO(pread(fd, p + good, 1, 0), EFAULT);
	CHECK_OK(lseek(fd, 0, SEEK_SET));
}

static void test_files(int fd, enum end end, bool shared)
{
	static const size_t goods[] = {PAGE, 4 * PAGE, 75 * PAGE}, lens[] = {1, 100, 5000, 300000};

	for (size_t g = 0; g < 3; g++) {
		char *p = area(goods[g], end, shared);

		for (size_t l = 0; l < 4; l++) {
			if (lens[l] > goods[g])
				continue;
			memcpy(p, pattern, goods[g]);
			CHECK_OK(ftruncate(fd, 0));
			CHECK_OK(lseek(fd, 0, SEEK_SET));
			if (end != READ_ONLY)
				write_files(fd, p, goods[g], lens[l]);
			CHECK_EQ(write(fd, pattern, sizeof pattern), sizeof pattern);
			CHECK_OK(lseek(fd, 0, SEEK_SET));
			read_files(fd, p, goods[g], lens[l]);
		}
		munmap(p, goods[g] + BAD);
	}
}

/* A page of a pipe is taken as a whole or stays, and so is a message. */
static void test_streams(enum end end)
{
	char *p = area(4 * PAGE, end, true), *at = p + 4 * PAGE - 5000;
	struct iovec v = {at, 5001};
	int fd[2];

	CHECK_OK(pipe2(fd, O_NONBLOCK));
	CHECK_EQ(write(fd[1], at, 5001), end == READ_ONLY ? 5001 : 4096);
	while (read(fd[0], seen, sizeof seen) > 0)
		;
	if (end != READ_ONLY) {
		CHECK_EQ(vmsplice(fd[1], &v, 1, SPLICE_F_NONBLOCK), 5000);
		CHECK_EQ(read(fd[0], seen, sizeof seen), 5000);
		CHECK(!memcmp(seen, at, 5000));
	}
	CHECK_EQ(write(fd[1], pattern, 12288), 12288);
	CHECK_EQ(read(fd[0], at, 5001), 4096);
	CHECK_ERRNO(read(fd[0], at + 3000, 2001), EFAULT);
	CHECK_EQ(read(fd[0], seen, sizeof seen), 12288 - 4096);
	CHECK(!memcmp(seen, pattern + 4096, 8192));
	close(fd[0]);
	close(fd[1]);
	for (int type = 0; type < 2; type++) {
		CHECK_OK(socketpair(AF_UNIX, (type ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0, fd));
		if (end != READ_ONLY) {
			CHECK_ERRNO(send(fd[1], at, 5001, 0), EFAULT);
			CHECK_ERRNO(recv(fd[0], seen, 1, 0), EAGAIN);
		}
		CHECK_EQ(write(fd[1], pattern, 6000), 6000);
		CHECK_ERRNO(recv(fd[0], at, 5001, MSG_PEEK), EFAULT);
		CHECK_ERRNO(read(fd[0], at, 5001), EFAULT);
		if (type) /* it is lost */
			CHECK_ERRNO(recv(fd[0], seen, sizeof seen, 0), EAGAIN);
		else
			CHECK_EQ(recv(fd[0], seen, sizeof seen, 0), 6000);
		close(fd[0]);
		close(fd[1]);
	}
	munmap(p, 4 * PAGE + BAD);
}

static void test_counter(void)
{
	char *p = area(PAGE, GONE, false);
	uint64_t n;
	int fd = eventfd(3, EFD_NONBLOCK);

	CHECK_ERRNO(write(fd, p + PAGE - 4, 8), EFAULT);
	CHECK_ERRNO(read(fd, p + PAGE - 4, 8), EFAULT);
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN); /* it was read all the same */
	close(fd);
	munmap(p, PAGE);
}

/* vmsplice() waits for room once, and brings each page of memory by itself. */
static void test_pages(void)
{
	static char memory[20 * PAGE] __attribute__((aligned(PAGE)));
	struct iovec v = {memory + 100, 20 * PAGE - 100};
	int fd[2];

	CHECK_OK(pipe(fd));
	CHECK_EQ(vmsplice(fd[1], &v, 1, 0), 16 * PAGE - 100);
	CHECK_ERRNO(vmsplice(fd[1], &v, 1, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(read(fd[0], seen, sizeof seen), 16 * PAGE - 100);
	v = (struct iovec){memory + PAGE - 3, 6};
	CHECK_EQ(vmsplice(fd[1], &v, 1, 0), 6);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EQ(read(fd[0], seen, sizeof seen), 7);
	close(fd[0]);
	close(fd[1]);
}

/* The file becomes shorter and longer under the mapping. */
static void test_cut(bool shared)
{
	int fd = new_file("/tmp", 4 * PAGE), zero = open("/dev/zero", O_RDONLY), out = new_file("/tmp", 0);
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE, fd, 0);

	CHECK_EQ(read(zero, p, 4 * PAGE), 4 * PAGE);
	CHECK_OK(ftruncate(fd, PAGE + 1));
	CHECK_EQ(read(zero, p, 4 * PAGE), 2 * PAGE);
	CHECK_EQ(write(out, p, 4 * PAGE), 2 * PAGE);
	CHECK_ERRNO(read(zero, p + 2 * PAGE, 1), EFAULT);
	CHECK_OK(ftruncate(fd, 3 * PAGE));
	CHECK_EQ(read(zero, p, 4 * PAGE), 3 * PAGE);
	CHECK_EQ(write(out, p, 4 * PAGE), 3 * PAGE);
	CHECK_OK(ftruncate(fd, 0));
	CHECK_ERRNO(read(zero, p, 4 * PAGE), EFAULT);
	CHECK_ERRNO(write(out, p, 4 * PAGE), EFAULT);
	CHECK_EQ(pwrite(fd, pattern, 10, 2 * PAGE), 10);
	CHECK_EQ(read(zero, p, 4 * PAGE), 3 * PAGE);
	munmap(p, 4 * PAGE);
	close(fd);
	close(zero);
	close(out);
}

int main(void)
{
	int file = new_file("/tmp", 0), shm = new_file("/dev/shm", 0), memory = memfd_create("io_short", 0);

	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = (char)(i * 13 + i / 1000);
	for (enum end end = BEYOND; end <= READ_ONLY; end++) {
		test_files(file, end, end & 1);
		test_files(shm, end, true);
		test_files(memory, end, false);
		test_streams(end);
	}
	test_counter();
	test_pages();
	test_cut(false);
	test_cut(true);
	return check_done();
}
