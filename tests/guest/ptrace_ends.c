/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what is refused to tracers, and what the ends of tracers and traced processes mean for each other: errors in
 * Linux's order, tracers and traced killed at any stop, zombies that two wait for, threads.
 */
#include <elf.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "ptrace.h"

/* ---- errors ---- */

static void test_errors(void)
{
	pid_t pid = pausing_child();
	unsigned long word;

	CHECK_ERRNO(pt(PTRACE_ATTACH, 999999, 0, 0), ESRCH);
	CHECK_ERRNO(pt(PTRACE_CONT, 999999, 0, 0), ESRCH);
	CHECK_ERRNO(pt(12345, 999999, 0, 0), ESRCH);
	CHECK_ERRNO(pt(12345, pid, 0, 0), ESRCH);
	CHECK_ERRNO(pt(PTRACE_CONT, pid, 0, 0), ESRCH);
	CHECK_ERRNO(pt(PTRACE_KILL, pid, 0, 0), ESRCH);
	CHECK_ERRNO(pt(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
	CHECK_ERRNO(pt(PTRACE_SEIZE, getpid(), 0, 0), EPERM);
	CHECK_ERRNO(pt(PTRACE_SEIZE, pid, 8, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_SEIZE, pid, 0, 0x400000), EIO);
	CHECK_ERRNO(pt(PTRACE_SEIZE, getpid(), 0, 0x400000), EIO);

	CHECK_OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_ERRNO(pt(PTRACE_ATTACH, pid, 0, 0), EPERM);
	CHECK_ERRNO(pt(PTRACE_SEIZE, pid, 0, 0), EPERM);
	CHECK_ERRNO(pt(12345, pid, 0, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_INTERRUPT, pid, 0, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_LISTEN, pid, 0, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_SETOPTIONS, pid, 0, 0x400000), EINVAL);
	CHECK_ERRNO(pt(PTRACE_SETOPTIONS, pid, 0, 0x100), EINVAL);
	CHECK_ERRNO(pt(PTRACE_CONT, pid, 0, 65), EIO);
	CHECK_ERRNO(pt(PTRACE_CONT, pid, 0, -1UL), EIO);
	CHECK_ERRNO(pt(PTRACE_SYSCALL, pid, 0, 65), EIO);
	CHECK_ERRNO(pt(PTRACE_DETACH, pid, 0, 65), EIO);
	CHECK_ERRNO(pt(PTRACE_GETSIGMASK, pid, 4, (uintptr_t)&word), EINVAL);
	CHECK_ERRNO(pt(PTRACE_SETSIGMASK, pid, 16, (uintptr_t)&word), EINVAL);
	CHECK_ERRNO(pt(PTRACE_GETSIGMASK, pid, 8, 8), EFAULT);
	CHECK_ERRNO(pt(PTRACE_SETSIGMASK, pid, 8, 8), EFAULT);
	CHECK_ERRNO(pt(PTRACE_GETSIGINFO, pid, 0, 8), EFAULT);
	CHECK_ERRNO(pt(PTRACE_SETSIGINFO, pid, 0, 8), EFAULT);
	CHECK_ERRNO(pt(PTRACE_GETEVENTMSG, pid, 0, 8), EFAULT);
	CHECK_ERRNO(pt(PTRACE_GET_SYSCALL_INFO, pid, 80, 8), EFAULT);
	CHECK_ERRNO(pt(PTRACE_PEEKSIGINFO, pid, 8, 0), EFAULT);
	CHECK_ERRNO(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t) & (struct ptrace_peeksiginfo_args){0, 2, 1}, 0),
		    EINVAL);
	CHECK_ERRNO(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t) & (struct ptrace_peeksiginfo_args){0, 0, -1}, 0),
		    EINVAL);
	CHECK_OK(pt(PTRACE_KILL, pid, 0, 0));
	EXPECT_END(pid, SIGKILL);
	CHECK_ERRNO(pt(PTRACE_CONT, pid, 0, 0), ESRCH);
}

