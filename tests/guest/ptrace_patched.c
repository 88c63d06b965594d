/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stops in calls that libc makes again and again, so that husk has rewritten the places they are made from: a tracer sees the
 * program's own bytes, and registers as the instruction leaves them; and what it changes there has its effect.
 */
#include <fcntl.h>
#include <sched.h>

#include "ptrace.h"

static int calls_again(void *arg)
{
	char byte;
	long r = 0;

	for (;;) {
		r += getppid();
		r += read(-1, &byte, 1);
		r += lseek(-1, 0, 0);
	}
	return (int)r;
}

/* Traced behind a hundred rounds of calls. */
static int warm(int (*body)(void *arg), void *arg)
{
	char byte;

	for (int i = 0; i < 100; i++) {
		getppid();
		(void)!read(-1, &byte, 1);
		lseek(-1, 0, 0);
	}
	raise(SIGSTOP);
	return body(arg);
}

static int calls_warm(void *arg)
{
	return warm(calls_again, arg);
}

static pid_t warm_child(int (*body)(void *arg), void *arg)
{
	pid_t pid = traced_child(body, arg);

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGSTOP);
	return pid;
}

/* The word at @addr. */
static unsigned long word_at(pid_t pid, unsigned long addr)
{
	unsigned long word = 0;

	CHECK_OK(pt(PTRACE_PEEKTEXT, pid, addr, (uintptr_t)&word));
	return word;
}

static void to_call(pid_t pid, long nr, int entry, struct user_regs_struct *regs)
{
	for (int i = 0; i < 20; i++) {
		CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)regs));
		if ((long)regs->orig_rax == nr && entry == ((long)regs->rax == -ENOSYS))
			return;
	}
	CHECK(!"there");
}

static const long numbers[] = {SYS_getppid, SYS_read, SYS_lseek};

static void test_registers(void)
{
	pid_t pid = warm_child(calls_warm, NULL);
	struct user_regs_struct regs;
	unsigned char bytes[16], seen[16];
	struct iovec to = {bytes, sizeof bytes}, from;

	for (int i = 0; i < 3; i++)
		for (int entry = 1; entry >= 0; entry--) {
			to_call(pid, numbers[i], entry, &regs);
			CHECK_EQ(word_at(pid, regs.rip - 2) & 0xffff, 0x050f);
			CHECK_EQ(regs.rcx, regs.rip);
			CHECK_EQ(regs.r11 & 0x44, regs.eflags & 0x44);
			/* All ways to read see the same. */
			from = (struct iovec){(void *)(regs.rip - 8), sizeof bytes};
			CHECK_EQ(process_vm_readv(pid, &to, 1, &from, 1, 0), sizeof bytes);
			for (int k = 0; k < 2; k++) {
				unsigned long word = word_at(pid, regs.rip - 8 + 8 * k);

				memcpy(seen + 8 * k, &word, 8);
			}
			CHECK(!memcmp(bytes, seen, sizeof bytes));
			/* And it is what this process has there, which nobody traces. */
			CHECK_EQ(seen[6], 0x0f);
			CHECK_EQ(seen[7], 0x05);
		}
	kill_and_reap(pid);
}

/* One instruction behind each call. */
static void test_step(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = warm_child(calls_warm, NULL);
		struct user_regs_struct regs, next;

		to_call(pid, numbers[i], 0, &regs);
		CHECK_OK(pt(PTRACE_SINGLESTEP, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&next));
		if ((word_at(pid, regs.rip) & 0xff) == 0xc3) {
			CHECK_EQ(next.rip, word_at(pid, regs.rsp));
		} else {
			CHECK(next.rip > regs.rip && next.rip <= regs.rip + 15);
		}
		CHECK_EQ(next.rcx, regs.rcx);
		kill_and_reap(pid);
	}
}

/* A breakpoint right where the call returns to; then the call and what follows go on as ever. */
static void test_breakpoint(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = warm_child(calls_warm, NULL);
		struct user_regs_struct regs, there;
		unsigned long word;

		to_call(pid, numbers[i], 0, &regs);
		word = word_at(pid, regs.rip);
		CHECK_OK(pt(PTRACE_POKETEXT, pid, regs.rip, (word & ~0xffUL) | 0xcc));
		for (int round = 0; round < 3; round++) {
			CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
			EXPECT_STOP(pid, SIGTRAP);
			CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&there));
			CHECK_EQ(there.rip, regs.rip + 1);
			CHECK_EQ(there.rcx, regs.rip);
			/* Over it, and into the next round. */
			CHECK_OK(pt(PTRACE_POKETEXT, pid, regs.rip, word));
			CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.rip), regs.rip));
			CHECK_OK(pt(PTRACE_SINGLESTEP, pid, 0, 0));
			EXPECT_STOP(pid, SIGTRAP);
			CHECK_OK(pt(PTRACE_POKETEXT, pid, regs.rip, (word & ~0xffUL) | 0xcc));
		}
		CHECK_OK(pt(PTRACE_POKETEXT, pid, regs.rip, word));
		to_call(pid, numbers[(i + 1) % 3], 1, &there);
		kill_and_reap(pid);
	}
}

