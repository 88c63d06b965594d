/* SPDX-License-Identifier: Apache-2.0 */
/* fcntl beyond locks: duplication and its queries, status flags, owners, hints; close_range, dup3; file ioctls. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "fcntl_queries.h"

#define CLOSE_UNSHARE 2
#define CLOSE_CLOEXEC 4

static char path[] = "/dev/shm/husk-fcntlXXXXXX";

static void test_dup(int fd)
{
	struct rlimit r, low;
	int a, b;

	a = fcntl(fd, F_DUPFD, 100);
	CHECK_EQ(a, 100);
	CHECK_EQ(fcntl(a, F_GETFD), 0);
	b = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	CHECK_EQ(b, 101);
	CHECK_EQ(fcntl(b, F_GETFD), FD_CLOEXEC);
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &r));
	CHECK_ERRNO(fcntl(fd, F_DUPFD, r.rlim_cur), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_DUPFD, -1), EINVAL);
	/* A number is what its lower half says. */
	b = fcntl(fd, F_DUPFD, 1L << 32 | 104);
	CHECK_EQ(b, 104);
	close(b);
	low = r;
	low.rlim_cur = 102;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &low));
	CHECK_ERRNO(fcntl(fd, F_DUPFD, 100), EMFILE);
	CHECK_ERRNO(fcntl(fd, F_DUPFD, 102), EINVAL);
	CHECK_ERRNO(dup2(fd, 102), EBADF);
	CHECK_ERRNO(dup3(fd, 102, 0), EBADF);
	CHECK_EQ(dup2(fd, 101), 101);
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &r));
	if (fcntl(fd, F_DUPFD_QUERY, a) != -1 || errno != EINVAL) { /* Linux 6.10 */
		CHECK_EQ(fcntl(fd, F_DUPFD_QUERY, a), 1);
		CHECK_EQ(fcntl(fd, F_DUPFD_QUERY, 0), 0);
		CHECK_ERRNO(fcntl(fd, F_DUPFD_QUERY, 999), EBADF);
	}
	CHECK_ERRNO(dup3(fd, fd, 0), EINVAL);
	CHECK_ERRNO(dup3(999, 999, 0), EINVAL);
	CHECK_ERRNO(dup3(999, 5, 0), EBADF);
	CHECK_ERRNO(dup3(fd, -1, 0), EBADF);
	CHECK_ERRNO(dup3(fd, 110, O_NONBLOCK), EINVAL);
	CHECK_EQ(dup2(fd, fd), fd);
	CHECK_ERRNO(dup2(999, 999), EBADF);
	CHECK_EQ(dup3(fd, 110, O_CLOEXEC), 110);
	CHECK_EQ(fcntl(110, F_GETFD), FD_CLOEXEC);
	CHECK_OK(fcntl(110, F_SETFD, 0xfe));
	CHECK_EQ(fcntl(110, F_GETFD), 0);
	close(a);
	close(b);
	close(110);
	CHECK_ERRNO(fcntl(999, F_GETFD), EBADF);
	CHECK_ERRNO(fcntl(fd, 4711), EINVAL);
	CHECK_ERRNO(fcntl(999, 4711), EBADF);
}

