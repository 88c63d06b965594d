/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syscall User Dispatch while the selector says ALLOW, in calls that need little or nothing of the kernel: they do what
 * they do without dispatch, from places that have called often before; and none of it when the selector says BLOCK, is
 * no selector's value, or cannot be read. Ranges; selectors that others change; order. Skipped where the host has none.
 */
#include "dispatch.h"

#include <fcntl.h>
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
#include <time.h>
#include <ucontext.h>

#define PAGE   4096UL
#define MANY   300
#define ANSWER (-4711L)

/* Places in pages of their own: near() in one, far() in the next. The number is set in front of the call. */
long near(long a, long b, long c, long d, long e, long f);
long far_away(long a, long b, long c, long d, long e, long f);
long any(long nr, long a, long b, long c, long d, long e);
void restorer(void);
extern char near_page[], far_page[];
__asm__(".pushsection .text\n"
	".balign 4096\n"
	"near_page:\n"
	"near: mov $110, %eax; syscall; ret\n" /* getppid */
	".balign 4096\n"
	"far_page:\n"
	"far_away: mov $110, %eax; syscall; ret\n"
	"any: mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx; mov %r8, %r10\n"
	"	mov %r9, %r8; mov $0, %r9d; syscall; ret\n"
	"restorer: mov $15, %eax; syscall\n"
	".balign 4096\n"
	".popsection\n");

#define NEAR() near(0, 0, 0, 0, 0, 0)
#define FAR()  far_away(0, 0, 0, 0, 0, 0)

static volatile unsigned char *selector;
static volatile long seen;
static volatile int last;

static void handler(int signo, siginfo_t *info, void *uc)
{
	*selector = ALLOW;
	seen++;
	last = info->si_syscall;
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RAX] = ANSWER;
}

/* With a return that the second page's range leaves alone. */
static void catches(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} sa = {handler, SA_SIGINFO | 0x04000000, restorer, 0};

	CHECK_OK(syscall(SYS_rt_sigaction, SIGSYS, &sa, NULL, 8));
}

/* ---- known results ---- */

static void known(void)
{
	static const int numbers[] = {SYS_getpid, SYS_getppid, SYS_gettid, SYS_getpgrp,
				      SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid};
	enum { N = sizeof numbers / sizeof *numbers };
	long right[N], wrong = 0;

	for (int i = 0; i < N; i++)
		right[i] = any(numbers[i], 0, 0, 0, 0, 0);
	catches();
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, selector));
	seen = 0;
	for (int i = 0; i < N * MANY; i++) {
		int nr = numbers[i % N];

		wrong += any(nr, 0, 0, 0, 0, 0) != right[i % N];
		*selector = BLOCK;
		wrong += any(nr, 0, 0, 0, 0, 0) != ANSWER || last != nr || *selector != ALLOW;
		wrong += any(nr, 0, 0, 0, 0, 0) != right[i % N];
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(seen, N * MANY);
	/* Flags and registers stay as a call leaves them. */
	for (int i = 0; i < MANY; i++) {
		long flags, nr = SYS_getppid, rdx = 0x1234567;

		__asm__ volatile("stc; pushfq; pop %%rbx; mov $110, %%eax; syscall; pushfq; pop %%rcx; xor "
				 "%%rbx, %%rcx"
				 : "+a"(nr), "=c"(flags), "+d"(rdx)
				 :
				 : "rbx", "r11", "memory");
		wrong += (flags & 0x8d5) || rdx != 0x1234567 || nr != right[1];
	}
	CHECK_EQ(wrong, 0);
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
	/* And off again: the selector is nothing any more. */
	*selector = BLOCK;
	for (int i = 0; i < MANY; i++)
		wrong += any(SYS_getppid, 0, 0, 0, 0, 0) != right[1];
	*selector = ALLOW;
	CHECK_EQ(wrong, 0);
	CHECK_EQ(seen, N * MANY);
}

