/* SPDX-License-Identifier: Apache-2.0 */
/* futex_wait, futex_wake and futex_requeue (454 to 456): every check, private and shared words, masks, and that their
 * waiters and those of futex(2) are the same. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "deadline.h"

#define NR_futex_wake    454
#define NR_futex_wait    455
#define NR_futex_requeue 456
#define U32              2u
#define PRIVATE          128u

struct word {
	uint64_t val, addr;
	uint32_t flags, reserved;
};

static uint32_t *words;
static unsigned int flags;

static long wait_word(uint32_t *word, uint64_t val, uint64_t mask, const struct timespec *at, int clock)
{
	return syscall(NR_futex_wait, word, val, mask, flags, at, clock);
}

static long wake_word(uint32_t *word, uint64_t mask, int n)
{
	return syscall(NR_futex_wake, word, mask, n, flags);
}

static long requeue(const struct word *pair, int wake, int move)
{
	return syscall(NR_futex_requeue, pair, 0, wake, move);
}

static void test_flags(void)
{
	static const unsigned int wrong[] = {0, 1, 3, 0x10, U32 | 0x40, U32 | 0x100, U32 | 0x80000000u};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		CHECK_ERRNO(syscall(NR_futex_wake, words, 1, 1, wrong[i]), EINVAL);
		CHECK_ERRNO(syscall(NR_futex_wait, words, 0, 1, wrong[i], NULL, 0), EINVAL);
	}
	CHECK_ERRNO(syscall(NR_futex_wait, 8, 0, 1, 0x10, 8, 99), EINVAL);
}

static void test_errors(void)
{
	struct timespec at = in_ms(CLOCK_MONOTONIC, 2), bad = {0, -1};
	char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	words[0] = 5;
	CHECK_ERRNO(wait_word(words, 4, 1, NULL, 0), EAGAIN);
	CHECK_ERRNO(wait_word(words, 5, 0, NULL, 0), EINVAL);
	CHECK_ERRNO(wait_word(words, 4, 0, NULL, 0), EINVAL);
	CHECK_ERRNO(wait_word(words, 1UL << 32 | 5, 1, NULL, 0), EINVAL);
	CHECK_ERRNO(wait_word(words, 5, 1UL << 32 | 1, NULL, 0), EINVAL);
	CHECK_ERRNO(wait_word(words, 4, 1, &bad, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERRNO(wait_word(words, 4, 1, (void *)8, CLOCK_MONOTONIC), EFAULT);
	CHECK_ERRNO(wait_word(words, 4, 1, (void *)8, CLOCK_BOOTTIME), EINVAL);
	CHECK_ERRNO(wait_word(words, 4, 0, (void *)8, CLOCK_MONOTONIC), EFAULT);
	CHECK_ERRNO(wait_word(words, 4, 1, NULL, CLOCK_BOOTTIME), EAGAIN);
	CHECK_ERRNO(wait_word((void *)((char *)words + 2), 5, 1, NULL, 0), EINVAL);
	CHECK_ERRNO(wait_word((void *)none, 5, 1, NULL, 0), EFAULT);
	CHECK_ERRNO(wait_word((void *)0xffff800000000000UL, 5, 1, NULL, 0), EFAULT);
	CHECK_ERRNO(wait_word(words, 5, 1, &at, CLOCK_MONOTONIC), ETIMEDOUT);
	CHECK_ERRNO(wait_word(words, 5, 1, &at, CLOCK_MONOTONIC), ETIMEDOUT);
	at = in_ms(CLOCK_REALTIME, 2);
	CHECK_ERRNO(wait_word(words, 5, 1, &at, CLOCK_REALTIME), ETIMEDOUT);

	CHECK_EQ(wake_word(words, 1, 1), 0);
	CHECK_EQ(wake_word(words, 1, 0), 0);
	CHECK_EQ(wake_word(words, 1, -1), 0);
	CHECK_ERRNO(wake_word(words, 0, 1), EINVAL);
	CHECK_ERRNO(wake_word(words, 1UL << 32 | 1, 1), EINVAL);
	CHECK_ERRNO(wake_word((void *)((char *)words + 2), 1, 0), EINVAL);
	CHECK_ERRNO(wake_word((void *)((char *)words + 2), 0, 0), EINVAL);
	CHECK_ERRNO(wake_word((void *)0xffff800000000000UL, 1, 1), EFAULT);
	munmap(none, 4096);
}

static void test_requeue_errors(void)
{
	struct word pair[2] = {{5, (uintptr_t)words, flags, 0}, {0, (uintptr_t)&words[1], flags, 0}};

	words[0] = 5;
	CHECK_EQ(requeue(pair, 1, 1), 0);
	CHECK_EQ(requeue(pair, 0, 0), 0);
	CHECK_ERRNO(syscall(NR_futex_requeue, pair, 1, 1, 1), EINVAL);
	CHECK_ERRNO(syscall(NR_futex_requeue, 8, 1, 1, 1), EINVAL);
	CHECK_ERRNO(syscall(NR_futex_requeue, NULL, 0, 1, 1), EINVAL);
	CHECK_ERRNO(syscall(NR_futex_requeue, 8, 0, 1, 1), EFAULT);
	CHECK_ERRNO(requeue(pair, -1, 1), EINVAL);
	CHECK_ERRNO(requeue(pair, 1, -1), EINVAL);
	pair[0].val = 4;
	CHECK_ERRNO(requeue(pair, 1, 1), EAGAIN);
	CHECK_ERRNO(requeue(pair, -1, 1), EINVAL);
	pair[0].val = 1UL << 32 | 5;
	CHECK_ERRNO(requeue(pair, 1, 1), EINVAL);
	pair[0].val = 5;
	pair[1].val = 99; /* is not looked at */
	CHECK_EQ(requeue(pair, 1, 1), 0);
	pair[1].val = 1UL << 32;
	CHECK_ERRNO(requeue(pair, 1, 1), EINVAL);
	pair[1].val = 0;
	pair[1].flags ^= PRIVATE;
	CHECK_ERRNO(requeue(pair, 1, 1), EINVAL);
	pair[1].flags = flags;
	pair[1].reserved = 1;
	CHECK_ERRNO(requeue(pair, 1, 1), EINVAL);
	pair[1].reserved = 0;
	pair[1].addr = (uintptr_t)words + 6;
	CHECK_ERRNO(requeue(pair, 1, 1), EINVAL);
	pair[0].addr = 8;
	pair[1].addr = (uintptr_t)&words[1];
	CHECK_ERRNO(requeue(pair, 1, 1), EFAULT);
}