static void test_flags(int fd)
{
	int p[2], s[2], op = open(path, O_PATH), null = open("/dev/null", O_RDWR), other;
	int created;

	CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR | 0100000);
	CHECK_OK(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_CREAT | O_SYNC));
	CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR | O_APPEND | O_NONBLOCK | 0100000);
	CHECK_OK(fcntl(fd, F_SETFL, O_ASYNC)); /* a file without such signals */
	CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR | 0100000);
	CHECK_OK(fcntl(fd, F_SETFL, O_NOATIME));
	CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR | O_NOATIME | 0100000);
	CHECK_OK(fcntl(fd, F_SETFL, 0));
	CHECK_EQ(fcntl(op, F_GETFL), O_PATH);
	CHECK_ERRNO(fcntl(op, F_SETFL, O_APPEND), EBADF);
	CHECK_ERRNO(fcntl(op, F_GETOWN), EBADF);
	CHECK_ERRNO(fcntl(op, 4711), EBADF);
	CHECK_ERRNO(fcntl(null, F_SETFL, O_DIRECT), EINVAL);
	CHECK_ERRNO(open("/dev/null", O_RDWR | O_DIRECT), EINVAL);
	CHECK_ERRNO(open("/proc/self/status", O_RDONLY | O_DIRECT), EINVAL);
	CHECK_OK(pipe2(p, O_DIRECT));
	CHECK_EQ(fcntl(p[1], F_GETFL), O_WRONLY | O_DIRECT);
	CHECK_OK(fcntl(p[1], F_SETFL, 0));
	CHECK_EQ(fcntl(p[1], F_GETFL), O_WRONLY);
	CHECK_OK(fcntl(p[1], F_SETFL, O_DIRECT | O_ASYNC));
	CHECK_EQ(fcntl(p[1], F_GETFL), O_WRONLY | O_DIRECT | O_ASYNC);
	CHECK_OK(fcntl(p[1], F_SETFL, 0));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_ERRNO(fcntl(s[0], F_SETFL, O_DIRECT), EINVAL);
	CHECK_OK(fcntl(s[0], F_SETFL, O_NONBLOCK));
	CHECK_EQ(fcntl(s[0], F_GETFL), O_RDWR | O_NONBLOCK);
	if (getuid()) {
		other = open("/etc/passwd", O_RDONLY);
		CHECK_ERRNO(fcntl(other, F_SETFL, O_NOATIME), EPERM);
		CHECK_ERRNO(open("/etc/passwd", O_RDONLY | O_NOATIME), EPERM);
		close(other);
	}
	unlink("/dev/shm/husk-fcntl-new");
	other = open("/dev/shm/husk-fcntl-new", O_RDWR | O_CREAT, 0600);
	created = fcntl(other, F_CREATED_QUERY) != -1 || errno != EINVAL; /* Linux 6.12 */
	if (created)
		CHECK_EQ(fcntl(other, F_CREATED_QUERY), 1);
	close(other);
	other = open("/dev/shm/husk-fcntl-new", O_RDWR | O_CREAT, 0600);
	if (created) {
		CHECK_EQ(fcntl(other, F_CREATED_QUERY), 0);
		CHECK_EQ(fcntl(op, F_CREATED_QUERY), 0);
	}
	close(other);
	unlink("/dev/shm/husk-fcntl-new");
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(s[i]);
	}
	close(op);
	close(null);
}

static void test_owner(void)
{
	struct f_owner_ex ex = {.type = 77};
	uid_t ids[2];
	int p[2], status;
	pid_t pid;

	CHECK_OK(pipe(p));
	CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
	CHECK_OK(fcntl(p[0], F_SETOWN, getpid()));
	CHECK_EQ(fcntl(p[0], F_GETOWN), getpid());
	CHECK_OK(fcntl(p[0], F_GETOWN_EX, &ex));
	CHECK_EQ(ex.type, F_OWNER_PID);
	CHECK_EQ(ex.pid, getpid());
	CHECK_OK(fcntl(p[0], F_SETOWN, -getpgrp()));
	CHECK_EQ(syscall(SYS_fcntl, p[0], F_GETOWN), getpgrp() > 4095 ? -getpgrp() : -1);
	CHECK_OK(fcntl(p[0], F_GETOWN_EX, &ex));
	CHECK_EQ(ex.type, F_OWNER_PGRP);
	CHECK_EQ(ex.pid, getpgrp());
	ex = (struct f_owner_ex){.type = F_OWNER_TID, .pid = gettid()};
	CHECK_OK(fcntl(p[0], F_SETOWN_EX, &ex));
	CHECK_EQ(fcntl(p[0], F_GETOWN), gettid());
	ex.type = 3;
	CHECK_ERRNO(fcntl(p[0], F_SETOWN_EX, &ex), EINVAL);
	CHECK_ERRNO(fcntl(p[0], F_SETOWN, 0x7ffffff0), ESRCH);
	CHECK_ERRNO(fcntl(p[0], F_SETOWN, 0x80000000), EINVAL);
	ex = (struct f_owner_ex){.type = F_OWNER_PID, .pid = 0x7ffffff0};
	CHECK_ERRNO(fcntl(p[0], F_SETOWN_EX, &ex), ESRCH);
	CHECK_ERRNO(fcntl(p[0], F_SETOWN_EX, 8), EFAULT);
	CHECK_ERRNO(fcntl(p[0], F_GETOWN_EX, 8), EFAULT);
	CHECK_OK(fcntl(p[0], F_GETOWNER_UIDS, ids));
	CHECK_EQ(ids[0], getuid());
	CHECK_EQ(ids[1], geteuid());
	CHECK_OK(fcntl(p[0], F_SETOWN, 0));
	CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
	pid = fork();
	if (!pid)
		pause();
	CHECK_OK(fcntl(p[0], F_SETOWN, pid));
	CHECK_EQ(fcntl(p[0], F_GETOWN), pid);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
	CHECK_EQ(fcntl(p[0], F_GETSIG), 0);
	CHECK_OK(fcntl(p[0], F_SETSIG, 64));
	CHECK_EQ(fcntl(p[0], F_GETSIG), 64);
	CHECK_ERRNO(fcntl(p[0], F_SETSIG, 65), EINVAL);
	CHECK_ERRNO(fcntl(p[0], F_SETSIG, -1), EINVAL);
	close(p[0]);
	close(p[1]);
}

