/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory calls that are refused for want of mappings, while signals come: each call fails with ENOMEM, handlers run with
 * all that is theirs, and what was done before stays.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE   4096UL
#define RW     (PROT_READ | PROT_WRITE)
#define ROUNDS 1500

static pthread_t first;
static volatile int go, stop, handled;
static volatile unsigned long wrong;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	handled++;
	/* The frame is whole: what it says can be so. */
	if (signo != SIGUSR1 || info->si_signo != SIGUSR1 || info->si_pid != getpid() ||
	    uc->uc_mcontext.gregs[REG_CSGSFS] == 0)
		wrong++;
}

static void *sender(void *arg)
{
	while (!go)
		sched_yield();
	while (!stop)
		pthread_kill(first, SIGUSR1);
	return NULL;
}

int main(void)
{
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	char *area = mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int n, refused = 0;
	pthread_t t;

	first = pthread_self();
	CHECK_OK(sigaction(SIGUSR1, &act, NULL));
	CHECK_EQ(pthread_create(&t, NULL, sender, NULL), 0);
	/* Alternating protections, so that no two are one, until there are as many mappings as may be. */
	for (n = 0; n < 100000; n++)
		if (mmap(NULL, PAGE, n & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		    MAP_FAILED)
			break;
	CHECK_EQ(errno, ENOMEM);
	CHECK(n > 60000 && n < 65530);
	area[0] = 1;
	go = 1;
	for (int i = 0; i < ROUNDS || (handled < 20 && i < 20 * ROUNDS); i++) {
		errno = 0;
		CHECK(mprotect(area + PAGE, PAGE, PROT_READ) == -1);
		refused += errno == ENOMEM;
	}
	stop = 1;
	pthread_join(t, NULL);
	CHECK(refused >= ROUNDS);
	CHECK_EQ(wrong, 0);
	CHECK(handled > 0);
	area[PAGE] = 1;
	CHECK_EQ(area[0], 1);
	return check_done();
}
