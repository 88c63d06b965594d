/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners of seccomp(2): notifications, answers, descriptors that come with them, signals, ends of either side.
 *
 * Each case is a child of its own that installs the filter and forks the process that is listened to; so the listener
 * is there before the fork. Where the supervisor must not be under the filter, it gets the listener by SCM_RIGHTS.
 */
#include "check.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

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

/* Until the notification is gone, however it went. */
static void wait_gone(int fd, uint64_t id)
{
	while (!valid(fd, id))
		sched_yield();
	CHECK_EQ(errno, ENOENT);
}

/* ---- the call, the descriptor ---- */

static void sizes(void)
{
	struct seccomp_notif_sizes s = {0};

	CHECK_OK(seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &s));
	CHECK_EQ(s.seccomp_notif, sizeof(struct seccomp_notif));
	CHECK_EQ(s.seccomp_notif_resp, sizeof(struct seccomp_notif_resp));
	CHECK_EQ(s.seccomp_data, sizeof(struct seccomp_data));
	CHECK_ERRNO(seccomp(SECCOMP_GET_NOTIF_SIZES, 1, &s), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_GET_NOTIF_SIZES, 0, NULL), EFAULT);
}

static void installing(void)
{
	struct sock_filter bad[] = {{BPF_ALU | BPF_MOD | BPF_K, 0, 0, 3}, {BPF_RET | BPF_K, 0, 0, 0}};
	struct sock_fprog wrong = {2, bad};
	struct rlimit old, none;
	unsigned notify = SECCOMP_RET_USER_NOTIF;
	int fd;

	CHECK_OK(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &notify));
	promise();
	CHECK_ERRNO(filter(SYS_getppid, notify, WAIT_KILLABLE), EINVAL);
	CHECK_ERRNO(filter(SYS_getppid, notify, LISTEN | SECCOMP_FILTER_FLAG_TSYNC), EINVAL);
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, LISTEN, NULL), EFAULT);
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
	none = old;
	none.rlim_cur = 0;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &none));
	CHECK_ERRNO(seccomp(SECCOMP_SET_MODE_FILTER, LISTEN, &wrong), EINVAL);
	CHECK_ERRNO(filter(SYS_getppid, notify, LISTEN), EMFILE);
	CHECK_EQ(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
	CHECK_EQ(filter(SYS_getppid, SECCOMP_RET_USER_NOTIF, 0), 0);
	CHECK_ERRNO(syscall(SYS_getppid), ENOSYS); /* nobody listens */
	fd = (int)filter(SYS_getppid, notify, LISTEN);
	CHECK(fd >= 0);
	CHECK_ERRNO(filter(SYS_getpgrp, notify, LISTEN), EBUSY);
	CHECK_EQ(filter(SYS_getpgrp, SECCOMP_RET_USER_NOTIF, 0), 0);
	CHECK_ERRNO(syscall(SYS_getpgrp), ENOSYS);
	/* One that is closed does not count, and the refused one has left nothing. */
	CHECK_OK(close(fd));
	CHECK_ERRNO(syscall(SYS_getppid), ENOSYS);
	CHECK_EQ(filter(SYS_getpgrp, notify, LISTEN), fd);
	CHECK_OK(close(fd));
}

static void descriptor(void)
{
	int fd = listener(SYS_getppid, 0);
	char link[64], text[64] = "";
	struct stat st;
	char c = 0;

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	CHECK(readlink(link, text, sizeof text - 1) > 0);
	CHECK_STR(text, "anon_inode:seccomp notify");
	CHECK_OK(fstat(fd, &st));
	CHECK_ERRNO(read(fd, &c, 1), EINVAL);
	CHECK_ERRNO(write(fd, &c, 1), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, SEEK_SET), ESPIPE);
	CHECK_ERRNO(ioctl(fd, SECCOMP_IO(9)), EINVAL);
	CHECK_ERRNO(ioctl(fd, TCGETS, text), EINVAL);
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 2), EINVAL);
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 0x100000001), EINVAL);
	CHECK_OK(ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1));
	CHECK_OK(ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 0));
	CHECK_EQ(ready(fd, 0), 0);
}

/* ---- one notification ---- */

static pid_t caller(long (*fn)(void))
{
	pid_t pid = fork();

	if (!pid) {
		alarm(20);
		_exit((int)fn() || check_failed());
	}
	return pid;
}

