/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syscall User Dispatch: its arguments, what the handler finds, selectors, ranges, threads, fork, exec, filters. Skipped
 * where the host has none; what came with Linux 6.17 is left out where it is older. static
 */
#include "dispatch.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#define PAGE 4096UL

/*
 * Calls from known places: foreign(nr, a...) in a page of its own, outside() in another. The third is a restorer. Both
 * keep what they find in the registers that calls must leave alone.
 */
long foreign(unsigned long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
	     unsigned long e);
long outside(unsigned long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
	     unsigned long e);
void own_restorer(void);
extern char foreign_page[], foreign_after[], outside_after[], foreign_end[];
__asm__(".pushsection .text\n"
	".balign 4096\n"
	"foreign_page:\n"
	"foreign: mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx; mov %r8, %r10; mov %r9, "
	"%r8\n"
	"	mov $0x99, %r9d; syscall\n"
	"foreign_after: ret\n"
	"own_restorer: mov $15, %rax; syscall\n"
	".balign 4096\n"
	"foreign_end:\n"
	"outside: mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx; mov %r8, %r10; mov %r9, "
	"%r8\n"
	"	mov $0x99, %r9d; syscall\n"
	"outside_after: ret\n"
	".popsection\n");

#define CALL(nr) foreign(nr, 0, 0, 0, 0, 0)

static volatile unsigned char selector;
static volatile int seen;
static siginfo_t info;
static ucontext_t context;
static long answer;
static int has_inclusive;

/* Notes what it finds, lets calls go on, and gives the call a result. */
static void handler(int signo, siginfo_t *si, void *uc)
{
	selector = ALLOW;
	seen++;
	info = *si;
	context = *(ucontext_t *)uc;
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RAX] = answer;
}

static void catch (void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};

	CHECK_OK(sigaction(SIGSYS, &sa, NULL));
}

static void arguments(void)
{
	const unsigned long top = 0x7ffffffff000UL;

	CHECK_ERRNO(prctl(SET_DISPATCH, OFF, 1UL, 0UL, 0UL), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, OFF, 0UL, 1UL, 0UL), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, OFF, 0UL, 0UL, &selector), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, 3UL, 0UL, 0UL, 0UL), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, -1UL, 0UL, 0UL, 0UL), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, 1UL << 32, 0UL, 0UL, 0UL), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, EXCLUSIVE, 1UL, 0UL, &selector), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, EXCLUSIVE, 1UL, -1UL, &selector), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, EXCLUSIVE, 1UL, -2UL + 1, &selector), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, EXCLUSIVE, -1UL, 1UL, &selector), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, EXCLUSIVE, -1UL, 5UL, &selector), EINVAL);
	/* The range comes before the selector. */
	CHECK_ERRNO(prctl(SET_DISPATCH, EXCLUSIVE, 1UL, 0UL, -1UL), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, EXCLUSIVE, 0UL, 0UL, -1UL), EFAULT);
	CHECK_ERRNO(prctl(SET_DISPATCH, EXCLUSIVE, 0UL, 0UL, top + 1), EFAULT);
	CHECK_ERRNO(prctl(SET_DISPATCH, EXCLUSIVE, 0UL, 0UL, 1UL << 63), EFAULT);
	CHECK_OK(prctl(SET_DISPATCH, EXCLUSIVE, 0UL, 0UL, &selector));
	CHECK_OK(prctl(SET_DISPATCH, EXCLUSIVE, 0UL, -1UL, &selector));
	CHECK_OK(prctl(SET_DISPATCH, EXCLUSIVE, 1UL, -2UL, &selector));
	CHECK_OK(prctl(SET_DISPATCH, EXCLUSIVE, 1UL, 1UL, &selector));
	/* A refused one leaves what was. */
	CHECK_ERRNO(prctl(SET_DISPATCH, 7UL, 0UL, 0UL, 0UL), EINVAL);
	CHECK_OK(prctl(SET_DISPATCH, OFF, 0UL, 0UL, 0UL));
	CHECK_OK(prctl(SET_DISPATCH, OFF, 0UL, 0UL, 0UL));
	if (!has_inclusive)
		return;
	CHECK_ERRNO(prctl(SET_DISPATCH, INCLUSIVE, 0UL, 0UL, &selector), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, INCLUSIVE, 1UL, -1UL, &selector), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, INCLUSIVE, -1UL, 1UL, &selector), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, INCLUSIVE, 0UL, 0UL, -1UL), EINVAL);
	CHECK_ERRNO(prctl(SET_DISPATCH, INCLUSIVE, 0UL, 1UL, -1UL), EFAULT);
	CHECK_OK(prctl(SET_DISPATCH, INCLUSIVE, 0UL, 1UL, &selector));
	CHECK_OK(prctl(SET_DISPATCH, OFF, 0UL, 0UL, 0UL));
}

