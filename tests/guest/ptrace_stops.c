/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows the stops of traced processes: signals, calls, group stops and interrupts, and what tracers can make of them.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "ptrace.h"

/* ---- signals ---- */

static volatile int handled;
static volatile siginfo_t handled_info;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	handled = signo;
	handled_info = *info;
}

static void catch (int signo)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO;
	sigaction(signo, &sa, NULL);
}

static int raise_usr1(void *arg)
{
	catch (SIGUSR1);
	catch (SIGUSR2);
	raise(SIGUSR1);
	return handled;
}

static void test_signal(void)
{
	siginfo_t info;
	pid_t pid;

	/* Delivered. */
	pid = traced_child(raise_usr1, NULL);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK_EQ(info.si_signo, SIGUSR1);
	CHECK_EQ(info.si_code, SI_TKILL);
	CHECK_EQ(info.si_pid, pid);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGUSR1));
	EXPECT_END(pid, SIGUSR1 << 8);

	/* Dropped. */
	pid = traced_child(raise_usr1, NULL);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);

	/* Another. */
	pid = traced_child(raise_usr1, NULL);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGUSR2));
	EXPECT_END(pid, SIGUSR2 << 8);

	/* Fatal, and an ignored one that only tracers see. */
	pid = traced_child(raise_usr1, NULL);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGWINCH));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGTERM));
	EXPECT_END(pid, SIGTERM);
}

static int report_value(void *arg)
{
	catch (SIGUSR1);
	raise(SIGUSR1);
	return handled_info.si_value.sival_int;
}

static void test_setsiginfo(void)
{
	pid_t pid = traced_child(report_value, NULL);
	siginfo_t info;

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	info.si_code = SI_QUEUE;
	info.si_value.sival_int = 77;
	CHECK_OK(pt(PTRACE_SETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGUSR1));
	EXPECT_END(pid, 77 << 8);
}

static int ignore_winch(void *arg)
{
	raise(SIGWINCH);
	signal(SIGUSR2, SIG_IGN);
	raise(SIGUSR2);
	return 5;
}

static void test_ignored(void)
{
	pid_t pid = traced_child(ignore_winch, NULL);

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGWINCH);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGWINCH));
	EXPECT_STOP(pid, SIGUSR2);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGUSR2));
	EXPECT_END(pid, 5 << 8);
}

static int blocks(void *arg)
{
	sigset_t set;

	catch (SIGUSR1);
	catch (SIGUSR2);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	if (handled)
		return 1;
	sigpending(&set);
	return sigismember(&set, SIGUSR2) ? 2 : 3;
}

/* A signal in another's place that is blocked waits. */
static void test_blocked(void)
{
	pid_t pid = traced_child(blocks, NULL);
	struct ptrace_peeksiginfo_args args = {0, 0, 4};
	siginfo_t info[4];
	uint64_t mask = 0;

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_OK(pt(PTRACE_GETSIGMASK, pid, 8, (uintptr_t)&mask));
	CHECK_EQ(mask, 1UL << (SIGUSR2 - 1));
	CHECK_EQ(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, (uintptr_t)info), 0);
	CHECK_OK(kill(pid, SIGUSR2));
	args.flags = PTRACE_PEEKSIGINFO_SHARED;
	CHECK_EQ(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, (uintptr_t)info), 1);
	CHECK_EQ(info[0].si_signo, SIGUSR2);
	CHECK_EQ(info[0].si_pid, getpid());
	args.off = 1;
	CHECK_EQ(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&args, (uintptr_t)info), 0);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGUSR2));
	EXPECT_END(pid, 2 << 8);

	pid = traced_child(blocks, NULL);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	mask = ~0UL;
	CHECK_OK(pt(PTRACE_SETSIGMASK, pid, 8, (uintptr_t)&mask));
	CHECK_OK(pt(PTRACE_GETSIGMASK, pid, 8, (uintptr_t)&mask));
	CHECK_EQ(mask, ~(1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1)));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGUSR2));
	EXPECT_END(pid, 2 << 8);
}

/* ---- calls ---- */

