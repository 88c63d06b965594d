/* SPDX-License-Identifier: Apache-2.0 */
/* Shows the alternate signal stack: its errors, SA_ONSTACK, nesting, overflow, SS_AUTODISARM, fork and
 * threads. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

#define SIZE 65536

static char *area;
static volatile int calls, leave_alone, inside, nested_inside, flags_inside, errno_inside;

static int on_area(const void *p)
{
	return (char *)p >= area && (char *)p < area + SIZE;
}

static void handler(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	stack_t now, new = {.ss_sp = area, .ss_size = SIZE};
	char local;

	(void)info;
	calls++;
	if (signo == SIGUSR2) {
		nested_inside = on_area(&local);
		return;
	}
	inside = on_area(&local);
	sigaltstack(NULL, &now);
	flags_inside = now.ss_flags;
	errno_inside = leave_alone ? 0 : sigaltstack(&new, NULL) ? errno : 0;
	CHECK(uc->uc_stack.ss_sp == area || uc->uc_stack.ss_size == 0);
	raise(SIGUSR2);
}

static void handle(int signo, int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = handler;
	sa.sa_flags = SA_SIGINFO | flags;
	sigaction(signo, &sa, NULL);
}

static void test_errors(void)
{
	stack_t s = {.ss_sp = area, .ss_size = 1024}, old;

	CHECK_EQ(sigaltstack(NULL, &old), 0);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	CHECK_ERRNO(sigaltstack(&s, NULL), ENOMEM);
	s.ss_size = SIZE;
	s.ss_flags = 4;
	CHECK_ERRNO(sigaltstack(&s, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_sigaltstack, 8L, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_sigaltstack, NULL, 8L), EFAULT);
	s.ss_flags = 0;
	CHECK_EQ(sigaltstack(&s, &old), 0);
	CHECK_EQ(sigaltstack(NULL, &old), 0);
	CHECK(old.ss_sp == area && old.ss_size == SIZE && old.ss_flags == 0);
}

static void *thread(void *arg)
{
	stack_t old;

	CHECK_EQ(sigaltstack(NULL, &old), 0);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	return arg;
}

static void deeper(int signo)
{
	char fill[1500];

	memset(fill, signo, sizeof fill);
	__asm__ volatile("" : : "r"(fill) : "memory");
	raise(signo);
	__asm__ volatile("" : : "r"(fill) : "memory");
}

/* Recursion on the alternate stack, and on the plain one, ends with SIGSEGV. */
static void test_overflow(void)
{
	struct sigaction sa;
	int status;
	pid_t child = fork();

	if (!child) {
		memset(&sa, 0, sizeof sa);
		sa.sa_handler = deeper;
		sa.sa_flags = SA_ONSTACK | SA_NODEFER;
		sigaction(SIGUSR1, &sa, NULL);
		raise(SIGUSR1);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static volatile int forever = 1;

static void recurse(int n)
{
	char fill[4096];

	memset(fill, n, sizeof fill);
	__asm__ volatile("" : : "r"(fill) : "memory");
	if (forever)
		recurse(n + 1);
	__asm__ volatile("" : : "r"(fill) : "memory");
}

static void on_overflow(int signo)
{
	char local;

	(void)signo;
	_exit(on_area(&local) ? 55 : 56);
}

/* What it is for: a handler for the overflow of the plain stack. */
static void test_stack_overflow(void)
{
	struct rlimit small = {1 << 20, 1 << 20};
	struct sigaction sa;
	int status;
	pid_t child = fork();

	if (!child) {
		setrlimit(RLIMIT_STACK, &small);
		memset(&sa, 0, sizeof sa);
		sa.sa_handler = on_overflow;
		sa.sa_flags = SA_ONSTACK;
		sigaction(SIGSEGV, &sa, NULL);
		recurse(0);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 55);
}

int main(void)
{
	struct rlimit none = {0, 0};
	stack_t s, old;
	pthread_t t;
	int status;

	setrlimit(RLIMIT_CORE, &none);
	area = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	test_errors();
	handle(SIGUSR1, SA_ONSTACK);
	handle(SIGUSR2, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQ(calls, 2);
	CHECK_EQ(inside, 1);
	CHECK_EQ(nested_inside, 1);
	CHECK_EQ(flags_inside, SS_ONSTACK);
	CHECK_EQ(errno_inside, EPERM);
	handle(SIGUSR1, 0);
	raise(SIGUSR1);
	CHECK_EQ(inside, 0);
	CHECK_EQ(nested_inside, 1);

	pid_t child = fork();
	if (!child) {
		sigaltstack(NULL, &old);
		_exit(old.ss_sp == area && old.ss_size == SIZE ? 0 : 1);
	}
	waitpid(child, &status, 0);
	CHECK_EQ(status, 0);
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	test_overflow();
	test_stack_overflow();

	/* Kernels differ in what a return does to a stack that the handler set, so it sets none. */
	leave_alone = 1;
	s = (stack_t){.ss_sp = area, .ss_flags = (int)SS_AUTODISARM, .ss_size = SIZE};
	CHECK_EQ(sigaltstack(&s, NULL), 0);
	handle(SIGUSR1, SA_ONSTACK);
	handle(SIGUSR2, 0);
	raise(SIGUSR1);
	CHECK_EQ(inside, 1);
	CHECK_EQ(flags_inside, SS_DISABLE);
	CHECK_EQ(errno_inside, 0);
	CHECK_EQ(sigaltstack(NULL, &old), 0);
	CHECK_EQ((unsigned)old.ss_flags, SS_AUTODISARM);
	s = (stack_t){.ss_flags = SS_DISABLE};
	CHECK_EQ(sigaltstack(&s, NULL), 0);
	sigaltstack(NULL, &old);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	return check_done();
}
