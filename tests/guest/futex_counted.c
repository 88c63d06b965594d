/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that whom a futex operation counts as a waiter does wait: its word has been compared before, and what the word
 * becomes afterwards is no matter. Nor does a waiter whose word differed take a wake from another.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

#define THREADS 3
#define ROUNDS  60

static uint32_t *words;

static long futex(uint32_t *word, int op, uint32_t val, unsigned long val2, uint32_t *word2, uint32_t val3)
{
	return syscall(SYS_futex, word, op, val, val2, word2, val3);
}

static long result[THREADS];

static void *waiter(void *arg)
{
	long n = (long)arg;

	do
		result[n] = futex(words, FUTEX_WAIT, 7, 0, NULL, 0);
	while (result[n] == -1 && errno == EINTR);
	return NULL;
}

/* How the waiters are counted without being woken: by a requeue to their own word. */
static long count_by_cmp(void)
{
	return futex(words, FUTEX_CMP_REQUEUE, 0, 1000, words, 7);
}

static long count_by_requeue(void)
{
	return futex(words, FUTEX_REQUEUE, 0, 1000, words, 0);
}

static long change_by_store(void)
{
	__atomic_store_n(words, 8, __ATOMIC_SEQ_CST);
	return 0;
}

static long change_by_op(void)
{
	return futex(words + 4, FUTEX_WAKE_OP, 1, 0, words, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 99));
}

static void round_of(long (*count)(void), long (*change)(void))
{
	pthread_t t[THREADS];

	words[0] = 7;
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, waiter, (void *)i);
	while (count() < THREADS)
		;
	CHECK_EQ(change(), 0);
	CHECK_EQ(words[0], 8);
	CHECK_EQ(futex(words, FUTEX_WAKE, 1000, 0, NULL, 0), THREADS);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		CHECK_EQ(result[i], 0);
	}
}

static int stop;

/* Comes again and again with a value that the word never has. */
static void *never(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
		CHECK_ERRNO(futex(words, FUTEX_WAIT, 5, 0, NULL, 0), EAGAIN);
	return NULL;
}

static void test_never(void)
{
	pthread_t other, t;

	words[0] = 7;
	pthread_create(&other, NULL, never, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		pthread_create(&t, NULL, waiter, NULL);
		while (futex(words, FUTEX_WAKE, 1, 0, NULL, 0) != 1)
			sched_yield();
		pthread_join(t, NULL);
		CHECK_EQ(result[0], 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	pthread_join(other, NULL);
	stop = 0;
}

int main(void)
{
	static uint32_t own[16];

	for (int shared = 0; shared < 2; shared++) {
		words = own;
		if (shared)
			words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		for (int i = 0; i < ROUNDS; i++) {
			round_of(count_by_cmp, change_by_store);
			round_of(count_by_requeue, change_by_store);
			round_of(count_by_cmp, change_by_op);
		}
		test_never();
	}
	return check_done();
}
