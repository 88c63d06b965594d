/* SPDX-License-Identifier: Apache-2.0 */
/* What calls answer for one kind of file and not for others: regular files, memfds, devices, sockets, pipes, terminals,
 * descriptors of events and of processes, the files of /proc and /sys. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "check.h"
#include "release.h"

#define NR_pidfd_send_signal 424
#define NR_pidfd_open        434
#define ALWAYS               (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)
#define ALL_EVENTS           (ALWAYS | POLLPRI | POLLRDBAND | POLLWRBAND | POLLRDHUP)

static int events_of(int fd)
{
	struct pollfd p = {fd, ALL_EVENTS, 0};

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

/* 0 or the errno of watching @fd. */
static int watched(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(0), r = epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) ? errno : 0;

	close(ep);
	return r;
}

/* ---- pidfds ---- */

static void test_pidfd(void)
{
	int fd = (int)syscall(NR_pidfd_open, getpid(), 0), again = (int)syscall(NR_pidfd_open, getpid(), 0),
	    child;
	struct stat st, other;
	pid_t pid;
	char c;

	CHECK_OK(fd);
	CHECK_OK(fstat(fd, &st));
	if (is_linux(6, 18)) {
		struct statfs sf;

		CHECK_EQ(st.st_mode, 0700);
		CHECK_OK(fstatfs(fd, &sf));
		CHECK_EQ(sf.f_type, 0x50494446);
		CHECK_OK(fstat(again, &other));
		CHECK_EQ(other.st_ino, st.st_ino);
		CHECK_EQ(other.st_dev, st.st_dev);
		pid = fork();
		if (!pid) {
			pause();
			_exit(1);
		}
		child = (int)syscall(NR_pidfd_open, pid, 0);
		CHECK_OK(fstat(child, &other));
		CHECK(other.st_ino != st.st_ino);
		CHECK_OK(syscall(NR_pidfd_send_signal, child, SIGKILL, NULL, 0));
		waitpid(pid, NULL, 0);
		close(child);
		CHECK_ERRNO(pread(fd, &c, 1, 0), EINVAL);
		CHECK_ERRNO(pwrite(fd, &c, 1, 0), EINVAL);
	}
	CHECK_ERRNO(lseek(fd, 0, SEEK_CUR), ESPIPE);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	close(fd);
	close(again);
}

/* Attributes that nobody may change are not asked for permission. */
static void test_fixed_attributes(void)
{
	const struct timespec times[2] = {{1, 1}, {1, 1}};
	int fds[] = {(int)syscall(NR_pidfd_open, getpid(), 0), eventfd(0, 0)};

	for (size_t i = 0; is_linux(6, 16) && i < sizeof fds / sizeof *fds; i++) {
		CHECK_ERRNO(fchmod(fds[i], 0777), EOPNOTSUPP);
		CHECK_ERRNO(fchown(fds[i], 1, 1), EOPNOTSUPP);
		CHECK_ERRNO(fchown(fds[i], -1, -1), EOPNOTSUPP);
		CHECK_ERRNO(futimens(fds[i], times), EOPNOTSUPP);
		CHECK_ERRNO(futimens(fds[i], NULL), geteuid() ? EACCES : EOPNOTSUPP);
	}
	close(fds[0]);
	close(fds[1]);
}

static void fixed_attributes_of_nobody(void)
{
	CHECK_OK(setresuid(65534, 65534, 65534));
	test_fixed_attributes();
}

/* A process's directory in /proc does as well. */
static void test_signal_by_directory(void)
{
	char path[64];
	int dir, status;
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(1);
	}
	snprintf(path, sizeof path, "/proc/%d", pid);
	dir = open(path, O_RDONLY);
	CHECK_OK(syscall(NR_pidfd_send_signal, dir, SIGTERM, NULL, 0));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WTERMSIG(status), SIGTERM);
	CHECK_ERRNO(syscall(NR_pidfd_send_signal, dir, 0, NULL, 0), ESRCH);
	close(dir);
	dir = open("/proc/self/task", O_RDONLY);
	CHECK_ERRNO(syscall(NR_pidfd_send_signal, dir, 0, NULL, 0), EBADF);
	close(dir);
	dir = open("/proc/self", O_PATH);
	CHECK_ERRNO(syscall(NR_pidfd_send_signal, dir, 0, NULL, 0), EBADF);
	close(dir);
	snprintf(path, sizeof path, "/proc/self/task/%d", getpid());
	dir = open(path, O_RDONLY);
	CHECK_ERRNO(syscall(NR_pidfd_send_signal, dir, 0, NULL, 0), EBADF);
	close(dir);
}