/* What the handler sees of a call, and that its result is the call's. */
static void what_is_seen(void)
{
	static const unsigned long numbers[] = {SYS_getpid, SYS_rt_sigreturn,   SYS_exit_group,
						0x1234,     0xf00dbeef00000027, 0xffffffff,
						-1UL,       SYS_execve};
	greg_t *r = context.uc_mcontext.gregs;
	sigset_t mask;
	size_t i;

	catch (handler, 0);
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, &selector));
	for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		seen = 0;
		answer = 4711 + (long)i;
		memset(&info, 0xee, sizeof info);
		selector = BLOCK;
		CHECK_EQ(foreign(numbers[i], 11, 22, 33, 44, 55), answer);
		CHECK_EQ(selector, ALLOW);
		CHECK_EQ(seen, 1);
		CHECK_EQ(info.si_signo, SIGSYS);
		CHECK_EQ(info.si_code, 2);
		CHECK_EQ(info.si_errno, 0);
		CHECK_EQ(info.si_syscall, (int)numbers[i]);
		CHECK_EQ(info.si_arch, AUDIT_ARCH_X86_64);
		CHECK(info.si_call_addr == foreign_after);
		CHECK_EQ(r[REG_RIP], (greg_t)(uintptr_t)foreign_after);
		CHECK_EQ(r[REG_RAX], (greg_t)numbers[i]);
		CHECK_EQ(r[REG_RCX], (greg_t)(uintptr_t)foreign_after);
		CHECK_EQ(r[REG_RDI], 11);
		CHECK_EQ(r[REG_RSI], 22);
		CHECK_EQ(r[REG_RDX], 33);
		CHECK_EQ(r[REG_R10], 44);
		CHECK_EQ(r[REG_R8], 55);
		CHECK_EQ(r[REG_R9], 0x99);
		sigprocmask(SIG_SETMASK, NULL, &mask);
		CHECK_EQ(sigismember(&mask, SIGSYS), 0);
		CHECK_EQ(sigismember(&context.uc_sigmask, SIGSYS), 0);
	}
	/* ALLOW: as if there were none. */
	seen = 0;
	CHECK_EQ(CALL(SYS_getpid), getpid());
	CHECK_EQ(CALL(0x1234), -ENOSYS);
	CHECK_EQ(seen, 0);
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
	selector = BLOCK;
	CHECK_EQ(CALL(SYS_getpid), getpid());
	selector = ALLOW;
}

/* Calls that need no kernel, or block, are no exception. */
static void quick_calls(void)
{
	static const int numbers[] = {SYS_getpid, SYS_gettid, SYS_clock_gettime, SYS_futex,
				      SYS_read,   SYS_getuid, SYS_time};
	static unsigned word;
	size_t i;

	catch (handler, 0);
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, &selector));
	for (i = 0; i < sizeof numbers / sizeof *numbers * 40; i++) {
		int nr = numbers[i % (sizeof numbers / sizeof *numbers)];

		answer = -77 - (long)i;
		seen = 0;
		selector = BLOCK;
		CHECK_EQ(foreign((unsigned long)nr, (uintptr_t)&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0,
				 0),
			 answer);
		CHECK_EQ(seen, 1);
		CHECK_EQ(info.si_syscall, nr);
	}
	CHECK_EQ(foreign(SYS_futex, (uintptr_t)&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0), 0);
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
}