static int make_calls(void *arg)
{
	long r = syscall(SYS_lseek, 1000, 2, 3);
	int error = errno;
	long s = syscall(SYS_getppid);

	return r == -1 && error == EBADF && s == 4242 ? 0 : 1;
}

#define SET_SYSCALL_INFO 0x4212

static void get_info(pid_t pid, struct ptrace_syscall_info *info, long size)
{
	memset(info, 0xaa, sizeof *info);
	CHECK_EQ(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof *info, (uintptr_t)info), size);
}

static void test_calls(void)
{
	pid_t pid = traced_child(make_calls, NULL);
	struct ptrace_syscall_info info;
	struct user_regs_struct regs;
	unsigned long message = 7;
	siginfo_t si;

	get_info(pid, &info, 24);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_NONE);
	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	do {
		CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP | 0x80);
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	} while (regs.orig_rax != SYS_lseek);
	get_info(pid, &info, 80);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_ENTRY);
	CHECK_EQ(info.arch, 0xc000003e);
	CHECK_EQ(info.instruction_pointer, regs.rip);
	CHECK_EQ(info.stack_pointer, regs.rsp);
	CHECK_EQ(info.entry.nr, SYS_lseek);
	CHECK_EQ(info.entry.args[0], 1000);
	CHECK_EQ(info.entry.args[2], 3);
	CHECK_EQ((long)regs.rax, -ENOSYS);
	CHECK_EQ(regs.rcx, regs.rip);
	CHECK_OK(pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&message));
	CHECK_EQ(message, PTRACE_EVENTMSG_SYSCALL_ENTRY);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&si));
	CHECK_EQ(si.si_signo, SIGTRAP);
	CHECK_EQ(si.si_code, SIGTRAP | 0x80);
	CHECK_EQ(si.si_pid, pid);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
	get_info(pid, &info, 33);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
	CHECK_EQ(info.exit.rval, -EBADF);
	CHECK_EQ(info.exit.is_error, 1);
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	CHECK_EQ(regs.orig_rax, SYS_lseek);
	CHECK_OK(pt(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&message));
	CHECK_EQ(message, PTRACE_EVENTMSG_SYSCALL_EXIT);
	/* A short buffer gets what fits. */
	memset(&info, 0xaa, sizeof info);
	CHECK_EQ(pt(PTRACE_GET_SYSCALL_INFO, pid, 1, (uintptr_t)&info), 33);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
	CHECK_EQ(info.pad[0], 0xaa);
	/* The next call's result is ours. */
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), 4242));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
}

static int call_getppid(void *arg)
{
	return syscall(SYS_getppid, 1, 2, 3) == (long)arg ? 0 : 1;
}

static void to_entry(pid_t pid, long nr)
{
	struct user_regs_struct regs;

	for (;;) {
		CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
		if (stop_of(pid, NULL) != SIGTRAP)
			return;
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
		if ((long)regs.orig_rax == nr && (long)regs.rax == -ENOSYS)
			return;
	}
}

