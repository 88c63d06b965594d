/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that may be answered without asking anybody: their results follow every change at once, and nothing of the
 * caller's registers but rax, rcx and r11 changes, whatever interrupts them.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define ROUNDS 4 /* the first calls from a place may go another way than later ones */

static int run(void (*fn)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		fn(arg);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* ---- who ---- */

static void change_ids(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(syscall(SYS_geteuid), 0);
	CHECK_OK(setresgid(5, 6, 7));
	CHECK_EQ(syscall(SYS_getgid), 5);
	CHECK_EQ(syscall(SYS_getegid), 6);
	CHECK_OK(setresuid(70001, 70002, 0));
	CHECK_EQ(syscall(SYS_getuid), 70001);
	CHECK_EQ(syscall(SYS_geteuid), 70002);
	CHECK_OK(setresuid(-1, 0, -1));
	CHECK_OK(setresuid(0xfffffffe, 0xfffffffe, 0xfffffffe));
	CHECK_EQ(syscall(SYS_getuid), 0xfffffffeL);
}

static void *other_thread(void *arg)
{
	pid_t *main_tid = arg;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK(syscall(SYS_gettid) != *main_tid);
		CHECK_EQ(syscall(SYS_getpid), *main_tid);
	}
	return NULL;
}

static void test_pids(void)
{
	pid_t self = (pid_t)syscall(SYS_getpid), pid;
	pthread_t thread;
	int status;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(syscall(SYS_getpid), self);
		CHECK_EQ(syscall(SYS_gettid), self);
		CHECK_EQ(syscall(SYS_getpgrp), getpgid(0));
		pid = fork();
		if (!pid) {
			if (syscall(SYS_getppid) != self || syscall(SYS_getpid) == self)
				_exit(1);
			_exit(syscall(SYS_gettid) == syscall(SYS_getpid) ? 0 : 2);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	CHECK_EQ(pthread_create(&thread, NULL, other_thread, &self), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	pid = vfork();
	if (!pid)
		_exit(syscall(SYS_getppid) == self ? 0 : 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* The parent of a running process ends, and its group is changed, by others. */
static void test_changes_by_others(void)
{
	struct shared {
		volatile pid_t parent;
		volatile int looking, moved, ok;
	} *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t self = getpid(), middle, child;
	int to[2], status;
	char byte;

	CHECK(s != MAP_FAILED);
	CHECK_OK(pipe(to));
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	middle = fork();
	if (!middle) {
		if (fork()) {
			while (!s->looking)
				sched_yield();
			_exit(0);
		}
		s->parent = (pid_t)syscall(SYS_getppid);
		while (syscall(SYS_getppid) == s->parent)
			s->looking = 1;
		s->ok = syscall(SYS_getppid) == self;
		_exit(0);
	}
	CHECK_EQ(waitpid(middle, &status, 0), middle);
	CHECK(wait(&status) > 0);
	CHECK(s->ok);
	CHECK_EQ(s->parent, middle);

	child = fork();
	if (!child) {
		pid_t group = (pid_t)syscall(SYS_getpgrp);

		while (syscall(SYS_getpgrp) == group)
			s->moved = 1;
		_exit(syscall(SYS_getpgrp) == syscall(SYS_getpid) && read(to[0], &byte, 1) == 1 ? 0 : 1);
	}
	while (!s->moved)
		sched_yield();
	CHECK_OK(setpgid(child, child));
	CHECK_EQ(write(to[1], "", 1), 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	close(to[0]);
	close(to[1]);
}

/* ---- when ---- */

static long long ns_of(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000LL + ts->tv_nsec;
}

static void test_clocks(void)
{
	static const int clocks[] = {
		CLOCK_REALTIME,         CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
		CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,  CLOCK_TAI,           CLOCK_PROCESS_CPUTIME_ID,
		CLOCK_THREAD_CPUTIME_ID};
	struct timespec before, now, resolution;
	struct timeval tv;
	char *end = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(end != MAP_FAILED);
	CHECK_OK(munmap(end + 4096, 4096));
	for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
		for (int round = 0; round < ROUNDS; round++) {
			CHECK_OK(clock_gettime(clocks[i], &before));
			CHECK_OK(syscall(SYS_clock_gettime, clocks[i], &now));
			CHECK(ns_of(&now) >= ns_of(&before));
			CHECK(ns_of(&now) - ns_of(&before) < 20000000000LL);
			CHECK_OK(syscall(SYS_clock_getres, clocks[i], &resolution));
			CHECK(!resolution.tv_sec && resolution.tv_nsec > 0 && resolution.tv_nsec <= 10000000);
			CHECK_OK(syscall(SYS_clock_getres, clocks[i], NULL));
			CHECK_ERRNO(syscall(SYS_clock_gettime, clocks[i], NULL), EFAULT);
			CHECK_ERRNO(syscall(SYS_clock_gettime, clocks[i], end + 4096 - 8), EFAULT);
			CHECK_ERRNO(syscall(SYS_clock_gettime, clocks[i], -4096L), EFAULT);
		}
	}
	/* The clock's number is an int. */
	CHECK_OK(syscall(SYS_clock_gettime, 0x700000000L + CLOCK_MONOTONIC, &now));
	CHECK_ERRNO(syscall(SYS_clock_gettime, 31, &now), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_gettime, 64, &now), EINVAL);
	for (int round = 0; round < ROUNDS; round++) {
		CHECK_OK(clock_gettime(CLOCK_REALTIME_COARSE, &before));
		CHECK_OK(syscall(SYS_gettimeofday, &tv, NULL));
		CHECK(tv.tv_sec >= before.tv_sec && tv.tv_usec >= 0 && tv.tv_usec < 1000000);
		CHECK_OK(syscall(SYS_gettimeofday, NULL, NULL));
		CHECK_ERRNO(syscall(SYS_gettimeofday, end + 4096 - 8, NULL), EFAULT);
		CHECK(syscall(SYS_time, NULL) >= before.tv_sec);
		CHECK(syscall(SYS_time, &before.tv_sec) >= tv.tv_sec - 1);
		CHECK_ERRNO(syscall(SYS_time, end + 4096 - 4), EFAULT);
		CHECK_OK(syscall(SYS_sched_yield));
	}
	munmap(end, 4096);
}

/* ---- registers ---- */

struct state {
	unsigned long rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11, here, flags;
};

/* Makes call @nr with known values in the registers that a call leaves alone, and arithmetic flags @flags; the red zone
 * holds something, too. */
static unsigned long bracketed(long nr, unsigned long flags, struct state *s)
{
	unsigned long red;

	__asm__ volatile("movq $0x5a5a5a5a, -64(%%rsp)\n\t"
			 "lea -256(%%rsp), %%rsp\n\t"
			 "pushq %[flags]\n\t"
			 "popfq\n\t"
			 "lea 256(%%rsp), %%rsp\n\t"
			 "mov $2, %%edx\n\t"
			 "mov $3, %%esi\n\t"
			 "mov $4, %%edi\n\t"
			 "mov $8, %%r8d\n\t"
			 "mov $9, %%r9d\n\t"
			 "mov $10, %%r10d\n\t"
			 "mov %[nr], %%eax\n\t"
			 "syscall\n"
			 "1:\n\t"
			 "mov %%rax, 0(%[s])\n\t"
			 "mov %%rcx, 8(%[s])\n\t"
			 "mov %%rdx, 16(%[s])\n\t"
			 "mov %%rsi, 24(%[s])\n\t"
			 "mov %%rdi, 32(%[s])\n\t"
			 "mov %%r8, 40(%[s])\n\t"
			 "mov %%r9, 48(%[s])\n\t"
			 "mov %%r10, 56(%[s])\n\t"
			 "mov %%r11, 64(%[s])\n\t"
			 "lea 1b(%%rip), %%rax\n\t"
			 "mov %%rax, 72(%[s])\n\t"
			 "lea -256(%%rsp), %%rsp\n\t"
			 "pushfq\n\t"
			 "popq %%rax\n\t"
			 "lea 256(%%rsp), %%rsp\n\t"
			 "mov %%rax, 80(%[s])\n\t"
			 "mov -64(%%rsp), %[red]\n\t"
			 : [red] "=&r"(red)
			 : [s] "r"(s), [nr] "r"((int)nr), [flags] "r"(flags | 0x202)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
	return red;
}

static long check_registers(long nr, unsigned long flags)
{
	struct state s;

	CHECK_EQ(bracketed(nr, flags, &s), 0x5a5a5a5a);
	CHECK_EQ(s.rcx, s.here);
	CHECK_EQ(s.r11 & 0x8d5, flags);
	CHECK_EQ(s.flags & 0xcd5, flags);
	CHECK(s.rdx == 2 && s.rsi == 3 && s.rdi == 4 && s.r8 == 8 && s.r9 == 9 && s.r10 == 10);
	return (long)s.rax;
}

static void test_registers(void)
{
	static const unsigned long flags[] = {0, 1, 4, 0x10, 0x40, 0x80, 0x800, 0x8d5};
	long self = getpid();

	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
			CHECK_EQ(check_registers(SYS_getpid, flags[i]), self);
			CHECK_EQ(check_registers(SYS_sched_yield, flags[i]), 0);
			CHECK_EQ(check_registers(510, flags[i]), -ENOSYS);
		}
}

/* ---- interrupted ---- */

static volatile int rang;
static volatile unsigned long wrong;

static void ring(int signo, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	/* What a handler sees is either before a call or behind it. */
	if (uc->uc_mcontext.gregs[REG_RSP] <= (long)&signo)
		wrong++;
	rang++;
}

/* Signals arrive anywhere in and about calls: each is delivered, and no call gives a wrong answer. */
static void test_interrupted(void)
{
	struct sigaction sa = {.sa_sigaction = ring, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
	long self = getpid();
	struct timespec ts;

	CHECK_OK(sigaction(SIGALRM, &sa, NULL));
	CHECK_OK(setitimer(ITIMER_REAL, &often, NULL));
	for (int i = 0; rang < 400; i++) {
		CHECK_EQ(check_registers(SYS_getpid, i & 1 ? 0x8d5 : 0), self);
		if (i % 4 == 0)
			CHECK_OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts));
		if (i % 16 == 0)
			CHECK_EQ(check_registers(SYS_sched_yield, 0x8d5), 0);
	}
	CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
	CHECK_EQ(wrong, 0);
}

int main(void)
{
	if (!geteuid())
		CHECK_EQ(run(change_ids, NULL), 0);
	test_pids();
	test_changes_by_others();
	test_clocks();
	test_registers();
	test_interrupted();
	return check_done();
}