/* The range is left alone whatever the selector says, and where it cannot be read. */
static void ranges(void)
{
	long parent = getppid(), wrong = 0, first;
	void *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < MANY; i++)
		wrong += NEAR() != parent || FAR() != parent;
	catches();
	seen = 0;
	CHECK_OK(dispatch(EXCLUSIVE, near_page, PAGE, selector));
	for (int i = 0; i < MANY; i++) {
		*selector = BLOCK;
		wrong += NEAR() != parent || NEAR() != parent;
		wrong += FAR() != ANSWER;
		wrong += NEAR() != parent || FAR() != parent;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(seen, MANY);
	/* No selector: always, outside. This program's own calls are then, too: one at a time. */
	for (int i = 0; i < 20; i++) {
		seen = 0;
		CHECK_OK(dispatch(EXCLUSIVE, near_page, 2 * PAGE, NULL));
		first = NEAR();
		wrong += first != parent || FAR() != parent;
		any(SYS_prctl, SET_DISPATCH, OFF, 0, 0, 0);
		wrong += seen != 0;
	}
	for (int i = 0; i < 20; i++) {
		CHECK_OK(dispatch(EXCLUSIVE, far_page, PAGE, NULL));
		wrong += FAR() != parent || NEAR() != ANSWER || FAR() != parent;
		any(SYS_prctl, SET_DISPATCH, OFF, 0, 0, 0);
	}
	CHECK_EQ(wrong, 0);
	for (int i = 0; i < 20; i++) {
		CHECK_OK(dispatch(EXCLUSIVE, near_page, 2 * PAGE, none));
		wrong += NEAR() != parent || FAR() != parent;
		any(SYS_prctl, SET_DISPATCH, OFF, 0, 0, 0);
	}
	CHECK_EQ(wrong, 0);
	munmap(none, PAGE);
}

/* ---- selectors that are none ---- */

static volatile int way;
static char *page;

/* After many calls from the same place with a good selector. */
static void selector_goes(void)
{
	int fd = memfd_create("selector", 0);

	CHECK_OK(ftruncate(fd, PAGE));
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	selector = (unsigned char *)page;
	catches();
	CHECK_OK(dispatch(EXCLUSIVE, far_page, PAGE, selector));
	for (int i = 0; i < MANY; i++)
		if (NEAR() != FAR())
			_exit(90);
	switch (way) {
	case 0:
		any(SYS_mprotect, (long)page, PAGE, PROT_NONE, 0, 0);
		break;
	case 1:
		any(SYS_munmap, (long)page, PAGE, 0, 0, 0);
		break;
	case 2: /* beyond the end of the file */
		any(SYS_ftruncate, fd, 0, 0, 0, 0);
		break;
	case 3:
		*selector = 2;
		break;
	case 4:
		*selector = 255;
		break;
	case 5: /* readable, and not to be written */
		any(SYS_mprotect, (long)page, PAGE, PROT_READ, 0, 0);
		_exit(NEAR() == FAR() ? 7 : 8);
	}
	if (FAR() <= 0)
		_exit(91);
	NEAR();
	_exit(92);
}

/* Addresses where only others' memory could be. */
static void selector_elsewhere(void)
{
	static const unsigned long at[] = {0x7fff10020000, 0x7fff00000000, 0x7fff08000000, 0x7ffffffff000,
					   0x1000};
	long parent = FAR();

	for (int i = 0; i < MANY; i++)
		if (NEAR() != parent)
			_exit(90);
	CHECK_OK(dispatch(EXCLUSIVE, far_page, PAGE, (void *)at[way]));
	if (FAR() != parent)
		_exit(91);
	NEAR();
	any(SYS_exit_group, 92, 0, 0, 0, 0);
}

static void ends(void)
{
	static const int ends_by[] = {SIGSEGV, SIGSEGV, SIGSEGV, SIGSYS, SIGSYS};
	int status;

	for (way = 0; way < 5; way++) {
		status = check_in_child(selector_goes);
		CHECK_EQ(WIFSIGNALED(status) ? WTERMSIG(status) : -status, ends_by[way]);
	}
	CHECK_EQ(check_in_child(selector_goes), 7 << 8);
	for (way = 0; way < 5; way++) {
		status = check_in_child(selector_elsewhere);
		CHECK_EQ(WIFSIGNALED(status) ? WTERMSIG(status) : -status, SIGSEGV);
	}
}