/* Turns it off by a call from the range that is left alone. */
static void turning_off(int signo, siginfo_t *si, void *uc)
{
	seen++;
	info = *si;
	answer = foreign(SYS_prctl, SET_DISPATCH, OFF, 0, 0, 0);
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RAX] = 99;
}

static void ranges(void)
{
	catch (turning_off, 0);
	seen = 0;
	/* No selector: whatever is not in the range. */
	CHECK_EQ(foreign(SYS_prctl, SET_DISPATCH, EXCLUSIVE, (uintptr_t)foreign_page,
			 (uintptr_t)(foreign_end - foreign_page), 0),
		 0);
	long inside = CALL(SYS_getppid), out = outside(SYS_getppid, 0, 0, 0, 0, 0);

	CHECK_EQ(inside, getppid());
	CHECK_EQ(out, 99);
	CHECK_EQ(seen, 1);
	CHECK_EQ(answer, 0);
	CHECK(info.si_call_addr == outside_after);
	CHECK_EQ(outside(SYS_getppid, 0, 0, 0, 0, 0), getppid());

	/* The border is where the instruction ends. */
	seen = 0;
	foreign(SYS_prctl, SET_DISPATCH, EXCLUSIVE, (uintptr_t)foreign_page,
		(uintptr_t)(foreign_after - foreign_page) + 1, 0);
	inside = CALL(SYS_getppid);
	foreign(SYS_prctl, SET_DISPATCH, OFF, 0, 0, 0);
	CHECK_EQ(seen, 0);
	CHECK_EQ(inside, getppid());
	catch (handler, 0);
	answer = 5;
	CHECK_OK(dispatch(EXCLUSIVE, foreign_page, (uintptr_t)(foreign_after - foreign_page), &selector));
	selector = BLOCK;
	CHECK_EQ(CALL(SYS_getppid), 5);
	CHECK_OK(dispatch(EXCLUSIVE, foreign_page, (uintptr_t)(foreign_end - foreign_page), &selector));
	selector = BLOCK;
	inside = CALL(SYS_getppid);
	selector = ALLOW;
	CHECK_EQ(inside, getppid());
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
}

/* Only what comes from the range: the rest of the program needs no care. */
static void inclusive_ranges(void)
{
	int before;

	if (!has_inclusive)
		return;
	catch (handler, 0);
	answer = 6;
	CHECK_OK(dispatch(INCLUSIVE, foreign_page, (uintptr_t)(foreign_end - foreign_page), NULL));
	seen = 0;
	CHECK_EQ(CALL(SYS_getppid), 6);
	CHECK_EQ(CALL(SYS_getppid), 6);
	CHECK_EQ(seen, 2);
	CHECK_EQ(outside(SYS_getppid, 0, 0, 0, 0, 0), getppid());
	CHECK_OK(dispatch(INCLUSIVE, foreign_page, (uintptr_t)(foreign_end - foreign_page), &selector));
	CHECK_EQ(CALL(SYS_getppid), getppid());
	selector = BLOCK;
	CHECK_EQ(getppid(), outside(SYS_getppid, 0, 0, 0, 0, 0));
	before = seen;
	CHECK_EQ(CALL(SYS_getppid), 6);
	CHECK_EQ(seen, before + 1);
	/* Here the border is one byte off: what it is all but. */
	CHECK_OK(dispatch(INCLUSIVE, foreign_page, (uintptr_t)(foreign_after - foreign_page), NULL));
	CHECK_EQ(CALL(SYS_getppid), getppid());
	CHECK_OK(dispatch(INCLUSIVE, foreign_page, (uintptr_t)(foreign_after - foreign_page) + 1, NULL));
	CHECK_EQ(CALL(SYS_getppid), 6);
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
}

