/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done by the descriptor of a process: signals of every scope, its descriptors, what is told of it, its namespaces;
 * and the comparison of what two processes have. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "check.h"
#include "release.h"

#define NR_pidfd_send_signal 424
#define NR_pidfd_open        434
#define NR_pidfd_getfd       438
#define SELF_THREAD          (-10000)
#define SELF_GROUP           (-10001)
#define THREAD               1
#define GROUP                2
#define PGRP                 4

/* struct pidfd_info (Linux 6.13) */
struct info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
	uint64_t later[8];
};

#define GET_INFO(size) _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, size)
#define INFO_EXIT      8

static int open_process(pid_t pid)
{
	return (int)syscall(NR_pidfd_open, pid, 0);
}

static long send_signal(int fd, int sig, siginfo_t *info, int flags)
{
	return syscall(NR_pidfd_send_signal, fd, sig, info, flags);
}

/* A child that waits for a signal in a process group of its own; *fd: its descriptor. */
static pid_t start_child(int *fd)
{
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(1);
	}
	CHECK_OK(setpgid(pid, pid));
	*fd = open_process(pid);
	CHECK_OK(*fd);
	return pid;
}

static void check_killed(pid_t pid, int sig)
{
	int status = 0;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, sig);
}

static volatile int last_code;

static void take(int sig, siginfo_t *info, void *context)
{
	last_code = info->si_code;
	(void)sig;
	(void)context;
}

static void test_scopes(void)
{
	static const int scopes[] = {0, THREAD, GROUP, PGRP};
	struct sigaction sa = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
	siginfo_t info = {.si_signo = SIGTERM, .si_code = SI_QUEUE};
	int fd, self = open_process(getpid());
	pid_t pid;

	for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++) {
		pid = start_child(&fd);
		CHECK_OK(send_signal(fd, SIGTERM, NULL, scopes[i]));
		check_killed(pid, SIGTERM);
		CHECK_ERRNO(send_signal(fd, 0, NULL, scopes[i]), ESRCH);
		close(fd);
	}
	CHECK_ERRNO(send_signal(self, 0, NULL, THREAD | GROUP), EINVAL);
	CHECK_ERRNO(send_signal(self, 0, NULL, 8), EINVAL);
	CHECK_ERRNO(send_signal(-1, 0, NULL, 8), EINVAL);
	CHECK_ERRNO(send_signal(-1, 0, NULL, PGRP), EBADF);
	CHECK_ERRNO(send_signal(self, 99, NULL, 0), EINVAL);
	CHECK_ERRNO(send_signal(self, SIGUSR1, &info, 0), EINVAL);
	CHECK_ERRNO(send_signal(self, SIGUSR1, (void *)8, 0), EFAULT);
	/* To others nobody pretends to be the kernel, to a whole process group neither. */
	pid = start_child(&fd);
	CHECK_OK(send_signal(fd, SIGTERM, &info, 0));
	check_killed(pid, SIGTERM);
	close(fd);
	pid = start_child(&fd);
	info.si_code = SI_USER;
	CHECK_ERRNO(send_signal(fd, SIGTERM, &info, 0), EPERM);
	CHECK_ERRNO(send_signal(fd, SIGTERM, &info, PGRP), EPERM);
	CHECK_OK(send_signal(fd, SIGKILL, NULL, PGRP));
	check_killed(pid, SIGKILL);
	close(fd);

	sigaction(SIGUSR1, &sa, NULL);
	CHECK_OK(send_signal(self, SIGUSR1, NULL, 0));
	CHECK_EQ(last_code, SI_USER);
	CHECK_OK(send_signal(self, SIGUSR1, NULL, THREAD));
	CHECK_EQ(last_code, SI_TKILL);
	info.si_signo = SIGUSR1;
	info.si_code = 7;
	CHECK_OK(send_signal(self, SIGUSR1, &info, THREAD));
	CHECK_EQ(last_code, 7);
	if (is_linux(6, 14)) {
		CHECK_OK(send_signal(SELF_THREAD, SIGUSR1, NULL, 0));
		CHECK_EQ(last_code, SI_TKILL);
		CHECK_OK(send_signal(SELF_GROUP, SIGUSR1, NULL, 0));
		CHECK_EQ(last_code, SI_USER);
		CHECK_OK(send_signal(SELF_THREAD, SIGUSR1, NULL, GROUP));
		CHECK_EQ(last_code, SI_USER);
	}
	close(self);
}

