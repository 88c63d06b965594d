/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: modes, owners, times, permission by credentials, sticky directories, access, xattrs, record
 * locks. */
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "check.h"

static struct stat look(const char *name)
{
	struct stat st = {0};

	lstat(name, &st);
	return st;
}

static int make(const char *name, int mode)
{
	int fd = open(name, O_RDWR | O_CREAT, mode);

	return fd < 0 ? -1 : close(fd);
}

static void modes(void)
{
	int fd;

	make("f", 0644);
	CHECK_EQ(chmod("f", 04711), 0);
	CHECK_EQ(look("f").st_mode, S_IFREG | 04711);
	fd = open("f", O_RDWR);
	CHECK_EQ(fchmod(fd, 0600), 0);
	CHECK_EQ(look("f").st_mode & 07777, 0600);
	CHECK_EQ(fchmodat(AT_FDCWD, "f", 0640, 0), 0);
	CHECK_ERRNO(chmod("none", 0600), ENOENT);
	CHECK_ERRNO(chmod("f/", 0600), ENOTDIR);
	CHECK_EQ(chown("f", -1, -1), 0);
	CHECK_EQ(fchown(fd, geteuid(), getegid()), 0);
	close(fd);
	CHECK_EQ(mkdir("sg", 0755), 0);
	CHECK_EQ(chmod("sg", 02755), 0);
	mkdir("sg/d", 0755);
	CHECK_EQ(look("sg/d").st_mode & 07777, 02755);
	CHECK_EQ(access("f", R_OK | W_OK), 0);
	CHECK_ERRNO(access("f", X_OK), EACCES);
	CHECK_ERRNO(access("f", 8), EINVAL);
	CHECK_ERRNO(access("none", F_OK), ENOENT);
	CHECK(setxattr("f", "user.a", "b", 1, 0) == 0 || errno == ENOTSUP);
	char value[4];
	CHECK(getxattr("f", "user.none", value, sizeof value) < 0 && (errno == ENODATA || errno == ENOTSUP));
}

