/* SPDX-License-Identifier: Apache-2.0 */
/* Shows futex(2) on shared and private words: every plain operation, counts, bitsets, timeouts, errors,
 * processes. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define THREADS 4

static uint32_t *words;
static int private_flag;

static long futex(uint32_t *word, int op, uint32_t val, const void *timeout, uint32_t *word2, uint32_t val3)
{
	return syscall(SYS_futex, word, op | private_flag, val, timeout, word2, val3);
}

static struct timespec soon(int clock, long ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += ms * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	return ts;
}

static void test_errors(void)
{
	struct timespec ms = {0, 2000000}, bad = {0, -1}, at;
	char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	words[0] = 5;
	CHECK_ERRNO(futex(words, FUTEX_WAIT, 4, NULL, NULL, 0), EAGAIN);
	CHECK_ERRNO(futex(words, FUTEX_WAIT, 4, &bad, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(words, FUTEX_WAIT, 5, (void *)8, NULL, 0), EFAULT);
	CHECK_ERRNO(futex((void *)((char *)words + 2), FUTEX_WAIT, 5, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex((void *)none, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO(futex((void *)4, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO(futex((void *)0xffff800000000000UL, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO(futex(words, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(words, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(words, 99, 1, NULL, NULL, 0), ENOSYS);
	CHECK_ERRNO(futex(words, FUTEX_FD, 1, NULL, NULL, 0), ENOSYS);
	CHECK_ERRNO(futex(words, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0), ENOSYS);
	CHECK_ERRNO(futex(words, FUTEX_WAIT, 5, &ms, NULL, 0), ETIMEDOUT);
	at = soon(CLOCK_MONOTONIC, 2);
	CHECK_ERRNO(futex(words, FUTEX_WAIT_BITSET, 5, &at, NULL, ~0u), ETIMEDOUT);
	CHECK_ERRNO(futex(words, FUTEX_WAIT_BITSET, 5, &at, NULL, ~0u), ETIMEDOUT); /* already past */
	at = soon(CLOCK_REALTIME, 2);
	CHECK_ERRNO(futex(words, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &at, NULL, 1), ETIMEDOUT);
	CHECK_EQ(futex(words, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	CHECK_ERRNO(futex(words, FUTEX_CMP_REQUEUE, 1, (void *)1, words + 1, 4), EAGAIN);
	CHECK_EQ(futex(words, FUTEX_CMP_REQUEUE, 1, (void *)1, words + 1, 5), 0);
	CHECK_ERRNO(futex(words, FUTEX_CMP_REQUEUE, -1, (void *)1, words + 1, 5), EINVAL);
	munmap(none, 4096);
}

static long result[THREADS];
static uint32_t bits[THREADS];
static int started;

static void *waiter(void *arg)
{
	long n = (long)arg;

	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	result[n] = -1;
	do
		result[n] = futex(words, FUTEX_WAIT_BITSET, 7, NULL, NULL, bits[n]);
	while (result[n] == -1 && errno == EINTR);
	return NULL;
}

/* Starts waiters, and makes sure that all of them wait: a requeue to the same word counts them. */
static void start(pthread_t *t, const uint32_t *mask)
{
	words[0] = 7;
	words[1] = words[2] = 7;
	started = 0;
	for (long i = 0; i < THREADS; i++) {
		bits[i] = mask ? mask[i] : ~0u;
		pthread_create(&t[i], NULL, waiter, (void *)i);
	}
	while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < THREADS)
		sched_yield();
	while (futex(words, FUTEX_CMP_REQUEUE, 0, (void *)1000, words, 7) < THREADS)
		sched_yield();
}

static void finish(pthread_t *t)
{
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(result[i], 0);
}

static void test_wakes(void)
{
	static const uint32_t mask[THREADS] = {1, 2, 4, 8};
	pthread_t t[THREADS];

	start(t, NULL);
	CHECK_EQ(futex(words, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	CHECK_EQ(futex(words, FUTEX_WAKE, 2, NULL, NULL, 0), 2);
	CHECK_EQ(futex(words, FUTEX_WAKE, 1000, NULL, NULL, 0), 1);
	CHECK_EQ(futex(words, FUTEX_WAKE, 1000, NULL, NULL, 0), 0);
	finish(t);

	start(t, mask);
	CHECK_EQ(futex(words, FUTEX_WAKE_BITSET, 1000, NULL, NULL, 16), 0);
	CHECK_EQ(futex(words, FUTEX_WAKE_BITSET, 1000, NULL, NULL, 4), 1);
	CHECK_EQ(futex(words, FUTEX_WAKE_BITSET, 1000, NULL, NULL, 3), 2);
	CHECK_EQ(futex(words, FUTEX_WAKE, 1000, NULL, NULL, 0), 1);
	finish(t);

	start(t, NULL);
	CHECK_EQ(futex(words, FUTEX_CMP_REQUEUE, 1, (void *)2, words + 1, 7), 3);
	CHECK_EQ(futex(words + 1, FUTEX_WAKE, 1000, NULL, NULL, 0), 2);
	CHECK_EQ(futex(words, FUTEX_REQUEUE, 0, (void *)1000, words + 2, 0), 1);
	CHECK_EQ(futex(words, FUTEX_WAKE, 1000, NULL, NULL, 0), 0);
	CHECK_EQ(futex(words + 2, FUTEX_WAKE, 1000, NULL, NULL, 0), 1);
	finish(t);

	start(t, NULL);
	words[3] = 10;
	CHECK_EQ(futex(words + 3, FUTEX_WAKE_OP, 1, (void *)1, words + 3,
		       FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 11)),
		 0);
	CHECK_EQ(words[3], 15);
	CHECK_EQ(futex(words + 3, FUTEX_WAKE_OP, 1, (void *)3, words,
		       FUTEX_OP(FUTEX_OP_OR, 8, FUTEX_OP_CMP_EQ, 7)),
		 3);
	CHECK_EQ(words[0], 15);
	CHECK_EQ(futex(words, FUTEX_WAKE_OP, 1, (void *)3, words + 3,
		       FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_LT, 0)),
		 1);
	CHECK_EQ(words[3], 1);
	CHECK_EQ(futex(words, FUTEX_WAKE_OP, 1, (void *)3, words + 3,
		       FUTEX_OP((FUTEX_OP_XOR | FUTEX_OP_OPARG_SHIFT), 4, FUTEX_OP_CMP_GE, 0)),
		 0);
	CHECK_EQ(words[3], 17);
	CHECK_ERRNO(futex(words, FUTEX_WAKE_OP, 1, (void *)3, words + 3, 0x70000000), ENOSYS);
	CHECK_ERRNO(futex(words, FUTEX_WAKE_OP, 1, (void *)3, (void *)8,
			  FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_LT, 0)),
		    EFAULT);
	finish(t);
}

