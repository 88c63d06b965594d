/* SPDX-License-Identifier: Apache-2.0 */
/* Shows handlers: SA_ flags, masks, nesting, siginfo by sender, ignored and pending signals, real-time
 * queues. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static volatile int seen[65], order[64], norder, depth, max_depth;
static volatile siginfo_t last;
static sigset_t mask_inside;

static void note(int signo, siginfo_t *info, void *context)
{
	(void)context;
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	seen[signo]++;
	if (norder < 64)
		order[norder++] = info ? info->si_value.sival_int : 0;
	if (info)
		last = *info;
	sigprocmask(SIG_BLOCK, NULL, &mask_inside);
	depth--;
}

static void plain(int signo)
{
	seen[signo]++;
}

static void handle(int signo, int flags, int also_masked)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = note;
	sa.sa_flags = flags | SA_SIGINFO;
	sigemptyset(&sa.sa_mask);
	if (also_masked)
		sigaddset(&sa.sa_mask, also_masked);
	CHECK_EQ(sigaction(signo, &sa, NULL), 0);
}

static void test_flags(void)
{
	struct sigaction sa;

	handle(SIGUSR1, 0, SIGUSR2);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(seen[SIGUSR1], 1);
	CHECK(sigismember(&mask_inside, SIGUSR1) == 1);
	CHECK(sigismember(&mask_inside, SIGUSR2) == 1);
	CHECK(sigismember(&mask_inside, SIGHUP) == 0);
	sigprocmask(SIG_BLOCK, NULL, &mask_inside);
	CHECK(sigismember(&mask_inside, SIGUSR1) == 0);

	handle(SIGUSR1, SA_NODEFER, 0);
	raise(SIGUSR1);
	CHECK(sigismember(&mask_inside, SIGUSR1) == 0);

	handle(SIGUSR2, SA_RESETHAND, 0);
	raise(SIGUSR2);
	CHECK_EQ(seen[SIGUSR2], 1);
	CHECK_EQ(sigaction(SIGUSR2, NULL, &sa), 0);
	CHECK(sa.sa_handler == SIG_DFL);
	CHECK(sa.sa_flags & SA_RESETHAND);

	CHECK(signal(SIGHUP, plain) == SIG_DFL);
	raise(SIGHUP);
	CHECK_EQ(seen[SIGHUP], 1);
	CHECK(signal(SIGHUP, SIG_IGN) == plain);
	raise(SIGHUP);
	CHECK_EQ(seen[SIGHUP], 1);
	signal(SIGHUP, SIG_DFL);

	memset(&sa, 0, sizeof sa);
	CHECK_ERRNO(sigaction(SIGKILL, &sa, NULL), EINVAL);
	CHECK_EQ(sigaction(SIGKILL, NULL, &sa), 0);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, 8L, NULL, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, 7, &mask_inside, NULL, 8), EINVAL);
	CHECK_EQ(syscall(SYS_rt_sigprocmask, 7, NULL, &mask_inside, 8), 0);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 8L, NULL, 8), EFAULT);
}

static void block(int signo, int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(how, &set, NULL);
}

static void test_pending(void)
{
	sigset_t set;

	handle(SIGUSR1, 0, 0);
	seen[SIGUSR1] = 0;
	block(SIGUSR1, SIG_BLOCK);
	raise(SIGUSR1);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	sigpending(&set);
	CHECK(sigismember(&set, SIGUSR1) == 1);
	CHECK(sigismember(&set, SIGUSR2) == 0);
	CHECK_EQ(seen[SIGUSR1], 0);
	block(SIGUSR1, SIG_UNBLOCK);
	CHECK_EQ(seen[SIGUSR1], 2); /* once for the thread, once for the process */
	sigpending(&set);
	CHECK(sigismember(&set, SIGUSR1) == 0);

	/* Blocked and ignored: kept until it would be delivered, dropped when the disposition is set again. */
	block(SIGUSR1, SIG_BLOCK);
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	sigpending(&set);
	CHECK(sigismember(&set, SIGUSR1) == 1);
	signal(SIGUSR1, SIG_IGN);
	sigpending(&set);
	CHECK(sigismember(&set, SIGUSR1) == 0);
	block(SIGUSR1, SIG_UNBLOCK);
	CHECK_ERRNO(syscall(SYS_rt_sigpending, &set, 16), EINVAL);
}

static void test_realtime(void)
{
	union sigval v;
	int rt = SIGRTMIN + 1;

	handle(rt, 0, 0);
	handle(rt + 1, 0, 0);
	norder = 0;
	block(rt, SIG_BLOCK);
	block(rt + 1, SIG_BLOCK);
	for (int i = 0; i < 5; i++) {
		v.sival_int = 100 + i;
		CHECK_EQ(sigqueue(getpid(), rt + 1, v), 0);
		v.sival_int = i;
		CHECK_EQ(sigqueue(getpid(), rt, v), 0);
	}
	sigset_t both;
	sigemptyset(&both);
	sigaddset(&both, rt);
	sigaddset(&both, rt + 1);
	max_depth = 0;
	sigprocmask(SIG_UNBLOCK, &both, NULL);
	CHECK_EQ(norder, 10);
	/* Frames are stacked lowest number first, so the highest number's handler runs first; each in order. */
	int at[2] = {0, 0};
	for (int i = 0; i < norder; i++) {
		int high = order[i] >= 100;
		CHECK_EQ(order[i] % 100, at[high]);
		at[high]++;
	}
	CHECK_EQ(last.si_code, SI_QUEUE);
	CHECK_EQ(last.si_pid, getpid());
	CHECK_EQ(last.si_uid, getuid());

	struct rlimit old, few;
	getrlimit(RLIMIT_SIGPENDING, &old);
	few = old;
	few.rlim_cur = 3;
	setrlimit(RLIMIT_SIGPENDING, &few);
	block(rt, SIG_BLOCK);
	int ok = 0, error = 0;
	for (int i = 0; i < 8; i++) {
		if (!sigqueue(getpid(), rt, v))
			ok++;
		else
			error = errno;
	}
	CHECK(ok <= 3);
	CHECK_EQ(error, EAGAIN);
	setrlimit(RLIMIT_SIGPENDING, &old);
	block(rt, SIG_UNBLOCK);
}