/* Memory that is first touched by the look at the selector: a fresh page, and one of a file. */
static void fresh_selectors(void)
{
	long parent = getppid(), wrong = 0;
	int fd = memfd_create("zeros", 0);

	CHECK_OK(ftruncate(fd, 64 * PAGE));
	for (int i = 0; i < 64; i++) {
		char *p = mmap(NULL, PAGE, PROT_READ, i & 1 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS,
			       i & 1 ? fd : -1, i & 1 ? i * (long)PAGE : 0);

		CHECK_OK(dispatch(EXCLUSIVE, 0, 0, p + i));
		wrong += NEAR() != parent;
		CHECK_OK(dispatch(OFF, 0, 0, NULL));
		munmap(p, PAGE);
	}
	CHECK_EQ(wrong, 0);
	close(fd);
}

/* ---- calls with an effect: all of it, or none ---- */

static char *arena;
static int file, word;
static long top; /* the break */
static struct timespec ts;
static sigset_t set;

#define FILE_SIZE 4096L

static long offset(void)
{
	return any(SYS_lseek, file, 0, SEEK_CUR, 0, 0);
}

/* Each call with what it returns while it is allowed, and what tells that it had no effect. */
static long do_read(void)
{
	return any(SYS_read, file, (long)arena, 1, 0, 0);
}

static long do_seek(void)
{
	return any(SYS_lseek, file, 1, SEEK_CUR, 0, 0) > 0;
}

static long do_pread(void)
{
	arena[0] = 'x';
	return any(SYS_pread64, file, (long)arena, 1, 5, 0);
}

static long do_clock(void)
{
	ts.tv_sec = -1;
	return any(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&ts, 0, 0, 0);
}

static long do_gettimeofday(void)
{
	ts.tv_sec = -1;
	return any(SYS_gettimeofday, (long)&ts, 0, 0, 0, 0);
}

static long do_time(void)
{
	ts.tv_sec = -1;
	return any(SYS_time, (long)&ts, 0, 0, 0, 0) > 0;
}

static long do_yield(void)
{
	return any(SYS_sched_yield, 0, 0, 0, 0, 0);
}

static long do_futex(void)
{
	return any(SYS_futex, (long)&word, FUTEX_WAIT_PRIVATE, 1, 0, 0);
}

static long do_mask(void)
{
	return any(SYS_rt_sigprocmask, SIG_BLOCK, (long)&set, 0, 8, 0);
}

static long do_map(void)
{
	return any(SYS_mmap, (long)arena + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		   -1) == (long)arena + (long)PAGE;
}

static long do_protect(void)
{
	return any(SYS_mprotect, (long)arena + PAGE, PAGE, PROT_READ, 0, 0);
}

static long do_advise(void)
{
	return any(SYS_madvise, (long)arena + PAGE, PAGE, MADV_DONTNEED, 0, 0);
}

static long do_unmap(void)
{
	return any(SYS_munmap, (long)arena + PAGE, PAGE, 0, 0, 0);
}

static long do_brk(void)
{
	return any(SYS_brk, top, 0, 0, 0, 0) == top;
}

static const struct {
	int nr;
	long (*call)(void);
	long result;
} effects[] = {
	{SYS_read, do_read, 1},
	{SYS_lseek, do_seek, 1},
	{SYS_pread64, do_pread, 1},
	{SYS_clock_gettime, do_clock, 0},
	{SYS_gettimeofday, do_gettimeofday, 0},
	{SYS_time, do_time, 1},
	{SYS_sched_yield, do_yield, 0},
	{SYS_futex, do_futex, -EAGAIN},
	{SYS_rt_sigprocmask, do_mask, 0},
	{SYS_mmap, do_map, 1},
	{SYS_mprotect, do_protect, 0},
	{SYS_madvise, do_advise, 0},
	{SYS_munmap, do_unmap, 0},
	{SYS_brk, do_brk, 1},
};
#define EFFECTS (sizeof effects / sizeof *effects)

/* What those calls change, as one number. The second page can be written, so that its bytes are the arena's. */
static long state(void)
{
	sigset_t now;
	unsigned char there = 9;
	long r;

	any(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&now, 8, 0);
	r = any(SYS_mincore, (long)arena + PAGE, PAGE, (long)&there, 0, 0);
	return offset() + 10000 * sigismember(&now, SIGUSR1) + 20000 * (r == 0) +
	       40000 * (r == 0 && arena[PAGE] == 'y') + 80000 * (ts.tv_sec != -1) +
	       160000 * (arena[0] != 'x');
}