/* The same by what describes a call (Linux 6.16). */
static void test_set_info(void)
{
	struct ptrace_syscall_info info = {0};
	pid_t pid = traced_child(call_getppid, (void *)77L);
	long err;

	CHECK_ERRNO(pt(SET_SYSCALL_INFO, pid, sizeof info - 1, (uintptr_t)&info), EINVAL);
	errno = 0;
	err = pt(SET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info) ? errno : 0;
	kill_and_reap(pid);
	/* Kernels before that have no such request. */
	if (err == EIO)
		return;
	CHECK_EQ(err, EINVAL); /* no stop of a call */
	pid = traced_child(call_getppid, (void *)77L);
	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	do {
		CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP | 0x80);
		CHECK(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info) > 0);
	} while (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_getppid);
	CHECK_ERRNO(pt(SET_SYSCALL_INFO, pid, sizeof info, 8), EFAULT);
	info.pad[0] = 1;
	CHECK_ERRNO(pt(SET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info), EINVAL);
	info.pad[0] = 0;
	info.op = PTRACE_SYSCALL_INFO_EXIT;
	CHECK_ERRNO(pt(SET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info), EINVAL);
	info.op = PTRACE_SYSCALL_INFO_ENTRY;
	info.entry.nr = 1UL << 32;
	CHECK_ERRNO(pt(SET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info), ERANGE);
	info.entry.nr = SYS_close;
	info.entry.args[0] = 12345;
	CHECK_OK(pt(SET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info));
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
	CHECK_EQ(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info), 33);
	CHECK_EQ(info.exit.rval, -EBADF);
	info.exit.rval = 77;
	info.exit.is_error = 0;
	CHECK_OK(pt(SET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
}

static void test_change(void)
{
	pid_t pid;

	/* Another call. */
	pid = traced_child(call_getppid, (void *)(long)-EBADF);
	to_entry(pid, SYS_getppid);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), SYS_close));
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rdi), 12345));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 1 << 8); /* -1 with errno */
	/* None, with a result. */
	pid = traced_child(call_getppid, (void *)99L);
	to_entry(pid, SYS_getppid);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), -1));
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), 99));
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
	/* None, and without a result ENOSYS. */
	pid = traced_child(call_getppid, (void *)-1L);
	to_entry(pid, SYS_getppid);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), -1));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
	/* A signal at the exit stop. */
	pid = traced_child(call_getppid, (void *)99L);
	to_entry(pid, SYS_getppid);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGTERM));
	EXPECT_STOP(pid, SIGTERM);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGTERM));
	EXPECT_END(pid, SIGTERM);
	/* Emulated. */
	pid = traced_child(call_getppid, (void *)31L);
	for (;;) {
		struct user_regs_struct regs;

		CHECK_OK(pt(PTRACE_SYSEMU, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
		CHECK_EQ((long)regs.rax, -ENOSYS);
		if (regs.orig_rax == SYS_getppid)
			break;
	}
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), 31));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
}

static int sleep_long(void *arg)
{
	struct timespec ts = {1000, 0};
	int r;

	catch (SIGUSR1);
	r = nanosleep(&ts, NULL);
	return r == -1 && errno == EINTR ? handled : 1;
}

/* The registers at the signal's stop show the call that was interrupted. */
static void test_restart(void)
{
	pid_t pid = traced_child(sleep_long, NULL);
	struct user_regs_struct regs;

	to_entry(pid, SYS_clock_nanosleep);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	CHECK_OK(kill(pid, SIGWINCH));
	EXPECT_STOP(pid, SIGWINCH);
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	CHECK_EQ((long)regs.rax, -516 /* ERESTART_RESTARTBLOCK */);
	CHECK_EQ(regs.orig_rax, SYS_clock_nanosleep);
	to_entry(pid, SYS_restart_syscall);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	CHECK_OK(kill(pid, SIGUSR1));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	CHECK_EQ((long)regs.rax, -516);
	CHECK_EQ(regs.orig_rax, SYS_restart_syscall);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGUSR1));
	EXPECT_END(pid, SIGUSR1 << 8);
}

/* ---- group stops ---- */

static void test_group_stop(void)
{
	pid_t pid = pausing_child();
	siginfo_t info;

	CHECK_OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	/* The stop takes place. */
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGSTOP));
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_ERRNO(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info), EINVAL);
	/* Whoever attached goes on, though the group has stopped. */
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	CHECK_OK(kill(pid, SIGCONT));
	EXPECT_STOP(pid, SIGCONT);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	/* A SIGCONT between the signal and its effect undoes it. */
	CHECK_OK(kill(pid, SIGTSTP));
	EXPECT_STOP(pid, SIGTSTP);
	CHECK_OK(kill(pid, SIGCONT));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGTSTP));
	EXPECT_STOP(pid, SIGCONT);
	CHECK_OK(pt(PTRACE_DETACH, pid, 0, 0));
	kill_and_reap(pid);
}

