/* SPDX-License-Identifier: Apache-2.0 */
/* Shows futex_waitv(2) on private words, and what becomes of a priority-inheriting word whose owner dies. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct word {
	uint64_t value, addr;
	uint32_t flags, reserved;
};

static uint32_t words[4];
static atomic_int waiting;

static long futex(uint32_t *addr, int op, uint32_t value, uint32_t *addr2)
{
	return syscall(SYS_futex, addr, op, value, NULL, addr2, 0);
}

static long waitv(struct word *w, unsigned n, struct timespec *ts)
{
	return syscall(SYS_futex_waitv, w, n, 0, ts, CLOCK_MONOTONIC);
}

static struct word private_word(uint32_t *addr)
{
	return (struct word){*addr, (uintptr_t)addr, 2 | FUTEX_PRIVATE_FLAG, 0};
}

/* Waits as every mutex does, from before the first futex_waitv() of the process. */
static void *plain_waiter(void *arg)
{
	waiting++;
	while (words[3] == 0)
		futex(&words[3], FUTEX_WAIT_PRIVATE, 0, NULL);
	return NULL;
}

static void *vector_waiter(void *arg)
{
	struct word w[3] = {private_word(&words[0]), private_word(&words[1]), private_word(&words[2])};

	waiting++;
	return (void *)(waitv(w, 3, NULL));
}

static void check_errors(void)
{
	struct word w[2] = {private_word(&words[0]), private_word(&words[1])};
	struct timespec ts;

	w[1].value = 7;
	CHECK_ERRNO(waitv(w, 2, NULL), EAGAIN);
	w[1].flags = FUTEX_PRIVATE_FLAG;
	CHECK_ERRNO(waitv(w, 2, NULL), EINVAL);
	w[1] = private_word(&words[1]);
	w[1].reserved = 1;
	CHECK_ERRNO(waitv(w, 2, NULL), EINVAL);
	w[1] = private_word(&words[1]);
	w[1].addr += 1;
	CHECK_ERRNO(waitv(w, 2, NULL), EINVAL);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	w[1] = private_word(&words[1]);
	CHECK_ERRNO(waitv(w, 2, &ts), ETIMEDOUT);
}

static void check_waitv(void)
{
	pthread_t plain[2], vector;
	void *index;

	for (int i = 0; i < 2; i++)
		pthread_create(&plain[i], NULL, plain_waiter, NULL);
	while (waiting < 2)
		sched_yield();
	pthread_create(&vector, NULL, vector_waiter, NULL);
	while (waiting < 3)
		sched_yield();
	/* Nobody can see whether it sleeps already: wake until it has been woken. */
	while (futex(&words[1], FUTEX_WAKE_PRIVATE, 1, NULL) == 0)
		sched_yield();
	pthread_join(vector, &index);
	CHECK_EQ((long)index, 1);
	words[3] = 1;
	futex(&words[3], FUTEX_WAKE_PRIVATE, 8, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(plain[i], NULL);
	CHECK_EQ(futex(&words[3], FUTEX_WAKE_PRIVATE, 8, NULL), 0);
}

/* ---- owners that die ---- */

static uint32_t lock;
static atomic_uint seen;
static atomic_int locked, may_die, heir_tids[3];

static void *takes_and_dies(void *arg)
{
	CHECK_EQ(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL), 0);
	locked = 1;
	while (!may_die)
		sched_yield();
	return NULL;
}

/* Whether a thread of this process sleeps; before, it may be anywhere on its way. */
static int sleeps(int tid)
{
	char path[64], line[128] = "";
	FILE *f;
	char *p;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof line, f))
		line[0] = 0;
	if (f)
		fclose(f);
	p = strrchr(line, ')');
	return p && p[2] == 'S';
}

/* Heirs sleep in nothing but the lock once they have told their tids. */
static void let_owner_die(int heirs)
{
	for (int i = 0; i < heirs; i++)
		while (!heir_tids[i] || !sleeps(heir_tids[i]))
			sched_yield();
	may_die = 1;
}

static void *inherits(void *arg)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid), value;

	heir_tids[(long)arg] = (int)tid;
	CHECK_EQ(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL), 0);
	value = __atomic_load_n(&lock, __ATOMIC_SEQ_CST);
	CHECK_EQ(value & FUTEX_TID_MASK, tid);
	seen |= value;
	value = tid;
	/* Left by hand where nobody waits, by the kernel otherwise. */
	if (!__atomic_compare_exchange_n(&lock, &value, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL), 0);
	return NULL;
}

static void check_owner_dies(void)
{
	pthread_t owner, heirs[3];

	pthread_create(&owner, NULL, takes_and_dies, NULL);
	while (!locked)
		sched_yield();
	pthread_create(&heirs[0], NULL, inherits, NULL);
	let_owner_die(1);
	pthread_join(owner, NULL);
	pthread_join(heirs[0], NULL);
	CHECK(seen & FUTEX_OWNER_DIED);
	lock = 0;
	locked = may_die = heir_tids[0] = 0;

	pthread_create(&owner, NULL, takes_and_dies, NULL);
	while (!locked)
		sched_yield();
	for (int i = 0; i < 3; i++)
		pthread_create(&heirs[i], NULL, inherits, (void *)(long)i);
	let_owner_die(3);
	pthread_join(owner, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(heirs[i], NULL);
	CHECK_EQ(lock & FUTEX_TID_MASK, 0);
}

static void *dies(void *arg)
{
	*(uint32_t *)arg = (uint32_t)syscall(SYS_gettid);
	return NULL;
}

static void check_dead_owner(void)
{
	pthread_t thread;
	uint32_t word = 0;

	pthread_create(&thread, NULL, dies, &word);
	pthread_join(thread, NULL);
	CHECK_ERRNO(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL), ESRCH);
}

int main(void)
{
	struct word w = private_word(&words[0]);

	w.value = 1;
	if (waitv(&w, 1, NULL) < 0 && errno == ENOSYS)
		check_skip("the host has no futex_waitv()");
	check_waitv();
	check_errors();
	check_owner_dies();
	check_dead_owner();
	return check_done();
}
