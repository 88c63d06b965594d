/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners of seccomp(2): the call that makes one, its descriptor, what is received and answered, calls that go on, poll,
 * whose filter counts, and the listener's end. (What happens while a call waits: task_seccomp_waiting.c.)
 */
#include "notify.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

static const struct notify_case cases[] = {
	{"sizes", sizes},
	{"installing", installing},
	{"descriptor", descriptor},
	{"received", received},
	{"answered", answered},
	{"too early", too_early},
	{"continued", continued},
	{"continued read", continued_read},
	{"continued fork", continued_fork},
	{"continued exec", continued_exec},
	{"hangup", hangup},
	{"hangup wakes", hangup_wakes},
	{"polled", polled},
	{"dies unreceived", dies_unreceived},
	{"dies received", dies_received},
	{"precedence", precedence},
};

int main(int argc, char **argv)
{
	return notify_main(argc, cases, sizeof cases / sizeof *cases);
}
