/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syscall User Dispatch: what a call costs that becomes the program's own SIGSYS, handler and return included, and what
 * one costs while the selector lets calls pass.
 */
#include "bench/bench.h"
#include "bench/dispatch.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define SET_DISPATCH 59 /* PR_SET_SYSCALL_USER_DISPATCH */
#define EXCLUSIVE_ON 1UL
#define ALLOW        0
#define BLOCK        1

static void answer(int signo, siginfo_t *info, void *uc)
{
	greg_t *r = ((ucontext_t *)uc)->uc_mcontext.gregs;

	(void)signo;
	(void)info;
	/* The call's argument says where the selector is. */
	*(volatile unsigned char *)r[REG_RDI] = ALLOW;
	r[REG_RAX] = 0;
}

void *dispatch_begin(void)
{
	struct sigaction sa = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO};
	unsigned char *selector = calloc(1, 1);

	bench_need(selector, "memory");
	bench_need(!sigaction(SIGSYS, &sa, NULL), "SIGSYS");
	bench_need(!prctl(SET_DISPATCH, EXCLUSIVE_ON, 0UL, 0UL, selector), "Syscall User Dispatch");
	return selector;
}

void dispatch_blocked(void *state, u64 n)
{
	volatile unsigned char *selector = state;

	while (n--) {
		*selector = BLOCK;
		syscall(0x1234, selector);
	}
}

/* The null call, and the one whose result may be known beforehand, of calls.c. */
void dispatch_allowed(void *state, u64 n)
{
	(void)state;
	while (n--)
		syscall(SYS_personality, 0xffffffff);
}

void dispatch_known(void *state, u64 n)
{
	(void)state;
	while (n--)
		syscall(SYS_getppid);
}