/* Calls of a library's own shapes, made often before: what counts is where the program has its `syscall`. */
static void library_calls(void)
{
	int fd = open("/dev/zero", O_RDONLY), i, n = 0;
	char *start = (char *)(uintptr_t)read, byte;

	CHECK(fd >= 0);
	for (i = 0; i < 200; i++)
		CHECK_EQ(read(fd, &byte, 1), 1);
	catch (handler, 0);
	answer = 123;
	seen = 0;
	/* From read() alone: it is left alone. */
	CHECK_OK(dispatch(EXCLUSIVE, start, 256, &selector));
	for (i = 0; i < 50; i++) {
		selector = BLOCK;
		n += read(fd, &byte, 1) == 1;
		selector = ALLOW;
	}
	CHECK_EQ(n, 50);
	CHECK_EQ(seen, 0);
	/* From everywhere else. */
	CHECK_OK(dispatch(EXCLUSIVE, foreign_page, (uintptr_t)(foreign_end - foreign_page), &selector));
	for (i = n = 0; i < 50; i++) {
		selector = BLOCK;
		n += read(fd, &byte, 1) == 123 && info.si_call_addr > (void *)start &&
		     info.si_call_addr < (void *)(start + 256) &&
		     context.uc_mcontext.gregs[REG_RIP] == (greg_t)(uintptr_t)info.si_call_addr;
	}
	CHECK_EQ(n, 50);
	CHECK_EQ(seen, 50);
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
	if (has_inclusive) {
		CHECK_OK(dispatch(INCLUSIVE, start, 256, NULL));
		for (i = n = 0; i < 50; i++)
			n += read(fd, &byte, 1) == 123 && foreign(SYS_getppid, 0, 0, 0, 0, 0) == getppid();
		CHECK_OK(dispatch(OFF, 0, 0, NULL));
		CHECK_EQ(n, 50);
		CHECK_EQ(seen, 100);
	}
	CHECK_EQ(read(fd, &byte, 1), 1);
	close(fd);
}

/* A handler that leaves BLOCK in force comes back by its own restorer, in the range. */
static void staying(int signo, siginfo_t *si, void *uc)
{
	seen++;
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RAX] = seen;
}

static void blocked_return(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} sa = {staying, SA_SIGINFO | 0x04000000, own_restorer, 0};
	long results[64];
	int i;

	CHECK_OK(syscall(SYS_rt_sigaction, SIGSYS, &sa, NULL, 8));
	CHECK_OK(dispatch(EXCLUSIVE, foreign_page, (uintptr_t)(foreign_end - foreign_page), &selector));
	seen = 0;
	selector = BLOCK;
	for (i = 0; i < 64; i++)
		results[i] = outside(0x77, 0, 0, 0, 0, 0);
	selector = ALLOW;
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
	for (i = 0; i < 64; i++)
		CHECK_EQ(results[i], i + 1);
}

/* ---- masks, stacks, other signals ---- */

static volatile int blocked_inside[3], on_stack, other;
static char *stack;

static void looking(int signo, siginfo_t *si, void *uc)
{
	sigset_t mask;
	char here;

	selector = ALLOW;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	blocked_inside[0] = sigismember(&mask, SIGSYS);
	blocked_inside[1] = sigismember(&mask, SIGUSR1);
	blocked_inside[2] = sigismember(&mask, SIGUSR2);
	on_stack = &here >= stack && &here < stack + 65536;
	raise(SIGUSR1);
	raise(SIGUSR2);
}

static void counting(int signo)
{
	other = other * 10 + (signo == SIGUSR1 ? 1 : 2);
}

static void masks(void)
{
	struct sigaction sa = {.sa_sigaction = looking, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t ss = {.ss_size = 65536};
	int i;

	ss.ss_sp = stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(sigaltstack(&ss, NULL));
	signal(SIGUSR1, counting);
	signal(SIGUSR2, counting);
	sigaddset(&sa.sa_mask, SIGUSR1);
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, &selector));
	for (i = 0; i < 4; i++) {
		sa.sa_flags = SA_SIGINFO | (i & 1 ? SA_ONSTACK : 0) | (i & 2 ? SA_NODEFER : 0);
		CHECK_OK(sigaction(SIGSYS, &sa, NULL));
		other = 0;
		selector = BLOCK;
		CALL(5000);
		CHECK_EQ(blocked_inside[0], !(i & 2));
		CHECK_EQ(blocked_inside[1], 1);
		CHECK_EQ(blocked_inside[2], 0);
		CHECK_EQ(on_stack, i & 1);
		CHECK_EQ(other, 21); /* the masked one when the handler is over */
	}
	/* Once. */
	sa.sa_flags = SA_SIGINFO | SA_RESETHAND;
	CHECK_OK(sigaction(SIGSYS, &sa, NULL));
	selector = BLOCK;
	CALL(5000);
	CHECK_OK(sigaction(SIGSYS, NULL, &sa));
	CHECK(sa.sa_handler == SIG_DFL);
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
	ss.ss_flags = SS_DISABLE;
	CHECK_OK(sigaltstack(&ss, NULL));
}