/* Init is not an ordinary user's to trace. */
static void test_init(void)
{
	char byte;
	struct iovec iov = {&byte, 1};

	if (!geteuid())
		return;
	CHECK_ERRNO(pt(PTRACE_ATTACH, 1, 0, 0), EPERM);
	CHECK_ERRNO(pt(PTRACE_SEIZE, 1, 0, 0), EPERM);
	CHECK_ERRNO(pt(PTRACE_CONT, 1, 0, 0), ESRCH);
	CHECK_ERRNO(syscall(SYS_process_vm_readv, 1, &iov, 1, &iov, 1, 0), EPERM);
}

/* ---- registers ---- */

#define USER_AREA 928 /* the kernel's struct user is longer than libc's */

static void test_registers(void)
{
	pid_t pid = pausing_child();
	struct user_regs_struct r, s;
	struct user_fpregs_struct fp;
	static char x[16384];
	struct iovec iov = {&r, sizeof r};
	unsigned long word, xcr0;
	size_t xsize;

	CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
	CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&s));
	CHECK_OK(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov));
	CHECK_EQ(iov.iov_len, sizeof r);
	CHECK(!memcmp(&r, &s, sizeof r));
	CHECK_EQ(r.cs, 0x33);
	CHECK_EQ(r.ss, 0x2b);
	iov.iov_len = 16;
	CHECK_OK(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov));
	CHECK_EQ(iov.iov_len, 16);
	iov.iov_len = 4096;
	CHECK_OK(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov));
	CHECK_EQ(iov.iov_len, sizeof r);
	iov.iov_len = 12;
	CHECK_ERRNO(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov), EINVAL);
	iov.iov_len = sizeof r;
	CHECK_ERRNO(pt(PTRACE_GETREGSET, pid, 12345, (uintptr_t)&iov), EINVAL);
	CHECK_ERRNO(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, 8), EFAULT);
	iov.iov_base = (void *)8;
	CHECK_ERRNO(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov), EFAULT);
	CHECK_ERRNO(pt(PTRACE_SETREGSET, pid, NT_PRSTATUS, (uintptr_t)&iov), EFAULT);
	CHECK_ERRNO(pt(PTRACE_GETREGS, pid, 0, 8), EFAULT);
	CHECK_ERRNO(pt(PTRACE_SETREGS, pid, 0, 8), EFAULT);
	r.rbx = 0x1122;
	r.eflags |= 0x200000 | 1; /* ID is not a tracer's to set */
	CHECK_OK(pt(PTRACE_SETREGS, pid, 0, (uintptr_t)&r));
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&s));
	CHECK_EQ(s.rbx, 0x1122);
	CHECK_EQ(s.eflags & 0x200001, 1);
	CHECK_ERRNO(pt(PTRACE_PEEKUSR, pid, 4, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(PTRACE_PEEKUSR, pid, USER_AREA, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(PTRACE_PEEKUSR, pid, -8UL, (uintptr_t)&word), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, 4, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, USER_AREA, 0), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.cs), 0), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.ss), 0x28), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.fs_base), -1UL), EIO);
	CHECK_OK(pt(PTRACE_PEEKUSR, pid, offsetof(struct user, regs.rbx), (uintptr_t)&word));
	CHECK_EQ(word, 0x1122);
	CHECK_OK(pt(PTRACE_PEEKUSR, pid, offsetof(struct user, u_debugreg[7]), (uintptr_t)&word));
	CHECK_EQ(word, 0);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, offsetof(struct user, u_debugreg[4]), 1), EIO);

	CHECK_OK(pt(PTRACE_GETFPREGS, pid, 0, (uintptr_t)&fp));
	fp.xmm_space[0] = 0xabcd1234;
	fp.mxcsr |= 0x8000;
	CHECK_OK(pt(PTRACE_SETFPREGS, pid, 0, (uintptr_t)&fp));
	memset(&fp, 0, sizeof fp);
	iov = (struct iovec){&fp, sizeof fp};
	CHECK_OK(pt(PTRACE_GETREGSET, pid, NT_PRFPREG, (uintptr_t)&iov));
	CHECK_EQ(fp.xmm_space[0], 0xabcd1234);
	CHECK_EQ(fp.mxcsr & 0x8000, 0x8000);
	fp.mxcsr = 0xffffffff;
	CHECK_ERRNO(pt(PTRACE_SETREGSET, pid, NT_PRFPREG, (uintptr_t)&iov), EINVAL);
	iov.iov_len = 16;
	CHECK_ERRNO(pt(PTRACE_SETREGSET, pid, NT_PRFPREG, (uintptr_t)&iov), EINVAL);
	iov = (struct iovec){x, sizeof x};
	CHECK_OK(pt(PTRACE_GETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&iov));
	xsize = iov.iov_len;
	CHECK(xsize >= 576 && xsize < sizeof x);
	memcpy(&xcr0, x + 464, sizeof xcr0);
	CHECK_EQ(xcr0 & 3, 3);
	CHECK_EQ(*(unsigned *)(x + 160), 0xabcd1234);
	*(unsigned *)(x + 176) = 0x5555aaaa;
	CHECK_OK(pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&iov));
	CHECK_OK(pt(PTRACE_GETFPREGS, pid, 0, (uintptr_t)&fp));
	CHECK_EQ(fp.xmm_space[4], 0x5555aaaa);
	iov.iov_len = xsize - 8;
	CHECK_ERRNO(pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&iov), EFAULT);
	iov.iov_len = xsize;
	x[512 + 8 + 16] = 1; /* a reserved word of the header */
	CHECK_ERRNO(pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (uintptr_t)&iov), EINVAL);
	kill_and_reap(pid);
}