static void prepare(void)
{
	arena = any(SYS_mmap, (long)arena, 2 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1) == (long)arena
			? arena
			: NULL;
	arena[PAGE] = 'y';
	arena[0] = 'x';
	any(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&set, 0, 8, 0);
	if (offset() > FILE_SIZE / 2)
		any(SYS_lseek, file, 0, SEEK_SET, 0, 0);
	ts.tv_sec = -1;
}

static void all_or_nothing(void)
{
	long wrong = 0, before, after;

	file = memfd_create("file", 0);
	CHECK_OK(ftruncate(file, FILE_SIZE));
	arena = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	top = any(SYS_brk, 0, 0, 0, 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	catches();
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, selector));
	seen = 0;
	for (size_t i = 0; i < EFFECTS * 60; i++) {
		prepare();
		before = state();
		*selector = BLOCK;
		after = effects[i % EFFECTS].call();
		/* Results are compared as they come, but for those that stand for an address, or a time. */
		wrong += (after != ANSWER && after != 0) || last != effects[i % EFFECTS].nr ||
			 *selector != ALLOW;
		after = state();
		if (before != after) {
			CHECK_EQ(effects[i % EFFECTS].nr, -1);
			CHECK_EQ(after, before);
		}
		wrong += effects[i % EFFECTS].call() != effects[i % EFFECTS].result;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(seen, EFFECTS * 60);
	prepare();
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
	munmap(arena, 2 * PAGE);
	close(file);
}

/* ---- others change the selector ---- */

static volatile int over;

static void *flips(void *arg)
{
	while (!over) {
		*selector = BLOCK;
		sched_yield();
	}
	return arg;
}

/* Each call is one or the other, by one look: as many answers as handlers. */
static void flipped(void)
{
	long parent = getppid(), answers = 0, wrong = 0;
	pthread_t thread;

	catches();
	over = 0;
	seen = 0;
	CHECK_EQ(pthread_create(&thread, NULL, flips, NULL), 0);
	CHECK_OK(dispatch(EXCLUSIVE, far_page, PAGE, selector));
	for (long i = 0; answers < 200 || i < 20000; i++) {
		long r = NEAR();

		answers += r == ANSWER;
		wrong += r != ANSWER && r != parent;
	}
	/* From the page that is left alone. */
	any(SYS_prctl, SET_DISPATCH, OFF, 0, 0, 0);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(seen, answers);
	over = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	*selector = ALLOW;
}

/* ---- a filter comes later ---- */

static void filtered(void)
{
	struct sock_filter f[] = {
		{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_getppid},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | 42},
		{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
	};
	struct sock_fprog prog = {sizeof f / sizeof *f, f};
	long self = getpid(), parent = getppid(), wrong = 0;

	catches();
	seen = 0;
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, selector));
	for (int i = 0; i < MANY; i++)
		wrong += NEAR() != parent;
	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
	for (int i = 0; i < MANY; i++) {
		wrong += NEAR() != -42;
		*selector = BLOCK;
		wrong += NEAR() != ANSWER;
		/* What the filter always allows. */
		wrong += any(SYS_getpid, 0, 0, 0, 0, 0) != self;
		*selector = BLOCK;
		wrong += any(SYS_getpid, 0, 0, 0, 0, 0) != ANSWER;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(seen, 2 * MANY);
}

/* ---- signals at every moment ---- */

static volatile long ticks;

static void on_tick(int signo)
{
	/* Its return is a call, too. */
	*selector = ALLOW;
	ticks++;
}

static void interrupted(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	struct itimerspec its = {{0, 150000}, {0, 150000}};
	long parent = getppid(), wrong = 0;
	timer_t timer;

	catches();
	signal(SIGALRM, on_tick);
	CHECK_OK(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	CHECK_OK(dispatch(EXCLUSIVE, 0, 0, selector));
	ticks = 0;
	CHECK_OK(timer_settime(timer, 0, &its, NULL));
	while (ticks < 300)
		for (int i = 0; i < 1000; i++)
			wrong += NEAR() != parent;
	CHECK_OK(timer_delete(timer));
	CHECK_OK(dispatch(OFF, 0, 0, NULL));
	CHECK_EQ(wrong, 0);
}

int main(void)
{
	static unsigned char byte;

	dispatch_needed();
	selector = &byte;
	known();
	ranges();
	ends();
	fresh_selectors();
	all_or_nothing();
	interrupted();
	flipped();
	CHECK_EQ(check_in_child(filtered), 0);
	return check_done();
}
