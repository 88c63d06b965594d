/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files read by several threads and processes at once, through one open file and its duplicates, while others close,
 * open, write and seek: every byte goes to exactly one reader, and nobody sees another file's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define RECORDS 40000
#define OFTEN   40

static char path[64], other_path[64];

/* ---- each record once ---- */

static atomic_uchar *seen; /* shared: how often each record was read */
static int record_fd[2];   /* two descriptors of one open file */

static void make_records(void)
{
	static uint32_t records[RECORDS];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (uint32_t i = 0; i < RECORDS; i++)
		records[i] = i;
	CHECK_EQ(write(fd, records, sizeof records), (ssize_t)sizeof records);
	close(fd);
	for (int i = 0; i < RECORDS; i++)
		seen[i] = 0;
}

static void *read_records(void *arg)
{
	int fd = record_fd[(intptr_t)arg & 1];
	uint32_t r[3];
	ssize_t n;

	while ((n = read(fd, r, ((intptr_t)arg % 3 + 1) * sizeof *r)) > 0) {
		CHECK_EQ(n % 4, 0);
		for (int i = 0; i < n / 4; i++)
			if (r[i] < RECORDS)
				seen[r[i]]++;
		for (int i = 1; i < n / 4; i++)
			CHECK_EQ(r[i], r[0] + i);
		if (check_failed())
			break;
	}
	CHECK_EQ(n, 0);
	return NULL;
}

/* Meanwhile the file is watched by its name and offset, and moved to other bytes. */
static void *disturb(void *arg)
{
	int fd = open(path, O_RDWR);
	uint32_t last;

	for (int i = 0; i < 300; i++) {
		CHECK_EQ(pread(fd, &last, 4, (RECORDS - 1) * 4), 4);
		CHECK_EQ(pwrite(fd, &last, 4, (RECORDS - 1) * 4), 4);
		CHECK(lseek(record_fd[0], 0, SEEK_CUR) >= 0);
		close(dup(record_fd[1]));
		sched_yield();
	}
	close(fd);
	return NULL;
}

static void check_records(void)
{
	int wrong = 0;

	for (int i = 0; i < RECORDS; i++)
		wrong += seen[i] != 1;
	CHECK_EQ(wrong, 0);
}

static void test_records(int nthreads, int nprocesses, int disturbed)
{
	pthread_t thread[8];
	pid_t pid[4];
	int status;

	make_records();
	record_fd[0] = open(path, O_RDONLY);
	record_fd[1] = dup(record_fd[0]);
	for (int p = 0; p < nprocesses; p++) {
		pid[p] = fork();
		if (!pid[p]) {
			read_records((void *)(intptr_t)p);
			_exit(check_failed());
		}
	}
	for (int i = 0; i < nthreads; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, i || !disturbed ? read_records : disturb,
					(void *)(intptr_t)i),
			 0);
	for (int i = 0; i < nthreads; i++)
		pthread_join(thread[i], NULL);
	for (int p = 0; p < nprocesses; p++) {
		CHECK_EQ(waitpid(pid[p], &status, 0), pid[p]);
		CHECK_EQ(status, 0);
	}
	close(record_fd[0]);
	close(record_fd[1]);
	check_records();
}

/* ---- the number of a file that is closed and another opened ---- */

#define ROUNDS 300

static atomic_int phase; /* even: the number stands for file phase / 2 % 2; odd: it is changing */
static atomic_int done;
static int number;

static void make_file(const char *name, char c)
{
	char bytes[4096];
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(bytes, c, sizeof bytes);
	CHECK_EQ(write(fd, bytes, sizeof bytes), (ssize_t)sizeof bytes);
	close(fd);
}

static void *watch_number(void *arg)
{
	while (!done && !check_failed()) {
		int before = phase;
		char byte = 0;
		ssize_t n = arg ? read(number, &byte, 1) : pread(number, &byte, 1, 100);

		if (before & 1 || phase != before)
			continue;
		CHECK(n >= 0);
		CHECK(n == 0 || byte == (before / 2 % 2 ? 'b' : 'a'));
		if (!n)
			lseek(number, 0, SEEK_SET);
	}
	return NULL;
}

static void test_number(int by_dup)
{
	pthread_t thread[2];

	make_file(path, 'a');
	make_file(other_path, 'b');
	done = phase = 0;
	number = open(path, O_RDONLY);
	for (intptr_t i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, watch_number, (void *)i), 0);
	for (int i = 0; i < ROUNDS && !check_failed(); i++) {
		const char *name = i & 1 ? path : other_path;
		char byte;

		for (int j = 0; j < OFTEN; j++)
			CHECK(pread(number, &byte, 1, j) == 1);
		phase++;
		if (by_dup) {
			int fd = open(name, O_RDONLY);

			CHECK_EQ(dup2(fd, number), number);
			close(fd);
		} else {
			close(number);
			CHECK_EQ(open(name, O_RDONLY), number);
		}
		phase++;
	}
	done = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	close(number);
}

/* In the same memory, with descriptors of its own: numbers stand for different files in it. */
static int own_table(void *arg)
{
	char byte;

	close(number);
	CHECK_EQ(open(other_path, O_RDONLY), number);
	for (int i = 0; i < 3 * OFTEN; i++) {
		CHECK_EQ(read(number, &byte, 1), 1);
		CHECK_EQ(byte, 'b');
	}
	return 0;
}

static void test_tables(void)
{
	static char stack[65536] __attribute__((aligned(64)));
	int status;
	pid_t pid;
	char byte;

	make_file(path, 'a');
	number = open(path, O_RDONLY);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < OFTEN; i++) {
			CHECK_EQ(read(number, &byte, 1), 1);
			CHECK_EQ(byte, 'a');
		}
		pid = clone(own_table, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
		for (int i = 0; i < OFTEN; i++) {
			CHECK_EQ(pread(number, &byte, 1, i), 1);
			CHECK_EQ(byte, 'a');
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
		CHECK_EQ(lseek(number, 0, SEEK_CUR), OFTEN * (round + 1));
	}
	close(number);
}

/* Threads that fork while others read. */
static void *fork_often(void *arg)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		int status;
		char byte;

		if (!pid)
			_exit(pread(number, &byte, 1, 5) == 1 && byte == 'a' ? 0 : 1);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	done = 1;
	return NULL;
}

static void test_forks(void)
{
	pthread_t thread;
	char byte;

	done = 0;
	number = open(path, O_RDONLY);
	CHECK_EQ(pthread_create(&thread, NULL, fork_often, NULL), 0);
	while (!done) {
		int fd = open(other_path, O_RDONLY);

		for (int i = 0; i < OFTEN; i++) {
			CHECK_EQ(pread(fd, &byte, 1, i), 1);
			CHECK_EQ(byte, 'b');
			CHECK_EQ(pread(number, &byte, 1, i), 1);
		}
		close(fd);
	}
	pthread_join(thread, NULL);
	close(number);
}

int main(void)
{
	snprintf(path, sizeof path, "/tmp/fs_donate_race.%d", getpid());
	snprintf(other_path, sizeof other_path, "/tmp/fs_donate_race.%d.other", getpid());
	seen = mmap(NULL, RECORDS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(seen != MAP_FAILED);
	test_records(1, 0, 0);
	test_records(4, 0, 0);
	test_records(3, 0, 1);
	test_records(2, 2, 0);
	test_records(0, 3, 0);
	test_number(0);
	test_number(1);
	test_tables();
	test_forks();
	unlink(path);
	unlink(other_path);
	return check_done();
}