/* ---- ends ---- */

static void wrong_selector(void)
{
	catch (handler, 0);
	dispatch(EXCLUSIVE, 0, 0, &selector);
	selector = 2;
	CALL(SYS_getpid);
}

static void wrong_selector_255(void)
{
	sigset_t all;

	sigfillset(&all);
	catch (handler, 0);
	sigprocmask(SIG_SETMASK, &all, NULL);
	dispatch(EXCLUSIVE, 0, 0, &selector);
	selector = 255;
	CALL(SYS_getpid);
}

static void unreadable_selector(void)
{
	void *p = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigset_t all;

	sigfillset(&all);
	signal(SIGSEGV, SIG_IGN);
	sigprocmask(SIG_SETMASK, &all, NULL);
	dispatch(EXCLUSIVE, 0, 0, p);
	CALL(SYS_getpid);
}

static void unmapped_selector(void)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, p));
	CHECK_EQ(CALL(SYS_getppid), getppid());
	CHECK_OK(munmap(p, PAGE));
	_exit(3);
}

static void blocked_signal(void)
{
	sigset_t all;

	catch (handler, 0);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	dispatch(EXCLUSIVE, 0, 0, &selector);
	selector = BLOCK;
	CALL(SYS_getpid);
}

static void ignored_signal(void)
{
	signal(SIGSYS, SIG_IGN);
	dispatch(EXCLUSIVE, 0, 0, &selector);
	selector = BLOCK;
	CALL(SYS_getpid);
}

static void no_handler(void)
{
	signal(SIGSYS, SIG_DFL);
	dispatch(EXCLUSIVE, 0, 0, &selector);
	selector = BLOCK;
	CALL(SYS_getpid);
}

static void *wrong_in_thread(void *arg)
{
	wrong_selector();
	return arg;
}

/* The whole process ends. */
static void threads_end(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, wrong_in_thread, NULL);
	for (;;)
		pause();
}

static void exits_blocked(void)
{
	catch (handler, 0);
	dispatch(EXCLUSIVE, 0, 0, &selector);
	answer = 17;
	selector = BLOCK;
	_exit(CALL(SYS_exit_group) == 17 ? 18 : 19);
}

static void ends(void)
{
	static const struct {
		void (*fn)(void);
		int signo, code;
	} cases[] = {
		{wrong_selector, SIGSYS, 0},
		{wrong_selector_255, SIGSYS, 0},
		{unreadable_selector, SIGSEGV, 0},
		{unmapped_selector, SIGSEGV, 0},
		{blocked_signal, SIGSYS, 0},
		{ignored_signal, SIGSYS, 0},
		{no_handler, SIGSYS, 0},
		{threads_end, SIGSYS, 0},
		{exits_blocked, 0, 18},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		int status = check_in_child(cases[i].fn);

		if (cases[i].signo)
			CHECK_EQ(WIFSIGNALED(status) ? WTERMSIG(status) : -status, cases[i].signo);
		else
			CHECK_EQ(status, cases[i].code << 8);
	}
}

/* ---- threads and processes ---- */

static __thread volatile unsigned char own_selector;
static __thread volatile int own_seen;

static void own_handler(int signo, siginfo_t *si, void *uc)
{
	own_selector = ALLOW;
	own_seen++;
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RAX] = 1000 + own_seen;
}

