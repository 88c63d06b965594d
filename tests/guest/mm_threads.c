/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that map, protect, move and unmap at once, each in its own ranges, while others fork and grow the
 * heap. */
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE    4096UL
#define RW      (PROT_READ | PROT_WRITE)
#define THREADS 4
#define ROUNDS  300

static pthread_barrier_t start;

static char *map(size_t pages)
{
	char *p = mmap(NULL, pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* A new range each round, used as soon as it is there. */
static void *mapper(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg, i, k;

	pthread_barrier_wait(&start);
	for (i = 0; i < ROUNDS; i++) {
		size_t pages = 1 + (i + me) % 9;
		char *p = map(pages), *q;

		for (k = 0; k < pages; k++)
			p[k * PAGE] = (char)(me + k);
		CHECK_OK(mprotect(p, PAGE, PROT_READ));
		q = mremap(p, pages * PAGE, (pages + 3) * PAGE, MREMAP_MAYMOVE);
		/* The first page is a VMA of its own now. */
		CHECK(pages == 1 ? q != MAP_FAILED : q == MAP_FAILED && errno == EFAULT);
		if (q != MAP_FAILED) {
			p = q;
			pages += 3;
		}
		CHECK_EQ(p[0], (char)me);
		CHECK_OK(mprotect(p, PAGE, RW));
		p[0] = 1;
		CHECK_OK(munmap(p, pages * PAGE));
	}
	return NULL;
}

/* Shares one range with its twin: each owns every other page. */
static char *common;

static void *protector(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg, i;

	pthread_barrier_wait(&start);
	for (i = 0; i < ROUNDS; i++) {
		volatile char *p = common + (me + 2 * (i % 16)) * PAGE;

		CHECK_OK(mprotect((char *)p, PAGE, RW));
		*p = (char)i;
		CHECK_EQ(*p, (char)i);
		CHECK_OK(mprotect((char *)p, PAGE, PROT_READ));
		CHECK_EQ(*p, (char)i);
	}
	return NULL;
}

static void *forker(void *arg)
{
	int i, status;
	char *p = map(4);

	(void)arg;
	pthread_barrier_wait(&start);
	for (i = 0; i < 10; i++) {
		pid_t pid;

		p[0] = (char)i;
		pid = fork();
		if (pid == 0)
			_exit(p[0] == (char)i && mprotect(p, PAGE, PROT_READ) == 0 ? 0 : 1);
		p[0] = 99;
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	CHECK_OK(munmap(p, 4 * PAGE));
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS + 3];
	uintptr_t i;

	common = map(32);
	CHECK_EQ(pthread_barrier_init(&start, NULL, THREADS + 3), 0);
	for (i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, mapper, (void *)i), 0);
	CHECK_EQ(pthread_create(&t[THREADS], NULL, protector, (void *)0), 0);
	CHECK_EQ(pthread_create(&t[THREADS + 1], NULL, protector, (void *)1), 0);
	CHECK_EQ(pthread_create(&t[THREADS + 2], NULL, forker, NULL), 0);
	for (i = 0; i < THREADS + 3; i++)
		pthread_join(t[i], NULL);
	CHECK_OK(munmap(common, 32 * PAGE));
	return check_done();
}
