/* SPDX-License-Identifier: Apache-2.0 */
/* Shows libc's locks under load: mutexes, conditions, barriers, semaphores, rwlocks, within and between
 * processes. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define THREADS 6
#define ROUNDS  2000

struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t filled, emptied;
	pthread_barrier_t barrier;
	pthread_rwlock_t rwlock;
	sem_t sem;
	long count, queue, produced, consumed, barriers;
};

static void shared_init(struct shared *s, int pshared)
{
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;
	pthread_barrierattr_t ba;
	pthread_rwlockattr_t ra;

	memset(s, 0, sizeof *s);
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setpshared(&ma, pshared);
	pthread_mutex_init(&s->mutex, &ma);
	pthread_condattr_init(&ca);
	pthread_condattr_setpshared(&ca, pshared);
	pthread_cond_init(&s->filled, &ca);
	pthread_cond_init(&s->emptied, &ca);
	pthread_barrierattr_init(&ba);
	pthread_barrierattr_setpshared(&ba, pshared);
	pthread_barrier_init(&s->barrier, &ba, THREADS);
	pthread_rwlockattr_init(&ra);
	pthread_rwlockattr_setpshared(&ra, pshared);
	pthread_rwlock_init(&s->rwlock, &ra);
	sem_init(&s->sem, pshared == PTHREAD_PROCESS_SHARED, 2);
}

/* One of THREADS workers: half of them produce, half consume. */
static void work(struct shared *s, int n)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&s->mutex);
		s->count++;
		if (n % 2) {
			while (s->queue >= 4)
				pthread_cond_wait(&s->emptied, &s->mutex);
			s->queue++;
			s->produced++;
			pthread_cond_signal(&s->filled);
		} else {
			while (!s->queue)
				pthread_cond_wait(&s->filled, &s->mutex);
			s->queue--;
			s->consumed++;
			pthread_cond_broadcast(&s->emptied);
		}
		pthread_mutex_unlock(&s->mutex);
	}
	for (int i = 0; i < 50; i++) {
		if (pthread_barrier_wait(&s->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			s->barriers++;
	}
	for (int i = 0; i < ROUNDS / 4; i++) {
		sem_wait(&s->sem);
		pthread_rwlock_rdlock(&s->rwlock);
		(void)*(volatile long *)&s->count;
		pthread_rwlock_unlock(&s->rwlock);
		pthread_rwlock_wrlock(&s->rwlock);
		s->count++;
		pthread_rwlock_unlock(&s->rwlock);
		sem_post(&s->sem);
	}
}

static void check_result(struct shared *s)
{
	CHECK_EQ(s->count, THREADS * (ROUNDS + ROUNDS / 4));
	CHECK_EQ(s->produced, s->consumed);
	CHECK_EQ(s->produced, THREADS / 2 * ROUNDS);
	CHECK_EQ(s->queue, 0);
	CHECK_EQ(s->barriers, 50);
}

static struct shared one;
static volatile int alarms;

static void *thread(void *arg)
{
	work(&one, (int)(long)arg);
	return arg;
}

static void on_alarm(int signo)
{
	(void)signo;
	alarms++;
}

static void test_threads(int signals)
{
	struct itimerval it = {{0, 1000}, {0, 1000}}, off;
	pthread_t t[THREADS];
	void *r;

	memset(&off, 0, sizeof off);
	shared_init(&one, PTHREAD_PROCESS_PRIVATE);
	if (signals)
		setitimer(ITIMER_REAL, &it, NULL);
	for (long i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, thread, (void *)i), 0);
	for (long i = 0; i < THREADS; i++) {
		CHECK_EQ(pthread_join(t[i], &r), 0);
		CHECK_EQ((long)r, i);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	check_result(&one);
}

static void test_processes(void)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	shared_init(s, PTHREAD_PROCESS_SHARED);
	for (int i = 0; i < THREADS; i++) {
		if (!fork()) {
			work(s, i);
			_exit(0);
		}
	}
	for (int i = 0; i < THREADS; i++) {
		CHECK(wait(&status) > 0);
		CHECK_EQ(status, 0);
	}
	check_result(s);
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void test_timeouts(void)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += 3000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	pthread_mutex_lock(&held);
	CHECK_EQ(pthread_mutex_timedlock(&held, &at), ETIMEDOUT);
	CHECK_EQ(pthread_cond_timedwait(&never, &held, &at), ETIMEDOUT);
	pthread_mutex_unlock(&held);
}

static void *cancelled(void *arg)
{
	pthread_mutex_lock(&held);
	pthread_cleanup_push((void (*)(void *))(void *)pthread_mutex_unlock, &held);
	for (;;)
		pthread_cond_wait(&never, &held);
	pthread_cleanup_pop(1);
	return arg;
}

