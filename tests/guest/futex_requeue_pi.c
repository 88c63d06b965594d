/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI: errors, who gets the word with an owner and who is requeued to it,
 * timeouts and signals before and after, other operations on the same words, owners that have died.
 */
#define _GNU_SOURCE
#include <limits.h>
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
#include "deadline.h"

#define WORKERS 5

static uint32_t *cond, *lock, *third;
static int private_flag;

static long futex(uint32_t *word, int op, uint32_t val, const void *timeout, uint32_t *word2, uint32_t val3)
{
	return syscall(SYS_futex, word, op | private_flag, val, timeout, word2, val3);
}

static long wait_requeue(const struct timespec *at)
{
	return futex(cond, FUTEX_WAIT_REQUEUE_PI, 7, at, lock, 0);
}

static long requeue(long n)
{
	return futex(cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)n, lock, 7);
}

static void take(uint32_t *word)
{
	uint32_t none = 0;

	if (!__atomic_compare_exchange_n(word, &none, (uint32_t)gettid(), 0, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		CHECK_OK(futex(word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
}

static void give(uint32_t *word)
{
	uint32_t own = (uint32_t)gettid();

	if (!__atomic_compare_exchange_n(word, &own, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		CHECK_OK(futex(word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
}

/* ---- errors ---- */

static void errors(void)
{
	struct timespec bad = {0, 1000000000}, at;
	char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*cond = 7;
	*lock = 0;
	CHECK_ERRNO(futex(cond, FUTEX_WAIT_REQUEUE_PI, 6, NULL, lock, 0), EAGAIN);
	CHECK_ERRNO(futex(cond, FUTEX_WAIT_REQUEUE_PI, 7, NULL, cond, 0), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_WAIT_REQUEUE_PI, 6, NULL, cond, 0), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_WAIT_REQUEUE_PI, 6, NULL, (void *)((char *)lock + 1), 0), EINVAL);
	CHECK_ERRNO(futex((void *)((char *)cond + 2), FUTEX_WAIT_REQUEUE_PI, 6, NULL, lock, 0), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_WAIT_REQUEUE_PI, 6, NULL, (void *)0xffff800000000000UL, 0), EFAULT);
	CHECK_ERRNO(futex((void *)none, FUTEX_WAIT_REQUEUE_PI, 0, NULL, lock, 0), EFAULT);
	CHECK_ERRNO(futex(cond, FUTEX_WAIT_REQUEUE_PI, 6, &bad, cond, 0), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_WAIT_REQUEUE_PI, 6, (void *)8, cond, 0), EFAULT);
	at = in_ms(CLOCK_MONOTONIC, 2);
	CHECK_ERRNO(wait_requeue(&at), ETIMEDOUT);
	CHECK_ERRNO(wait_requeue(&at), ETIMEDOUT); /* already past */
	at = in_ms(CLOCK_REALTIME, 2);
	CHECK_ERRNO(futex(cond, FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME, 7, &at, lock, 0), ETIMEDOUT);
	CHECK_EQ(*lock, 0);

	CHECK_EQ(requeue(1), 0);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE_PI, 0, (void *)1, lock, 7), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE_PI, 2, (void *)1, lock, 7), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE_PI, -1, (void *)1, lock, 7), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)0xffffffffL, lock, 7), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, cond, 7), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, (void *)((char *)lock + 2), 7), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, lock, 6), EAGAIN);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, (void *)none, 7), EFAULT);
	CHECK_ERRNO(futex((void *)none, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, lock, 7), EFAULT);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE_PI | FUTEX_CLOCK_REALTIME, 1, (void *)1, lock, 7), ENOSYS);
	munmap(none, 4096);
}