static long call_seven(void)
{
	CHECK_EQ(syscall(SYS_getppid, 11, 12, 13, 14, 15, 16), MAGIC);
	return 0;
}

static void received(void)
{
	int fd = listener(SYS_getppid, 0);
	struct seccomp_notif req;
	pid_t pid = caller(call_seven);
	uint64_t id;

	memset(&req, 0, sizeof req);
	req.pid = 1;
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req), EINVAL);
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, NULL), EFAULT);
	CHECK_EQ(ready(fd, -1), POLLIN);
	req = receive(fd);
	CHECK_EQ(ready(fd, 0), POLLOUT);
	CHECK_EQ(req.pid, pid);
	CHECK_EQ(req.flags, 0);
	CHECK_EQ(req.data.nr, SYS_getppid);
	CHECK_EQ(req.data.arch, 0xc000003e);
	CHECK(req.data.instruction_pointer != 0);
	for (int i = 0; i < 6; i++)
		CHECK_EQ(req.data.args[i], 11 + i);
	id = req.id;
	CHECK_OK(valid(fd, id));
	CHECK_OK(ioctl(fd, ID_VALID_WRONG_DIR, &id));
	CHECK_ERRNO(valid(fd, id + 1), ENOENT);
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, NULL), EFAULT);
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, NULL), EFAULT);
	CHECK_ERRNO(answer(fd, id + 1, 0, 0, 2), EINVAL);
	CHECK_ERRNO(answer(fd, id + 1, 1, 0, CONTINUE), EINVAL);
	CHECK_ERRNO(answer(fd, id + 1, 0, -1, CONTINUE), EINVAL);
	CHECK_ERRNO(answer(fd, id + 1, 0, 0, 0), ENOENT);
	CHECK_OK(answer(fd, id, MAGIC, 0, 0));
	CHECK_EQ(answer(fd, id, MAGIC, 0, 0), -1);
	CHECK(errno == ENOENT || errno == EINPROGRESS);
	CHECK_EQ(status_of(pid), 0);
	CHECK_ERRNO(answer(fd, id, MAGIC, 0, 0), ENOENT);
	CHECK_ERRNO(valid(fd, id), ENOENT);
	CHECK_EQ(ready(fd, 0), 0);
}

/* By the instruction alone, so that libc does not look at the value. */
static long raw_getppid(void)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(SYS_getppid) : "rcx", "r11", "memory");
	return result;
}

static const struct {
	int64_t val;
	int error;
	long result;
} answers[] = {
	{0, 0, 0},
	{5, 0, 5},
	{-5, 0, -5},
	{0, -EPERM, -EPERM},
	{7, -EPERM, -EPERM},
	{7, 99, 99},
	{1L << 40, 0, 1L << 40},
	{INT64_MIN, 0, INT64_MIN},
	{0, -512, -512}, /* the kernel's own numbers mean nothing as long as there is no signal */
	{0, -513, -513},
	{0, -516, -516},
	{-600, 0, -600},
	{-601, 0, -601},
	{-602, 0, -602},
	{-603, 0, -603},
	{0, -4095, -4095},
};

static long call_many(void)
{
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
		CHECK_EQ(raw_getppid(), answers[i].result);
	return 0;
}

static void answered(void)
{
	int fd = listener(SYS_getppid, 0);
	pid_t pid = caller(call_many);
	uint64_t last = 0;

	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct seccomp_notif req = receive(fd);

		CHECK(!i || req.id == last + 1);
		last = req.id;
		CHECK_OK(answer(fd, req.id, answers[i].val, answers[i].error, 0));
	}
	CHECK_EQ(status_of(pid), 0);
}

/* What is not yet received can be neither answered nor looked at. */
static long call_twice(void)
{
	CHECK_EQ(syscall(SYS_getppid), 1);
	CHECK_EQ(syscall(SYS_getppid), 2);
	return 0;
}