static void times(void)
{
	struct timespec ts[2] = {{100, 5}, {200, 7}};
	struct timeval tv[2] = {{300, 1}, {400, 2}};
	struct stat st, old;
	int fd = open("f", O_RDWR);

	CHECK_EQ(utimensat(AT_FDCWD, "f", ts, 0), 0);
	st = look("f");
	CHECK(st.st_atim.tv_sec == 100 && st.st_atim.tv_nsec == 5 && st.st_mtim.tv_sec == 200 &&
	      st.st_mtim.tv_nsec == 7);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_nsec = UTIME_NOW;
	CHECK_EQ(futimens(fd, ts), 0);
	st = look("f");
	CHECK(st.st_atim.tv_sec == 100 && st.st_mtim.tv_sec > 1000000000);
	CHECK_EQ(utimes("f", tv), 0);
	st = look("f");
	CHECK(st.st_atim.tv_sec == 300 && st.st_mtim.tv_sec == 400 && st.st_mtim.tv_nsec == 2000);
	ts[1].tv_nsec = 2000000000;
	CHECK_ERRNO(futimens(fd, ts), EINVAL);
	old = look("f");
	CHECK_EQ(write(fd, "x", 1), 1);
	st = look("f");
	CHECK(st.st_mtim.tv_sec > old.st_mtim.tv_sec && st.st_ctim.tv_sec >= old.st_ctim.tv_sec);
	CHECK_EQ(st.st_atim.tv_sec, 300);
	ts[0] = (struct timespec){1, 0};
	ts[1] = (struct timespec){1, 0};
	utimensat(AT_FDCWD, ".", ts, 0);
	CHECK_EQ(look(".").st_mtim.tv_sec, 1);
	make("new", 0600);
	CHECK(look(".").st_mtim.tv_sec > 1);
	symlink("f", "sl");
	CHECK_EQ(utimensat(AT_FDCWD, "sl", ts, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(look("sl").st_mtim.tv_sec, 1);
	CHECK(look("f").st_mtim.tv_sec != 1);
	close(fd);
}

/* As an ordinary user in a child: what root may is shown by who else may not. */
static void as_user(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (!geteuid() && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
			_exit(99);
		fn();
		_exit(check_failed());
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
}

static void user_refused(void)
{
	CHECK_ERRNO(open("secret", O_RDONLY), EACCES);
	CHECK_ERRNO(open("secret", O_WRONLY), EACCES);
	CHECK_ERRNO(open("shut/x", O_RDONLY), EACCES);
	CHECK_ERRNO(access("secret", R_OK), EACCES);
	CHECK_EQ(access("secret", F_OK), 0);
	CHECK_ERRNO(chmod("secret", 0644), EPERM);
	CHECK_ERRNO(chown("secret", 0, 0), EPERM);
	CHECK_ERRNO(unlink("sticky/f"), EPERM);
	CHECK_ERRNO(rename("sticky/f", "sticky/g"), EPERM);
	CHECK_ERRNO(make("closed/f", 0600), EACCES);
	CHECK_ERRNO(mkdir("closed/d", 0600), EACCES);
	CHECK_ERRNO(unlink("closed/f"), EACCES);
	CHECK_ERRNO(utimensat(AT_FDCWD, "secret", NULL, 0), EACCES);
	CHECK_ERRNO(truncate("secret", 0), EACCES);
	CHECK_EQ(make("sticky/mine", 0600), 0);
	CHECK_EQ(look("sticky/mine").st_uid, geteuid());
	CHECK_EQ(unlink("sticky/mine"), 0);
	CHECK_ERRNO(chroot("/"), EPERM);
	CHECK_ERRNO(mknod("sticky/dev", S_IFCHR | 0600, 0x103), EPERM);
	CHECK_EQ(mkfifo("sticky/fifo", 0600), 0);
	CHECK_EQ(unlink("sticky/fifo"), 0);
}

static void permissions(void)
{
	make("secret", 0600);
	mkdir("shut", 0700);
	make("shut/x", 0644);
	mkdir("sticky", 0755);
	chmod("sticky", 01777);
	make("sticky/f", 0666);
	mkdir("closed", 0755);
	make("closed/f", 0666);
	if (!geteuid())
		as_user(user_refused);
}

static int child_status(int (*fn)(int), int fd)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(fn(fd));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static struct flock range(int type, off_t start, off_t len)
{
	return (struct flock){.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

static int child_locks(int fd)
{
	struct flock l = range(F_WRLCK, 5, 10);

	CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EAGAIN);
	CHECK_EQ(fcntl(fd, F_GETLK, &l), 0);
	CHECK_EQ(l.l_type, F_WRLCK);
	CHECK_EQ(l.l_start, 0);
	CHECK_EQ(l.l_len, 10);
	CHECK_EQ(l.l_pid, getppid());
	l = range(F_WRLCK, 10, 5);
	CHECK_EQ(fcntl(fd, F_SETLK, &l), 0);
	l = range(F_RDLCK, 20, 0);
	CHECK_EQ(fcntl(fd, F_SETLK, &l), 0);
	return check_failed();
}

static int child_flock(int fd)
{
	int own = open("f", O_RDONLY);

	CHECK_EQ(flock(own, LOCK_EX | LOCK_NB), -1);
	CHECK_EQ(errno, EWOULDBLOCK);
	CHECK_EQ(flock(fd, LOCK_UN), 0); /* the parent's lock: of the shared description */
	CHECK_EQ(flock(own, LOCK_EX | LOCK_NB), 0);
	return check_failed();
}

/* Waits for a lock that the parent gives up only when this has begun to wait or not: either way it comes. */
static int child_waits(int fd)
{
	struct flock l = range(F_WRLCK, 0, 0);

	CHECK_EQ(fcntl(fd, F_SETLKW, &l), 0);
	return check_failed();
}

static void locks(void)
{
	struct flock l = range(F_WRLCK, 0, 10);
	int fd = open("f", O_RDWR), other, status;
	pid_t pid;

	CHECK_EQ(fcntl(fd, F_SETLK, &l), 0);
	CHECK_EQ(child_status(child_locks, fd), 0);
	CHECK_EQ(fcntl(fd, F_GETLK, &l), 0);
	CHECK_EQ(l.l_type, F_UNLCK);
	pid = fork();
	if (!pid)
		_exit(child_waits(fd));
	l = range(F_UNLCK, 0, 0);
	CHECK_EQ(fcntl(fd, F_SETLK, &l), 0);
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	/* Any close of the file drops the process's locks. */
	l = range(F_WRLCK, 0, 10);
	CHECK_EQ(fcntl(fd, F_SETLK, &l), 0);
	other = open("f", O_RDONLY);
	close(other);
	pid = fork();
	if (!pid)
		_exit(child_waits(fd));
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	CHECK_EQ(flock(fd, LOCK_EX), 0);
	CHECK_EQ(child_status(child_flock, fd), 0);
	l = range(F_WRLCK, 0, 0);
	other = open("f", O_RDWR);
	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &l), 0);
	CHECK_ERRNO(fcntl(other, F_OFD_SETLK, &l), EAGAIN);
	close(fd);
	CHECK_EQ(fcntl(other, F_OFD_SETLK, &l), 0);
	close(other);
	fd = open("f", O_RDONLY);
	l = range(F_WRLCK, 0, 1);
	CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EBADF);
	l = range(77, 0, 1);
	CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EINVAL);
	close(fd);
}

int main(void)
{
	char dir[64] = "/tmp/fs_attr.XXXXXX", command[128];

	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	umask(022);
	chmod(dir, 0755);
	modes();
	times();
	permissions();
	locks();
	snprintf(command, sizeof command, "rm -rf %s", dir);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(system(command), 0);
	return check_done();
}
