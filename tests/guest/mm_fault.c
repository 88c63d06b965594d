/* SPDX-License-Identifier: Apache-2.0 */
/* Faults: signal, code and address of each kind; recovery in the handler; growing stacks and their limit. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE 4096UL
#define RW   (PROT_READ | PROT_WRITE)

static sigjmp_buf back;
static volatile int got_signal, got_code;
static void *volatile got_addr;
static void *volatile low = (void *)16; /* mapped nowhere */
static char *volatile open_page;        /* made accessible by the handler, which then returns */

static void handler(int signo, siginfo_t *info, void *context)
{
	(void)context;
	got_signal = signo;
	got_code = info->si_code;
	got_addr = info->si_addr;
	if (open_page) {
		mprotect(open_page, PAGE, RW);
		open_page = NULL;
		return;
	}
	siglongjmp(back, 1);
}

/* Runs the access and checks what it gave. */
#define EXPECT_FAULT(access, signo, code, addr)                   \
	do {                                                      \
		got_signal = 0;                                   \
		if (!sigsetjmp(back, 1)) {                        \
			access;                                   \
		}                                                 \
		CHECK_EQ(got_signal, signo);                      \
		CHECK_EQ(got_code, code);                         \
		CHECK_EQ((uintptr_t)got_addr, (uintptr_t)(addr)); \
	} while (0)

static void install(void)
{
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}, i;

	sigaltstack(&ss, NULL);
	for (i = 0; i < 5; i++)
		sigaction(signals[i], &sa, NULL);
}