/* ---- changes ---- */

static int vector_kept(void *arg)
{
	unsigned long value;

	for (;;) {
		__asm__ volatile("movq %0, %%xmm7" : : "r"(1UL) : "xmm7");
		getppid();
		__asm__ volatile("movq %%xmm7, %0" : "=r"(value));
		if (value == 0x1234567)
			return 0;
		if (value != 1)
			return 1;
	}
}

static int vector_warm(void *arg)
{
	return warm(vector_kept, arg);
}

/* Vector registers, which nobody has saved when the call began. */
static void test_vectors(void)
{
	pid_t pid = warm_child(vector_warm, NULL);
	struct user_fpregs_struct fp;
	struct user_regs_struct regs;
	static char state[16384];
	struct iovec iov = {state, sizeof state};
	unsigned long value = 0x1234567;

	to_call(pid, SYS_getppid, 1, &regs);
	CHECK_OK(pt(PTRACE_GETREGSET, pid, 0x202 /* NT_X86_XSTATE */, (uintptr_t)&iov));
	CHECK(iov.iov_len >= 576);
	CHECK_EQ(*(unsigned long *)(state + 160 + 7 * 16), 1);
	CHECK_OK(pt(PTRACE_GETFPREGS, pid, 0, (uintptr_t)&fp));
	CHECK_EQ(*(unsigned long *)((char *)fp.xmm_space + 7 * 16), 1);
	to_call(pid, SYS_getppid, 0, &regs);
	CHECK_OK(pt(PTRACE_GETFPREGS, pid, 0, (uintptr_t)&fp));
	memcpy((char *)fp.xmm_space + 7 * 16, &value, 8);
	CHECK_OK(pt(PTRACE_SETFPREGS, pid, 0, (uintptr_t)&fp));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
}

static int becomes_fork(void *arg)
{
	pid_t pid = getppid();
	int status = 0;

	if (!pid)
		_exit(7);
	return waitpid(pid, &status, 0) == pid && status == 7 << 8 ? 0 : 1;
}

static int fork_warm(void *arg)
{
	return warm(becomes_fork, arg);
}

/* Of a call from such a place becomes one that begins with a whole context. */
static void test_other_call(void)
{
	pid_t pid = warm_child(fork_warm, NULL);
	struct user_regs_struct regs;

	to_call(pid, SYS_getppid, 1, &regs);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), SYS_fork));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	for (;;) {
		int ended, stop = stop_of(pid, &ended);

		if (stop < 0) {
			CHECK_EQ(ended, 0);
			break;
		}
		CHECK_EQ(stop, SIGCHLD);
		CHECK_OK(pt(PTRACE_CONT, pid, 0, stop));
	}
}

/* Registers that a call leaves alone, or changes, are the tracer's. */
static void test_set_registers(void)
{
	pid_t pid = warm_child(calls_warm, NULL);
	struct user_regs_struct regs, now;

	for (int i = 0; i < 3; i++) {
		to_call(pid, numbers[i], 0, &regs);
		regs.rcx = 0x1111;
		regs.r11 = 0x202;
		CHECK_OK(pt(PTRACE_SETREGS, pid, 0, (uintptr_t)&regs));
		CHECK_OK(pt(PTRACE_SINGLESTEP, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&now));
		CHECK_EQ(now.rcx, 0x1111);
		CHECK_EQ(now.r11, 0x202);
	}
	kill_and_reap(pid);
}

/* Whether @ip lies in this program or in the library with its calls: where either is, is the host's to choose. */
static int in_program(unsigned long ip)
{
	const unsigned long size = 4 << 20;

	return ip - (unsigned long)calls_again + size < 2 * size ||
	       ip - (unsigned long)read + size < 2 * size;
}

/* Attached to, let go, and traced again in the middle of its calls. */
static void test_attach(void)
{
	struct user_regs_struct regs;
	pid_t pid = fork();

	if (!pid)
		_exit(calls_again(NULL));
	for (int i = 0; i < 20; i++) {
		CHECK_OK(pt(PTRACE_SEIZE, pid, 0, 0));
		CHECK_OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
		EXPECT_STOP(pid, EVENT_STOP_OF(SIGTRAP));
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
		CHECK(in_program(regs.rip));
		to_call(pid, numbers[i % 3], i & 1, &regs);
		CHECK_EQ(regs.rcx, regs.rip);
		CHECK_OK(pt(PTRACE_DETACH, pid, 0, 0));
	}
	kill_and_reap(pid);
}

int main(void)
{
	ptrace_begin(1);
	test_registers();
	test_step();
	test_breakpoint();
	test_vectors();
	test_other_call();
	test_set_registers();
	test_attach();
	return check_done();
}
