/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what /proc tells of traced processes, and Yama's say in who may trace whom: where the host has no Yama, the latter
 * inside alone.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#include "ptrace.h"

#define SCOPE "/proc/sys/kernel/yama/ptrace_scope"

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

/* ---- Yama ---- */

static int scope(void)
{
	char buf[16];

	return read_file(SCOPE, 0, buf, sizeof buf) > 0 ? atoi(buf) : -1;
}

static int set_scope(int value)
{
	int fd = open(SCOPE, O_WRONLY), r;
	char text[8];

	if (fd < 0)
		return -errno;
	snprintf(text, sizeof text, "%d\n", value);
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* Whether an ordinary user may attach to another process of its own that is no child of it, which chose @ptracer; who may not
 * does not get its memory either. */
static int sibling_attaches(unsigned long ptracer)
{
	int ready[2], status, opened;
	pid_t target, tracer;
	char byte, name[40];

	CHECK_OK(pipe(ready));
	target = fork();
	if (!target) {
		if (setresgid(4321, 4321, 4321) || setresuid(4321, 4321, 4321) || prctl(PR_SET_DUMPABLE, 1))
			_exit(91);
		if (ptracer && prctl(PR_SET_PTRACER, ptracer, 0, 0, 0))
			_exit(90);
		if (write(ready[1], "", 1) != 1)
			_exit(89);
		for (;;)
			pause();
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	tracer = fork();
	if (!tracer) {
		if (setresgid(4321, 4321, 4321) || setresuid(4321, 4321, 4321))
			_exit(88);
		snprintf(name, sizeof name, "/proc/%d/mem", target);
		opened = open(name, O_RDONLY) >= 0;
		if (pt(PTRACE_SEIZE, target, 0, 0))
			_exit(opened ? 87 : errno);
		_exit(opened ? 0 : 86);
	}
	CHECK_EQ(waitpid(tracer, &status, 0), tracer);
	kill_and_reap(target);
	close(ready[0]);
	close(ready[1]);
	return WEXITSTATUS(status);
}

static void test_yama(void)
{
	if (geteuid() || scope() != 0 || set_scope(0))
		return;
	CHECK_EQ(sibling_attaches(0), 0);
	CHECK_EQ(set_scope(1), 0);
	CHECK_EQ(scope(), 1);
	CHECK_EQ(sibling_attaches(0), EPERM);
	CHECK_EQ(sibling_attaches(-1UL), 0);
	CHECK_EQ(sibling_attaches((unsigned long)getpid()), 0);
	CHECK_EQ(set_scope(2), 0);
	CHECK_EQ(sibling_attaches(-1UL), EPERM);
	CHECK_EQ(set_scope(4), -EINVAL);
	CHECK_EQ(set_scope(0), 0);
}

int main(void)
{
	ptrace_begin(1);
	test_files();
	test_yama();
	return check_done();
}
