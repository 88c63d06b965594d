/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every request of ptrace(2) with wrong arguments: to whom it may be made in which state, and what it refuses, in Linux's
 * order. What an older kernel does not have is EIO, as any number that is no request.
 */
#include <asm/prctl.h>
#include <elf.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/mman.h>

#include "ptrace.h"

#define OLDSETOPTIONS     21
#define ARCH_PRCTL        30
#define SYSEMU            31
#define SYSEMU_SINGLESTEP 32
#define SINGLEBLOCK       33
#define GET_DISPATCH      0x4211
#define SET_DISPATCH      0x4210
#define SET_SYSCALL_INFO  0x4212

#define NONE ((uintptr_t)8) /* an address where nothing is mapped */

/* The kernel's struct user is longer than libc's. */
#define USER_AREA 928

/* ---- to whom ---- */

/* What is asked for when who is asked does not matter: TRACEME is for the caller alone. */
static const long requests[] = {
	PTRACE_PEEKTEXT,
	PTRACE_PEEKDATA,
	PTRACE_PEEKUSR,
	PTRACE_POKETEXT,
	PTRACE_POKEDATA,
	PTRACE_POKEUSR,
	PTRACE_CONT,
	PTRACE_KILL,
	PTRACE_SINGLESTEP,
	PTRACE_GETREGS,
	PTRACE_SETREGS,
	PTRACE_GETFPREGS,
	PTRACE_SETFPREGS,
	PTRACE_ATTACH,
	PTRACE_DETACH,
	OLDSETOPTIONS,
	PTRACE_SYSCALL,
	PTRACE_GET_THREAD_AREA,
	PTRACE_SET_THREAD_AREA,
	ARCH_PRCTL,
	SYSEMU,
	SYSEMU_SINGLESTEP,
	SINGLEBLOCK,
	PTRACE_SETOPTIONS,
	PTRACE_GETEVENTMSG,
	PTRACE_GETSIGINFO,
	PTRACE_SETSIGINFO,
	PTRACE_GETREGSET,
	PTRACE_SETREGSET,
	PTRACE_SEIZE,
	PTRACE_INTERRUPT,
	PTRACE_LISTEN,
	PTRACE_PEEKSIGINFO,
	PTRACE_GETSIGMASK,
	PTRACE_SETSIGMASK,
	PTRACE_SECCOMP_GET_FILTER,
	PTRACE_SECCOMP_GET_METADATA,
	PTRACE_GET_SYSCALL_INFO,
	PTRACE_GET_RSEQ_CONFIGURATION,
	GET_DISPATCH,
	SET_DISPATCH,
	SET_SYSCALL_INFO,
	/* None. */
	22,
	999,
	-1,
	1L << 32 | PTRACE_CONT,
};

/* Each of them, of @pid: what begins tracing is answered with @begins, what asks for no stop with @running, a kill with @kills
 * (0: it is not made), all others with ESRCH. */
static void expect_all(const char *state, pid_t pid, int begins, int running, int kills)
{
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		long request = requests[i], r;
		int error = ESRCH;

		if (request == PTRACE_ATTACH || request == PTRACE_SEIZE)
			error = begins;
		if (request == PTRACE_INTERRUPT)
			error = running;
		if (request == PTRACE_KILL)
			error = kills;
		if (!error)
			continue;
		errno = 0;
		r = pt(request, pid, 0, 0);
		check_count_++;
		if (r != -1 || errno != error) {
			check_failures_++;
			check_report_(__FILE__, __LINE__, state, ": request %#lx: %ld, errno %d, not %d",
				      request, r, errno, error);
		}
	}
}

static void test_absent(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	expect_all("gone", pid, ESRCH, ESRCH, ESRCH);
	expect_all("0", 0, ESRCH, ESRCH, ESRCH);
	expect_all("-1", -1, ESRCH, ESRCH, ESRCH);
	expect_all("no number", INT_MAX, ESRCH, ESRCH, ESRCH);
}

static pid_t asked;

