/* SPDX-License-Identifier: Apache-2.0 */
/* Shows what /proc tells of traced processes, and where a process stands (syscall, wchan, stack), and to whom. */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#include "ptrace.h"

static int read_file(const char *format, pid_t pid, char *buf, size_t size)
{
	char path[64];
	int fd;
	ssize_t n;

	snprintf(path, sizeof path, format, pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	buf[n > 0 ? n : 0] = 0;
	close(fd);
	return (int)n;
}

static int tracer_of(pid_t pid)
{
	static char buf[8192];
	char *at;

	read_file("/proc/%d/status", pid, buf, sizeof buf);
	at = strstr(buf, "TracerPid:");
	return at ? atoi(at + 10) : -1;
}

static int calls_getppid(void *arg)
{
	return (int)syscall(SYS_getppid, 0x11, 0x22, 0x33) * 0;
}

static void test_files(void)
{
	pid_t pid = traced_child(calls_getppid, NULL);
	struct user_regs_struct regs;
	char buf[512], want[512];

	CHECK_EQ(tracer_of(getpid()), 0);
	CHECK_EQ(tracer_of(pid), getpid());
	CHECK(read_file("/proc/%d/stat", pid, buf, sizeof buf) > 0);
	CHECK_EQ(strrchr(buf, ')')[2], 't');
	do {
		CHECK_OK(pt(PTRACE_SYSCALL, pid, 0, 0));
		EXPECT_STOP(pid, SIGTRAP);
		CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	} while (regs.orig_rax != SYS_getppid);
	CHECK(read_file("/proc/%d/syscall", pid, buf, sizeof buf) > 0);
	snprintf(want, sizeof want, "%llu 0x11 0x22 0x33 ", regs.orig_rax);
	CHECK(!strncmp(buf, want, strlen(want)));
	snprintf(want, sizeof want, " 0x%llx 0x%llx\n", regs.rsp, regs.rip);
	CHECK(strstr(buf, want) != NULL);
	CHECK_OK(pt(PTRACE_DETACH, pid, 0, 0));
	EXPECT_END(pid, 0);
}

/* ---- where it stands ---- */

static int raises_trap(void *arg)
{
	__asm__ volatile("int3");
	return 0;
}

/* Outside of calls, and with a number that is none. */
static void test_no_call(void)
{
	pid_t pid = traced_child(raises_trap, NULL);
	struct user_regs_struct regs;
	char buf[512], want[128];

	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP);
	CHECK_OK(pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&regs));
	for (int nr = -1; nr >= -2; nr--) {
		CHECK_OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user, regs.orig_rax), nr));
		snprintf(want, sizeof want, "%d 0x%llx 0x%llx\n", nr, regs.rsp, regs.rip);
		CHECK(read_file("/proc/%d/syscall", pid, buf, sizeof buf) > 0);
		CHECK_STR(buf, want);
	}
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, 0);
}

static void test_self(void)
{
	int fd = open("/proc/self/syscall", O_RDONLY);
	char buf[512], want[64];
	ssize_t n = syscall(SYS_read, fd, buf, sizeof buf - 1);

	CHECK(n > 0);
	buf[n > 0 ? n : 0] = 0;
	snprintf(want, sizeof want, "%d 0x%x 0x%lx 0x1ff ", SYS_read, fd, (unsigned long)buf);
	CHECK(!strncmp(buf, want, strlen(want)));
	close(fd);
	CHECK(read_file("/proc/%d/wchan", getpid(), buf, sizeof buf) > 0);
	CHECK_STR(buf, "0");
}

/* What waits in a call shows it. */
static void test_waiting(void)
{
	char buf[512], want[64];
	int fds[2];
	pid_t pid;

	CHECK_OK(pipe(fds));
	pid = fork();
	if (!pid) {
		(void)!read(fds[0], buf, 77);
		_exit(0);
	}
	snprintf(want, sizeof want, "%d 0x%x ", SYS_read, fds[0]);
	do
		CHECK(read_file("/proc/%d/syscall", pid, buf, sizeof buf) > 0);
	while (strncmp(buf, want, strlen(want)));
	CHECK(strstr(buf, " 0x4d ") != NULL);
	kill_and_reap(pid);
	close(fds[0]);
	close(fds[1]);
}