/* Two addresses, one word. */
static void one_word_twice(void)
{
	int fd = memfd_create("word", 0);
	uint32_t *a, *b;

	CHECK_OK(ftruncate(fd, 4096));
	a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK_ERRNO(syscall(SYS_futex, a, FUTEX_WAIT_REQUEUE_PI, 1, NULL, b, 0), EAGAIN);
	CHECK_ERRNO(syscall(SYS_futex, a, FUTEX_WAIT_REQUEUE_PI, 0, NULL, b, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_futex, a, FUTEX_CMP_REQUEUE_PI, 1, 1L, b, 1), EINVAL);
	munmap(b, 4096);
	b = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK_ERRNO(syscall(SYS_futex, a, FUTEX_WAIT_REQUEUE_PI, 0, NULL, b + 1, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_futex, a, FUTEX_CMP_REQUEUE_PI, 1, 1L, b + 1, 0), EFAULT);
	munmap(a, 4096);
	munmap(b, 4096);
	close(fd);
}

/* ---- who waits ---- */

struct worker {
	pthread_t thread;
	volatile int tid, back;
	const struct timespec *at;
	int plain, owns;
	long result;
	int error;
	uint32_t seen;
};

static struct worker workers[WORKERS];
static int inside, together;

static void *work(void *arg)
{
	struct worker *w = arg;

	if (w->owns)
		take(lock);
	__atomic_store_n(&w->tid, gettid(), __ATOMIC_SEQ_CST);
	w->result = w->plain ? futex(cond, FUTEX_WAIT, 7, NULL, NULL, 0) : wait_requeue(w->at);
	w->error = w->result ? errno : 0;
	w->back = 1;
	if (!w->plain && !w->result) {
		together += __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) != 1;
		w->seen = __atomic_load_n(lock, __ATOMIC_SEQ_CST);
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		give(lock);
	}
	return NULL;
}

/* Whether a thread of this process sleeps. */
static int sleeps(int tid)
{
	char path[64], text[256], *end;
	FILE *f;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	end = fgets(text, sizeof text, f) ? strrchr(text, ')') : NULL;
	fclose(f);
	return end && end[2] == 'S';
}

/* Starts one that waits when this returns, unless its time was over before. */
static struct worker *start(int i, struct worker how)
{
	struct worker *w = &workers[i];

	*w = how;
	CHECK_EQ(pthread_create(&w->thread, NULL, work, w), 0);
	while (!w->back && (!w->tid || !sleeps(w->tid)))
		sched_yield();
	return w;
}

static void join(struct worker *w, long result, int error)
{
	CHECK_EQ(pthread_join(w->thread, NULL), 0);
	CHECK_EQ(w->result, result);
	CHECK_EQ(w->error, error);
	if (!w->plain && !result)
		CHECK_EQ(w->seen & FUTEX_TID_MASK, (uint32_t)w->tid);
}

static void begin(int n)
{
	*cond = 7;
	*lock = 0;
	together = 0;
	for (int i = 0; i < n; i++)
		start(i, (struct worker){0});
}

/* All have come back with the word, one after the other. */
static void end(int n)
{
	for (int i = 0; i < n; i++)
		join(&workers[i], 0, 0);
	CHECK_EQ(together, 0);
	CHECK_EQ(*lock & FUTEX_TID_MASK, 0);
}

static void free_word(void)
{
	long moved = 0;

	/* One gets the word, and nobody else is moved: no bit for waiters. */
	begin(1);
	CHECK_EQ(requeue(0), 1);
	end(1);
	CHECK_EQ(workers[0].seen, (uint32_t)workers[0].tid);
	/* The bit is set where others were to be moved, if there were any or not. */
	begin(1);
	CHECK_EQ(requeue(INT_MAX), 1);
	end(1);
	CHECK_EQ(workers[0].seen, (uint32_t)workers[0].tid | FUTEX_WAITERS);
	begin(WORKERS);
	CHECK_EQ(requeue(INT_MAX), WORKERS);
	end(WORKERS);
	/* One each time. */
	begin(WORKERS);
	for (int i = 0; i < WORKERS; i++)
		moved += requeue(0);
	CHECK_EQ(moved, WORKERS);
	end(WORKERS);
}