static char *map(size_t pages, int prot)
{
	char *p = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void kinds(void)
{
	volatile char *p = map(4, RW), *file;
	char name[] = "/tmp/mm_fault_XXXXXX";
	int fd = mkstemp(name);
	volatile int zero = 0, x = 1;

	unlink(name);
	munmap((char *)p + PAGE, PAGE);
	mprotect((char *)p + 2 * PAGE, PAGE, PROT_READ);
	mprotect((char *)p + 3 * PAGE, PAGE, PROT_NONE);
	EXPECT_FAULT(p[PAGE + 5], SIGSEGV, SEGV_MAPERR, p + PAGE + 5);
	EXPECT_FAULT(p[PAGE + 6] = 1, SIGSEGV, SEGV_MAPERR, p + PAGE + 6);
	CHECK_EQ(p[2 * PAGE], 0);
	EXPECT_FAULT(p[2 * PAGE + 7] = 1, SIGSEGV, SEGV_ACCERR, p + 2 * PAGE + 7);
	EXPECT_FAULT(p[3 * PAGE], SIGSEGV, SEGV_ACCERR, p + 3 * PAGE);
	EXPECT_FAULT(*(volatile char *)low, SIGSEGV, SEGV_MAPERR, low);
	EXPECT_FAULT(*(volatile char *)(1UL << 62), SIGSEGV, SI_KERNEL, 0);
	EXPECT_FAULT(((void (*)(void))(uintptr_t)p)(), SIGSEGV, SEGV_ACCERR, p);
	EXPECT_FAULT(((void (*)(void))(uintptr_t)(p + PAGE))(), SIGSEGV, SEGV_MAPERR, p + PAGE);
	/* Behind the end of a file. */
	CHECK_OK(ftruncate(fd, 10));
	file = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK_EQ(file[PAGE - 1], 0);
	EXPECT_FAULT(file[PAGE + 3], SIGBUS, BUS_ADRERR, file + PAGE + 3);
	CHECK_OK(ftruncate(fd, 0));
	EXPECT_FAULT(file[1] = 2, SIGBUS, BUS_ADRERR, file + 1);
	munmap((char *)file, 2 * PAGE);
	close(fd);
	got_signal = 0;
	if (!sigsetjmp(back, 1))
		x = x / zero;
	CHECK_EQ(got_signal, SIGFPE);
	CHECK_EQ(got_code, FPE_INTDIV);
	got_signal = 0;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("ud2");
	CHECK_EQ(got_signal, SIGILL);
	CHECK_EQ(got_code, ILL_ILLOPN);
	got_signal = 0;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("int3");
	CHECK_EQ(got_signal, SIGTRAP);
	CHECK_EQ(got_code, SI_KERNEL);
	munmap((char *)p, 4 * PAGE);
}

/* A handler that repairs and returns: the access happens again. */
static void recover(void)
{
	volatile char *p = map(64, PROT_NONE);
	int i;

	for (i = 0; i < 64; i++) {
		open_page = (char *)p + i * (long)PAGE;
		p[i * (long)PAGE + 9] = (char)i;
		CHECK(got_addr == p + i * (long)PAGE + 9);
	}
	for (i = 0; i < 64; i++)
		CHECK_EQ(p[i * (long)PAGE + 9], (char)i);
	munmap((char *)p, 64 * PAGE);
}

/* System calls give EFAULT where an access would fault. */
static void calls(void)
{
	char *p = map(2, RW);
	int pipes[2];

	CHECK_OK(pipe(pipes));
	mprotect(p + PAGE, PAGE, PROT_NONE);
	memset(p, 1, PAGE);
	CHECK_ERRNO(write(pipes[1], p + PAGE, 1), EFAULT);
	CHECK_EQ(write(pipes[1], p, 10), 10);
	CHECK_ERRNO(read(pipes[0], p + PAGE, 10), EFAULT);
	mprotect(p, PAGE, PROT_READ);
	CHECK_EQ(write(pipes[1], p, 10), 10);
	CHECK_ERRNO(read(pipes[0], p, 10), EFAULT);
	CHECK_ERRNO(write(pipes[1], low, 1), EFAULT);
	CHECK_ERRNO(open(low, O_RDONLY), EFAULT);
	close(pipes[0]);
	close(pipes[1]);
	munmap(p, 2 * PAGE);
}

__attribute__((noinline)) static int recurse(int depth)
{
	volatile char frame[3000];

	frame[0] = (char)depth;
	frame[2999] = 1;
	return depth ? recurse(depth - 1) + frame[2999] : frame[0];
}

static void stack_of_main(void)
{
	struct rlimit limit;
	int status;
	pid_t pid;

	CHECK_EQ(recurse(1500), 1500); /* 4.5 MB */
	/* Below the limit's end: SIGSEGV. */
	pid = fork();
	if (pid == 0) {
		getrlimit(RLIMIT_STACK, &limit);
		limit.rlim_cur = 1 << 20;
		setrlimit(RLIMIT_STACK, &limit);
		signal(SIGSEGV, SIG_DFL);
		_exit(recurse(100000) & 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	/* And on the alternate stack, told by its address. */
	got_signal = 0;
	pid = fork();
	if (pid == 0) {
		getrlimit(RLIMIT_STACK, &limit);
		limit.rlim_cur = 6 << 20;
		setrlimit(RLIMIT_STACK, &limit);
		if (!sigsetjmp(back, 1))
			recurse(1000000);
		_exit(got_signal == SIGSEGV && got_code == SEGV_MAPERR ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* A system call may be what grows the stack. */
static void stack_by_call(void)
{
	char *below = (char *)__builtin_frame_address(0) - (5UL << 20);
	int fd = open("/dev/zero", O_RDONLY);

	CHECK_EQ(read(fd, below, 100), 100);
	CHECK_EQ(below[99], 0);
	close(fd);
}

static void own_growing_mapping(void)
{
	char *top = map(1024, PROT_NONE), *p;

	munmap(top, 1024 * PAGE);
	p = mmap(top + 1000 * PAGE, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	CHECK(p == top + 1000 * PAGE);
	*(volatile char *)(p - PAGE) = 1;
	*(volatile char *)(p - 20 * PAGE) = 2;
	CHECK_EQ(p[-10 * (long)PAGE], 0);
	munmap(p - 20 * PAGE, 24 * PAGE);
}

static void *thread_main(void *arg)
{
	volatile char *p = arg;
	int i;

	for (i = 0; i < 256; i++)
		p[i * (long)PAGE] = (char)(p[i * (long)PAGE] + 1);
	return NULL;
}

/* First touches by several threads at once. */
static void threads(void)
{
	char *p = map(256, RW);
	pthread_t t[4];
	int i;

	for (i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, thread_main, p), 0);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK(p[0] >= 1 && p[255 * PAGE] >= 1);
	munmap(p, 256 * PAGE);
}

int main(void)
{
	install();
	kinds();
	recover();
	calls();
	stack_by_call();
	stack_of_main();
	own_growing_mapping();
	threads();
	return check_done();
}