static void test_hints(int fd)
{
	uint64_t hint = 99;
	int p[2];

	CHECK_OK(fcntl(fd, F_GET_RW_HINT, &hint));
	CHECK_EQ(hint, 0);
	hint = RWH_WRITE_LIFE_LONG;
	CHECK_OK(fcntl(fd, F_SET_RW_HINT, &hint));
	hint = 0;
	CHECK_OK(fcntl(fd, F_GET_RW_HINT, &hint));
	CHECK_EQ(hint, RWH_WRITE_LIFE_LONG);
	hint = 6;
	CHECK_ERRNO(fcntl(fd, F_SET_RW_HINT, &hint), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_SET_RW_HINT, 8), EFAULT);
	CHECK_OK(pipe(p));
	CHECK_ERRNO(fcntl(p[0], F_GETPIPE_SZ + 50), EINVAL);
	CHECK_ERRNO(fcntl(fd, F_GETPIPE_SZ), EBADF);
	CHECK_ERRNO(fcntl(p[0], F_GET_SEALS), EINVAL);
	CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 65536);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 5000), 8192);
	CHECK_EQ(fcntl(p[1], F_GETPIPE_SZ), 8192);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 1L << 32 | 5000), 8192);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 0), 4096);
	if (getuid())
		CHECK_ERRNO(fcntl(p[0], F_SETPIPE_SZ, 1 << 21), EPERM);
	CHECK_EQ(write(p[1], path, 10), 10);
	CHECK_EQ(fcntl(p[0], F_SETPIPE_SZ, 4096), 4096);
	CHECK_ERRNO(fcntl(p[0], F_SETPIPE_SZ, 0x80000001u), EINVAL);
	close(p[0]);
	close(p[1]);
}

