/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows traced processes that make one step at a time: over instructions, calls and into handlers, and with calls that are
 * not made (PTRACE_SYSEMU_SINGLESTEP).
 */
#include "ptrace.h"

#define SYSEMU            31
#define SYSEMU_SINGLESTEP 32
#define SINGLEBLOCK       33

/* ---- code ---- */

static int on_usr1;

static void on_signal(int signo)
{
	on_usr1 = signo;
}

static int raise_usr1(void *arg)
{
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	return on_usr1;
}

/* Its call is made, or answered by the tracer with @arg. */
static int step_code(void *arg)
{
	long r;

	__asm__ volatile("int3\n\t"
			 "nop\n\t"
			 "mov %1, %%eax\n\t"
			 "syscall\n\t"
			 "nop\n\t"
			 "nop"
			 : "=&a"(r)
			 : "i"(SYS_getppid)
			 : "rcx", "r11", "memory");
	return r == (arg ? (long)arg : getppid()) ? 0 : 1;
}

/* ---- steps ---- */

static unsigned long rip_of(pid_t pid)
{
	struct user_regs_struct regs;

	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	CHECK_EQ(regs.eflags & 0x100, 0);
	return regs.rip;
}

static void step_by(long request, pid_t pid, int code)
{
	siginfo_t info;

	CHECK_OK(pt(request, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK_EQ(info.si_code, code);
	CHECK_EQ((unsigned long)info.si_addr, rip_of(pid));
}

static void step(pid_t pid, int code)
{
	step_by(PTRACE_SINGLESTEP, pid, code);
}

/* A child at the breakpoint, and where it is. */
static pid_t at_breakpoint(int (*body)(void *arg), void *arg, unsigned long *at)
{
	pid_t pid = traced_child(body, arg);
	siginfo_t info;

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK_EQ(info.si_code, SI_KERNEL);
	*at = rip_of(pid);
	return pid;
}

static void test_step(void)
{
	unsigned long at;
	pid_t pid = at_breakpoint(step_code, NULL, &at);

	step(pid, TRAP_TRACE);
	CHECK_EQ(rip_of(pid), at + 1);
	step(pid, TRAP_TRACE);
	CHECK_EQ(rip_of(pid), at + 6);
	/* Behind the call, not an instruction later. */
	step(pid, TRAP_BRKPT);
	CHECK_EQ(rip_of(pid), at + 8);
	step(pid, TRAP_TRACE);
	CHECK_EQ(rip_of(pid), at + 9);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
}

/* To the next branch, or a step where the processor cannot tell: from one instruction to another that comes behind it. */
static void test_block(void)
{
	unsigned long at;
	pid_t pid = at_breakpoint(step_code, NULL, &at);
	siginfo_t info;

	CHECK_OK(pt(SINGLEBLOCK, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK(rip_of(pid) > at);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK(info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
}

/* A step with a signal ends at the handler's first instruction. */
static void test_step_handler(void)
{
	pid_t pid = traced_child(raise_usr1, NULL);
	siginfo_t info;

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_OK(pt(PTRACE_SINGLESTEP, pid, 0, SIGUSR1));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_EQ(rip_of(pid), (unsigned long)on_signal);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK_EQ(info.si_code, SIGTRAP);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, SIGUSR1 << 8);
}

/* ---- calls that are not made ---- */

#define ANSWER 4711

static void answer(pid_t pid)
{
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), ANSWER));
}

/* A child at the stop of a call that will not be made, reached by steps. */
static pid_t at_emulated(unsigned long *at)
{
	pid_t pid = at_breakpoint(step_code, (void *)(long)ANSWER, at);
	struct ptrace_syscall_info call;
	struct user_regs_struct regs;
	siginfo_t info;

	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	step_by(SYSEMU_SINGLESTEP, pid, TRAP_TRACE);
	CHECK_EQ(rip_of(pid), *at + 1);
	step_by(SYSEMU_SINGLESTEP, pid, TRAP_TRACE);
	CHECK_EQ(rip_of(pid), *at + 6);
	CHECK_OK(pt(SYSEMU_SINGLESTEP, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK_EQ(info.si_code, SIGTRAP | 0x80);
	CHECK_EQ(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, (uintptr_t)&call), 80);
	CHECK_EQ(call.op, PTRACE_SYSCALL_INFO_ENTRY);
	CHECK_EQ(call.entry.nr, SYS_getppid);
	CHECK_EQ(rip_of(pid), *at + 8);
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	CHECK_EQ((long)regs.rax, -ENOSYS);
	answer(pid);
	return pid;
}

static void test_emulated(void)
{
	unsigned long at;
	pid_t pid;

	/* Such a call has no end: the step is over behind the next instruction. */
	pid = at_emulated(&at);
	step_by(SYSEMU_SINGLESTEP, pid, TRAP_TRACE);
	CHECK_EQ(rip_of(pid), at + 9);
	goes_on(pid);
	/* With an ordinary step it has. */
	pid = at_emulated(&at);
	step(pid, TRAP_BRKPT);
	CHECK_EQ(rip_of(pid), at + 8);
	goes_on(pid);
	/* And for who looks at calls; it is not made for that. */
	pid = at_emulated(&at);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
	CHECK_EQ(rip_of(pid), at + 8);
	goes_on(pid);
	pid = at_emulated(&at);
	goes_on(pid);
}

/* A call that was to be made is, whatever comes behind it. */
static void test_emulated_late(void)
{
	static const long requests[] = {SYSEMU, SYSEMU_SINGLESTEP};

	for (int i = 0; i < 2; i++) {
		unsigned long at;
		pid_t pid = at_breakpoint(step_code, NULL, &at);

		CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK_EQ(rip_of(pid), at + 8);
		answer(pid);
		if (requests[i] == SYSEMU_SINGLESTEP) {
			step_by(SYSEMU_SINGLESTEP, pid, TRAP_TRACE);
			CHECK_EQ(rip_of(pid), at + 9);
			goes_on(pid);
			continue;
		}
		/* The next one is getppid() again, which nobody makes. */
		CHECK_OK(pt(SYSEMU, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK(rip_of(pid) != at + 8);
		CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rax), getpid()));
		goes_on(pid);
	}
}

/* Into a handler, too. */
static void test_emulated_handler(void)
{
	pid_t pid = traced_child(raise_usr1, NULL);

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGUSR1);
	CHECK_OK(pt(SYSEMU_SINGLESTEP, pid, 0, SIGUSR1));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_EQ(rip_of(pid), (unsigned long)on_signal);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, SIGUSR1 << 8);
}

int main(void)
{
	ptrace_begin(1);
	test_step();
	test_block();
	test_step_handler();
	test_emulated();
	test_emulated_late();
	test_emulated_handler();
	return check_done();
}