static void too_early(void)
{
	int fd = listener(SYS_getppid, 0);
	pid_t pid = caller(call_twice);
	struct seccomp_notif req = receive(fd);
	struct seccomp_notif_addfd add = {.id = req.id + 1, .srcfd = 0};

	CHECK_OK(answer(fd, req.id, 1, 0, 0));
	CHECK_EQ(ready(fd, -1) & POLLIN, POLLIN);
	while (ready(fd, 0) != POLLIN) /* the first one is on its way out */
		sched_yield();
	CHECK_ERRNO(answer(fd, req.id + 1, 2, 0, 0), EINPROGRESS);
	CHECK_ERRNO(valid(fd, req.id + 1), ENOENT);
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EINPROGRESS);
	req = receive(fd);
	CHECK_OK(answer(fd, req.id, 2, 0, 0));
	CHECK_EQ(status_of(pid), 0);
}

/* ---- CONTINUE ---- */

static char *shared;

static long call_access(void)
{
	CHECK_ERRNO(access("/there/is/nothing", F_OK), ENOENT);
	CHECK_OK(access(shared, F_OK)); /* the supervisor has put another name there meanwhile */
	return 0;
}

static void continued(void)
{
	int fd = listener(SYS_access, 0);
	struct seccomp_notif req;
	pid_t pid;

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(shared, "/there/is/nothing");
	pid = caller(call_access);
	req = receive(fd);
	CHECK_OK(answer(fd, req.id, 0, 0, CONTINUE));
	req = receive(fd);
	CHECK_EQ(req.data.args[0], (uintptr_t)shared);
	strcpy(shared, "/");
	CHECK_OK(answer(fd, req.id, 0, 0, CONTINUE));
	CHECK_EQ(status_of(pid), 0);
}

/* Calls that block, or do not return. */
static int pipe_fd[2];

static long call_read(void)
{
	char c = 0;

	CHECK_EQ(read(pipe_fd[0], &c, 1), 1);
	CHECK_EQ(c, 'x');
	return 0;
}

static void continued_read(void)
{
	int fd = listener(SYS_read, 0);
	struct seccomp_notif req;
	pid_t pid;

	CHECK_OK(pipe(pipe_fd));
	pid = caller(call_read);
	req = receive(fd);
	CHECK_EQ(req.data.nr, SYS_read);
	CHECK_OK(answer(fd, req.id, 0, 0, CONTINUE));
	CHECK_EQ(write(pipe_fd[1], "x", 1), 1);
	CHECK_EQ(status_of(pid), 0);
}

static long call_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_fork);
	int status = -1;

	if (!pid)
		_exit(3);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 3 << 8);
	return 0;
}

static void continued_fork(void)
{
	int fd = listener(SYS_fork, 0);
	pid_t pid = caller(call_fork);
	struct seccomp_notif req = receive(fd);

	CHECK_OK(answer(fd, req.id, 0, 0, CONTINUE));
	CHECK_EQ(status_of(pid), 0);
}

static long call_exec(void)
{
	return execl("/proc/self/exe", "task_seccomp_notify", "after-exec", NULL);
}

static void continued_exec(void)
{
	int fd = listener(SYS_execve, 0);
	pid_t pid = caller(call_exec);
	struct seccomp_notif req = receive(fd);

	CHECK_OK(answer(fd, req.id, 0, 0, CONTINUE));
	CHECK_EQ(status_of(pid), 77 << 8);
}

/* ---- poll ---- */

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

/* The last process under the filter has ended, even if nobody has waited for it. */
static void hangup(void)
{
	struct seccomp_notif req;
	siginfo_t info;
	int fd;
	pid_t pid = stranger(SYS_getppid, 0, call_once, &fd);

	req = receive(fd);
	CHECK_EQ(req.pid, pid);
	CHECK_OK(answer(fd, req.id, MAGIC, 0, 0));
	CHECK_EQ(ready(fd, -1), POLLHUP);
	CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	CHECK_EQ(ready(fd, 0), POLLHUP);
	memset(&req, 0, sizeof req);
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req), ENOENT);
	CHECK_EQ(status_of(pid), 0);
	CHECK_ERRNO(answer(fd, 1, 0, 0, 0), ENOENT);
}

/* A supervisor that waits in RECV while the last one ends. */
static long call_nothing(void)
{
	char c;

	return read(pipe_fd[0], &c, 1) != 1;
}