static void *asks(void *arg)
{
	expect_all("by another thread", asked, EPERM, ESRCH, ESRCH);
	return NULL;
}

static void test_states(void)
{
	pid_t pid = pausing_child(), other;
	pthread_t thread;
	siginfo_t info;
	int status;

	/* Traced by nobody: it may be by us. */
	expect_all("untraced", pid, 0, ESRCH, ESRCH);
	CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
	expect_all("running", pid, EPERM, 0, 0);
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
	/* Only the thread that traces may ask: not another one of its process, nor another process. */
	asked = pid;
	CHECK_EQ(pthread_create(&thread, NULL, asks, NULL), 0);
	pthread_join(thread, NULL);
	other = fork();
	if (!other) {
		expect_all("by another process", pid, EPERM, ESRCH, ESRCH);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(other, &status, 0), other);
	CHECK_EQ(status, 0);
	CHECK_OK(pt(PTRACE_LISTEN, pid, 0, 0));
	expect_all("listening", pid, EPERM, 0, 0);
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
	/* Ended, and not yet waited for. */
	CHECK_OK(kill(pid, SIGKILL));
	CHECK_OK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	while (info.si_code == CLD_TRAPPED)
		CHECK_OK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	expect_all("ended", pid, EPERM, 0, 0);
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	CHECK_OK(pt(PTRACE_KILL, pid, 0, 0));
	EXPECT_END(pid, SIGKILL);

	/* Attached to in the old way, it knows no interrupts. */
	pid = pausing_child();
	CHECK_OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_ERRNO(pt(PTRACE_INTERRUPT, pid, 0, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_LISTEN, pid, 0, 0), EIO);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	CHECK_ERRNO(pt(PTRACE_INTERRUPT, pid, 0, 0), EIO);
	expect_all("attached, running", pid, EPERM, EIO, 0);
	/* A kill asks for no stop. */
	CHECK_OK(pt(PTRACE_KILL, pid, 0, 0));
	EXPECT_END(pid, SIGKILL);
}

static void test_traceme(void)
{
	pid_t pid = fork();

	if (!pid) {
		CHECK_OK(pt(PTRACE_TRACEME, 12345, NONE, NONE));
		CHECK_ERRNO(pt(PTRACE_TRACEME, 0, 0, 0), EPERM);
		_exit(check_failed());
	}
	EXPECT_END(pid, 0);
}