static void test_close_range(void)
{
	int null = open("/dev/null", O_RDONLY), status;

	CHECK_EQ(dup2(null, 200), 200);
	CHECK_EQ(dup2(null, 201), 201);
	CHECK_EQ(dup2(null, 210), 210);
	CHECK_ERRNO(syscall(SYS_close_range, 10, 5, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_close_range, 10, 20, 8), EINVAL);
	CHECK_OK(syscall(SYS_close_range, 200, 200, 0));
	CHECK_ERRNO(fcntl(200, F_GETFD), EBADF);
	CHECK_EQ(fcntl(201, F_GETFD), 0);
	CHECK_OK(syscall(SYS_close_range, 201, ~0u, CLOSE_CLOEXEC));
	CHECK_EQ(fcntl(201, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(210, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(null, F_GETFD), 0);
	if (!vfork()) {
		syscall(SYS_close_range, 201, ~0u, CLOSE_UNSHARE);
		_exit(fcntl(210, F_GETFD) == -1 ? 0 : 1);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	CHECK_EQ(fcntl(210, F_GETFD), FD_CLOEXEC);
	CHECK_OK(syscall(SYS_close_range, 100000, ~0u, 0));
	CHECK_OK(syscall(SYS_close_range, 200, 100000, 0));
	CHECK_ERRNO(fcntl(210, F_GETFD), EBADF);
	close(null);
}

static void test_ioctl(int fd)
{
	int n = -1, on = 1, p[2], op = open(path, O_PATH), dir = open("/dev/shm", O_RDONLY);

	CHECK_OK(ftruncate(fd, 1000));
	CHECK_EQ(lseek(fd, 300, SEEK_SET), 300);
	CHECK_OK(ioctl(fd, FIONREAD, &n));
	CHECK_EQ(n, 700);
	CHECK_ERRNO(ioctl(fd, FIONREAD, 8), EFAULT);
	CHECK_ERRNO(ioctl(op, FIONREAD, &n), EBADF);
	CHECK_ERRNO(ioctl(dir, FIONREAD, &n), ENOTTY);
	CHECK_OK(ioctl(fd, FIOCLEX));
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_OK(ioctl(fd, FIONCLEX));
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK_ERRNO(ioctl(op, FIOCLEX), EBADF);
	CHECK_OK(ioctl(fd, FIONBIO, &on));
	CHECK_EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK | 0100000);
	on = 0;
	CHECK_OK(ioctl(fd, FIONBIO, &on));
	on = 1;
	CHECK_ERRNO(ioctl(fd, FIOASYNC, &on), ENOTTY);
	on = 0;
	CHECK_OK(ioctl(fd, FIOASYNC, &on));
	CHECK_ERRNO(ioctl(fd, FIONBIO, 8), EFAULT);
	CHECK_ERRNO(ioctl(fd, FIOASYNC, 8), EFAULT);
	CHECK_ERRNO(ioctl(fd, 0x1234, 0), ENOTTY);
	CHECK_ERRNO(ioctl(fd, TCGETS, 0), ENOTTY);
	CHECK_OK(ioctl(fd, FIGETBSZ, &n));
	CHECK_EQ(n, 4096);
	CHECK_ERRNO(ioctl(fd, FICLONE, fd), EOPNOTSUPP);
	CHECK_ERRNO(ioctl(fd, FICLONE, 999), EBADF);
	CHECK_OK(ioctl(fd, FIOQSIZE, p));
	CHECK_ERRNO(ioctl(fd, FIBMAP, &n), getuid() ? EPERM : EINVAL);
	CHECK_OK(pipe(p));
	CHECK_EQ(write(p[1], path, 5), 5);
	CHECK_OK(ioctl(p[0], FIONREAD, &n));
	CHECK_EQ(n, 5);
	CHECK_OK(ioctl(p[1], FIONREAD, &n));
	CHECK_EQ(n, 5);
	on = 1;
	CHECK_OK(ioctl(p[0], FIOASYNC, &on));
	CHECK_EQ(fcntl(p[0], F_GETFL), O_ASYNC);
	on = 0;
	CHECK_OK(ioctl(p[0], FIOASYNC, &on));
	CHECK_OK(ioctl(p[0], FIGETBSZ, &n));
	CHECK_EQ(n, 4096);
	close(p[0]);
	close(p[1]);
	close(dir);
	close(op);
}

static void test_inode_flags(int fd)
{
	struct fsxattr x = {0};
	int flags = -1, p[2];

	CHECK_OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	CHECK_EQ(flags, 0);
	CHECK_ERRNO(ioctl(fd, FS_IOC_GETFLAGS, 8), EFAULT);
	flags = FS_NODUMP_FL;
	CHECK_OK(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	flags = 0;
	CHECK_OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	CHECK_EQ(flags, FS_NODUMP_FL);
	flags = FS_COMPR_FL;
	CHECK_ERRNO(ioctl(fd, FS_IOC_SETFLAGS, &flags), EOPNOTSUPP);
	if (getuid()) {
		flags = FS_IMMUTABLE_FL;
		CHECK_ERRNO(ioctl(fd, FS_IOC_SETFLAGS, &flags), EPERM);
	}
	/* The same by other names. */
	CHECK_OK(ioctl(fd, FS_IOC_FSGETXATTR, &x));
	CHECK_EQ(x.fsx_xflags, FS_XFLAG_NODUMP);
	CHECK_EQ(x.fsx_projid, 0);
	x.fsx_xflags = FS_XFLAG_NOATIME;
	CHECK_OK(ioctl(fd, FS_IOC_FSSETXATTR, &x));
	CHECK_OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	CHECK_EQ(flags, FS_NOATIME_FL);
	x.fsx_xflags = FS_XFLAG_REALTIME;
	CHECK_ERRNO(ioctl(fd, FS_IOC_FSSETXATTR, &x), EOPNOTSUPP);
	x = (struct fsxattr){.fsx_projid = getuid() ? 0 : 5, .fsx_xflags = FS_XFLAG_SYNC};
	CHECK_ERRNO(ioctl(fd, FS_IOC_FSSETXATTR, &x), EOPNOTSUPP);
	CHECK_ERRNO(ioctl(fd, FS_IOC_FSSETXATTR, 8), EFAULT);
	CHECK_ERRNO(ioctl(fd, FS_IOC_FSGETXATTR, 8), EFAULT);
	CHECK_OK(pipe(p));
	CHECK_ERRNO(ioctl(p[0], FS_IOC_FSGETXATTR, &x), ENOTTY);
	CHECK_ERRNO(ioctl(p[0], FS_IOC_FSSETXATTR, &x), ENOTTY);
	CHECK_ERRNO(ioctl(p[0], FS_IOC_GETFLAGS, &flags), ENOTTY);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	test_dup(fd);
	test_flags(fd);
	test_owner();
	test_hints(fd);
	test_close_range();
	test_ioctl(fd);
	test_inode_flags(fd);
	close(fd);
	unlink(path);
	return check_done();
}
