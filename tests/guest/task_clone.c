/* SPDX-License-Identifier: Apache-2.0 */
/* fork, vfork, clone and clone3: what is shared and what is copied, words and registers of the child, refused
 * flags. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define STACK_SIZE 65536

static volatile int shared_word;
static pid_t parent_tid_word, child_tid_word;

static int wait_status(pid_t pid)
{
	int status = -1;

	CHECK_EQ(waitpid(pid, &status, __WALL), pid);
	return status;
}

static void fork_copies(void)
{
	int local = 1;
	pid_t pid = fork();

	if (!pid) {
		local = 2;
		shared_word = 7;
		_exit(local == 2 && getppid() != getpid() ? 3 : 1);
	}
	CHECK(pid > 0);
	CHECK_EQ(wait_status(pid), 3 << 8);
	CHECK_EQ(local, 1);
	CHECK_EQ(shared_word, 0);
}

static void vfork_shares(void)
{
	volatile int seen = 0;
	pid_t pid = vfork();

	if (!pid) {
		seen = 1;
		_exit(4);
	}
	/* The parent goes on only when the child is done. */
	CHECK_EQ(seen, 1);
	CHECK_EQ(wait_status(pid), 4 << 8);
}

static int child_of_clone(void *arg)
{
	shared_word = *(int *)arg;
	return child_tid_word == (pid_t)syscall(SYS_gettid) ? 5 : 6;
}

static void clone_vm(void)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int value = 42, pid;

	parent_tid_word = child_tid_word = 0;
	pid = clone(child_of_clone, stack + STACK_SIZE,
		    CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, &value, &parent_tid_word,
		    NULL, &child_tid_word);
	CHECK(pid > 0);
	CHECK_EQ(parent_tid_word, pid);
	CHECK_EQ(wait_status(pid), 5 << 8);
	CHECK_EQ(shared_word, 42);
	shared_word = 0;
	munmap(stack, STACK_SIZE);
}

static int close_and_move(void *arg)
{
	close(*(int *)arg);
	umask(0123);
	return chdir("/") ? 1 : 0;
}

static void clone_files_fs(void)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = dup(1), old = umask(022);
	char cwd[4096];
	pid_t pid;

	pid = clone(close_and_move, stack + STACK_SIZE, SIGCHLD, &fd);
	CHECK_EQ(wait_status(pid), 0);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	CHECK_EQ(umask(022), 022);
	pid = clone(close_and_move, stack + STACK_SIZE, CLONE_FILES | CLONE_FS | SIGCHLD, &fd);
	CHECK_EQ(wait_status(pid), 0);
	CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
	CHECK_EQ(umask(old), 0123);
	CHECK_STR(getcwd(cwd, sizeof cwd), "/");
	munmap(stack, STACK_SIZE);
}

static long raw_clone(unsigned long flags)
{
	return syscall(SYS_clone, flags, NULL, &parent_tid_word, &child_tid_word, 0);
}

static void refused_flags(void)
{
	CHECK_ERRNO(raw_clone(CLONE_THREAD | SIGCHLD), EINVAL);
	CHECK_ERRNO(raw_clone(CLONE_SIGHAND | SIGCHLD), EINVAL);
	CHECK_ERRNO(raw_clone(CLONE_SIGHAND | CLONE_THREAD), EINVAL);
	CHECK_ERRNO(raw_clone(CLONE_NEWNS | CLONE_FS | SIGCHLD), EINVAL);
	CHECK_ERRNO(raw_clone(CLONE_NEWUSER | CLONE_FS | SIGCHLD), EINVAL);
	CHECK_ERRNO(raw_clone(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD), EINVAL);
}

static long clone3(struct clone_args *args, size_t size)
{
	return syscall(SYS_clone3, args, size);
}

static void clone3_calls(void)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	struct {
		struct clone_args args;
		uint64_t more;
	} longer = {.args = {.exit_signal = SIGCHLD}};
	int pidfd = -1;
	pid_t pid, word = 0;
	siginfo_t info;
	struct pollfd p;

	CHECK_ERRNO(clone3(&args, 63), EINVAL);
	if (errno == ENOSYS)
		return; /* under a container's filter */
	CHECK_ERRNO(clone3(&args, 8192), E2BIG);
	longer.more = 1;
	CHECK_ERRNO(clone3(&longer.args, sizeof longer), E2BIG);
	args.flags = CLONE_DETACHED;
	CHECK_ERRNO(clone3(&args, sizeof args), EINVAL);
	args.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
	CHECK_ERRNO(clone3(&args, sizeof args), EINVAL);
	args.flags = 0;
	args.exit_signal = 65;
	CHECK_ERRNO(clone3(&args, sizeof args), EINVAL);
	args.exit_signal = SIGCHLD;
	args.stack_size = 4096;
	CHECK_ERRNO(clone3(&args, sizeof args), EINVAL);
	args.stack_size = 0;
	args.set_tid_size = 1;
	CHECK_ERRNO(clone3(&args, sizeof args), EINVAL);
	args.set_tid_size = 0;

	args.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND;
	args.pidfd = (uintptr_t)&pidfd;
	args.parent_tid = (uintptr_t)&word;
	pid = clone3(&args, sizeof args);
	if (!pid)
		_exit(9);
	CHECK(pid > 0);
	CHECK_EQ(word, pid);
	CHECK_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	p = (struct pollfd){pidfd, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK_EQ(p.revents, POLLIN);
	CHECK_EQ(waitid(P_PIDFD, pidfd, &info, WEXITED), 0);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_status, 9);
	CHECK_ERRNO(waitid(P_PIDFD, pidfd, &info, WEXITED), ECHILD);
	close(pidfd);
}

static void pidfds(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct pollfd p = {fd, POLLIN, 0};

	CHECK(fd >= 0);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), 0);
	CHECK_ERRNO(syscall(SYS_pidfd_send_signal, 1, 0, NULL, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_pidfd_open, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_pidfd_open, getpid(), 1), EINVAL);
	CHECK_ERRNO(syscall(SYS_pidfd_open, 4999999, 0), ESRCH);
	close(fd);
}

/* CLONE_PARENT: the child is its parent's sibling. */
static void sibling(void)
{
	int p[2], status = 0;
	pid_t pid, middle;

	CHECK_OK(pipe(p));
	middle = fork();
	if (!middle) {
		pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0);
		if (!pid)
			_exit(8);
		if (write(p[1], &pid, sizeof pid) != sizeof pid)
			_exit(1);
		_exit(waitpid(pid, NULL, 0) == -1 && errno == ECHILD ? 0 : 1);
	}
	CHECK_EQ(read(p[0], &pid, sizeof pid), sizeof pid);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 8 << 8);
	CHECK_EQ(wait_status(middle), 0);
	close(p[0]);
	close(p[1]);
}

/* Another exit signal than SIGCHLD: seen by __WCLONE and __WALL alone. */
static void clone_child(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, 0);
	int status;

	if (!pid)
		_exit(0);
	CHECK_ERRNO(waitpid(pid, &status, 0), ECHILD);
	CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
	CHECK_EQ(status, 0);
}

static void many_forks(void)
{
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(i);
		CHECK_EQ(wait_status(pid), i << 8);
	}
}

int main(void)
{
	fork_copies();
	vfork_shares();
	clone_vm();
	refused_flags();
	clone3_calls();
	pidfds();
	sibling();
	clone_child();
	many_forks();
	clone_files_fs();
	return check_done();
}
