/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syscall User Dispatch and tracers: the configuration as a checkpointer reads and restores it, in force when the thread
 * goes on, traced or not; dispatched calls, which no tracer sees as calls, only as signals. Skipped where the host has
 * no PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG.
 */
#include <signal.h>
#include <ucontext.h>

#include "dispatch.h"
#include "ptrace.h"

#define GET_CONFIG 0x4211
#define SET_CONFIG 0x4210
#define FOREIGN    0x1234
#define ANSWER     4711

struct config {
	uint64_t mode, selector, offset, len;
};

static volatile unsigned char selector;
static volatile int seen;

static void handler(int signo, siginfo_t *info, void *uc)
{
	selector = 0;
	seen += info->si_code == 2;
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RAX] = ANSWER;
}

static __attribute__((noinline)) long call(long nr)
{
	long r = nr;

	__asm__ volatile("syscall" : "+a"(r) : : "rcx", "r11", "memory");
	return r;
}

static void catches(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigaction(SIGSYS, &sa, NULL);
}

static struct config get(pid_t pid)
{
	struct config c = {9, 9, 9, 9};

	CHECK_OK(pt(GET_CONFIG, pid, sizeof c, (uintptr_t)&c));
	return c;
}

static void expect_config(pid_t pid, uint64_t mode, uint64_t sel, uint64_t offset, uint64_t len)
{
	struct config c = get(pid);

	CHECK_EQ(c.mode, mode);
	CHECK_EQ(c.selector, sel);
	CHECK_EQ(c.offset, offset);
	CHECK_EQ(c.len, len);
}

/* ---- arguments ---- */

static int ends(void *arg)
{
	return 0;
}

static void arguments(void)
{
	pid_t pid = traced_child(ends, NULL);
	struct config c = {EXCLUSIVE, 0, 0, 0};
	const struct {
		struct config c;
		int error;
	} wrong[] = {
		{{0, 0, 1, 0}, EINVAL},
		{{0, 0, 0, 1}, EINVAL},
		{{0, (uintptr_t)&selector, 0, 0}, EINVAL},
		{{3, 0, 0, 0}, EINVAL},
		{{1UL << 32, 0, 0, 0}, EINVAL},
		{{EXCLUSIVE, 0, 1, 0}, EINVAL},
		{{EXCLUSIVE, 0, 1, -1UL}, EINVAL},
		{{EXCLUSIVE, -1UL, 0, 0}, EFAULT},
	};

	expect_config(pid, 0, 0, 0, 0);
	CHECK_ERRNO(pt(GET_CONFIG, pid, sizeof c - 1, (uintptr_t)&c), EINVAL);
	CHECK_ERRNO(pt(SET_CONFIG, pid, sizeof c + 1, (uintptr_t)&c), EINVAL);
	CHECK_ERRNO(pt(GET_CONFIG, pid, 0, (uintptr_t)&c), EINVAL);
	CHECK_ERRNO(pt(GET_CONFIG, pid, sizeof c, 8), EFAULT);
	CHECK_ERRNO(pt(SET_CONFIG, pid, sizeof c, 8), EFAULT);
	CHECK_OK(pt(SET_CONFIG, pid, sizeof c, (uintptr_t)&c));
	expect_config(pid, EXCLUSIVE, 0, 0, 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		CHECK_ERRNO(pt(SET_CONFIG, pid, sizeof c, (uintptr_t)&wrong[i].c), wrong[i].error);
	/* What was refused has changed nothing. */
	expect_config(pid, EXCLUSIVE, 0, 0, 0);
	c = (struct config){EXCLUSIVE, (uintptr_t)&selector, 0x1000, 0x2000};
	CHECK_OK(pt(SET_CONFIG, pid, sizeof c, (uintptr_t)&c));
	expect_config(pid, EXCLUSIVE, (uintptr_t)&selector, 0x1000, 0x2000);
	c = (struct config){0, 0, 0, 0};
	CHECK_OK(pt(SET_CONFIG, pid, sizeof c, (uintptr_t)&c));
	expect_config(pid, 0, 0, 0, 0);
	/* Running threads are nobody's to ask. */
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
	CHECK_ERRNO(pt(GET_CONFIG, pid, sizeof c, (uintptr_t)&c), ESRCH);
}

/* An inclusive range is told as the exclusive one that leaves the rest alone, and cannot be given back so. */
static int inclusive(void *arg)
{
	dispatch(INCLUSIVE, (void *)0x1000, 0x1000, &selector);
	raise(SIGSTOP);
	return 0;
}

static void inclusive_range(void)
{
	struct config c;
	pid_t pid;

	if (dispatch(INCLUSIVE, (void *)1, 1, NULL))
		return; /* before Linux 6.17 */
	CHECK_OK(dispatch(OFF, NULL, 0, NULL));
	pid = traced_child(inclusive, NULL);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGSTOP);
	expect_config(pid, EXCLUSIVE, (uintptr_t)&selector, 0x2000, -0x1000UL);
	c = get(pid);
	CHECK_ERRNO(pt(SET_CONFIG, pid, sizeof c, (uintptr_t)&c), EINVAL);
	kill_and_reap(pid);
}