static void *own_dispatch(void *arg)
{
	int i;

	/* Who made this thread is dispatched; it is not. */
	CHECK_EQ(CALL(SYS_getppid), getppid());
	CHECK_EQ(own_seen, 0);
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, &own_selector));
	for (i = 1; i <= 200; i++) {
		own_selector = BLOCK;
		CHECK_EQ(CALL(SYS_getppid), 1000 + i);
		CHECK_EQ(CALL(SYS_getppid), getppid());
	}
	return arg;
}

static void threads(void)
{
	pthread_t t[4];
	int i;

	catch (own_handler, 0);
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, &own_selector));
	for (i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, own_dispatch, NULL), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	/* Those that are made on what they left have none either. */
	for (i = 0; i < 4; i++) {
		CHECK_EQ(pthread_create(&t[i], NULL, own_dispatch, NULL), 0);
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	}
	CHECK_EQ(own_seen, 0);
	own_selector = BLOCK;
	CHECK_EQ(CALL(SYS_getppid), 1001);
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
}

static void processes(void)
{
	int status;
	pid_t pid;

	catch (handler, 0);
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, &selector));
	seen = 0;
	fflush(stdout);
	selector = ALLOW;
	pid = fork();
	if (!pid) {
		/* It began without. */
		selector = BLOCK;
		CHECK_EQ(CALL(SYS_getpid), getpid());
		CHECK_EQ(seen, 0);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	pid = vfork();
	if (!pid) {
		selector = BLOCK;
		CALL(SYS_getpid);
		_exit(seen);
	}
	selector = ALLOW;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	answer = 8;
	selector = BLOCK;
	CHECK_EQ(CALL(SYS_getpid), 8);
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
}

/* exec with nothing allowed but one call: the new program is free. */
static void executing(char *self)
{
	char *argv[] = {self, "again", NULL}, *envp[] = {NULL};
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		foreign(SYS_prctl, SET_DISPATCH, EXCLUSIVE, (uintptr_t)foreign_page,
			(uintptr_t)(foreign_end - foreign_page), 0);
		foreign(SYS_execve, (uintptr_t)self, (uintptr_t)argv, (uintptr_t)envp, 0, 0);
		foreign(SYS_exit_group, 99, 0, 0, 0, 0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* ---- filters come later ---- */

static void filtered(void)
{
	struct sock_filter f[] = {
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 5001},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_getppid},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | 42},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 5002},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP | 7},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
	};
	struct sock_fprog prog = {sizeof f / sizeof *f, f};

	catch (handler, 0);
	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, &selector));
	answer = 9;
	seen = 0;
	selector = BLOCK;
	CHECK_EQ(CALL(5001), 9);
	CHECK_EQ(info.si_code, 2);
	selector = BLOCK;
	CHECK_EQ(CALL(SYS_getppid), 9);
	CHECK_EQ(CALL(SYS_getppid), -42);
	CHECK_EQ(seen, 2);
	CHECK_EQ(CALL(5002), 9);
	CHECK_EQ(seen, 3);
	CHECK_EQ(info.si_code, 1);
	CHECK_EQ(info.si_errno, 7);
}

static void *blocked_thread(void *arg)
{
	int fd = *(int *)arg;
	char byte;
	long n;

	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, &own_selector));
	/* Allowed when it was made: that others change the selector later is nothing to it. */
	n = foreign(SYS_read, (unsigned long)fd, (uintptr_t)&byte, 1, 0, 0);
	CHECK_EQ(n, 1);
	return NULL;
}

static void blocking_call(void)
{
	pthread_t thread;
	int fds[2];

	CHECK_OK(pipe(fds));
	CHECK_EQ(pthread_create(&thread, NULL, blocked_thread, &fds[0]), 0);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	close(fds[0]);
	close(fds[1]);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return CALL(SYS_getppid) == getppid() ? 0 : 1;
	dispatch_needed();
	has_inclusive = prctl(SET_DISPATCH, INCLUSIVE, 1UL, 1UL, 0UL) == 0;
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
	arguments();
	what_is_seen();
	quick_calls();
	ranges();
	inclusive_ranges();
	library_calls();
	blocked_return();
	masks();
	ends();
	threads();
	processes();
	executing(argv[0]);
	blocking_call();
	CHECK_EQ(check_in_child(filtered), 0);
	return check_done();
}