/* ---- O_ASYNC ---- */

static volatile int signals;

static void count(int sig)
{
	signals++;
	(void)sig;
}

static void test_async(void)
{
	char dir[] = "/dev/shm/husk-kindsXXXXXX", path[64];
	int in = inotify_init1(IN_NONBLOCK), random = open("/dev/urandom", O_RDWR), on = 1;

	signal(SIGIO, count);
	CHECK_OK(fcntl(random, F_SETFL, O_ASYNC));
	CHECK_EQ(fcntl(random, F_GETFL) & O_ASYNC, O_ASYNC);
	CHECK_OK(fcntl(random, F_SETFL, 0));
	CHECK_OK(ioctl(random, FIOASYNC, &on));
	CHECK_EQ(fcntl(random, F_GETFL) & O_ASYNC, O_ASYNC);
	close(random);

	CHECK(mkdtemp(dir));
	CHECK_OK(inotify_add_watch(in, dir, IN_CREATE));
	CHECK_OK(fcntl(in, F_SETOWN, getpid()));
	CHECK_OK(fcntl(in, F_SETFL, O_NONBLOCK | O_ASYNC));
	CHECK_EQ(fcntl(in, F_GETFL), O_NONBLOCK | O_ASYNC);
	snprintf(path, sizeof path, "%s/a", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(signals, 1);
	CHECK_OK(fcntl(in, F_SETFL, O_NONBLOCK));
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(signals, 1);
	CHECK_OK(ioctl(in, FIOASYNC, &on));
	CHECK_EQ(fcntl(in, F_GETFL), O_NONBLOCK | O_ASYNC);
	unlink(path);
	rmdir(dir);
	close(in);

	/* Others have none. */
	in = eventfd(0, 0);
	CHECK_OK(fcntl(in, F_SETFL, O_ASYNC));
	CHECK_EQ(fcntl(in, F_GETFL) & O_ASYNC, 0);
	CHECK_ERRNO(ioctl(in, FIOASYNC, &on), ENOTTY);
	close(in);
}

/* ---- ioctls ---- */

static void test_ioctls(void)
{
	int s[2], d[2], value = 7, master = posix_openpt(O_RDWR | O_NOCTTY), slave, fd;
	struct stat st;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
	CHECK_OK(ioctl(s[0], SIOCATMARK, &value));
	CHECK_EQ(value, 0);
	CHECK_EQ(write(s[1], "a", 1), 1);
	CHECK_OK(ioctl(s[0], SIOCATMARK, &value));
	CHECK_EQ(value, 0);
	CHECK_ERRNO(ioctl(s[0], SIOCATMARK, 8), EFAULT);
	CHECK_ERRNO(ioctl(d[0], SIOCATMARK, &value), EOPNOTSUPP);

	CHECK_OK(grantpt(master));
	CHECK_OK(unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	CHECK_OK(fstat(slave, &st));
	CHECK_OK(ioctl(slave, TIOCGDEV, &value));
	CHECK_EQ((unsigned)value, major(st.st_rdev) << 8 | minor(st.st_rdev));
	CHECK_OK(ioctl(master, TIOCGDEV, &value));
	CHECK_EQ((unsigned)value, major(st.st_rdev) << 8 | minor(st.st_rdev));
	CHECK_ERRNO(ioctl(s[0], TIOCGDEV, &value), ENOTTY);

	fd = eventfd(0, 0);
	CHECK_ERRNO(ioctl(fd, FICLONE, fd), EINVAL);
	CHECK_ERRNO(ioctl(fd, FICLONE, s[0]), EXDEV);
	close(fd);
	close(slave);
	close(master);
	for (int i = 0; i < 2; i++) {
		close(s[i]);
		close(d[i]);
	}
}

/* ---- regular files, on a disk and in memory ---- */

static void test_regular(void)
{
	char path[] = "/var/tmp/husk-kindsXXXXXX";
	int fd = mkstemp(path), memfd = memfd_create("m", MFD_ALLOW_SEALING),
	    own = open("/proc/self/exe", O_RDONLY);
	struct statfs sf;

	CHECK_EQ(watched(fd), EPERM);
	CHECK_EQ(watched(own), EPERM);
	CHECK_EQ(watched(memfd), EPERM);
	CHECK_EQ(events_of(fd), ALWAYS);
	CHECK_EQ(events_of(own), ALWAYS);
	CHECK_ERRNO(fcntl(fd, F_GET_SEALS), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EINVAL);
	CHECK_ERRNO(fcntl(own, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK_EQ(fcntl(memfd, F_GET_SEALS), 0);
	CHECK_OK(fstatfs(memfd, &sf));
	CHECK_EQ(sf.f_type, TMPFS_MAGIC);
	/* Both permissions are asked for, and neither is used. */
	close(own);
	if (!geteuid()) {
		own = open("/proc/self/exe", 3);
		CHECK_OK(own);
		close(own);
		CHECK_ERRNO(open("/proc/self/exe", O_RDWR), ETXTBSY);
	}
	close(memfd);
	close(fd);
	unlink(path);
}

/* ---- buffers that can't be, where nothing can be moved ---- */

static void test_no_such_way(void)
{
	sigset_t none;
	int fds[3];

	sigemptyset(&none);
	fds[0] = epoll_create1(0);
	fds[1] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	fds[2] = signalfd(-1, &none, SFD_NONBLOCK);
	for (int i = 0; i < 3; i++) {
		CHECK_ERRNO(syscall(SYS_write, fds[i], -1L, 0), EINVAL);
		CHECK_ERRNO(syscall(SYS_write, fds[i], -1L, 8), EINVAL);
		close(fds[i]);
	}
}

/* ---- devices ---- */

static void test_devices(void)
{
	int urandom = open("/dev/urandom", O_RDWR), random = open("/dev/random", O_RDWR),
	    null = open("/dev/null", O_RDWR);

	CHECK_ERRNO(syscall(SYS_write, urandom, 8L, 8), EFAULT);
	CHECK_EQ(write(urandom, "abc", 3), 3);
	CHECK_EQ(syscall(SYS_write, null, 8L, 8), 8);
	CHECK_EQ(watched(urandom), EPERM);
	CHECK_EQ(watched(null), EPERM);
	CHECK_EQ(watched(random), 0);
	CHECK_EQ(events_of(random), POLLIN | POLLRDNORM);
	close(urandom);
	close(random);
	close(null);
}

/* An offset near the end of all: only what has a size is too small for it. */
static void test_offsets(void)
{
	const off_t last = 0x7ffffffffffff000;
	int zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR), memfd = memfd_create("m", 0),
	    dir = open("/", O_RDONLY), s = socket(AF_UNIX, SOCK_STREAM, 0);

#define MAPPED(fd, size, at) mmap(NULL, size, PROT_READ, MAP_SHARED, fd, at)
	CHECK(MAPPED(zero, 4096, last) != MAP_FAILED);
	CHECK(MAPPED(zero, 12288, last - 4096) != MAP_FAILED);
	CHECK_ERRNO(MAPPED(zero, 4096, -4096), EOVERFLOW);
	CHECK_ERRNO(MAPPED(zero, 8192, -8192), EOVERFLOW);
	CHECK_ERRNO(MAPPED(null, 4096, last), ENODEV);
	CHECK_ERRNO(MAPPED(null, 4096, -4096), EOVERFLOW);
	CHECK_ERRNO(MAPPED(dir, 4096, last), ENODEV);
	CHECK_ERRNO(MAPPED(s, 4096, last), EOVERFLOW);
	CHECK_ERRNO(MAPPED(memfd, 4096, last), EOVERFLOW);
	CHECK(MAPPED(memfd, 4096, last - 4096) != MAP_FAILED);
	CHECK_ERRNO(MAPPED(memfd, 8192, last - 4096), EOVERFLOW);
	close(zero);
	close(null);
	close(memfd);
	close(dir);
	close(s);
}

/* ---- from sockets ---- */

static void test_sendfile_from_socket(void)
{
	int p[2], s[2], d[2];
	off_t at = 0;
	char buf[8];

	CHECK_OK(pipe2(p, O_NONBLOCK));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
	CHECK_ERRNO(sendfile(p[1], s[0], NULL, 1), EAGAIN);
	CHECK_EQ(write(s[1], "abc", 3), 3);
	CHECK_ERRNO(sendfile(p[1], s[0], &at, 1), ESPIPE);
	CHECK_EQ(sendfile(p[1], s[0], NULL, 10), 3);
	CHECK_EQ(read(p[0], buf, sizeof buf), 3);
	CHECK(!memcmp(buf, "abc", 3));
	CHECK_EQ(write(d[1], "defg", 4), 4);
	CHECK_EQ(sendfile(p[1], d[0], NULL, 10), 4);
	CHECK_EQ(read(p[0], buf, sizeof buf), 4);
	CHECK_ERRNO(sendfile(p[1], p[0], NULL, 1), EINVAL);
	CHECK_ERRNO(sendfile(s[0], d[0], NULL, 1), EINVAL);
	CHECK_EQ(sendfile(p[1], s[0], NULL, 0), 0);
	/* It waits for the socket, as far as the pipe's flag lets it. */
	CHECK_OK(fcntl(p[1], F_SETFL, O_APPEND));
	if (!fork()) {
		_exit(write(s[1], "x", 1) != 1);
	}
	CHECK_EQ(sendfile(p[1], s[0], NULL, 1), 1);
	wait(NULL);
	close(s[1]);
	CHECK_EQ(sendfile(p[1], s[0], NULL, 1), 0);
	close(s[0]);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(d[i]);
	}
}

/* ---- /proc and /sys ---- */

static void test_positions(void)
{
	static const char *const sequential[] = {"/proc/self/status",  "/proc/self/maps", "/proc/self/stat",
						 "/proc/self/limits",  "/proc/cpuinfo",   "/proc/self/mounts",
						 "/proc/self/fdinfo/0"};
	int fd;

	for (size_t i = 0; i < sizeof sequential / sizeof sequential[0]; i++) {
		fd = open(sequential[i], O_RDONLY);
		CHECK_ERRNO(pwrite(fd, "x", 1, 0), ESPIPE);
		CHECK_ERRNO(write(fd, "x", 1), EBADF);
		close(fd);
	}
	fd = open("/proc/self/cmdline", O_RDONLY);
	CHECK_ERRNO(pwrite(fd, "x", 1, 0), EBADF);
	close(fd);
	fd = open("/proc/self/comm", O_RDWR);
	CHECK_ERRNO(pwrite(fd, "x", 1, 0), ESPIPE);
	CHECK_EQ(write(fd, "x", 1), 1);
	close(fd);
	fd = open("/proc/self/oom_score_adj", O_RDWR);
	CHECK_EQ(pwrite(fd, "500", 3, 0), 3);
	close(fd);
}

static void test_polls(void)
{
	int fd = open("/proc/self/mounts", O_RDONLY);

	CHECK_EQ(events_of(fd), POLLIN | POLLRDNORM);
	CHECK_EQ(watched(fd), 0);
	close(fd);
	fd = open("/proc/self/mountinfo", O_RDONLY);
	CHECK_EQ(events_of(fd), POLLIN | POLLRDNORM);
	close(fd);
	fd = open("/proc/cpuinfo", O_RDONLY);
	CHECK_EQ(events_of(fd), ALWAYS);
	CHECK_EQ(watched(fd), 0);
	close(fd);
	fd = open("/proc/sys/kernel/hostname", O_RDONLY);
	CHECK_EQ(watched(fd), 0);
	close(fd);
	fd = open("/proc/self/status", O_RDONLY);
	CHECK_EQ(watched(fd), EPERM);
	close(fd);
}

static void test_sysfs(void)
{
	int fd = open("/sys/devices/system/cpu/online", O_RDONLY);
	struct stat st;
	char buf[4096];

	if (fd < 0)
		return;
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 4096);
	CHECK_EQ(events_of(fd), ALWAYS | POLLERR | POLLPRI);
	CHECK_EQ(watched(fd), 0);
	CHECK(read(fd, buf, sizeof buf) > 0);
	CHECK_EQ(events_of(fd), ALWAYS);
	CHECK_ERRNO(pwrite(fd, "x", 1, 0), ESPIPE);
	CHECK_OK(fsync(fd));
	CHECK_EQ(lseek(fd, 0, SEEK_END), 4096);
	CHECK_EQ(lseek(fd, 1, SEEK_DATA), 1);
	CHECK_EQ(lseek(fd, 1, SEEK_HOLE), 4096);
	CHECK_ERRNO(lseek(fd, 4096, SEEK_DATA), ENXIO);
	CHECK_ERRNO(lseek(fd, 1L << 31, SEEK_SET), EINVAL);
	CHECK_EQ(lseek(fd, (1L << 31) - 1, SEEK_SET), (1L << 31) - 1);
	close(fd);
	fd = open("/proc/self", O_RDONLY);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 0);
	CHECK_ERRNO(lseek(fd, 0, SEEK_DATA), ENXIO);
	CHECK_ERRNO(lseek(fd, 1L << 31, SEEK_SET), EINVAL);
	close(fd);
}