static void *sleeps(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void test_cancel(void)
{
	pthread_t t;
	void *r;

	for (int i = 0; i < 20; i++) {
		pthread_create(&t, NULL, i % 2 ? cancelled : sleeps, NULL);
		CHECK_EQ(pthread_cancel(t), 0);
		CHECK_EQ(pthread_join(t, &r), 0);
		CHECK(r == PTHREAD_CANCELED);
	}
	CHECK_EQ(pthread_mutex_trylock(&held), 0);
	pthread_mutex_unlock(&held);
}

static struct shared *robust;

/* A robust mutex whose owner dies is passed on with EOWNERDEAD, also between processes. */
static void test_robust(void)
{
	pthread_mutexattr_t ma;
	pid_t child;
	int status;

	robust = mmap(NULL, sizeof *robust, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust->mutex, &ma);
	for (int i = 0; i < 3; i++) {
		robust->count = 0;
		child = fork();
		if (!child) {
			pthread_mutex_lock(&robust->mutex);
			__atomic_store_n(&robust->count, 1, __ATOMIC_SEQ_CST);
			if (i == 1) /* dies while its parent waits */
				usleep(3000);
			if (i == 2)
				kill(getpid(), SIGKILL);
			_exit(0);
		}
		if (i != 1)
			CHECK_EQ(waitpid(child, &status, 0), child);
		while (!__atomic_load_n(&robust->count, __ATOMIC_SEQ_CST))
			sched_yield();
		CHECK_EQ(pthread_mutex_lock(&robust->mutex), EOWNERDEAD);
		CHECK_EQ(pthread_mutex_consistent(&robust->mutex), 0);
		CHECK_EQ(pthread_mutex_unlock(&robust->mutex), 0);
		if (i == 1)
			CHECK_EQ(waitpid(child, &status, 0), child);
	}
}

static pthread_mutex_t owned;
static long owned_count;

static void *owner(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&owned);
		owned_count++;
		if (i % 64 == 0)
			sched_yield();
		pthread_mutex_unlock(&owned);
	}
	return arg;
}

static void *try_owned(void *arg)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	CHECK_EQ(pthread_mutex_trylock(&owned), EBUSY);
	CHECK_EQ(pthread_mutex_timedlock(&owned, &at), ETIMEDOUT);
	return arg;
}

/* Mutexes whose word names the owner, for priority inheritance: also those whose owner dies. */
static void test_owned(void)
{
	pthread_mutexattr_t ma;
	pthread_t t[THREADS];
	struct shared *s;
	int status;
	pid_t child;

	pthread_mutexattr_init(&ma);
	CHECK_EQ(pthread_mutexattr_setprotocol(&ma, PTHREAD_PRIO_INHERIT), 0);
	CHECK_EQ(pthread_mutexattr_settype(&ma, PTHREAD_MUTEX_ERRORCHECK), 0);
	CHECK_EQ(pthread_mutex_init(&owned, &ma), 0);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, owner, NULL);
	for (long i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(owned_count, THREADS * ROUNDS);
	CHECK_EQ(pthread_mutex_lock(&owned), 0);
	CHECK_EQ(pthread_mutex_lock(&owned), EDEADLK);
	pthread_create(&t[0], NULL, try_owned, NULL);
	pthread_join(t[0], NULL);
	CHECK_EQ(pthread_mutex_unlock(&owned), 0);
	CHECK_EQ(pthread_mutex_unlock(&owned), EPERM);

	s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST);
	CHECK_EQ(pthread_mutex_init(&s->mutex, &ma), 0);
	for (int i = 0; i < 2; i++) {
		s->count = 0;
		child = fork();
		if (!child) {
			pthread_mutex_lock(&s->mutex);
			__atomic_store_n(&s->count, 1, __ATOMIC_SEQ_CST);
			if (i)
				usleep(3000);
			_exit(0);
		}
		if (!i)
			waitpid(child, &status, 0);
		while (!__atomic_load_n(&s->count, __ATOMIC_SEQ_CST))
			sched_yield();
		CHECK_EQ(pthread_mutex_lock(&s->mutex), EOWNERDEAD);
		CHECK_EQ(pthread_mutex_consistent(&s->mutex), 0);
		CHECK_EQ(pthread_mutex_unlock(&s->mutex), 0);
		if (i)
			waitpid(child, &status, 0);
	}
}

int main(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_handler = on_alarm;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	test_threads(0);
	test_threads(1);
	test_processes();
	test_timeouts();
	test_cancel();
	test_robust();
	test_owned();
	return check_done();
}