/* Two processes pass a turn through memory that they share. */
static void test_processes(void)
{
	uint32_t *turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	int status;

	for (int i = 0; i < 500; i++) {
		uint32_t mine = child ? 0 : 1, value;

		while ((value = __atomic_load_n(turn, __ATOMIC_SEQ_CST)) != mine)
			syscall(SYS_futex, turn, FUTEX_WAIT, value, NULL, NULL, 0);
		__atomic_store_n(turn, !mine, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	if (!child)
		_exit(0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);

	/* The same word by another mapping of the same object. */
	int fd = memfd_create("word", 0);
	CHECK_EQ(ftruncate(fd, 8192), 0);
	uint32_t *a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	child = fork();
	if (!child) {
		uint32_t *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);

		while (syscall(SYS_futex, b + 3, FUTEX_WAKE, 1, NULL, NULL, 0) != 1)
			sched_yield();
		_exit(0);
	}
	CHECK_EQ(syscall(SYS_futex, a + 1024 + 3, FUTEX_WAIT, 0, NULL, NULL, 0), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	close(fd);

	/* One that is killed while it waits is not waked. */
	child = fork();
	if (!child) {
		turn[2] = 1;
		for (;;)
			syscall(SYS_futex, turn + 1, FUTEX_WAIT, 0, NULL, NULL, 0);
	}
	while (!__atomic_load_n(turn + 2, __ATOMIC_SEQ_CST))
		sched_yield();
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(syscall(SYS_futex, turn + 1, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
}

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct waitv {
	uint64_t value, addr;
	uint32_t flags, reserved;
};

static void *wake_second(void *arg)
{
	(void)arg;
	while (syscall(SYS_futex, words + 9, FUTEX_WAKE, 1, NULL, NULL, 0) != 1)
		sched_yield();
	return NULL;
}

static void test_waitv(void)
{
	struct waitv w[2] = {{3, (uintptr_t)(words + 8), 2, 0}, {4, (uintptr_t)(words + 9), 2, 0}};
	struct timespec at = soon(CLOCK_MONOTONIC, 2);
	pthread_t t;

	words[8] = 3;
	words[9] = 4;
	if (syscall(SYS_futex_waitv, w, 2, 0, &at, CLOCK_MONOTONIC) == -1 && errno == ENOSYS)
		return; /* before Linux 5.16 */
	CHECK_EQ(errno, ETIMEDOUT);
	CHECK_ERRNO(syscall(SYS_futex_waitv, w, 0, 0, NULL, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERRNO(syscall(SYS_futex_waitv, w, 129, 0, NULL, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERRNO(syscall(SYS_futex_waitv, w, 2, 1, NULL, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERRNO(syscall(SYS_futex_waitv, w, 2, 0, &at, CLOCK_BOOTTIME), EINVAL);
	CHECK_ERRNO(syscall(SYS_futex_waitv, 8L, 2, 0, NULL, CLOCK_MONOTONIC), EFAULT);
	words[9] = 5;
	CHECK_ERRNO(syscall(SYS_futex_waitv, w, 2, 0, NULL, CLOCK_MONOTONIC), EAGAIN);
	words[9] = 4;
	pthread_create(&t, NULL, wake_second, NULL);
	CHECK_EQ(syscall(SYS_futex_waitv, w, 2, 0, NULL, CLOCK_MONOTONIC), 1);
	pthread_join(t, NULL);
	w[1].reserved = 1;
	CHECK_ERRNO(syscall(SYS_futex_waitv, w, 2, 0, NULL, CLOCK_MONOTONIC), EINVAL);
	w[1].reserved = 0;
	w[1].flags = 0;
	CHECK_ERRNO(syscall(SYS_futex_waitv, w, 2, 0, NULL, CLOCK_MONOTONIC), EINVAL);
}

int main(void)
{
	static uint32_t own[16];

	for (int way = 0; way < 3; way++) {
		/* Private words; the same memory by shared operations; shared memory. */
		private_flag = way == 0 ? FUTEX_PRIVATE_FLAG : 0;
		words = way == 2 ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
				 : own;
		test_errors();
		test_wakes();
		test_waitv();
	}
	test_processes();
	return check_done();
}