static void test_waitv_value(void)
{
	struct word one = {1UL << 32 | 5, (uintptr_t)words, flags, 0};

	words[0] = 5;
	CHECK_ERRNO(syscall(449, &one, 1, 0, NULL, 0), EINVAL);
}

/* ---- waiters ---- */

struct waiter {
	pthread_t thread;
	uint32_t *word, mask;
	int old; /* by futex(2) */
	long result;
};

static void *waits(void *arg)
{
	struct waiter *w = arg;
	int op = FUTEX_WAIT_BITSET | (flags & PRIVATE ? FUTEX_PRIVATE_FLAG : 0);

	w->result = w->old ? syscall(SYS_futex, w->word, op, 0, NULL, NULL, w->mask)
			   : wait_word(w->word, 0, w->mask, NULL, 0);
	if (w->result == -1)
		w->result = -errno;
	return NULL;
}

static void start(struct waiter *w, uint32_t *word, uint32_t mask, int old)
{
	*w = (struct waiter){.word = word, .mask = mask, .old = old};
	CHECK_EQ(pthread_create(&w->thread, NULL, waits, w), 0);
}

static void joined(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	CHECK_EQ(w->result, 0);
}

/* Wakes one by @mask as soon as it waits. */
static void wake_one(uint32_t *word, uint32_t mask)
{
	long n;

	while (!(n = wake_word(word, mask, 1)))
		sched_yield();
	CHECK_EQ(n, 1);
}

