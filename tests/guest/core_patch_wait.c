/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a thread which waits at a call site goes on behind it when the site is patched meanwhile, and signals come:
 * many sites of the shape that libc's barriers have, a `syscall` with its compare, without a long instruction before it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define SITES 96
#define CALLS 12

/* long site(uint32_t *word, long op, long val, void *timeout, long nr), each 64 bytes behind the one before. */
__asm__(".text\n"
	".balign 64\n"
	"sites:\n"
	".rept 96\n"
	"mov %rcx, %r10\n"
	"mov %r8d, %eax\n"
	"syscall\n"
	"cmp $-4096, %rax\n"
	"ja 1f\n"
	"1: ret\n"
	".balign 64\n"
	".endr\n");

extern char sites[];

static long call_at(int i, unsigned *word, long op, long val)
{
	long (*site)(unsigned *, long, long, void *, long) = (void *)(sites + 64L * i);

	return site(word, op | FUTEX_PRIVATE_FLAG, val, NULL, SYS_futex);
}

static unsigned words[SITES], elsewhere;
static volatile int at = -1, handled, wrong;
static volatile pid_t waiter_tid;

static void note(int signo)
{
	handled++;
}

/* Makes a site known while the other runs, sleeps in the kernel while the other may have the site's page patched, and waits
 * at the site then. */
static void *waiter(void *arg)
{
	waiter_tid = (pid_t)syscall(SYS_gettid);
	for (int i = 0; i < SITES; i++) {
		struct timespec ts = {0, i * 600L};

		wrong += call_at(i, &elsewhere, FUTEX_WAKE, 1) != 0;
		at = i;
		nanosleep(&ts, NULL);
		while (!__atomic_load_n(&words[i], __ATOMIC_SEQ_CST)) {
			long r = call_at(i, &words[i], FUTEX_WAIT, 0);

			wrong += r && r != -EAGAIN && r != -EINTR;
		}
	}
	at = SITES;
	return arg;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = note, .sa_flags = SA_RESTART};
	pthread_t t;

	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	CHECK_EQ(pthread_create(&t, NULL, waiter, NULL), 0);
	for (int i = 0; i < SITES; i++) {
		while (at < i)
			sched_yield();
		for (int n = 0; n < CALLS; n++) {
			CHECK_EQ(call_at(i, &elsewhere, FUTEX_WAKE, 1), 0);
			if (i % 4 == 0)
				CHECK_EQ(syscall(SYS_tgkill, getpid(), waiter_tid, SIGUSR1), 0);
		}
		__atomic_store_n(&words[i], 1, __ATOMIC_SEQ_CST);
		CHECK(call_at(i, &words[i], FUTEX_WAKE, 1) >= 0);
	}
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK(handled > 0);
	CHECK_EQ(wrong, 0);
	return check_done();
}