static void owned_word(void)
{
	begin(WORKERS);
	take(lock);
	CHECK_EQ(requeue(1), 2);
	CHECK_EQ(*lock, (uint32_t)gettid() | FUTEX_WAITERS);
	CHECK_EQ(requeue(0), 1);
	CHECK_EQ(requeue(INT_MAX), WORKERS - 3);
	CHECK_EQ(requeue(INT_MAX), 0);
	CHECK_EQ(inside, 0);
	for (int i = 0; i < WORKERS; i++)
		CHECK(sleeps(workers[i].tid));
	give(lock);
	end(WORKERS);
}

/* Again and again, with an owner that comes and goes meanwhile. */
static volatile int over;

static void *owner(void *arg)
{
	while (!over) {
		take(lock);
		sched_yield();
		give(lock);
	}
	return arg;
}

static void *waits_again(void *arg)
{
	for (int i = 0; i < 50; i++) {
		long r = wait_requeue(NULL);

		if (r)
			CHECK_EQ(errno, EAGAIN);
		else
			give(lock);
	}
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void many_times(void)
{
	pthread_t t[3], own;
	int done = 0;
	long r;

	*cond = 7;
	*lock = 0;
	over = 0;
	CHECK_EQ(pthread_create(&own, NULL, owner, NULL), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, waits_again, &done), 0);
	while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < 3) {
		r = requeue(done);
		if (r < 0)
			CHECK_EQ(errno, EAGAIN);
		sched_yield();
	}
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	over = 1;
	CHECK_EQ(pthread_join(own, NULL), 0);
}

/* ---- what does not go together ---- */

static void mismatches(void)
{
	struct worker *w;

	*cond = 7;
	*lock = *third = 0;
	/* A plain waiter is not requeued so. */
	w = start(0, (struct worker){.plain = 1});
	CHECK_ERRNO(requeue(1), EINVAL);
	CHECK_EQ(futex(cond, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	join(w, 0, 0);

	/* Nor is the other one woken or requeued by plain calls, or to another word. */
	w = start(0, (struct worker){0});
	CHECK_ERRNO(futex(cond, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_WAKE_BITSET, 1, NULL, NULL, 1), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_REQUEUE, 1, (void *)1, lock, 0), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE, 1, (void *)1, third, 7), EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_WAKE_OP, 1, (void *)1, third,
			  FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0)),
		    EINVAL);
	CHECK_ERRNO(futex(cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, third, 7), EINVAL);
	CHECK_EQ(*third, 0);
	CHECK(sleeps(w->tid));
	/* Nor where it waits then. */
	take(lock);
	CHECK_EQ(requeue(1), 1);
	CHECK_ERRNO(futex(lock, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(lock, FUTEX_REQUEUE, 1, (void *)1, third, 0), EINVAL);
	give(lock);
	join(w, 0, 0);

	/* Who has the word already. */
	w = start(0, (struct worker){.owns = 1});
	CHECK_ERRNO(requeue(1), EDEADLK);
	CHECK_ERRNO(requeue(0), EDEADLK);
	CHECK(sleeps(w->tid));
	*lock = 0;
	CHECK_EQ(requeue(0), 1);
	join(w, 0, 0);

	/* An owner that there is not. */
	w = start(0, (struct worker){0});
	*lock = 0x3ffffff0;
	CHECK_ERRNO(requeue(1), ESRCH);
	*lock = 0;
	CHECK_EQ(requeue(0), 1);
	join(w, 0, 0);
}

/* ---- timeouts and signals ---- */

static volatile int handled;