static void hangup_wakes(void)
{
	struct seccomp_notif req = {0};
	int fd;
	pid_t pid, killer;

	CHECK_OK(pipe(pipe_fd));
	pid = stranger(SYS_getppid, 0, call_nothing, &fd);
	killer = fork();
	if (!killer) {
		CHECK_EQ(write(pipe_fd[1], "x", 1), 1);
		_exit(check_failed());
	}
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req), ENOENT);
	CHECK_EQ(status_of(pid), 0);
	CHECK_EQ(status_of(killer), 0);
}

static void polled(void)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.u64 = 4};
	struct seccomp_notif req;
	int fd, ep = epoll_create1(0);
	pid_t pid = stranger(SYS_getppid, 0, call_once, &fd);

	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	CHECK_EQ(epoll_wait(ep, &event, 1, -1), 1);
	CHECK_EQ(event.events, EPOLLIN);
	req = receive(fd);
	CHECK_EQ(epoll_wait(ep, &event, 1, -1), 1);
	CHECK_EQ(event.events, EPOLLOUT);
	CHECK_OK(answer(fd, req.id, MAGIC, 0, 0));
	do
		CHECK_EQ(epoll_wait(ep, &event, 1, -1), 1);
	while (event.events == EPOLLOUT);
	CHECK_EQ(event.events, EPOLLHUP);
	CHECK_EQ(status_of(pid), 0);
}

/* ---- ends of the listener ---- */

static long call_unheard(void)
{
	CHECK_ERRNO(syscall(SYS_getppid), ENOSYS);
	CHECK_ERRNO(syscall(SYS_getppid), ENOSYS);
	return 0;
}

static void listener_dies(int receive_first)
{
	int fd, twin;
	pid_t pid = stranger(SYS_getppid, 0, call_unheard, &fd);

	twin = dup(fd);
	CHECK_EQ(ready(fd, -1), POLLIN);
	if (receive_first)
		receive(fd);
	CHECK_OK(close(fd));
	CHECK_EQ(ready(twin, 0),
		 receive_first ? POLLOUT : POLLIN); /* as long as there is another descriptor */
	CHECK_OK(close(twin));
	CHECK_EQ(status_of(pid), 0);
}

static void dies_unreceived(void)
{
	listener_dies(0);
}

static void dies_received(void)
{
	listener_dies(1);
}

/* ---- signals ---- */

static volatile int handled;

static void on_signal(int signo)
{
	handled++;
}

static void handle(int flags)
{
	struct sigaction a = {.sa_handler = on_signal, .sa_flags = flags};

	CHECK_OK(sigaction(SIGUSR1, &a, NULL));
}

static long call_interrupted(void)
{
	handle(0);
	CHECK_ERRNO(syscall(SYS_getppid), EINTR);
	CHECK_EQ(handled, 1);
	CHECK_EQ(syscall(SYS_getppid), MAGIC);
	return 0;
}

static void interrupted(void)
{
	struct seccomp_notif req;
	int fd;
	pid_t pid = stranger(SYS_getppid, 0, call_interrupted, &fd);
	uint64_t first;

	req = receive(fd);
	first = req.id;
	CHECK_OK(kill(pid, SIGUSR1));
	wait_gone(fd, first);
	CHECK_ERRNO(answer(fd, first, 0, 0, 0), ENOENT);
	req = receive(fd);
	CHECK_EQ(req.id, first + 1);
	CHECK_OK(answer(fd, req.id, MAGIC, 0, 0));
	CHECK_EQ(status_of(pid), 0);
}

static long call_restarted(void)
{
	handle(SA_RESTART);
	CHECK_EQ(syscall(SYS_getppid), MAGIC);
	CHECK_EQ(handled, 1);
	return 0;
}

static void restarted(void)
{
	struct seccomp_notif req;
	int fd;
	pid_t pid = stranger(SYS_getppid, 0, call_restarted, &fd);
	uint64_t first;

	req = receive(fd);
	first = req.id;
	CHECK_OK(kill(pid, SIGUSR1));
	wait_gone(fd, first);
	req = receive(fd);
	CHECK_EQ(req.id, first + 1);
	CHECK_EQ(req.data.nr, SYS_getppid);
	CHECK_OK(answer(fd, req.id, MAGIC, 0, 0));
	CHECK_EQ(status_of(pid), 0);
}

/* Gone before anybody received it: one RECV finds nothing. */
static long call_gone(void)
{
	handle(0);
	CHECK_ERRNO(syscall(SYS_getppid), EINTR);
	return call_nothing();
}

