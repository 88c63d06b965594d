/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The offset of an open file that several processes and threads share: each big read and write is one piece of the
 * file, and lseek waits for it (f_pos_lock, since Linux 3.14).
 *
 * `fs_offset [FILE]`: what is read is FILE, which holds 16 MB of 8-byte numbers from 0 on; else a new file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

#define SIZE    (16L << 20)
#define READERS 4

static char path[64];

static void make_file(void)
{
	uint64_t *numbers = malloc(SIZE);
	int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);

	for (long i = 0; i < SIZE / 8; i++)
		numbers[i] = (uint64_t)i;
	CHECK_EQ(write(fd, numbers, SIZE), SIZE);
	free(numbers);
	close(fd);
}

/* Reads @piece bytes at a time until the end: each is a run of numbers. The sum of all that was read. */
static uint64_t read_pieces(int fd, long piece)
{
	uint64_t *buf = malloc((size_t)piece), sum = 0;
	ssize_t n;

	while ((n = read(fd, buf, (size_t)piece)) > 0) {
		CHECK_EQ(n % 8, 0);
		for (long i = 1; i < n / 8; i++) {
			if (buf[i] != buf[0] + (uint64_t)i) {
				CHECK_EQ(buf[i], buf[0] + (uint64_t)i);
				break;
			}
		}
		for (long i = 0; i < n / 8; i++)
			sum += buf[i];
		if (check_failed())
			break;
	}
	CHECK_EQ(n, 0);
	free(buf);
	return sum;
}

static void test_readers(const char *file, long piece)
{
	uint64_t *sums = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), all = 0;
	int fd = open(file, O_RDONLY), status;

	CHECK(fd >= 0);
	for (int i = 0; i < READERS; i++) {
		if (!fork()) {
			sums[i] = read_pieces(fd, piece);
			_exit(check_failed());
		}
	}
	for (int i = 0; i < READERS; i++) {
		CHECK(wait(&status) > 0);
		CHECK_EQ(status, 0);
	}
	for (int i = 0; i < READERS; i++)
		all += sums[i];
	CHECK_EQ(all, (uint64_t)(SIZE / 8) * (SIZE / 8 - 1) / 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), SIZE);
	munmap(sums, 4096);
	close(fd);
}

/* The offset is never seen where a write has only come to a part of its bytes. */
static void *look(void *arg)
{
	int fd = *(int *)arg;
	off_t at;

	do {
		at = lseek(fd, 0, SEEK_CUR);
		CHECK_EQ(at % SIZE, 0);
	} while (at < 3 * SIZE && !check_failed());
	return NULL;
}

static void test_writers(void)
{
	char *buf = malloc(SIZE), byte;
	int fd = open(path, O_RDWR | O_TRUNC), status;
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, look, &fd), 0);
	for (int i = 0; i < 3; i++) {
		if (!fork()) {
			memset(buf, 'a' + i, SIZE);
			CHECK_EQ(write(fd, buf, SIZE), SIZE);
			_exit(check_failed());
		}
	}
	for (int i = 0; i < 3; i++) {
		CHECK(wait(&status) > 0);
		CHECK_EQ(status, 0);
	}
	pthread_join(t, NULL);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 3 * SIZE);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pread(fd, buf, SIZE, i * SIZE), SIZE);
		byte = buf[0];
		CHECK(byte >= 'a' && byte <= 'c');
		CHECK(!memcmp(buf, buf + 1, SIZE - 1));
	}
	free(buf);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *file = argc > 1 ? argv[1] : path;

	snprintf(path, sizeof path, "/tmp/fs_offset.%d", (int)getpid());
	make_file();
	test_readers(file, 3L << 20);
	test_readers(file, 1L << 20);
	test_readers(file, 40000);
	test_writers();
	unlink(path);
	return check_done();
}