static void test_wakes(void)
{
	int op = FUTEX_WAKE | (flags & PRIVATE ? FUTEX_PRIVATE_FLAG : 0);
	struct waiter w[2];

	words[2] = 0;
	/* The first waits by futex(2), perhaps before any of these calls has been made. */
	start(&w[0], &words[2], 2, 1);
	wake_one(&words[2], 2);
	joined(&w[0]);

	start(&w[0], &words[2], 1, 0);
	start(&w[1], &words[2], 2, 1);
	CHECK_EQ(wake_word(&words[2], 4, 9), 0);
	wake_one(&words[2], 2);
	joined(&w[1]);
	CHECK_EQ(wake_word(&words[2], 1, 0), 0);
	wake_one(&words[2], 0xffffffff);
	joined(&w[0]);

	start(&w[0], &words[2], 4, 0);
	while (!syscall(SYS_futex, &words[2], op, 1, NULL, NULL, 0))
		sched_yield();
	joined(&w[0]);
}

static void test_requeues(void)
{
	struct word pair[2] = {{0, (uintptr_t)&words[2], flags, 0}, {0, (uintptr_t)&words[3], flags, 0}};
	struct waiter w[3];
	long moved = 0;

	words[2] = 0;
	words[3] = 7;
	for (int i = 0; i < 3; i++)
		start(&w[i], &words[2], 1, i == 1);
	/* Nobody is woken; all have moved when three have. */
	while (moved < 3) {
		moved += requeue(pair, 0, 2);
		sched_yield();
	}
	CHECK_EQ(moved, 3);
	CHECK_EQ(wake_word(&words[2], 1, 9), 0);
	CHECK_EQ(wake_word(&words[3], 1, 2), 2);
	CHECK_EQ(wake_word(&words[3], 1, 2), 1);
	for (int i = 0; i < 3; i++)
		joined(&w[i]);
}

static volatile int handled;

static void on_signal(int sig)
{
	handled = 1;
	(void)sig;
}

/* A handled signal ends the wait, or begins it again as its handler was set. */
static void test_signal(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct waiter w;

	for (int restart = 0; restart < 2; restart++) {
		sa.sa_flags = restart ? SA_RESTART : 0;
		sigaction(SIGUSR1, &sa, NULL);
		words[2] = 0;
		handled = 0;
		start(&w, &words[2], 1, 0);
		if (restart) {
			pthread_kill(w.thread, SIGUSR1);
			while (!handled)
				sched_yield();
			wake_one(&words[2], 1);
			joined(&w);
			continue;
		}
		/* A signal before the wait ends nothing: again, until it has. */
		while (pthread_tryjoin_np(w.thread, NULL)) {
			pthread_kill(w.thread, SIGUSR1);
			sched_yield();
		}
		CHECK_EQ(w.result, -EINTR);
	}
}

static void test_processes(void)
{
	int status;
	pid_t pid;

	flags = U32;
	words[2] = 0;
	pid = fork();
	if (!pid)
		_exit(wait_word(&words[2], 0, 1, NULL, 0) != 0);
	wake_one(&words[2], 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (syscall(NR_futex_wake, words, 1, 1, U32) == -1 && errno == ENOSYS)
		check_skip("Linux before 6.7");
	for (int private = 0; private < 2; private ++) {
		flags = U32 | (private ? PRIVATE : 0);
		test_wakes();
		test_flags();
		test_errors();
		test_requeue_errors();
		test_waitv_value();
		test_requeues();
		test_signal();
	}
	test_processes();
	return check_done();
}