static void test_siginfo(void)
{
	siginfo_t info;
	pid_t child;
	int status;

	handle(SIGUSR1, 0, 0);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(last.si_signo, SIGUSR1);
	CHECK_EQ(last.si_code, SI_USER);
	CHECK_EQ(last.si_pid, getpid());
	CHECK_EQ(last.si_uid, getuid());
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	CHECK_EQ(last.si_code, SI_TKILL);

	memset(&info, 0, sizeof info);
	info.si_code = -77;
	info.si_pid = 4711;
	info.si_value.sival_ptr = (void *)0x123456789abcUL;
	CHECK_EQ(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info), 0);
	CHECK_EQ(last.si_code, -77);
	CHECK_EQ(last.si_pid, 4711);
	CHECK(last.si_value.sival_ptr == (void *)0x123456789abcUL);
	CHECK_EQ(last.si_signo, SIGUSR1);
	info.si_code = SI_USER;
	CHECK_EQ(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info), 0);
	CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info), EPERM);
	CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, 8L), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, 0, gettid(), SIGUSR1, &info), EINVAL);

	handle(SIGCHLD, 0, 0);
	child = fork();
	if (!child)
		_exit(42);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(seen[SIGCHLD], 1);
	CHECK_EQ(last.si_code, CLD_EXITED);
	CHECK_EQ(last.si_pid, child);
	CHECK_EQ(last.si_status, 42);
	child = fork();
	if (!child) {
		signal(SIGTERM, SIG_DFL);
		raise(SIGTERM);
		_exit(1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && !WCOREDUMP(status));
	CHECK_EQ(last.si_code, CLD_KILLED);
	CHECK_EQ(last.si_status, SIGTERM);
	signal(SIGCHLD, SIG_DFL);
}

static sigjmp_buf again;
static volatile char *volatile low = (volatile char *)16;

static void on_fault(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen[signo]++;
	last = *info;
	siglongjmp(again, 1);
}

static void test_faults(void)
{
	struct sigaction sa;
	char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = on_fault;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	if (!sigsetjmp(again, 1))
		*(volatile char *)(page + 17) = 1;
	CHECK_EQ(last.si_code, SEGV_ACCERR);
	CHECK(last.si_addr == page + 17);
	munmap(page, 8192);
	if (!sigsetjmp(again, 1))
		(void)*(volatile char *)(page + 4096);
	CHECK_EQ(last.si_code, SEGV_MAPERR);
	CHECK(last.si_addr == page + 4096);
	if (!sigsetjmp(again, 1)) {
		int number = 1, high = 0;

		__asm__ volatile("idivl %2" : "+a"(number), "+d"(high) : "r"(0));
	}
	CHECK_EQ(seen[SIGFPE], 1);
	CHECK_EQ(last.si_code, FPE_INTDIV);
	if (!sigsetjmp(again, 1))
		__asm__ volatile("ud2");
	CHECK_EQ(seen[SIGILL], 1);
	CHECK_EQ(last.si_code, ILL_ILLOPN);
	if (!sigsetjmp(again, 1))
		__asm__ volatile("int3");
	CHECK_EQ(seen[SIGTRAP], 1);
	CHECK_EQ(last.si_code, SI_KERNEL);
	if (!sigsetjmp(again, 1)) /* not a canonical address */
		(void)*(volatile char *)0x8000000000000000UL;
	CHECK_EQ(last.si_code, SI_KERNEL);

	/* A fault whose signal is blocked, or ignored, ends the process all the same. */
	for (int way = 0; way < 2; way++) {
		int status;
		pid_t child = fork();

		if (!child) {
			if (way)
				signal(SIGSEGV, SIG_IGN);
			else
				block(SIGSEGV, SIG_BLOCK);
			*low = 1;
			_exit(0);
		}
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	}
	/* But one that was sent can be ignored. */
	signal(SIGSEGV, SIG_IGN);
	kill(getpid(), SIGSEGV);
}

static void nested(int signo)
{
	seen[signo]++;
	if (signo == SIGUSR1) {
		seen[SIGUSR2] = 0;
		raise(SIGUSR2);
		CHECK_EQ(seen[SIGUSR2], 1);
	}
}

int main(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	test_flags();
	test_pending();
	test_realtime();
	test_siginfo();
	test_faults();
	signal(SIGUSR1, nested);
	signal(SIGUSR2, nested);
	seen[SIGUSR1] = 0;
	raise(SIGUSR1);
	CHECK_EQ(seen[SIGUSR1], 1);
	return check_done();
}
