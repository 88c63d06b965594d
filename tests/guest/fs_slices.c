/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Big writes are whole: to each other, to truncation, to appending, to signals; and what RLIMIT_FSIZE and a killed writer
 * leave.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

#define BIG    (7 << 20)
#define ROUNDS 6

static const char *path;
static char *bytes[4]; /* BIG of 'a', 'b', ... */
static pthread_barrier_t start;

/* The file is one block of BIG after the other, each of one letter: how many; -1: it is not. */
static int blocks(int fd)
{
	struct stat st;
	char *map;
	int n;

	CHECK_OK(fstat(fd, &st));
	if (st.st_size % BIG)
		return -1;
	n = (int)(st.st_size / BIG);
	map = n ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	for (int i = 0; i < n; i++)
		if (memcmp(map + (size_t)i * BIG, map + (size_t)i * BIG + 1, BIG - 1))
			return -1;
	if (n)
		munmap(map, (size_t)st.st_size);
	return n;
}

static void *overwrite(void *arg)
{
	int fd = open(path, O_WRONLY);

	pthread_barrier_wait(&start);
	CHECK_EQ(pwrite(fd, arg, BIG, 0), BIG);
	close(fd);
	return NULL;
}

static void *append(void *arg)
{
	int fd = open(path, O_WRONLY | O_APPEND);
	struct iovec iov[2] = {{arg, 5 << 20}, {arg, BIG - (5 << 20)}};

	pthread_barrier_wait(&start);
	CHECK_EQ(writev(fd, iov, 2), BIG);
	close(fd);
	return NULL;
}

static void *cut(void *arg)
{
	pthread_barrier_wait(&start);
	CHECK_OK(truncate(path, 0));
	return arg;
}

static void *cut_open(void *arg)
{
	int fd;

	pthread_barrier_wait(&start);
	fd = open(path, O_WRONLY | O_TRUNC);
	CHECK(fd >= 0);
	close(fd);
	return arg;
}

static void *allocate(void *arg)
{
	int fd = open(path, O_WRONLY);

	pthread_barrier_wait(&start);
	CHECK_OK(posix_fallocate(fd, 0, BIG));
	close(fd);
	return arg;
}

static void *small(void *arg)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	pthread_barrier_wait(&start);
	CHECK_EQ(write(fd, arg, 1), 1);
	close(fd);
	return NULL;
}

static void race(int n, void *(*const fns[])(void *))
{
	pthread_t threads[4];

	pthread_barrier_init(&start, NULL, (unsigned)n);
	for (int i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, fns[i], bytes[i]);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
}

static void test_races(int fd)
{
	struct stat st;
	int n;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_OK(ftruncate(fd, 0));
		race(3, (void *(*const[])(void *)){overwrite, overwrite, overwrite});
		CHECK_EQ(blocks(fd), 1);
		CHECK_OK(ftruncate(fd, 0));
		race(3, (void *(*const[])(void *)){append, append, append});
		CHECK_EQ(blocks(fd), 3);
		race(2, (void *(*const[])(void *)){overwrite, i & 1 ? cut : cut_open});
		n = blocks(fd);
		CHECK(n == 0 || n == 1);
		CHECK_OK(ftruncate(fd, 0));
		race(2, (void *(*const[])(void *)){overwrite, allocate});
		CHECK_EQ(blocks(fd), 1);
		CHECK_OK(ftruncate(fd, 0));
		race(3, (void *(*const[])(void *)){append, small, append});
		CHECK_OK(fstat(fd, &st));
		CHECK_EQ(st.st_size, 2 * BIG + 1);
	}
}

/* Two processes with one offset: as if one after the other. */
static void test_shared_offset(int fd)
{
	int status;
	pid_t pid;

	CHECK_OK(ftruncate(fd, 0));
	CHECK_OK(lseek(fd, 0, SEEK_SET));
	pid = fork();
	CHECK_EQ(write(fd, bytes[pid ? 0 : 1], BIG), BIG);
	if (!pid)
		_exit(check_failed());
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	CHECK_EQ(blocks(fd), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2 * BIG);
}

static volatile int alarms, too_big;

static void on_alarm(int signo)
{
	if (signo == SIGALRM)
		alarms++;
	else
		too_big++;
}

/* Signals do not cut what moves between memory and a file, restarted calls or not. */
static void test_signals(int fd)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct itimerval often = {{0, 300}, {0, 300}}, never = {0};
	char *back = malloc(BIG);

	sigaction(SIGALRM, &sa, NULL);
	CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
	for (int i = 0; i < 20 || !alarms; i++) {
		CHECK_EQ(pwrite(fd, bytes[i % 4], BIG, 0), BIG);
		CHECK_EQ(pread(fd, back, BIG, 0), BIG);
		CHECK(!memcmp(back, bytes[i % 4], BIG));
	}
	CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
	free(back);
}

/* A write across the limit is cut there, without a signal; the next one has it. */
static void test_limit(int fd)
{
	struct rlimit old, r;
	struct sigaction sa = {.sa_handler = on_alarm};

	too_big = 0;
	getrlimit(RLIMIT_FSIZE, &old);
	r = (struct rlimit){5 << 20, old.rlim_max};
	CHECK_OK(ftruncate(fd, 0));
	sigaction(SIGXFSZ, &sa, NULL);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &r));
	CHECK_EQ(pwrite(fd, bytes[0], BIG, 0), 5 << 20);
	CHECK_EQ(too_big, 0);
	CHECK_EQ(pwrite(fd, bytes[0], BIG, (5 << 20) - 1), 1);
	CHECK_EQ(too_big, 0);
	CHECK_ERRNO(pwrite(fd, bytes[0], BIG, 5 << 20), EFBIG);
	CHECK_EQ(too_big, 1);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &old));
}

/* Who is killed in the middle of it stands in nobody's way. */
static void test_killed(int fd)
{
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (!pid)
			for (;;)
				if (pwrite(fd, bytes[1], BIG, 0) != BIG)
					_exit(1);
		while (i & 1 ? pread(fd, (char[1]){0}, 1, 0) != 1 : i % 4 && usleep(500))
			;
		kill(pid, SIGKILL);
		CHECK_EQ(pwrite(fd, bytes[0], BIG, 0), BIG);
		waitpid(pid, NULL, 0);
		CHECK_EQ(pwrite(fd, bytes[2], BIG, 0), BIG);
		CHECK_EQ(blocks(fd), 1);
		CHECK_OK(ftruncate(fd, 0));
	}
}

static void test_bad_memory(int fd)
{
	char *end = mmap(NULL, BIG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(end + (5 << 20), BIG - (5 << 20));
	CHECK_OK(ftruncate(fd, 0));
	CHECK_EQ(pwrite(fd, end, BIG, 0), 5 << 20);
	CHECK_ERRNO(pwrite(fd, end + (5 << 20), 100, 0), EFAULT);
	munmap(end, 5 << 20);
}

static void test_in(const char *dir)
{
	char name[64];
	int fd;

	snprintf(name, sizeof name, "%s/husk-slicesXXXXXX", dir);
	fd = mkstemp(name);
	CHECK(fd >= 0);
	path = name;
	test_races(fd);
	test_shared_offset(fd);
	test_signals(fd);
	test_limit(fd);
	test_killed(fd);
	test_bad_memory(fd);
	close(fd);
	unlink(name);
}

int main(void)
{
	for (int i = 0; i < 4; i++) {
		bytes[i] = malloc(BIG);
		memset(bytes[i], 'a' + i, BIG);
	}
	test_in("/tmp");
	test_in("/var/tmp");
	return check_done();
}