static void test_birth(void)
{
	struct statx sx;

	CHECK_OK(statx(AT_FDCWD, "/proc/self/status", 0, STATX_ALL, &sx));
	CHECK_EQ(sx.stx_mask & STATX_BTIME, 0);
	CHECK_EQ(sx.stx_attributes_mask & STATX_ATTR_NODUMP, 0);
	CHECK_OK(statx(AT_FDCWD, "/dev/shm", 0, STATX_ALL, &sx));
	CHECK_EQ(sx.stx_mask & STATX_BTIME, STATX_BTIME);
	CHECK_EQ(sx.stx_attributes_mask & STATX_ATTR_NODUMP, STATX_ATTR_NODUMP);
}

static void test_memory_spliced(void)
{
	int mem = open("/proc/self/mem", O_RDWR), p[2];

	CHECK_OK(pipe2(p, O_NONBLOCK));
	CHECK_ERRNO(sendfile(p[1], mem, NULL, 1), EINVAL);
	CHECK_ERRNO(splice(mem, NULL, p[1], NULL, 1, 0), EINVAL);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_ERRNO(splice(p[0], NULL, mem, NULL, 1, 0), EINVAL);
	close(mem);
	close(p[0]);
	close(p[1]);
}

/* Whose a process is everybody may know, also when nobody may look into it. */
static void other_user(void)
{
	static const struct {
		const char *path;
		uid_t uid;
	} files[] = {{"/proc/self", 65534},        {"/proc/self/", 65534},   {"/proc/self/task", 65534},
		     {"/proc/self/fdinfo", 65534}, {"/proc/self/status", 0}, {"/proc/self/fd", 0},
		     {"/proc/thread-self", 65534}, {"/proc/self/environ", 0}};
	struct stat st;

	CHECK_OK(setresgid(65534, 65534, 65534));
	CHECK_OK(setresuid(65534, 65534, 65534));
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		/* A link's own owner, and the directory behind it. */
		if (!stat(files[i].path, &st) || errno != EACCES)
			CHECK_EQ(st.st_uid, files[i].uid);
	}
}

int main(void)
{
	int p[2];

	CHECK_ERRNO(pipe2(p, O_EXCL), ENOPKG);
	test_pidfd();
	test_fixed_attributes();
	if (!geteuid())
		CHECK_EQ(check_in_child(fixed_attributes_of_nobody), 0);
	test_signal_by_directory();
	test_async();
	test_ioctls();
	test_regular();
	test_no_such_way();
	test_devices();
	test_offsets();
	test_sendfile_from_socket();
	test_positions();
	test_polls();
	test_sysfs();
	test_birth();
	test_memory_spliced();
	if (!geteuid())
		CHECK_EQ(check_in_child(other_user), 0);
	return check_done();
}