/* ---- in force ---- */

static int makes_calls(void *arg)
{
	long parent = getppid();
	int wrong = 0;

	for (int i = 0; i < 200; i++) {
		selector = BLOCK;
		wrong += call(FOREIGN) != ANSWER;
		wrong += call(SYS_getppid) != parent;
		selector = BLOCK;
		wrong += call(SYS_getppid) != ANSWER;
		wrong += call(SYS_getppid) != parent;
	}
	return wrong ? 1 : seen == 400 ? 0 : 2;
}

static int calls_then_more(void *arg)
{
	long parent = getppid();

	catches();
	/* Known places by now. */
	for (int i = 0; i < 100; i++)
		if (call(SYS_getppid) != parent)
			return 3;
	raise(SIGSTOP);
	return makes_calls(arg);
}

/* Given to a thread by its tracer, who leaves it then. */
static void restored(void)
{
	struct config c = {EXCLUSIVE, (uintptr_t)&selector, 0, 0};
	pid_t pid = traced_child(calls_then_more, NULL);

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_OK(pt(SET_CONFIG, pid, sizeof c, (uintptr_t)&c));
	CHECK_OK(pt(PTRACE_DETACH, pid, 0, 0));
	EXPECT_END(pid, 0);
	CHECK_EQ(seen, 0);
}

/* With a tracer who looks at calls: those that are dispatched are signals to it, the others calls. */
static int two_calls(void *arg)
{
	catches();
	dispatch(EXCLUSIVE, NULL, 0, &selector);
	raise(SIGSTOP);
	selector = BLOCK;
	call(FOREIGN);
	return call(SYS_getppid) == getppid() && seen == 1 ? 0 : 1;
}

static void seen_by_tracer(void)
{
	pid_t pid = traced_child(two_calls, NULL);
	struct user_regs_struct regs;
	int signals = 0, foreign = 0, parents = 0, stop, ended = -1;
	siginfo_t info;

	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGSTOP);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	while ((stop = stop_of(pid, &ended)) != -1) {
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
		if (stop == SIGSYS) {
			CHECK_OK(pt(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info));
			CHECK_EQ(info.si_code, 2);
			CHECK_EQ(info.si_syscall, FOREIGN);
			CHECK_EQ(regs.rax, FOREIGN);
			signals++;
		} else {
			CHECK_EQ(stop, SIGTRAP | 0x80);
			foreign += regs.orig_rax == FOREIGN;
			parents += regs.orig_rax == SYS_getppid;
		}
		CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, stop == SIGSYS ? SIGSYS : 0));
	}
	CHECK_EQ(ended, 0);
	CHECK_EQ(signals, 1);
	CHECK_EQ(foreign, 0);
	CHECK_EQ(parents, 4); /* in and out, twice */
}

int main(void)
{
	struct config c;
	pid_t pid;

	ptrace_begin(1);
	dispatch_needed();
	pid = traced_child(ends, NULL);
	if (pt(GET_CONFIG, pid, sizeof c, (uintptr_t)&c) && errno == EIO) {
		kill_and_reap(pid);
		check_skip("the host has no PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG");
	}
	kill_and_reap(pid);
	arguments();
	inclusive_range();
	restored();
	seen_by_tracer();
	return check_done();
}