static void gone_unreceived(void)
{
	struct seccomp_notif req = {0};
	int fd;
	pid_t pid;

	CHECK_OK(pipe(pipe_fd));
	pid = stranger(SYS_getppid, 0, call_gone, &fd);
	CHECK_EQ(ready(fd, -1), POLLIN);
	CHECK_OK(kill(pid, SIGUSR1));
	while (ready(fd, 0))
		sched_yield();
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req), ENOENT);
	CHECK_EQ(write(pipe_fd[1], "x", 1), 1);
	CHECK_EQ(status_of(pid), 0);
}

static void killed(unsigned flags)
{
	struct seccomp_notif req;
	int fd;
	pid_t pid = stranger(SYS_getppid, flags, call_once, &fd);

	req = receive(fd);
	CHECK_OK(kill(pid, SIGKILL));
	CHECK_EQ(status_of(pid), SIGKILL);
	CHECK_ERRNO(valid(fd, req.id), ENOENT);
	CHECK_EQ(ready(fd, -1), POLLHUP);
}

static void killed_received(void)
{
	killed(0);
}

static void killed_killable(void)
{
	killed(WAIT_KILLABLE);
}

/* A signal waits for the answer once the notification has been received. */
static long call_steady(void)
{
	handle(0);
	CHECK_EQ(syscall(SYS_getppid), MAGIC);
	CHECK_EQ(handled, 1);
	CHECK_ERRNO(syscall(SYS_getppid), EINTR); /* not received yet */
	CHECK_EQ(handled, 2);
	return 0;
}

static void steady(void)
{
	struct seccomp_notif req;
	int fd;
	pid_t pid = stranger(SYS_getppid, WAIT_KILLABLE, call_steady, &fd);

	req = receive(fd);
	CHECK_OK(kill(pid, SIGUSR1));
	for (int i = 0; i < 50; i++) {
		CHECK_OK(valid(fd, req.id));
		sched_yield();
	}
	CHECK_OK(answer(fd, req.id, MAGIC, 0, 0));
	while (ready(fd, -1) != POLLIN)
		sched_yield();
	CHECK_OK(kill(pid, SIGUSR1));
	CHECK_EQ(status_of(pid), 0);
}

/*
 * Of the kernel's own numbers, as the answer to a call for which a signal waits: it restarts, or fails with EINTR, as calls
 * do that end so by themselves.
 */
static const struct {
	int error, flags, again;
	long result;
} own_numbers[] = {
	{-512, 0, 0, -EINTR},
	{-512, SA_RESTART, 1, MAGIC},
	{-513, 0, 1, MAGIC},
	{-514, 0, 0, -EINTR},
	{-514, SA_RESTART, 0, -EINTR},
	{-516, SA_RESTART, 0, -EINTR},
	{-515, 0, 0, -515},
	{-600, 0, 0, -600},
	{-603, SA_RESTART, 0, -603},
};

static size_t own_number;

static long call_own_number(void)
{
	handle(own_numbers[own_number].flags);
	CHECK_EQ(raw_getppid(), own_numbers[own_number].result);
	CHECK_EQ(handled, 1);
	return 0;
}

static void answered_with_signal(void)
{
	for (own_number = 0; own_number < sizeof own_numbers / sizeof *own_numbers; own_number++) {
		struct seccomp_notif req;
		int fd;
		pid_t pid = stranger(SYS_getppid, WAIT_KILLABLE, call_own_number, &fd);

		req = receive(fd);
		CHECK_OK(kill(pid, SIGUSR1));
		CHECK_OK(answer(fd, req.id, 0, own_numbers[own_number].error, 0));
		if (own_numbers[own_number].again) {
			req = receive(fd);
			CHECK_OK(answer(fd, req.id, MAGIC, 0, 0));
		}
		CHECK_EQ(status_of(pid), 0);
		close(fd);
	}
}

/* The supervisor's own wait. */
static void recv_interrupted(void)
{
	struct itimerval soon = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	struct seccomp_notif req = {0};
	struct sigaction a = {.sa_handler = on_signal};
	int fd = listener(SYS_getppid, 0);

	alarm(0);
	CHECK_OK(sigaction(SIGALRM, &a, NULL));
	CHECK_OK(setitimer(ITIMER_REAL, &soon, NULL));
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req), EINTR);
	CHECK_OK(setitimer(ITIMER_REAL, &never, NULL));
}

