/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tracers ask again and again behind each stop (husk's stub may know the answers beforehand): they are right also
 * when the tracer has changed the stopped process, somebody else has killed it, another has something to tell, or nobody
 * asks anything any more.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>

#include "ptrace.h"

static volatile int *shared;

static int calls(void *arg)
{
	for (int i = 0; i < (int)(long)arg; i++)
		syscall(SYS_lseek, 1000 + i, 2, 3);
	return 0;
}

static int counts(void *arg)
{
	for (;;) {
		shared[0]++;
		syscall(SYS_getppid);
	}
	return 0;
}

static long info_of(pid_t pid, struct ptrace_syscall_info *info)
{
	memset(info, 0xaa, sizeof *info);
	return pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof *info, (uintptr_t)info);
}

static pid_t any_stop(void)
{
	int status = 0;
	pid_t pid = (pid_t)syscall(SYS_wait4, -1, &status, __WALL, NULL);

	CHECK(pid > 0);
	return WIFSTOPPED(status) ? pid : 0;
}

static long more(void)
{
	return syscall(SYS_wait4, -1, NULL, WNOHANG | __WALL, NULL);
}

static void go_on(pid_t pid)
{
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
}

static pid_t begin(int (*body)(void *arg), void *arg)
{
	pid_t pid = traced_child(body, arg);

	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	go_on(pid);
	return pid;
}

/* As strace(1) goes. */
static void test_loop(void)
{
	pid_t pid = begin(calls, (void *)200L);
	struct ptrace_syscall_info info;
	struct user_regs_struct regs;
	int entries = 0, exits = 0;

	while (any_stop() == pid) {
		CHECK_EQ(more(), 0);
		CHECK(info_of(pid, &info) > 0);
		if (exits % 7 == 0) {
			CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
			CHECK_EQ(info.instruction_pointer, regs.rip);
			CHECK_EQ(info.stack_pointer, regs.rsp);
		}
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_lseek) {
			CHECK_EQ(info.entry.args[0], 1000 + entries);
			entries++;
		} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval == -EBADF) {
			CHECK_EQ(info.exit.is_error, 1);
			exits++;
		}
		go_on(pid);
	}
	CHECK_EQ(entries, 200);
	CHECK_EQ(exits, 200);
	CHECK_ERRNO(more(), ECHILD);
}

/* What the tracer has changed is told so; what it asks oddly has Linux's answers. */
static void test_changes(void)
{
	pid_t pid = begin(calls, (void *)3L);
	struct ptrace_syscall_info info;

	do {
		CHECK_EQ(any_stop(), pid);
		CHECK(info_of(pid, &info) > 0);
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_lseek)
			go_on(pid);
	} while (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_lseek);
	CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), SYS_getpid));
	CHECK_EQ(info_of(pid, &info), 80);
	CHECK_EQ(info.entry.nr, SYS_getpid);
	go_on(pid);
	CHECK_EQ(any_stop(), pid);
	CHECK_ERRNO(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, 8), EFAULT);
	memset(&info, 0xaa, sizeof info);
	CHECK_EQ(pt(PTRACE_GET_SYSCALL_INFO, pid, 1, (uintptr_t)&info), 33);
	CHECK_EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
	CHECK_EQ(info.pad[0], 0xaa);
	CHECK_EQ(info_of(pid, &info), 33);
	CHECK_EQ(info.exit.rval, pid);
	CHECK_ERRNO(pt(PTRACE_GET_SYSCALL_INFO, pid + 1, sizeof info, (uintptr_t)&info), ESRCH);
	CHECK_ERRNO(pt(PTRACE_SYSCALL, pid, 0, 65), EIO);
	go_on(pid);
	/* Once is enough: it runs, or has stopped again. */
	CHECK_EQ(any_stop(), pid);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, SIGTERM));
	EXPECT_STOP(pid, SIGTRAP | 0x80);
	CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
	EXPECT_STOP(pid, SIGTERM);
	kill_and_reap(pid);
}

/* Nobody asks for anything, and yet it goes on. */
static void test_silence(void)
{
	pid_t pid = begin(counts, NULL);
	int before;

	for (int i = 0; i < 8; i++) {
		CHECK_EQ(any_stop(), pid);
		CHECK_EQ(more(), 0);
		go_on(pid);
	}
	/* Two stops for each round: it is seen to go on by one of them. */
	CHECK_EQ(any_stop(), pid);
	before = shared[0];
	go_on(pid);
	CHECK_EQ(any_stop(), pid);
	if (shared[0] == before) {
		go_on(pid);
		while (shared[0] == before)
			;
	}
	kill_and_reap(pid);
}

/* Somebody else kills it, and says so where no call is needed to hear it. */
static void test_killed(void)
{
	pid_t pid = begin(counts, NULL), killer;
	struct ptrace_syscall_info info;
	int status;

	shared[1] = 0;
	killer = fork();
	if (!killer) {
		while (shared[1] != 1)
			sched_yield();
		kill(pid, SIGKILL);
		shared[1] = 2;
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, __WALL), pid);
	CHECK(info_of(pid, &info) > 0);
	shared[1] = 1;
	while (shared[1] != 2)
		;
	CHECK_ERRNO(info_of(pid, &info), ESRCH);
	CHECK_ERRNO(pt(PTRACE_SYSCALL, pid, 0, 0), ESRCH);
	CHECK_EQ(waitpid(killer, &status, 0), killer);
	EXPECT_END(pid, SIGKILL);
}

static char state_of(pid_t pid)
{
	char name[40], text[256], *at;
	ssize_t n;
	int fd;

	snprintf(name, sizeof name, "/proc/%d/stat", pid);
	fd = open(name, O_RDONLY);
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	at = strrchr(text, ')');
	return at ? at[2] : 0;
}

/* Another one stops: that is told. */
static void test_two(void)
{
	pid_t first = begin(counts, NULL), second = begin(counts, NULL), told;

	for (int i = 0; i < 20; i++) {
		told = any_stop();
		CHECK(told == first || told == second);
		while (state_of(told == first ? second : first) != 't')
			sched_yield();
		CHECK_EQ(more(), told == first ? second : first);
		CHECK_EQ(more(), 0);
		go_on(first);
		go_on(second);
	}
	kill_and_reap(first);
	kill_and_reap(second);
}

int main(void)
{
	ptrace_begin(1);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test_loop();
	test_changes();
	test_silence();
	test_killed();
	test_two();
	return check_done();
}
