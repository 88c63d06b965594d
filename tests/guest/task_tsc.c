/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leave to read the time stamp counter, thread by thread: PR_SET_TSC, what it leaves to threads, children and programs, and
 * seccomp's strict mode, which takes it.
 */
#include "check.h"

#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static volatile int faults, fault_code;
static void *volatile fault_addr;

/* Goes on behind the instruction. */
static void on_fault(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	faults++;
	fault_code = info->si_code;
	fault_addr = info->si_addr;
	uc->uc_mcontext.gregs[REG_RIP] += uc->uc_mcontext.gregs[REG_RCX];
}

/* Each tells the handler its length. */
static int reads(void)
{
	int before = faults;

	__asm__ volatile("rdtsc" : : "c"(2L) : "rax", "rdx", "memory");
	return faults == before;
}

static int reads_with_cpu(void)
{
	int before = faults;

	__asm__ volatile("mov $3, %%ecx; rdtscp" : : : "rax", "rdx", "rcx", "memory");
	return faults == before;
}

static int mode(void)
{
	int value = -1;

	CHECK_OK(prctl(PR_GET_TSC, &value));
	return value;
}

static void arguments(void)
{
	CHECK_EQ(mode(), PR_TSC_ENABLE);
	CHECK_ERRNO(prctl(PR_SET_TSC, 0), EINVAL);
	CHECK_ERRNO(prctl(PR_SET_TSC, 3), EINVAL);
	CHECK_ERRNO(prctl(PR_GET_TSC, 8), EFAULT);
	CHECK_OK(prctl(PR_SET_TSC, PR_TSC_ENABLE));
	CHECK_OK(prctl(PR_SET_TSC, 1UL << 32 | PR_TSC_ENABLE)); /* an int */
	CHECK(reads());
	CHECK(reads_with_cpu());
}

/* Turns in which there is something to wait for. */
static void ping_pong(void)
{
	int there[2], back[2], status = -1;
	char c = 'x';
	pid_t pid;

	CHECK_OK(pipe(there));
	CHECK_OK(pipe(back));
	pid = fork();
	if (!pid) {
		CHECK_EQ(mode(), PR_TSC_SIGSEGV);
		CHECK(!reads());
		for (int i = 0; i < 200; i++) {
			CHECK_EQ(read(there[0], &c, 1), 1);
			CHECK_EQ(write(back[1], &c, 1), 1);
		}
		CHECK(!reads());
		_exit(check_failed());
	}
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(write(there[1], &c, 1), 1);
		CHECK_EQ(read(back[0], &c, 1), 1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
}

static void off_and_on(void)
{
	struct timespec ts = {0, 1000000};

	CHECK_OK(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
	CHECK_EQ(mode(), PR_TSC_SIGSEGV);
	for (int i = 0; i < 3; i++) {
		CHECK(!reads());
		CHECK_EQ(fault_code, SI_KERNEL);
		CHECK(fault_addr == NULL);
		CHECK(!reads_with_cpu());
		CHECK_EQ(syscall(SYS_getppid), getppid());
	}
	/* By the call itself: the vDSO may want to read it. */
	CHECK_OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts));
	ts = (struct timespec){0, 1000000};
	CHECK_OK(syscall(SYS_nanosleep, &ts, NULL));
	ping_pong();
	CHECK_OK(prctl(PR_SET_TSC, PR_TSC_ENABLE));
	CHECK(reads());
	CHECK(reads_with_cpu());
	CHECK_EQ(mode(), PR_TSC_ENABLE);
}

static void *thread_reads(void *arg)
{
	CHECK_EQ(mode(), arg ? PR_TSC_SIGSEGV : PR_TSC_ENABLE);
	CHECK_EQ(reads(), !arg);
	if (arg) {
		CHECK_OK(prctl(PR_SET_TSC, PR_TSC_ENABLE));
		CHECK(reads());
	} else {
		CHECK_OK(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
		CHECK(!reads());
	}
	return NULL;
}

/* Each has its own; a new one has its maker's, also where the host's thread served another before. */
static void threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 4; i++) {
		CHECK_OK(prctl(PR_SET_TSC, i & 1 ? PR_TSC_SIGSEGV : PR_TSC_ENABLE));
		CHECK_EQ(pthread_create(&thread, NULL, thread_reads, i & 1 ? &thread : NULL), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(mode(), i & 1 ? PR_TSC_SIGSEGV : PR_TSC_ENABLE);
		CHECK_EQ(reads(), !(i & 1));
	}
	CHECK_OK(prctl(PR_SET_TSC, PR_TSC_ENABLE));
}

/* A program begins with what the one before had. */
static void executed(void)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		CHECK_OK(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
		execl("/proc/self/exe", "task_tsc", "again", NULL);
		_exit(99);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	/* Debian's dynamic loader reads the counter before there is a handler. */
	CHECK(!status || WTERMSIG(status) == SIGSEGV);
}

static int again(void)
{
	CHECK_EQ(mode(), PR_TSC_SIGSEGV);
	CHECK(!reads());
	return check_failed();
}

/* Strict mode: 1 in it is for its handler, 0 for none. */
static void strict(int handled)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		if (!handled)
			signal(SIGSEGV, SIG_DFL);
		CHECK(reads());
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
			_exit(99);
		syscall(SYS_exit, reads() ? 98 : check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(handled ? status : WTERMSIG(status), handled ? 0 : SIGSEGV);
}

int main(int argc, char **argv)
{
	struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	CHECK_OK(sigaction(SIGSEGV, &a, NULL));
	if (argc > 1)
		return again();
	arguments();
	off_and_on();
	threads();
	executed();
	strict(1);
	strict(0);
	return check_done();
}