/* ---- descriptors ---- */

struct big_addfd {
	struct seccomp_notif_addfd add;
	uint64_t more;
};

#define ADDFD_SIZED(type) SECCOMP_IOW(3, type)

static int low_fd; /* the lowest free one of the process that is listened to */

static long call_descriptors(void)
{
	struct rlimit limit = {4, 4};
	struct stat st;
	char c;

	low_fd = open("/dev/null", O_RDONLY);
	close(low_fd);
	CHECK_EQ(syscall(SYS_getppid, low_fd), 0);
	/* 1: the read end, close-on-exec. 2: the same at 40. 3: by SEND. */
	CHECK_EQ(fcntl(low_fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(40, F_GETFD), 0);
	CHECK_EQ(read(40, &c, 1), 1);
	CHECK_EQ(c, 'p');
	CHECK_EQ(fcntl(41, F_GETFD), FD_CLOEXEC);
	CHECK_OK(fstat(41, &st));
	CHECK_EQ(st.st_mode & S_IFMT, (mode_t)S_IFCHR);
	CHECK_EQ(syscall(SYS_getppid), low_fd + 1);
	CHECK_OK(fcntl(low_fd + 1, F_GETFD));
	limit.rlim_cur = limit.rlim_max = (rlim_t)low_fd + 2;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
	CHECK_EQ(syscall(SYS_getppid), MAGIC);
	return 0;
}

static void descriptors(void)
{
	struct seccomp_notif_addfd add = {0};
	struct big_addfd big = {{0}, 0};
	struct seccomp_notif req;
	int fd, null = open("/dev/null", O_RDONLY), path = open("/", O_PATH), low;
	pid_t pid;

	CHECK_OK(pipe(pipe_fd));
	CHECK_EQ(write(pipe_fd[1], "p", 1), 1);
	pid = stranger(SYS_getppid, 0, call_descriptors, &fd);
	req = receive(fd);
	low = (int)req.data.args[0];
	/* In the kernel's order. */
	CHECK_ERRNO(ioctl(fd, ADDFD_SIZED(uint64_t), NULL), EINVAL);
	CHECK_ERRNO(ioctl(fd, _IOC(_IOC_WRITE, '!', 3, 4096), NULL), EINVAL);
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, NULL), EFAULT);
	big.more = 1;
	CHECK_ERRNO(ioctl(fd, ADDFD_SIZED(struct big_addfd), &big), E2BIG);
	add = (struct seccomp_notif_addfd){
		.id = req.id + 9, .srcfd = 9999, .newfd_flags = O_APPEND, .flags = 4};
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EINVAL);
	add.newfd_flags = 0;
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EINVAL);
	add.flags = 0;
	add.newfd = 5;
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EINVAL);
	add.newfd = 0;
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EBADF);
	add.srcfd = (unsigned)path;
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EBADF);
	add.srcfd = (unsigned)pipe_fd[0];
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), ENOENT);
	add.id = req.id;
	add.newfd_flags = O_CLOEXEC;
	CHECK_EQ(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), low);
	add.flags = SECCOMP_ADDFD_FLAG_SETFD;
	add.newfd = 1u << 30;
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EBADF);
	add.newfd = 40;
	add.newfd_flags = 0;
	CHECK_EQ(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), 40);
	add.newfd = 41;
	CHECK_EQ(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), 41);
	add.srcfd = (unsigned)null;
	add.newfd_flags = O_CLOEXEC;
	CHECK_EQ(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), 41); /* in place of the other */
	CHECK_EQ(ready(fd, 0), POLLOUT);
	CHECK_OK(answer(fd, req.id, 0, 0, 0));
	req = receive(fd);
	big.more = 0;
	big.add = (struct seccomp_notif_addfd){
		.id = req.id, .srcfd = (unsigned)null, .flags = SECCOMP_ADDFD_FLAG_SEND};
	CHECK_EQ(ioctl(fd, ADDFD_SIZED(struct big_addfd), &big), low + 1);
	CHECK_EQ(answer(fd, req.id, 0, 0, 0), -1);
	CHECK(errno == ENOENT || errno == EINPROGRESS);
	/* No room: the supervisor is told, and may still answer. */
	req = receive(fd);
	add = (struct seccomp_notif_addfd){
		.id = req.id, .srcfd = (unsigned)null, .flags = SECCOMP_ADDFD_FLAG_SEND};
	CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add), EMFILE);
	CHECK_OK(answer(fd, req.id, MAGIC, 0, 0));
	CHECK_EQ(status_of(pid), 0);
}

