/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of seccomp's listeners share: filters, listeners, the supervisor's calls, processes that are listened to,
 * and how a test's cases are run.
 *
 * Each case is a child of its own that installs the filter and forks the process that is listened to; so the listener
 * is there before the fork. Where the supervisor must not be under the filter, it gets the listener by SCM_RIGHTS.
 */
#ifndef GUEST_NOTIFY_H
#define GUEST_NOTIFY_H

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define ID_VALID_WRONG_DIR SECCOMP_IOR(2, __u64)
#define WAIT_KILLABLE      (1u << 5)
#define LISTEN             SECCOMP_FILTER_FLAG_NEW_LISTENER
#define CONTINUE           SECCOMP_USER_NOTIF_FLAG_CONTINUE
#define MAGIC              0x12345678

static long seccomp(unsigned op, unsigned flags, void *arg)
{
	return syscall(SYS_seccomp, op, flags, arg);
}

static void promise(void)
{
	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* A filter with which @nr gets @verdict and all else is allowed. */
static long filter(int nr, unsigned verdict, unsigned flags)
{
	struct sock_filter f[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
				  {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (unsigned)nr},
				  {BPF_RET | BPF_K, 0, 0, verdict},
				  {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
	struct sock_fprog prog = {4, f};

	return seccomp(SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static int listener(int nr, unsigned flags)
{
	long fd;

	promise();
	fd = filter(nr, SECCOMP_RET_USER_NOTIF, LISTEN | flags);
	CHECK(fd >= 0);
	return (int)fd;
}

/* Runs @fn in a child; what failed there is reported by its status. */
static void run(const char *name, void (*fn)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		alarm(20);
		fn();
		_exit(check_failed());
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (status)
		printf("# %s: status %#x\n", name, status);
	CHECK_EQ(status, 0);
}

static int status_of(pid_t pid)
{
	int status = -1;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static struct seccomp_notif receive(int fd)
{
	struct seccomp_notif req = {0};

	CHECK_OK(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req));
	return req;
}

static int answer(int fd, uint64_t id, int64_t val, int error, unsigned flags)
{
	struct seccomp_notif_resp resp = {.id = id, .val = val, .error = error, .flags = flags};

	return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

static int valid(int fd, uint64_t id)
{
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
}

static short ready(int fd, int timeout)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	CHECK(poll(&p, 1, timeout) >= 0);
	return p.revents;
}

/* A process that calls @fn, under the filters of its parent. */
static pid_t caller(long (*fn)(void))
{
	pid_t pid = fork();

	if (!pid) {
		alarm(20);
		_exit((int)fn() || check_failed());
	}
	return pid;
}

/* By the instruction alone, so that libc does not look at the value. */
static long raw_getppid(void)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(SYS_getppid) : "rcx", "r11", "memory");
	return result;
}

static int pass(int socket, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof fd)] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return (int)sendmsg(socket, &m, 0);
}

static int take(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	int fd = -1;

	CHECK_EQ(recvmsg(socket, &m, 0), 1);
	if (CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

/* A process with a listener of its own, which it has given to its parent; *@fd. It calls @fn. */
static pid_t stranger(int nr, unsigned flags, long (*fn)(void), int *fd)
{
	int sv[2], own;
	pid_t pid;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	pid = fork();
	if (!pid) {
		alarm(20);
		own = listener(nr, flags);
		CHECK_EQ(pass(sv[1], own), 1);
		close(own);
		close(sv[0]);
		close(sv[1]);
		_exit((int)fn() || check_failed());
	}
	*fd = take(sv[0]);
	CHECK(*fd >= 0);
	close(sv[0]);
	close(sv[1]);
	return pid;
}

static long call_once(void)
{
	return syscall(SYS_getppid) != MAGIC;
}

static int pipe_fd[2];

/* Until there is something to read. */
static long call_nothing(void)
{
	char c;

	return read(pipe_fd[0], &c, 1) != 1;
}

struct notify_case {
	const char *name;
	void (*fn)(void);
};

/* The whole of main(): 77 for the program that a case executes, else all @cases. */
static int notify_main(int argc, const struct notify_case *cases, size_t count)
{
	int status = -1;

	if (argc > 1)
		_exit(77);
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0)
		check_skip("runs under a filter already");
	if (!fork()) {
		promise();
		_exit(filter(SYS_getppid, SECCOMP_RET_USER_NOTIF, LISTEN) < 0 && errno == EBUSY);
	}
	wait(&status);
	if (status)
		check_skip("somebody else listens");
	for (size_t i = 0; i < count; i++)
		run(cases[i].name, cases[i].fn);
	return check_done();
}

#endif