/* The number of a process is an int, that of a request a long. */
static void test_widths(void)
{
	pid_t pid = pausing_child();
	unsigned long word;

	CHECK_OK(syscall(SYS_ptrace, PTRACE_SEIZE, 1L << 32 | pid, 0, 0));
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
	CHECK_OK(syscall(SYS_ptrace, PTRACE_PEEKUSR, 1L << 32 | pid, 0, &word));
	CHECK_ERRNO(pt(1L << 32 | PTRACE_PEEKUSR, pid, 0, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(-1, pid, 0, 0), EIO);
	CHECK_ERRNO(pt(22, pid, 0, 0), EIO);
	CHECK_ERRNO(pt(0x4300, pid, 0, 0), EIO);
	/* 32-bit programs' own. */
	CHECK_ERRNO(pt(18 /* PTRACE_GETFPXREGS */, pid, 0, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(19 /* PTRACE_SETFPXREGS */, pid, 0, (uintptr_t)&word), EIO);
	kill_and_reap(pid);
}

/* ---- what is refused at a stop ---- */

static char good[8192] __attribute__((aligned(64)));
static struct ptrace_peeksiginfo_args peek_flags = {0, 2, 1}, peek_negative = {0, 0, -1},
				      peek_one = {0, 0, 1};

#define GOOD ((uintptr_t)good)
#define AREA (offsetof(struct user, u_debugreg))

static const struct wrong {
	long request;
	uintptr_t addr, data;
	int error;
} wrongs[] = {
	/* Where from comes before where to. */
	{PTRACE_PEEKTEXT, NONE, GOOD, EIO},
	{PTRACE_PEEKTEXT, NONE, NONE, EIO},
	{PTRACE_PEEKTEXT, GOOD, NONE, EFAULT},
	{PTRACE_PEEKDATA, NONE, GOOD, EIO},
	{PTRACE_PEEKDATA, NONE, NONE, EIO},
	{PTRACE_PEEKDATA, GOOD, NONE, EFAULT},
	{PTRACE_PEEKDATA, GOOD, -1UL, EFAULT},
	{PTRACE_POKETEXT, NONE, 0, EIO},
	{PTRACE_POKEDATA, NONE, 0, EIO},
	{PTRACE_POKEDATA, -1UL, 0, EIO},
	{PTRACE_PEEKUSR, 1, GOOD, EIO},
	{PTRACE_PEEKUSR, 4, NONE, EIO},
	{PTRACE_PEEKUSR, USER_AREA, GOOD, EIO},
	{PTRACE_PEEKUSR, -8UL, GOOD, EIO},
	{PTRACE_PEEKUSR, 0, NONE, EFAULT},
	{PTRACE_PEEKUSR, USER_AREA - 8, NONE, EFAULT},
	{PTRACE_POKEUSR, 1, 0, EIO},
	{PTRACE_POKEUSR, USER_AREA, 0, EIO},
	{PTRACE_POKEUSR, -8UL, 0, EIO},
	/* What lies behind the registers may be read, not written. */
	{PTRACE_POKEUSR, sizeof(struct user_regs_struct), 0, EIO},
	{PTRACE_POKEUSR, AREA - 8, 0, EIO},
	{PTRACE_POKEUSR, AREA + 4 * 8, 0, EIO},
	{PTRACE_POKEUSR, AREA + 5 * 8, 0, EIO},
	{PTRACE_POKEUSR, AREA + 8 * 8, 0, EIO},
	{PTRACE_POKEUSR, offsetof(struct user, regs.cs), 0, EIO},
	{PTRACE_POKEUSR, offsetof(struct user, regs.ss), 0, EIO},
	{PTRACE_POKEUSR, offsetof(struct user, regs.cs), 0x10, EIO},
	{PTRACE_POKEUSR, offsetof(struct user, regs.ds), 0x18, EIO},
	{PTRACE_POKEUSR, offsetof(struct user, regs.es), 1, EIO},
	{PTRACE_POKEUSR, offsetof(struct user, regs.fs), 2, EIO},
	{PTRACE_POKEUSR, offsetof(struct user, regs.gs), 0x10, EIO},
	{PTRACE_POKEUSR, offsetof(struct user, regs.fs_base), 1UL << 47, EIO},
	{PTRACE_POKEUSR, offsetof(struct user, regs.gs_base), -1UL, EIO},
	{PTRACE_GETREGS, 0, NONE, EFAULT},
	{PTRACE_SETREGS, 0, NONE, EFAULT},
	{PTRACE_GETFPREGS, 0, NONE, EFAULT},
	{PTRACE_SETFPREGS, 0, NONE, EFAULT},
	/* Signals are numbers up to 64, of all 64 bits. */
	{PTRACE_CONT, 0, 65, EIO},
	{PTRACE_CONT, 0, -1UL, EIO},
	{PTRACE_CONT, 0, 1UL << 32, EIO},
	{PTRACE_SYSCALL, 0, 65, EIO},
	{PTRACE_SYSCALL, 0, 1UL << 32, EIO},
	{PTRACE_SINGLESTEP, 0, 65, EIO},
	{SINGLEBLOCK, 0, 65, EIO},
	{SYSEMU, 0, 65, EIO},
	{SYSEMU_SINGLESTEP, 0, 65, EIO},
	{PTRACE_DETACH, 0, 65, EIO},
	{PTRACE_DETACH, 0, 1UL << 32 | 65, EIO},
	{PTRACE_LISTEN, 0, 0, EIO}, /* at a signal */
	{PTRACE_ATTACH, 0, 0, EPERM},
	{PTRACE_SEIZE, 0, 0, EPERM},
	{PTRACE_SEIZE, NONE, 0, EIO},
	{PTRACE_SEIZE, 0, 0x100, EIO},
	{ARCH_PRCTL, 0, 0x9999, EINVAL},
	{ARCH_PRCTL, 0, 0, EINVAL},
	{ARCH_PRCTL, NONE, ARCH_GET_FS, EFAULT},
	{ARCH_PRCTL, NONE, ARCH_GET_GS, EFAULT},
	{ARCH_PRCTL, -1UL, ARCH_SET_FS, EPERM},
	{ARCH_PRCTL, 1UL << 47, ARCH_SET_GS, EPERM},
	{PTRACE_GETEVENTMSG, 0, NONE, EFAULT},
	{PTRACE_GETSIGINFO, 0, NONE, EFAULT},
	{PTRACE_SETSIGINFO, 0, NONE, EFAULT},
	{PTRACE_GETREGSET, NT_PRSTATUS, NONE, EFAULT},
	{PTRACE_GETREGSET, 12345, NONE, EFAULT},
	{PTRACE_SETREGSET, NT_PRSTATUS, NONE, EFAULT},
	{PTRACE_PEEKSIGINFO, NONE, GOOD, EFAULT},
	{PTRACE_PEEKSIGINFO, (uintptr_t)&peek_flags, GOOD, EINVAL},
	{PTRACE_PEEKSIGINFO, (uintptr_t)&peek_negative, GOOD, EINVAL},
	{PTRACE_PEEKSIGINFO, (uintptr_t)&peek_one, NONE, EFAULT}, /* one is pending */
	{PTRACE_GETSIGMASK, 0, GOOD, EINVAL},
	{PTRACE_GETSIGMASK, 4, NONE, EINVAL},
	{PTRACE_GETSIGMASK, 16, GOOD, EINVAL},
	{PTRACE_GETSIGMASK, 1UL << 32 | 8, GOOD, EINVAL},
	{PTRACE_GETSIGMASK, 8, NONE, EFAULT},
	{PTRACE_SETSIGMASK, 4, NONE, EINVAL},
	{PTRACE_SETSIGMASK, 8, NONE, EFAULT},
	{PTRACE_GET_SYSCALL_INFO, 1, NONE, EFAULT},
	{PTRACE_GET_SYSCALL_INFO, 1000, NONE, EFAULT},
};

static void expect_wrong(pid_t pid, const struct wrong *w)
{
	long r;

	errno = 0;
	r = pt(w->request, pid, w->addr, w->data);
	check_count_++;
	if (r == -1 && errno == w->error)
		return;
	check_failures_++;
	check_report_(__FILE__, __LINE__, "wrong argument",
		      ": request %#lx, %#lx, %#lx: %ld, errno %d, not %d", w->request, (long)w->addr,
		      (long)w->data, r, errno, w->error);
}

static int waits_for_usr1(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2);
	raise(SIGUSR1);
	return 0;
}

/* A child at the stop for a signal, another one of its own being pending. */
static pid_t at_signal(void)
{
	pid_t pid = traced_child(waits_for_usr1, NULL);

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	return pid;
}

static void test_wrong(void)
{
	pid_t pid = at_signal();

	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
		expect_wrong(pid, &wrongs[i]);
	/* Nothing of all that has changed it. */
	goes_on(pid);
	/* Whoever lets it go gives the signal as an int. */
	pid = at_signal();
	CHECK_OK(pt(PTRACE_DETACH, pid, 0, 1UL << 32 | SIGTERM));
	EXPECT_END(pid, SIGTERM);
}

static void test_options(void)
{
	static const long numbers[] = {PTRACE_SETOPTIONS, OLDSETOPTIONS};
	const unsigned long suspend = PTRACE_O_SUSPEND_SECCOMP;
	pid_t pid = at_signal();

	for (int i = 0; i < 2; i++) {
		for (int bit = 0; bit < 64; bit++) {
			unsigned long option = 1UL << bit;

			if (option == suspend)
				continue;
			if (option & PTRACE_O_MASK)
				CHECK_OK(pt(numbers[i], pid, 0, option));
			else
				CHECK_ERRNO(pt(numbers[i], pid, 0, option), EINVAL);
		}
		CHECK_ERRNO(pt(numbers[i], pid, 0, PTRACE_O_MASK | 0x100), EINVAL);
		CHECK_OK(pt(numbers[i], pid, NONE, PTRACE_O_MASK & ~suspend));
		if (geteuid())
			CHECK_ERRNO(pt(numbers[i], pid, 0, suspend), EPERM);
		else
			CHECK_OK(pt(numbers[i], pid, 0, suspend));
		CHECK_OK(pt(numbers[i], pid, 0, 0));
	}
	/* The old number sets what the new one does. */
	CHECK_OK(pt(OLDSETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_EXIT));
	goes_on(pid);
}

/* ---- signals ---- */

static void test_siginfo(void)
{
	pid_t pid = at_signal();
	struct ptrace_peeksiginfo_args args = {0, 0, 4};
	siginfo_t info[4];
	char *tail = (char *)&info[0] + 48; /* what the kernel keeps of it ends here */

	/* Its own one is pending, and none of the process's. */
	CHECK_EQ(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, (uintptr_t)info), 1);
	CHECK_EQ(info[0].si_signo, SIGUSR2);
	args.off = 1;
	CHECK_EQ(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, (uintptr_t)info), 0);
	args.off = -1UL;
	CHECK_EQ(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, (uintptr_t)info), 0);
	args = (struct ptrace_peeksiginfo_args){0, 0, 0};
	CHECK_EQ(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, NONE), 0);
	args = (struct ptrace_peeksiginfo_args){0, PTRACE_PEEKSIGINFO_SHARED, 4};
	CHECK_EQ(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, (uintptr_t)info), 0);
	/* Two pages, of which one is there. */
	args = (struct ptrace_peeksiginfo_args){0, 0, 2};
	CHECK_OK(syscall(SYS_tgkill, pid, pid, SIGUSR2 + 30));
	{
		char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(two + 4096, 4096);
		CHECK_EQ(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args,
			    (uintptr_t)two + 4096 - sizeof(siginfo_t)),
			 1);
		munmap(two, 4096);
	}
	/* What has a known layout is taken without its tail; what has none must have no tail. */
	memset(info, 0, sizeof info);
	info[0].si_signo = SIGUSR1;
	info[0].si_code = SI_USER;
	tail[3] = 1;
	CHECK_OK(pt(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&info[0]));
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info[0]));
	CHECK_EQ(tail[3], 0);
	info[0].si_code = 1000;
	CHECK_OK(pt(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&info[0]));
	tail[3] = 1;
	CHECK_ERRNO(pt(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&info[0]), E2BIG);
	info[0].si_code = -70;
	CHECK_ERRNO(pt(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&info[0]), E2BIG);
	info[0].si_signo = SIGSEGV;
	info[0].si_code = SEGV_MAPERR;
	CHECK_OK(pt(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&info[0]));
	kill_and_reap(pid);

	/* A group's stop has no signal to tell of: but what is set is read first. */
	pid = pausing_child();
	CHECK_OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGSTOP));
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_ERRNO(pt(PTRACE_GETSIGINFO, pid, 0, NONE), EINVAL);
	CHECK_ERRNO(pt(PTRACE_SETSIGINFO, pid, 0, NONE), EFAULT);
	memset(info, 0, sizeof info);
	CHECK_ERRNO(pt(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&info[0]), EINVAL);
	kill_and_reap(pid);
}