/* ---- threads, several at once ---- */

static pthread_barrier_t barrier;

static void *thread_calls(void *arg)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	CHECK_EQ(syscall(SYS_getppid), (int)syscall(SYS_gettid));
	return NULL;
}

static void threads(void)
{
	pthread_t thread[4];
	int fd;

	pthread_barrier_init(&barrier, NULL, 5);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, thread_calls, NULL), 0);
	pthread_barrier_wait(&barrier);
	fd = listener(SYS_getppid, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 4; i++) {
		struct seccomp_notif req = receive(fd);

		CHECK_OK(answer(fd, req.id, req.pid, 0, 0)); /* the thread's number */
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

/* Oldest first, answered in any order. */
static long call_own_pid(void)
{
	return syscall(SYS_getppid) != getpid();
}

static void several(void)
{
	int fd = listener(SYS_getppid, 0);
	struct seccomp_notif req[5];
	pid_t pid[5];

	for (int i = 0; i < 5; i++)
		pid[i] = caller(call_own_pid);
	for (int i = 0; i < 5; i++) {
		req[i] = receive(fd);
		CHECK(!i || req[i].id > req[i - 1].id);
	}
	for (int i = 4; i >= 0; i--)
		CHECK_OK(answer(fd, req[i].id, req[i].pid, 0, 0));
	for (int i = 0; i < 5; i++)
		CHECK_EQ(status_of(pid[i]), 0);
}

/* Whose filter it is that says so. */
static void precedence(void)
{
	int fd = listener(SYS_getppid, 0);
	struct seccomp_notif req;
	pid_t pid;

	CHECK_EQ(filter(SYS_getpgrp, SECCOMP_RET_ERRNO | 7, 0), 0);
	CHECK_EQ(filter(SYS_getppid, SECCOMP_RET_TRACE, 0), 0); /* weaker */
	pid = caller(call_once);
	req = receive(fd);
	CHECK_OK(answer(fd, req.id, MAGIC, 0, 0));
	CHECK_EQ(status_of(pid), 0);
	/* The newest that says USER_NOTIF counts, and nobody listens to that one. */
	CHECK_EQ(filter(SYS_getppid, SECCOMP_RET_USER_NOTIF, 0), 0);
	CHECK_ERRNO(syscall(SYS_getppid), ENOSYS);
	CHECK_EQ(filter(SYS_getppid, SECCOMP_RET_ERRNO | 8, 0), 0);
	CHECK_ERRNO(syscall(SYS_getppid), 8);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		_exit(77);
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0)
		check_skip("runs under a filter already");
	if (!fork()) {
		promise();
		_exit(filter(SYS_getppid, SECCOMP_RET_USER_NOTIF, LISTEN) < 0 && errno == EBUSY);
	} else {
		int status;

		wait(&status);
		if (status)
			check_skip("somebody else listens");
	}
	run("sizes", sizes);
	run("installing", installing);
	run("descriptor", descriptor);
	run("received", received);
	run("answered", answered);
	run("too early", too_early);
	run("continued", continued);
	run("continued read", continued_read);
	run("continued fork", continued_fork);
	run("continued exec", continued_exec);
	run("hangup", hangup);
	run("hangup wakes", hangup_wakes);
	run("polled", polled);
	run("dies unreceived", dies_unreceived);
	run("dies received", dies_received);
	run("interrupted", interrupted);
	run("restarted", restarted);
	run("gone unreceived", gone_unreceived);
	run("killed", killed_received);
	run("killed in a killable wait", killed_killable);
	run("steady", steady);
	run("answered with a signal", answered_with_signal);
	run("recv interrupted", recv_interrupted);
	run("descriptors", descriptors);
	run("threads", threads);
	run("several", several);
	run("precedence", precedence);
	return check_done();
}
