/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on files that the C library replaces by newer ones, made by their numbers: open, creat, the stat family, statx,
 * mknod, lchown, fchownat, faccessat, fchmodat2, utime, utimes, futimesat, getdents, chroot.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <utime.h>

#include "check.h"

#define BAD ((void *)8)

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static struct stat look(const char *name)
{
	struct stat st = {0};

	CHECK_OK(syscall(SYS_lstat, name, &st));
	return st;
}

static void opening(void)
{
	int fd = syscall(SYS_creat, "f", 0640);
	char text[4];

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
	CHECK_EQ(write(fd, "text", 4), 4);
	CHECK_ERRNO(read(fd, text, 4), EBADF);
	close(fd);
	fd = syscall(SYS_creat, "f", 0);
	CHECK(fd >= 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	CHECK_EQ(look("f").st_mode, S_IFREG | 0640);
	fd = syscall(SYS_open, "f", O_RDWR | O_APPEND, 0);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & ~0100000, O_RDWR | O_APPEND);
	close(fd);
	CHECK_ERRNO(syscall(SYS_open, "none", O_RDONLY), ENOENT);
	CHECK_ERRNO(syscall(SYS_open, "f", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERRNO(syscall(SYS_open, "f", O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(syscall(SYS_open, BAD, O_RDONLY), EFAULT);
	CHECK_ERRNO(syscall(SYS_creat, ".", 0600), EISDIR);
	CHECK_ERRNO(syscall(SYS_creat, "", 0600), ENOENT);
}

static void looking(void)
{
	struct stat a, b, c;
	int fd = open("f", O_RDONLY);

	symlink("f", "link");
	CHECK_OK(syscall(SYS_stat, "link", &a));
	CHECK_OK(syscall(SYS_fstat, fd, &b));
	CHECK_OK(syscall(SYS_lstat, "link", &c));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(a.st_dev, b.st_dev);
	CHECK_EQ(a.st_mode, S_IFREG | 0640);
	CHECK_EQ(c.st_mode, S_IFLNK | 0777);
	CHECK_EQ(c.st_size, 1);
	CHECK_ERRNO(syscall(SYS_stat, "none", &a), ENOENT);
	CHECK_ERRNO(syscall(SYS_stat, "f/x", &a), ENOTDIR);
	CHECK_ERRNO(syscall(SYS_stat, "none", BAD), ENOENT);
	CHECK_ERRNO(syscall(SYS_stat, "f", BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_lstat, BAD, &a), EFAULT);
	CHECK_ERRNO(syscall(SYS_fstat, -1, BAD), EBADF);
	CHECK_ERRNO(syscall(SYS_fstat, fd, BAD), EFAULT);
	close(fd);
}

static void extended(void)
{
	struct statx x;
	struct stat st = look("f");
	int fd = open("f", O_RDONLY);

	memset(&x, 0xff, sizeof x);
	CHECK_OK(syscall(SYS_statx, AT_FDCWD, "link", 0, STATX_BASIC_STATS, &x));
	CHECK_EQ(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	CHECK_EQ(x.stx_ino, st.st_ino);
	CHECK_EQ(x.stx_mode, st.st_mode);
	CHECK_EQ(x.stx_size, (unsigned long)st.st_size);
	CHECK_EQ(x.stx_nlink, st.st_nlink);
	CHECK_EQ(x.stx_uid, st.st_uid);
	CHECK_EQ(x.stx_gid, st.st_gid);
	CHECK_EQ(makedev(x.stx_dev_major, x.stx_dev_minor), st.st_dev);
	CHECK_EQ(x.stx_mtime.tv_sec, st.st_mtim.tv_sec);
	CHECK_EQ(x.stx_mtime.tv_nsec, st.st_mtim.tv_nsec);
	CHECK_EQ(x.stx_ctime.tv_sec, st.st_ctim.tv_sec);
	CHECK_EQ(x.stx_atime.tv_sec, st.st_atim.tv_sec);
	CHECK_OK(syscall(SYS_statx, AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x));
	CHECK_EQ(x.stx_mode & S_IFMT, S_IFLNK);
	CHECK_OK(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_INO, &x));
	CHECK_EQ(x.stx_ino, st.st_ino);
	CHECK_ERRNO(syscall(SYS_statx, fd, "", 0, STATX_INO, &x), ENOENT);
	CHECK_ERRNO(syscall(SYS_statx, AT_FDCWD, "none", 0, 0x80000000U, &x), EINVAL);
	CHECK_ERRNO(syscall(SYS_statx, AT_FDCWD, "none", 0x6000, STATX_INO, &x), EINVAL);
	CHECK_ERRNO(syscall(SYS_statx, AT_FDCWD, "none", 0, STATX_INO, BAD), ENOENT);
	CHECK_ERRNO(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_INO, BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_statx, 99, "f", 0, STATX_INO, &x), EBADF);
	CHECK_ERRNO(syscall(SYS_statx, fd, "f", 0, STATX_INO, &x), ENOTDIR);
	close(fd);
}

static void nodes(void)
{
	umask(022);
	CHECK_OK(syscall(SYS_mknod, "node", S_IFREG | 0666, 0));
	CHECK_EQ(look("node").st_mode, S_IFREG | 0644);
	CHECK_OK(syscall(SYS_mknod, "plain", 0600, 0));
	CHECK_EQ(look("plain").st_mode, S_IFREG | 0600);
	CHECK_OK(syscall(SYS_mknod, "fifo", S_IFIFO | 0600, 0));
	CHECK_EQ(look("fifo").st_mode, S_IFIFO | 0600);
	CHECK_OK(syscall(SYS_mknod, "sock", S_IFSOCK | 0600, 0));
	CHECK_EQ(look("sock").st_mode, S_IFSOCK | 0600);
	CHECK_ERRNO(syscall(SYS_open, "sock", O_RDONLY), ENXIO);
	CHECK_ERRNO(syscall(SYS_mknod, "fifo", S_IFIFO | 0600, 0), EEXIST);
	CHECK_ERRNO(syscall(SYS_mknod, "none/fifo", S_IFIFO | 0600, 0), ENOENT);
	CHECK_ERRNO(syscall(SYS_mknod, "dir", S_IFDIR | 0700, 0), EPERM);
	CHECK_ERRNO(syscall(SYS_mknod, "what", S_IFLNK | 0700, 0), EINVAL);
	if (geteuid())
		CHECK_ERRNO(syscall(SYS_mknod, "dev", S_IFCHR | 0600, makedev(1, 3)), EPERM);
}

static void owners(void)
{
	int fd = open("f", O_RDONLY);
	struct stat st;

	CHECK_OK(syscall(SYS_lchown, "link", -1, -1));
	CHECK_OK(syscall(SYS_lchown, "link", geteuid(), getegid()));
	CHECK_ERRNO(syscall(SYS_lchown, "none", -1, -1), ENOENT);
	CHECK_OK(syscall(SYS_fchownat, AT_FDCWD, "link", geteuid(), -1, AT_SYMLINK_NOFOLLOW));
	CHECK_OK(syscall(SYS_fchownat, fd, "", geteuid(), getegid(), AT_EMPTY_PATH));
	CHECK_ERRNO(syscall(SYS_fchownat, fd, "", -1, -1, 0), ENOENT);
	CHECK_ERRNO(syscall(SYS_fchownat, AT_FDCWD, "none", -1, -1, 0x4000), EINVAL);
	CHECK_ERRNO(syscall(SYS_fchownat, 99, "f", -1, -1, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_fchownat, fd, "f", -1, -1, 0), ENOTDIR);
	close(fd);
	if (geteuid()) {
		CHECK_ERRNO(syscall(SYS_lchown, "f", 0, -1), EPERM);
		return;
	}
	CHECK_OK(chmod("f", 06755));
	CHECK_OK(syscall(SYS_lchown, "link", 70, 71));
	st = look("link");
	CHECK(st.st_uid == 70 && st.st_gid == 71);
	CHECK_EQ(look("f").st_uid, 0);
	CHECK_OK(syscall(SYS_fchownat, AT_FDCWD, "link", 72, 73, 0));
	st = look("f");
	CHECK(st.st_uid == 72 && st.st_gid == 73);
	CHECK_EQ(st.st_mode, S_IFREG | 0755);
	CHECK_OK(syscall(SYS_fchownat, AT_FDCWD, "f", 0, 0, 0));
}

static void access_and_modes(void)
{
	int fd = open("f", O_PATH);

	CHECK_OK(syscall(SYS_faccessat, AT_FDCWD, "f", R_OK | W_OK));
	CHECK_OK(syscall(SYS_faccessat, AT_FDCWD, "link", F_OK));
	CHECK_ERRNO(syscall(SYS_faccessat, AT_FDCWD, "none", 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_faccessat, AT_FDCWD, "none", F_OK), ENOENT);
	CHECK_ERRNO(syscall(SYS_faccessat, 99, "f", F_OK), EBADF);
	CHECK_OK(syscall(SYS_faccessat, 99, "/", F_OK));
	CHECK_ERRNO(syscall(SYS_faccessat, fd, "f", F_OK), ENOTDIR);
	close(fd);
	fd = open("f", O_RDONLY);
	errno = 0;
	if (syscall(SYS_fchmodat2, AT_FDCWD, "f", 0604, 0) < 0 && errno == ENOSYS)
		goto out; /* came with Linux 6.6 */
	CHECK_EQ(look("f").st_mode, S_IFREG | 0604);
	CHECK_OK(syscall(SYS_fchmodat2, fd, "", 0640, AT_EMPTY_PATH));
	CHECK_EQ(look("f").st_mode, S_IFREG | 0640);
	CHECK_ERRNO(syscall(SYS_fchmodat2, AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
	CHECK_ERRNO(syscall(SYS_fchmodat2, AT_FDCWD, "none", 0600, 0x4000), EINVAL);
	CHECK_ERRNO(syscall(SYS_fchmodat2, AT_FDCWD, "none", 0600, 0), ENOENT);
	CHECK_ERRNO(syscall(SYS_fchmodat2, fd, "", 0600, 0), ENOENT);
	CHECK_ERRNO(syscall(SYS_fchmodat2, 99, "f", 0600, 0), EBADF);
out:
	close(fd);
}

static void stamps(void)
{
	struct utimbuf u = {1000, 2000};
	struct timeval tv[2] = {{3000, 400000}, {5000, 600000}};
	struct timeval wrong[2] = {{0, 0}, {0, 1000000}};
	struct stat st;

	CHECK_OK(syscall(SYS_utime, "f", &u));
	st = look("f");
	CHECK(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == 2000 && !st.st_mtim.tv_nsec);
	CHECK_OK(syscall(SYS_utimes, "link", tv));
	st = look("f");
	CHECK(st.st_atim.tv_sec == 3000 && st.st_atim.tv_nsec == 400000000);
	CHECK(st.st_mtim.tv_sec == 5000 && st.st_mtim.tv_nsec == 600000000);
	tv[0].tv_sec = 7000;
	CHECK_OK(syscall(SYS_futimesat, AT_FDCWD, "f", tv));
	CHECK_EQ(look("f").st_atim.tv_sec, 7000);
	CHECK_OK(syscall(SYS_utime, "f", NULL));
	CHECK(look("f").st_mtim.tv_sec > 100000);
	CHECK_ERRNO(syscall(SYS_utime, "none", BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_utime, "none", &u), ENOENT);
	CHECK_ERRNO(syscall(SYS_utimes, "none", wrong), EINVAL);
	CHECK_ERRNO(syscall(SYS_utimes, "f", BAD), EFAULT);
	CHECK_ERRNO(syscall(SYS_futimesat, AT_FDCWD, "none", wrong), EINVAL);
	CHECK_ERRNO(syscall(SYS_futimesat, 99, "f", tv), EBADF);
	CHECK_ERRNO(syscall(SYS_futimesat, AT_FDCWD, "none", NULL), ENOENT);
}

struct entry {
	unsigned long ino, next;
	unsigned short size;
	char name[]; /* the type stands in its record's last byte */
};

static void listing(void)
{
	char buf[4096];
	int fd, seen = 0, dots = 0;
	long n;

	mkdir("d", 0700);
	fd = open("d/file", O_CREAT | O_WRONLY, 0600);
	close(fd);
	mkdir("d/dir", 0700);
	fd = open("d", O_RDONLY);
	n = syscall(SYS_getdents, fd, buf, sizeof buf);
	CHECK(n > 0);
	for (long at = 0; at < n;) {
		struct entry *e = (struct entry *)(buf + at);
		char type = buf[at + e->size - 1];

		CHECK(e->size % 8 == 0);
		if (!strcmp(e->name, "file")) {
			CHECK(type == 8 || !type); /* DT_REG */
			CHECK_EQ(e->ino, look("d/file").st_ino);
			seen++;
		} else if (!strcmp(e->name, "dir")) {
			CHECK(type == 4 || !type); /* DT_DIR */
			seen++;
		} else {
			CHECK(!strcmp(e->name, ".") || !strcmp(e->name, ".."));
			dots++;
		}
		at += e->size;
	}
	CHECK_EQ(seen, 2);
	CHECK_EQ(dots, 2);
	CHECK_EQ(syscall(SYS_getdents, fd, buf, sizeof buf), 0);
	lseek(fd, 0, SEEK_SET);
	CHECK_ERRNO(syscall(SYS_getdents, fd, buf, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_getdents, fd, BAD, sizeof buf), EFAULT);
	CHECK_ERRNO(syscall(SYS_getdents, 99, buf, sizeof buf), EBADF);
	close(fd);
	fd = open("f", O_RDONLY);
	CHECK_ERRNO(syscall(SYS_getdents, fd, buf, sizeof buf), ENOTDIR);
	close(fd);
}

static void new_root(void)
{
	char dir[100];
	int status;

	CHECK_ERRNO(chroot("none"), ENOENT);
	CHECK_ERRNO(chroot("f"), ENOTDIR);
	CHECK_ERRNO(chroot(BAD), EFAULT);
	if (!fork()) {
		if (geteuid()) {
			CHECK_ERRNO(chroot("d"), EPERM);
			_exit(check_failed());
		}
		if (chroot("d") < 0) {
			CHECK_EQ(errno, EPERM); /* root without the capability */
			_exit(check_failed());
		}
		CHECK_OK(access("/file", F_OK));
		CHECK_OK(access("/../../file", F_OK));
		CHECK_ERRNO(access("/f", F_OK), ENOENT);
		/* The working directory stays outside. */
		CHECK_OK(access("f", F_OK));
		CHECK(syscall(SYS_getcwd, dir, sizeof dir) > 0);
		CHECK(!strncmp(dir, "(unreachable)", 13));
		CHECK_OK(chdir("/"));
		CHECK(syscall(SYS_getcwd, dir, sizeof dir) == 2 && !strcmp(dir, "/"));
		CHECK_ERRNO(access("f", F_OK), ENOENT);
		CHECK_OK(chroot("."));
		_exit(check_failed());
	}
	wait(&status);
	CHECK_EQ(status, 0);
}

int main(void)
{
	char dir[] = "/tmp/fs_old.XXXXXX";
	char *const rm[] = {"rm", "-r", dir, NULL};
	int status;

	CHECK(mkdtemp(dir) && !chdir(dir));
	umask(0);
	opening();
	looking();
	extended();
	nodes();
	owners();
	access_and_modes();
	stamps();
	listing();
	new_root();
	chdir("/");
	if (!fork()) {
		execv("/bin/rm", rm);
		_exit(1);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	return check_done();
}