static void test_descriptors(void)
{
	int event = eventfd(3, 0), op = open("/dev/null", O_PATH), p[2], fd, got;
	uint64_t value = 4;
	siginfo_t si;
	pid_t pid;
	char c;

	CHECK_OK(pipe(p));
	pid = fork();
	if (!pid) {
		dup2(event, 50);
		dup2(op, 51);
		CHECK_EQ(write(p[1], "x", 1), 1);
		pause();
		_exit(1);
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	fd = open_process(pid);
	got = (int)syscall(NR_pidfd_getfd, fd, 50, 0);
	CHECK_OK(got);
	CHECK_EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(got, &value, sizeof value), 8);
	CHECK_EQ(read(event, &value, sizeof value), 8);
	CHECK_EQ(value, 7);
	CHECK_EQ(syscall(SYS_kcmp, getpid(), pid, KCMP_FILE, got, 50), 0);
	CHECK_EQ(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, got, event), 0);
	close(got);
	got = (int)syscall(NR_pidfd_getfd, fd, 51, 0);
	CHECK_EQ(fcntl(got, F_GETFL), O_PATH);
	close(got);
	CHECK_ERRNO(syscall(NR_pidfd_getfd, fd, 52, 0), EBADF);
	CHECK_ERRNO(syscall(NR_pidfd_getfd, fd, -1, 0), EBADF);
	CHECK_ERRNO(syscall(NR_pidfd_getfd, event, 50, 0), EBADF);
	CHECK_ERRNO(syscall(NR_pidfd_getfd, -1, 50, 0), EBADF);
	CHECK_ERRNO(syscall(NR_pidfd_getfd, -1, 50, 1), EINVAL);
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
	CHECK_ERRNO(syscall(NR_pidfd_getfd, fd, 50, 0), ESRCH);
	check_killed(pid, SIGKILL);
	CHECK_ERRNO(syscall(NR_pidfd_getfd, fd, 50, 0), ESRCH);
	close(fd);
	close(event);
	close(op);
	close(p[0]);
	close(p[1]);
}

/* What belongs to another user stays his. */
static void descriptors_of_root(void)
{
	int fd;

	CHECK_OK(setresuid(65534, 65534, 65534));
	fd = open_process(getppid());
	CHECK_ERRNO(syscall(NR_pidfd_getfd, fd, 0, 0), EPERM);
	CHECK_ERRNO(syscall(SYS_kcmp, getpid(), getppid(), KCMP_VM, 0, 0), EPERM);
	close(fd);
}

static int child_of_vm(void *arg)
{
	pause();
	return 0;
}

static void test_kcmp(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int a = open("/dev/null", O_RDONLY), b = dup(a), other = open("/dev/null", O_RDONLY), self = getpid();
	pid_t pid = fork(), sharing;
	long order;

	if (!pid) {
		pause();
		_exit(1);
	}
	sharing = clone(child_of_vm, stack + sizeof stack,
			CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD, NULL);
	CHECK_EQ(syscall(SYS_kcmp, self, self, KCMP_FILE, a, b), 0);
	CHECK_EQ(syscall(SYS_kcmp, self, pid, KCMP_FILE, a, b), 0);
	order = syscall(SYS_kcmp, self, self, KCMP_FILE, a, other);
	CHECK(order == 1 || order == 2);
	CHECK_EQ(syscall(SYS_kcmp, self, self, KCMP_FILE, other, a), 3 - order);
	CHECK_ERRNO(syscall(SYS_kcmp, self, self, KCMP_FILE, a, 999), EBADF);
	CHECK_ERRNO(syscall(SYS_kcmp, self, 0x7ffffff0, KCMP_FILE, a, b), ESRCH);
	CHECK_ERRNO(syscall(SYS_kcmp, self, self, 99, 0, 0), EINVAL);
	for (int type = KCMP_VM; type <= KCMP_SIGHAND; type++) {
		CHECK_EQ(syscall(SYS_kcmp, self, sharing, type, 0, 0), 0);
		CHECK(syscall(SYS_kcmp, self, pid, type, 0, 0) > 0);
	}
	kill(pid, SIGKILL);
	kill(sharing, SIGKILL);
	check_killed(pid, SIGKILL);
	check_killed(sharing, SIGKILL);
	close(a);
	close(b);
	close(other);
}

