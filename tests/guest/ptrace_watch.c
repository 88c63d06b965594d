/* SPDX-License-Identifier: Apache-2.0 */
/* Shows the debug registers of traced processes: watched words, breakpoints, what is refused, what an exec leaves. */
#include "ptrace.h"

#define DR(n)       offsetof(struct user, u_debugreg[n])
#define WRITE4(n)   (1UL << (2 * (n)) | 0xdUL << (16 + 4 * (n)))
#define EXECUTE1(n) (1UL << (2 * (n)))

static volatile int words[4];
static char *self;

__attribute__((noinline)) static void target(void)
{
	__asm__ volatile("nop");
}

static int writes(void *arg)
{
	words[0] = 1;
	words[1] = 2;
	words[0] = 3;
	target();
	return words[0];
}

static unsigned long dr(pid_t pid, int n)
{
	unsigned long value = ~0UL;

	CHECK_OK(pt(PTRACE_PEEKUSR, pid, DR(n), (uintptr_t)&value));
	return value;
}

static int child_word(pid_t pid, int i)
{
	unsigned long value = ~0UL;

	CHECK_OK(pt(PTRACE_PEEKDATA, pid, (uintptr_t)&words[i], (uintptr_t)&value));
	return (int)value;
}

/* The register that tells what has happened: reserved bits are set, on older kernels clear. */
static void expect_status(pid_t pid, unsigned long status)
{
	const unsigned long reserved = 0xffff0ff0, got = dr(pid, 6);

	CHECK_EQ(got & ~reserved, status);
	CHECK((got & reserved) == reserved || !(got & reserved));
}

static void hit(pid_t pid, int n)
{
	siginfo_t info;

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
	CHECK_EQ(info.si_code, TRAP_HWBKPT);
	expect_status(pid, 1UL << n);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(6), 0));
	CHECK_EQ(dr(pid, 6), 0);
}

static void test_hits(void)
{
	pid_t pid = traced_child(writes, NULL);
	struct user_regs_struct regs;

	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(0), (uintptr_t)&words[0]));
	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(2), (uintptr_t)&words[1]));
	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(3), (uintptr_t)target));
	if (pt(PTRACE_POKEUSR, pid, DR(7), WRITE4(0) | WRITE4(2) | EXECUTE1(3)) &&
	    (errno == ENOSPC || errno == EOPNOTSUPP || errno == ENODEV)) {
		kill_and_reap(pid);
		check_skip("no debug registers");
	}
	CHECK_EQ(dr(pid, 0), (uintptr_t)&words[0]);
	CHECK_EQ(dr(pid, 7) & 0xff, 0x51);
	hit(pid, 0);
	CHECK_EQ(child_word(pid, 0), 1);
	hit(pid, 2);
	CHECK_EQ(child_word(pid, 1), 2);
	hit(pid, 0);
	CHECK_EQ(child_word(pid, 0), 3);
	hit(pid, 3);
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	CHECK_EQ(regs.rip, (uintptr_t)target);
	CHECK_EQ(regs.eflags & 0x100, 0);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(7), 0));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 3 << 8);
}

/* A step is told there, too, and what was told before is forgotten. */
static void test_status(void)
{
	pid_t pid = traced_child(writes, NULL);

	expect_status(pid, 0);
	for (unsigned long said = 0; said < 2; said++) {
		CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(6), said));
		CHECK_EQ(dr(pid, 6), said);
		CHECK_OK(pt(PTRACE_SINGLESTEP, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK_OK(pt(PTRACE_SINGLESTEP, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		expect_status(pid, 0x4000);
	}
	kill_and_reap(pid);
}

static int executes(void *arg)
{
	execl(self, self, "exit", NULL);
	return 90;
}

static void test_exec(void)
{
	pid_t pid = traced_child(executes, NULL);

	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(0), (uintptr_t)&words[0]));
	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(7), WRITE4(0)));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_EQ(dr(pid, 7) & 0xff, 0);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, EXECUTED_STATUS << 8);
}

static void test_errors(void)
{
	pid_t pid = traced_child(writes, NULL);

	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, DR(4), 1), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, DR(5), 1), EIO);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, DR(0), -4096UL), EINVAL);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(0), (uintptr_t)&words[0] + 1));
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, DR(7), WRITE4(0)), EINVAL);
	CHECK_EQ(dr(pid, 7), 0);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, DR(7), EXECUTE1(0) | 3UL << 18), EINVAL);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, DR(7), 1 | 2UL << 16), EINVAL);
	/* What is in use is moved to where it may be, or stays. */
	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(0), (uintptr_t)&words[1]));
	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(7), WRITE4(0)));
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, DR(0), (uintptr_t)&words[0] + 1), EINVAL);
	CHECK_ERRNO(pt(PTRACE_POKEUSR, pid, DR(0), -4UL), EINVAL);
	CHECK_EQ(dr(pid, 0), (uintptr_t)&words[1]);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, DR(0), (uintptr_t)&words[2]));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 3 << 8);
}

int main(int argc, char **argv)
{
	self = ptrace_begin(argc);
	test_hits();
	test_status();
	test_exec();
	test_errors();
	return check_done();
}
