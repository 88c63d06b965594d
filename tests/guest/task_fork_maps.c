/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that map and unmap while others fork: every child's memory is what its kernel believes it to be. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PAGE   4096
#define MAPS   3000
#define FORKS  100
#define STATUS 3

static void *mapper(void *arg)
{
	for (int i = 0; i < MAPS; i++) {
		size_t size = (size_t)(1 + i % 7) * PAGE;
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED);
		p[0] = (char)i;
		CHECK_OK(munmap(p, size));
	}
	return NULL;
}

/* Maps, grows the heap and writes to all of it: a place that is taken on one side only makes this fault or
 * fail. */
static void child(void)
{
	char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *heap = malloc(300000);

	if (p == MAP_FAILED || !heap)
		_exit(1);
	memset(p, 1, 16 * PAGE);
	memset(heap, 2, 300000);
	_exit(STATUS);
}

static void *forker(void *arg)
{
	for (int i = 0; i < FORKS; i++) {
		int status = 0;
		pid_t pid = fork();

		if (!pid)
			child();
		CHECK(pid > 0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, STATUS << 8);
	}
	return NULL;
}

int main(void)
{
	void *(*work[])(void *) = {mapper, forker, mapper, forker};
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, work[i], NULL), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	return check_done();
}