/* ---- who may ---- */

static int lowers_itself(void *arg)
{
	raise(SIGUSR1);
	return 0;
}

static void test_rights(void)
{
	pid_t pid, tracer;
	int status, ready[2];
	char byte;

	/* Not twice, not by two. */
	pid = traced_child(lowers_itself, NULL);
	tracer = fork();
	if (!tracer) {
		CHECK_ERRNO(pt(PTRACE_ATTACH, pid, 0, 0), EPERM);
		CHECK_ERRNO(pt(PTRACE_CONT, pid, 0, 0), ESRCH);
		CHECK_ERRNO(pt(PTRACE_KILL, pid, 0, 0), ESRCH);
		CHECK_ERRNO(pt(PTRACE_PEEKUSR, pid, 0, (uintptr_t)&status), ESRCH);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(tracer, &status, 0), tracer);
	CHECK_EQ(status, 0);
	kill_and_reap(pid);
	pid = fork();
	if (!pid) {
		CHECK_OK(pt(PTRACE_TRACEME, 0, 0, 0));
		CHECK_ERRNO(pt(PTRACE_TRACEME, 0, 0, 0), EPERM);
		_exit(check_failed());
	}
	EXPECT_END(pid, 0);
	if (geteuid())
		return;
	/* Other ids; one that may not be dumped. */
	CHECK_OK(pipe(ready));
	pid = fork();
	if (!pid) {
		if (setresuid(4321, 4321, 4321) || write(ready[1], "", 1) != 1)
			_exit(95);
		for (;;)
			pause();
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	tracer = fork();
	if (!tracer) {
		struct iovec iov = {&byte, 1};

		if (setresuid(1234, 1234, 1234))
			_exit(94);
		CHECK_ERRNO(pt(PTRACE_ATTACH, pid, 0, 0), EPERM);
		CHECK_ERRNO(pt(PTRACE_SEIZE, pid, 0, 0), EPERM);
		CHECK_ERRNO(syscall(SYS_process_vm_readv, pid, &iov, 1, &iov, 1, 0), EPERM);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(tracer, &status, 0), tracer);
	CHECK_EQ(status, 0);
	kill_and_reap(pid);
	close(ready[0]);
	close(ready[1]);
}

static void *keeps(void *arg)
{
	*(pid_t *)arg = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

/* A thread of one's own group. */
static void test_own_thread(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		static volatile pid_t tid;
		pthread_t t;

		pthread_create(&t, NULL, keeps, (void *)&tid);
		while (!tid)
			sched_yield();
		CHECK_ERRNO(pt(PTRACE_ATTACH, tid, 0, 0), EPERM);
		CHECK_ERRNO(pt(PTRACE_SEIZE, tid, 0, 0), EPERM);
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

/* ---- ends ---- */

/* A tracer that brings @pid to a stop and is killed there; what @pid says tells whether it lives. */
static void tracer_dies(int how, unsigned long options, int expected)
{
	int status, ready[2];
	pid_t tracer, pid;
	char byte;

	CHECK_OK(pipe(ready));
	pid = fork();
	if (!pid) {
		signal(SIGUSR1, SIG_DFL);
		for (;;)
			syscall(SYS_getppid);
	}
	tracer = fork();
	if (!tracer) {
		if (pt(PTRACE_SEIZE, pid, 0, options))
			_exit(93);
		switch (how) {
		case 0: /* it runs */
			break;
		case 1:
			pt(PTRACE_INTERRUPT, pid, 0, 0);
			stop_of(pid, NULL);
			break;
		case 2: /* in a call's stop */
			pt(PTRACE_INTERRUPT, pid, 0, 0);
			stop_of(pid, NULL);
			pt(PTRACE_SYSCALL, pid, 0, 0);
			stop_of(pid, NULL);
			break;
		case 3: /* in a signal's */
			kill(pid, SIGUSR1);
			stop_of(pid, NULL);
			break;
		case 4: /* of which nobody has heard */
			kill(pid, SIGUSR1);
			waitid(P_PID, pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
			break;
		}
		if (write(ready[1], "", 1) != 1)
			_exit(92);
		for (;;)
			pause();
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	kill(tracer, SIGKILL);
	CHECK_EQ(waitpid(tracer, &status, 0), tracer);
	if (!expected) {
		/* It goes on; nobody traces it. */
		CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
		CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
		CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
		EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
		kill_and_reap(pid);
	} else {
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, expected);
	}
	close(ready[0]);
	close(ready[1]);
}

static void test_tracer_dies(void)
{
	for (int how = 0; how < 4; how++) {
		tracer_dies(how, 0, 0);
		tracer_dies(how, PTRACE_O_EXITKILL, SIGKILL);
	}
	tracer_dies(4, 0, SIGUSR1);
}

static int spins(void *arg)
{
	for (;;)
		syscall(SYS_getppid);
	return 0;
}

static int usr1_forever(void *arg)
{
	for (;;)
		raise(SIGUSR1);
	return 0;
}

/* Killed at a stop: its tracer's requests say that it is gone, and it can be waited for. */
static void test_traced_dies(void)
{
	unsigned long word;
	pid_t pid;

	pid = traced_child(usr1_forever, NULL);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	kill(pid, SIGKILL);
	EXPECT_END(pid, SIGKILL);
	CHECK_ERRNO(pt(PTRACE_PEEKUSR, pid, 0, (uintptr_t)&word), ESRCH);

	pid = traced_child(spins, NULL);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	kill(pid, SIGKILL);
	EXPECT_END(pid, SIGKILL);

	pid = traced_child(spins, NULL);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	kill(pid, SIGKILL);
	EXPECT_END(pid, SIGKILL);

	pid = traced_child(spins, NULL);
	CHECK_OK(pt(PTRACE_SINGLESTEP, pid, 0, 0));
	kill(pid, SIGKILL);
	while (stop_of(pid, NULL) != -1)
		;
}

/* A stranger traces our child: it hears of the end first, then we do. */
static void test_stranger(void)
{
	int status, ready[2], go[2];
	pid_t pid, tracer;
	siginfo_t info;
	char byte;

	CHECK_OK(pipe(ready));
	CHECK_OK(pipe(go));
	pid = pausing_child();
	tracer = fork();
	if (!tracer) {
		CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
		kill(pid, SIGKILL);
		CHECK_OK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
		CHECK_EQ(write(ready[1], "", 1), 1);
		CHECK_EQ(read(go[0], &byte, 1), 1);
		EXPECT_END(pid, SIGKILL);
		_exit(check_failed());
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK_EQ(write(go[1], "", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, SIGKILL);
	CHECK_EQ(waitpid(tracer, &status, 0), tracer);
	CHECK_EQ(status, 0);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	ptrace_begin(1);
	test_errors();
	test_init();
	test_registers();
	test_rights();
	test_own_thread();
	test_tracer_dies();
	test_traced_dies();
	test_stranger();
	return check_done();
}