static void test_seize(void)
{
	pid_t pid = pausing_child();
	siginfo_t info;

	CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
	CHECK_EQ(waitpid(pid, NULL, WNOHANG | __WALL), 0);
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK_EQ(info.si_code, EVENT_STOP_OF(SIGTRAP));
	/* In a stop, it means another one. */
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));

	CHECK_OK(kill(pid, SIGSTOP));
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_ERRNO(pt(PTRACE_LISTEN, pid, 0, 0), EIO);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGSTOP));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGSTOP));
	CHECK_OK(pt(PTRACE_LISTEN, pid, 0, 0));
	CHECK_ERRNO(pt(PTRACE_CONT, pid, 0, 0), ESRCH);
	CHECK_EQ(waitpid(pid, NULL, WNOHANG | __WALL), 0);
	/* Out of listening by SIGCONT, and by an interrupt. */
	CHECK_OK(kill(pid, SIGCONT));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGCONT);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	CHECK_OK(kill(pid, SIGSTOP));
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGSTOP));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGSTOP));
	CHECK_OK(pt(PTRACE_LISTEN, pid, 0, 0));
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGSTOP));
	/* The group has stopped: let go, it stays so. */
	CHECK_OK(pt(PTRACE_DETACH, pid, 0, 0));
	CHECK_EQ(waitpid(pid, NULL, WUNTRACED | WNOHANG), pid);
	kill_and_reap(pid);
}

/* Who has stopped already is attached to in its stop, and not let run in between. */
static void test_attach_stopped(void)
{
	pid_t pid = pausing_child();
	int status;

	CHECK_OK(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGSTOP));
	CHECK_OK(pt(PTRACE_DETACH, pid, 0, 0));

	CHECK_OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EXPECT_STOP(pid, SIGSTOP);
	/* It is not told of a signal, so that none can be put in its place. */
	CHECK_OK(pt(PTRACE_DETACH, pid, 0, SIGTERM));
	kill_and_reap(pid);
}

/* ---- waiting ---- */

static volatile int chld;
static volatile siginfo_t chld_info;

static void on_chld(int signo, siginfo_t *info, void *context)
{
	chld_info = *info;
	chld++;
}

static void test_waitid(void)
{
	struct sigaction sa;
	siginfo_t info;
	pid_t pid;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = on_chld;
	sa.sa_flags = SA_SIGINFO | SA_RESTART;
	sigaction(SIGCHLD, &sa, NULL);
	pid = pausing_child();
	CHECK_OK(pt(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT));
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	memset(&info, 0, sizeof info);
	/* Stops are told whether they are asked for or not, and stay with WNOWAIT. */
	CHECK_OK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	CHECK_EQ(info.si_code, CLD_TRAPPED);
	CHECK_EQ(info.si_status, EVENT_STOP_OF(SIGTRAP));
	CHECK_OK(waitid(P_PID, pid, &info, WSTOPPED));
	CHECK_EQ(info.si_code, CLD_TRAPPED);
	CHECK_EQ(waitpid(pid, NULL, WNOHANG | WUNTRACED), 0);
	while (!chld)
		sched_yield();
	CHECK_EQ(chld_info.si_code, CLD_STOPPED);
	CHECK_EQ(chld_info.si_pid, pid);
	kill(pid, SIGKILL);
	EXPECT_STOP(pid, EVENT(PTRACE_EVENT_EXIT));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, SIGKILL);
	signal(SIGCHLD, SIG_DFL);
}

static pid_t waited_for;

static void *waits(void *arg)
{
	int status = 0;

	CHECK_ERRNO(waitpid(waited_for, &status, WNOHANG | __WALL | __WNOTHREAD), ECHILD);
	CHECK_EQ(waitpid(waited_for, &status, __WALL), waited_for);
	CHECK_EQ(status >> 8, EVENT_STOP_OF(SIGTRAP));
	return NULL;
}

/* Any thread of the tracer's process is told, unless it asks for its own children alone; once is enough. */
static void test_other_thread(void)
{
	pid_t pid = pausing_child();
	pthread_t thread;

	CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	waited_for = pid;
	CHECK_EQ(pthread_create(&thread, NULL, waits, NULL), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(waitpid(pid, NULL, WNOHANG | __WALL | __WNOTHREAD), 0);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	kill_and_reap(pid);
}

int main(void)
{
	ptrace_begin(1);
	test_signal();
	test_setsiginfo();
	test_ignored();
	test_blocked();
	test_calls();
	test_change();
	test_set_info();
	test_restart();
	test_group_stop();
	test_seize();
	test_attach_stopped();
	test_waitid();
	test_other_thread();
	return check_done();
}