static void test_info(void)
{
	struct info info = {.mask = 0};
	int fd, status;
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(1);
	}
	fd = open_process(pid);
	if (ioctl(fd, GET_INFO(64), &info) && errno == ENOTTY) { /* Linux 6.13 */
		kill(pid, SIGKILL);
		check_killed(pid, SIGKILL);
		close(fd);
		return;
	}
	CHECK_EQ(info.mask & 7, 7);
	CHECK_EQ(info.pid, pid);
	CHECK_EQ(info.tgid, pid);
	CHECK_EQ(info.ppid, getpid());
	CHECK_EQ(info.ruid, getuid());
	CHECK_EQ(info.fsgid, getgid());
	memset(&info, 0xff, sizeof info);
	CHECK_OK(ioctl(fd, GET_INFO(sizeof info), &info));
	CHECK_EQ(info.later[6], 0);
	CHECK_ERRNO(ioctl(fd, GET_INFO(64), NULL), EINVAL);
	CHECK_ERRNO(ioctl(fd, GET_INFO(64), 8), EFAULT);
	CHECK_ERRNO(ioctl(fd, GET_INFO(56), &info), is_linux(6, 16) ? ENOTTY : EINVAL);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	info = (struct info){.mask = 0};
	CHECK_ERRNO(ioctl(fd, GET_INFO(64), &info), ESRCH);
	if (is_linux(6, 15)) {
		info.mask = INFO_EXIT;
		CHECK_OK(ioctl(fd, GET_INFO(64), &info));
		CHECK_EQ(info.mask & INFO_EXIT, INFO_EXIT);
		CHECK_EQ(info.exit_code, status);
		CHECK_EQ(info.pid, 0);
	}
	close(fd);
}

static void test_namespaces(void)
{
	static const char *const names[] = {
		"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children",
		"user",   "uts"};
	static const int types[] = {CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWNET,  CLONE_NEWPID,
				    CLONE_NEWPID,    0x80,         0x80,        CLONE_NEWUSER, CLONE_NEWUTS};
	int self = open_process(getpid());
	char path[64], text[64], other[64];
	struct stat st, by_pidfd;

	for (int i = 0; i < 10; i++) {
		int fd, ns;
		ssize_t n;

		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		fd = open(path, O_RDONLY);
		if (fd < 0 && errno == ENOENT)
			continue;
		CHECK_OK(fd);
		CHECK_EQ(ioctl(fd, NS_GET_NSTYPE), types[i]);
		CHECK_ERRNO(open(path, O_WRONLY), EPERM);
		CHECK_OK(fstat(fd, &st));
		CHECK_EQ(st.st_mode, S_IFREG | 0444);
		n = readlink(path, text, sizeof text - 1);
		text[n > 0 ? n : 0] = 0;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		n = readlink(path, other, sizeof other - 1);
		other[n > 0 ? n : 0] = 0;
		CHECK_STR(other, text);
		CHECK_ERRNO(syscall(SYS_setns, fd, types[i] ^ CLONE_NEWUTS ^ CLONE_NEWIPC), EINVAL);
		ns = ioctl(self, _IO(0xff, i + 1), 0);
		if (ns >= 0) { /* Linux 6.11 */
			CHECK_EQ(fcntl(ns, F_GETFD), FD_CLOEXEC);
			CHECK_OK(fstat(ns, &by_pidfd));
			CHECK_EQ(by_pidfd.st_ino, st.st_ino);
			CHECK_EQ(by_pidfd.st_dev, st.st_dev);
			close(ns);
		}
		close(fd);
	}
	CHECK_ERRNO(syscall(SYS_setns, self, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_setns, self, 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_setns, 999, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_setns, 1, 0), EINVAL);
	close(self);
}

/* All descriptors of one process are of one file, which has attributes and locks. */
static void test_file(void)
{
	int a = open_process(getpid()), b = open_process(getpid()), again;
	char path[64], value[8];

	if (!is_linux(6, 18)) {
		close(a);
		close(b);
		return;
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d", a);
	again = open(path, O_RDONLY);
	if (!geteuid()) {
		CHECK_EQ(fgetxattr(b, "trusted.a", value, 8), 0);
		CHECK_OK(fsetxattr(a, "trusted.a", "value", 5, 0));
		CHECK_EQ(fgetxattr(b, "trusted.a", value, 8), 5);
		CHECK_ERRNO(fgetxattr(b, "trusted.b", value, 8), ENODATA);
		CHECK_OK(again);
		CHECK_EQ(fcntl(again, F_GETFL) & O_ACCMODE, O_RDONLY);
		CHECK_OK(send_signal(again, 0, NULL, 0));
		close(again);
	} else {
		CHECK_EQ(again, -1);
		CHECK_ERRNO(fsetxattr(a, "trusted.a", "value", 5, 0), EPERM);
	}
	CHECK_OK(lockf(a, F_TLOCK, 1));
	close(a);
	close(b);
}

int main(void)
{
	test_scopes();
	test_descriptors();
	if (!geteuid())
		CHECK_EQ(check_in_child(descriptors_of_root), 0);
	test_kcmp();
	test_info();
	test_namespaces();
	test_file();
	return check_done();
}
