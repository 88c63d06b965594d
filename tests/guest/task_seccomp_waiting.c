/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners of seccomp(2), while a call waits for the answer: signals, descriptors that come with it, threads, several at
 * once. */
#include "notify.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

/* ---- signals ---- */

/* Until the notification is gone, however it went. */
static void wait_gone(int fd, uint64_t id)
{
	while (!valid(fd, id))
		sched_yield();
	CHECK_EQ(errno, ENOENT);
}

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

static long call_restarted(void)
{
	handle(SA_RESTART);
	CHECK_EQ(syscall(SYS_getppid), MAGIC);
	CHECK_EQ(handled, 1);
	return 0;
}

/* A signal takes the caller out of its call: the notification is gone, and the next call is another. */
static void signalled(long (*fn)(void))
{
	struct seccomp_notif req;
	int fd;
	pid_t pid = stranger(SYS_getppid, 0, fn, &fd);
	uint64_t first;

	req = receive(fd);
	first = req.id;
	CHECK_OK(kill(pid, SIGUSR1));
	wait_gone(fd, first);
	CHECK_ERRNO(answer(fd, first, 0, 0, 0), ENOENT);
	req = receive(fd);
	CHECK_EQ(req.id, first + 1);
	CHECK_EQ(req.data.nr, SYS_getppid);
	CHECK_OK(answer(fd, req.id, MAGIC, 0, 0));
	CHECK_EQ(status_of(pid), 0);
}

static void interrupted(void)
{
	signalled(call_interrupted);
}

static void restarted(void)
{
	signalled(call_restarted);
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

/* As gone_unreceived(), by its end: what is left over is found once, whatever else comes before. */
static int back_fd[2];

static long call_by_child(void)
{
	pid_t pid = caller(call_once);

	CHECK_EQ(write(back_fd[1], &pid, sizeof pid), sizeof pid);
	CHECK_EQ(status_of(pid), SIGKILL);
	return call_nothing() || call_once();
}

static void killed_unreceived(int another)
{
	struct seccomp_notif req = {0};
	int fd;
	pid_t pid, victim = 0;

	CHECK_OK(pipe(pipe_fd));
	CHECK_OK(pipe(back_fd));
	pid = stranger(SYS_getppid, 0, call_by_child, &fd);
	CHECK_EQ(read(back_fd[0], &victim, sizeof victim), sizeof victim);
	CHECK_EQ(ready(fd, -1), POLLIN);
	CHECK_OK(kill(victim, SIGKILL));
	while (ready(fd, 0))
		sched_yield();
	if (!another)
		CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req), ENOENT);
	CHECK_EQ(write(pipe_fd[1], "x", 1), 1);
	CHECK_EQ(ready(fd, -1), POLLIN);
	req = receive(fd);
	CHECK_EQ(req.pid, pid);
	if (another) {
		struct seccomp_notif none = {0};

		CHECK_ERRNO(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &none), ENOENT);
	}
	CHECK_OK(answer(fd, req.id, MAGIC, 0, 0));
	CHECK_EQ(status_of(pid), 0);
}

static void killed_alone(void)
{
	killed_unreceived(0);
}

static void killed_before_another(void)
{
	killed_unreceived(1);
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

static const struct notify_case cases[] = {
	{"interrupted", interrupted},
	{"restarted", restarted},
	{"gone unreceived", gone_unreceived},
	{"killed unreceived", killed_alone},
	{"killed before another", killed_before_another},
	{"killed", killed_received},
	{"killed in a killable wait", killed_killable},
	{"steady", steady},
	{"answered with a signal", answered_with_signal},
	{"recv interrupted", recv_interrupted},
	{"descriptors", descriptors},
	{"threads", threads},
	{"several", several},
};

int main(int argc, char **argv)
{
	return notify_main(argc, cases, sizeof cases / sizeof *cases);
}