/* It is told as it is when it is read, not when it was opened. */
static void test_late(void)
{
	pid_t pid = traced_child(raises_trap, NULL);
	char path[40], buf[512] = "";
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	CHECK_OK(pt(PTRACE_CONT, pid, 0, SIGTERM));
	CHECK_OK(waitid(P_PID, pid, &(siginfo_t){0}, WEXITED | WNOWAIT));
	CHECK(pread(fd, buf, sizeof buf - 1, 0) > 0);
	CHECK_EQ(strrchr(buf, ')')[2], 'Z');
	EXPECT_END(pid, SIGTERM);
	CHECK_ERRNO(pread(fd, buf, sizeof buf, 0), ESRCH);
	close(fd);
}

/* Who may not trace it is not told: by the files' modes, and if it has got them open, when it reads. */
static void as_stranger(const int *fds, pid_t pid)
{
	char buf[512];

	if (setresgid(1234, 1234, 1234) || setresuid(1234, 1234, 1234))
		_exit(91);
	for (int i = 0; i < 3; i++)
		CHECK_ERRNO(read(fds[i], buf, sizeof buf), i == 2 ? EACCES : EPERM);
	/* What was looked at when it was opened. */
	CHECK(read(fds[3], buf, sizeof buf) > 0);
	CHECK_EQ(read_file("/proc/%d/syscall", pid, buf, sizeof buf), -EACCES);
	CHECK_EQ(read_file("/proc/%d/stack", pid, buf, sizeof buf), -EACCES);
	CHECK_EQ(read_file("/proc/%d/wchan", pid, buf, sizeof buf), 1);
	CHECK_STR(buf, "0");
	/* One's own kernel stack is for root alone, too. */
	prctl(PR_SET_DUMPABLE, 1);
	CHECK_EQ(read_file("/proc/%d/stack", getpid(), buf, sizeof buf), -EACCES);
	CHECK(read_file("/proc/%d/syscall", getpid(), buf, sizeof buf) > 0);
	_exit(check_failed());
}

static void test_strangers(void)
{
	static const char *const names[] = {"syscall", "personality", "io", "maps"};
	pid_t pid = pausing_child(), stranger;
	int fds[4], status;
	char path[40];

	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "/proc/%d/%s", pid, names[i]);
		fds[i] = open(path, O_RDONLY);
		CHECK(fds[i] >= 0);
	}
	if (geteuid()) {
		kill_and_reap(pid);
		return;
	}
	stranger = fork();
	if (!stranger)
		as_stranger(fds, pid);
	CHECK_EQ(waitpid(stranger, &status, 0), stranger);
	CHECK_EQ(status, 0);
	kill_and_reap(pid);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

static char *self;

static int executes(void *arg)
{
	execl(self, self, "x", NULL);
	return 1;
}

/* What tells of a process's memory tells nothing of the program that it executes later, read before or not. */
static void test_executed(void)
{
	static const char *const names[] = {"maps", "smaps", "environ", "smaps_rollup", "auxv"};
	pid_t pid = traced_child(executes, NULL);
	char path[40], before[2048], after[2048], bytes[2048];
	int read_once[5], fds[5];
	ssize_t n = 0;

	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof path, "/proc/%d/%s", pid, names[i]);
		fds[i] = open(path, O_RDONLY);
		read_once[i] = open(path, O_RDONLY);
		CHECK(fds[i] >= 0 && read_once[i] >= 0);
		n = pread(read_once[i], before, sizeof before, 0);
		CHECK(n > 0);
	}
	CHECK_OK(pt(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC));
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_STOP(pid, SIGTRAP | PTRACE_EVENT_EXEC << 8);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pread(fds[i], bytes, sizeof bytes, 0), 0);
		CHECK_EQ(pread(read_once[i], bytes, sizeof bytes, 0), 0);
	}
	CHECK_ERRNO(pread(fds[3], bytes, sizeof bytes, 0), ESRCH);
	CHECK_ERRNO(pread(read_once[3], bytes, sizeof bytes, 0), ESRCH);
	/* This one is what it was. */
	CHECK_EQ(pread(fds[4], after, sizeof after, 0), n);
	CHECK(!memcmp(before, after, (size_t)n));
	CHECK_EQ(pread(read_once[4], after, sizeof after, 0), n);
	CHECK(!memcmp(before, after, (size_t)n));
	for (int i = 0; i < 5; i++) {
		close(fds[i]);
		close(read_once[i]);
	}
	CHECK_OK(pt(PTRACE_CONT, pid, 0, 0));
	EXPECT_END(pid, EXECUTED_STATUS << 8);
}

int main(int argc, char **argv)
{
	self = ptrace_begin(argc);
	test_files();
	test_executed();
	test_no_call();
	test_self();
	test_waiting();
	test_late();
	test_strangers();
	return check_done();
}
