/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forks and threads behind husk's back: the stub's clone instructions with their own flags, unordered, alone
 * and while ordered clones go on in other threads. No process may come of it that husk does not know (the
 * runner counts them).
 */
#include "tests/escape/escape.h"

#include <pthread.h>
#include <sched.h>

#define FORK_FLAGS (CLONE_PARENT | SIGCHLD)
#define THREAD_FLAGS                                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	 CLONE_CHILD_CLEARTID)

static int unordered(void *arg)
{
	uint64_t site = *(uint64_t *)arg;
	long r = STUB_CALL(site, SYS_clone, FORK_FLAGS, 0, 0, 0, 0, 0);

	return r >= 0 ? ESCAPED : NOTHING;
}

static int unordered_thread(void *arg)
{
	uint64_t site = *(uint64_t *)arg;
	static uint64_t stack[4096];
	long r;

	for (int i = 0; i < 4096; i++)
		stack[i] = (uint64_t)_exit;
	r = STUB_CALL(site, SYS_clone, THREAD_FLAGS, (uint64_t)&stack[2048], 0, 0, 0, 0);
	return r >= 0 ? ESCAPED : NOTHING;
}

struct race {
	uint64_t site;
	uint64_t flags;
};

static void *racer(void *arg)
{
	struct race *r = arg;

	for (;;)
		STUB_CALL(r->site, SYS_clone, r->flags, 0, 0, 0, 0, 0);
	return NULL;
}

static void *nothing(void *arg)
{
	return arg;
}

/* One thread clones unordered while others order clones: the order must not serve the wrong one. */
static int race(void *arg)
{
	pthread_t t[2];
	long end = now_ms() + 100;

	pthread_create(&t[0], NULL, racer, arg);
	while (now_ms() < end) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		if (!pthread_create(&t[1], NULL, nothing, NULL))
			pthread_join(t[1], NULL);
	}
	return NOTHING;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	find_sites();
	for (int s = 0; s < nsites; s++) {
		struct race r = {sites[s], FORK_FLAGS};

		attempt("an unordered fork", unordered, &sites[s], 2000);
		attempt("an unordered thread", unordered_thread, &sites[s], 2000);
		attempt("unordered forks beside ordered ones", race, &r, 2000);
		r.flags = THREAD_FLAGS;
		attempt("unordered threads beside ordered ones", race, &r, 2000);
	}
	return verdict("clones that nobody ordered");
}