static void handler(int signo)
{
	(void)signo;
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void interrupt(struct worker *w)
{
	int before = handled;

	CHECK_OK(syscall(SYS_tgkill, getpid(), w->tid, SIGUSR1));
	while (handled == before)
		sched_yield();
}

static void interruptions(void)
{
	struct sigaction sa = {.sa_handler = handler};
	struct timespec at;
	struct worker *w;

	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	*cond = 7;
	*lock = 0;
	/* Before it is requeued: it waits again, whatever the handler's flags. */
	w = start(0, (struct worker){0});
	interrupt(w);
	while (!sleeps(w->tid))
		sched_yield();
	CHECK_EQ(requeue(0), 1);
	join(w, 0, 0);
	/* Or finds that the word has changed. */
	w = start(0, (struct worker){0});
	*cond = 8;
	interrupt(w);
	join(w, -1, EAGAIN);
	/* Afterwards it does not. */
	*cond = 7;
	w = start(0, (struct worker){0});
	take(lock);
	CHECK_EQ(requeue(0), 1);
	interrupt(w);
	join(w, -1, EAGAIN);
	give(lock);
	CHECK_EQ(*lock, 0);
	/* The time of the call is that of both parts. */
	at = in_ms(CLOCK_MONOTONIC, 30);
	w = start(0, (struct worker){.at = &at});
	take(lock);
	requeue(0); /* in time or not */
	join(w, -1, ETIMEDOUT);
	give(lock);
	/* Time enough. */
	at = in_ms(CLOCK_MONOTONIC, 60000);
	w = start(0, (struct worker){.at = &at});
	CHECK_EQ(requeue(0), 1);
	join(w, 0, 0);
}

/* ---- processes ---- */

#define CHILDREN 3

static void processes(void)
{
	pid_t child[CHILDREN];
	long moved = 0;
	int status;

	*cond = 7;
	*lock = *third = 0;
	fflush(stdout);
	for (int i = 0; i < CHILDREN; i++) {
		child[i] = fork();
		if (!child[i]) {
			if (wait_requeue(NULL))
				_exit(1);
			status = (*lock & FUTEX_TID_MASK) != (uint32_t)getpid();
			++*third;
			give(lock);
			_exit(status || check_failed());
		}
	}
	take(lock);
	while (moved < CHILDREN) {
		moved += requeue(INT_MAX);
		sched_yield();
	}
	CHECK_EQ(moved, CHILDREN);
	CHECK_EQ(*third, 0);
	give(lock);
	for (int i = 0; i < CHILDREN; i++) {
		CHECK_EQ(waitpid(child[i], &status, 0), child[i]);
		CHECK_EQ(status, 0);
	}
	CHECK_EQ(*third, CHILDREN);
}

/* The owner is killed: who was requeued has the word, and hears of it. */
static void dead_owner(void)
{
	struct worker *w;
	int status;
	pid_t pid;

	*cond = 7;
	*lock = *third = 0;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		take(lock);
		__atomic_store_n(third, 1, __ATOMIC_SEQ_CST);
		for (;;)
			pause();
	}
	while (!__atomic_load_n(third, __ATOMIC_SEQ_CST))
		sched_yield();
	w = start(0, (struct worker){0});
	CHECK_EQ(requeue(1), 1);
	CHECK_OK(kill(pid, SIGKILL));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	join(w, 0, 0);
	CHECK_EQ(w->seen & FUTEX_OWNER_DIED, FUTEX_OWNER_DIED);
}

/* Who waits is killed, before and after. */
static void dead_waiters(void)
{
	int status;
	pid_t pid;

	for (int after = 0; after < 2; after++) {
		*cond = 7;
		*lock = 0;
		fflush(stdout);
		pid = fork();
		if (!pid) {
			wait_requeue(NULL);
			_exit(1);
		}
		take(lock);
		while (after && requeue(0) != 1)
			sched_yield();
		CHECK_OK(kill(pid, SIGKILL));
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(requeue(INT_MAX), 0);
		give(lock);
		CHECK_EQ(*lock, 0);
	}
}

int main(void)
{
	static uint32_t own[64];

	for (int way = 0; way < 3; way++) {
		/* Private words; the same memory by shared operations; shared memory. */
		private_flag = way == 0 ? FUTEX_PRIVATE_FLAG : 0;
		cond = way == 2 ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
				: own;
		lock = cond + 16;
		third = cond + 32;
		errors();
		free_word();
		owned_word();
		many_times();
		mismatches();
		interruptions();
	}
	one_word_twice();
	processes();
	dead_owner();
	dead_waiters();
	return check_done();
}