static void test_sigmask(void)
{
	pid_t pid = at_signal();
	uint64_t mask = ~0UL;

	CHECK_OK(pt(PTRACE_SETSIGMASK, pid, 8, (uintptr_t)&mask));
	CHECK_OK(pt(PTRACE_GETSIGMASK, pid, 8, (uintptr_t)&mask));
	CHECK_EQ(mask, ~(1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1)));
	goes_on(pid);
}

/* What a tracer says of a signal does not make a call's stop of it. */
static void test_syscall_info(void)
{
	pid_t pid = at_signal();
	struct ptrace_syscall_info call;
	siginfo_t info;

	CHECK_EQ(pt(PTRACE_GET_SYSCALL_INFO, pid, 0, NONE), 24);
	CHECK_EQ(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, (uintptr_t)&call), 24);
	CHECK_EQ(call.op, PTRACE_SYSCALL_INFO_NONE);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	info.si_code = SIGTRAP | 0x80;
	CHECK_OK(pt(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK_EQ(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, (uintptr_t)&call), 24);
	CHECK_EQ(call.op, PTRACE_SYSCALL_INFO_NONE);
	goes_on(pid);
}

/* ---- what newer kernels have ---- */

/* Whether the kernel knows @request at all. */
static int knows(long request)
{
	pid_t pid = at_signal();
	int known = pt(request, pid, 0, NONE) != -1 || errno != EIO;

	kill_and_reap(pid);
	return known;
}

static void test_newer(void)
{
	static const struct wrong sets[] = {
		{GET_DISPATCH, 0, GOOD, EINVAL},
		{GET_DISPATCH, 31, NONE, EINVAL},
		{GET_DISPATCH, 1UL << 32 | 32, GOOD, EINVAL},
		{GET_DISPATCH, 32, NONE, EFAULT},
		{SET_DISPATCH, 0, GOOD, EINVAL},
		{SET_DISPATCH, 33, NONE, EINVAL},
		{SET_DISPATCH, 32, NONE, EFAULT},
		{SET_SYSCALL_INFO, 0, NONE, EINVAL},
		{SET_SYSCALL_INFO, sizeof(struct ptrace_syscall_info) - 1, GOOD, EINVAL},
		{SET_SYSCALL_INFO, sizeof(struct ptrace_syscall_info), NONE, EFAULT},
		{SET_SYSCALL_INFO, sizeof(struct ptrace_syscall_info), GOOD, EINVAL}, /* no call's stop */
		{PTRACE_GET_RSEQ_CONFIGURATION, 24, NONE, EFAULT},
		{PTRACE_GET_RSEQ_CONFIGURATION, 1, NONE, EFAULT},
	};
	pid_t pid = at_signal();

	memset(good, 0, sizeof good);
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
		if (knows(sets[i].request))
			expect_wrong(pid, &sets[i]);
	if (knows(PTRACE_GET_RSEQ_CONFIGURATION))
		CHECK_EQ(pt(PTRACE_GET_RSEQ_CONFIGURATION, pid, 0, NONE), 24);
	goes_on(pid);
}

/* Filters are for the privileged to see; who is not hears of no other fault. */
static void test_filters(void)
{
	pid_t pid = at_signal();
	struct seccomp_metadata m = {0, 0};
	uintptr_t at = (uintptr_t)&m;

	if (geteuid()) {
		CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_FILTER, pid, 0, NONE), EACCES);
		CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_METADATA, pid, 0, NONE), EACCES);
	} else {
		CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_FILTER, pid, 0, NONE), EINVAL);
		CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_METADATA, pid, 0, NONE), EINVAL);
		CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_METADATA, pid, 7, at), EINVAL);
		CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_METADATA, pid, 8, NONE), EFAULT);
		CHECK_ERRNO(pt(PTRACE_SECCOMP_GET_METADATA, pid, 8, at), EINVAL); /* it has none */
	}
	goes_on(pid);
}

int main(void)
{
	ptrace_begin(1);
	test_absent();
	test_states();
	test_traceme();
	test_widths();
	test_wrong();
	test_options();
	test_siginfo();
	test_sigmask();
	test_syscall_info();
	test_newer();
	test_filters();
	return check_done();
}
