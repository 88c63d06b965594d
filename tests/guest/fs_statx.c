/* SPDX-License-Identifier: Apache-2.0 */
/* statx; the *at families with every flag; renameat2, utimensat, fchmodat2, faccessat2; file handles refused. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/stat.h>
#include <stdint.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "check.h"

static void *volatile nowhere = (void *)8;

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE  2
#define RENAME_WHITEOUT  4
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define BAD_FLAG 0x40000000

static char dir[] = "/dev/shm/husk-statxXXXXXX", text[4096];

static int sx(int at, const char *path, int flags, unsigned mask, struct statx *out)
{
	return (int)syscall(SYS_statx, at, path, flags, mask, out);
}

static void touch(const char *name)
{
	int fd = open(name, O_CREAT | O_WRONLY, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, name, 3), 3);
	close(fd);
}

static void test_statx(void)
{
	struct statx x, y;
	struct stat st;
	int fd = open("file", O_RDONLY), p[2];

	memset(&x, 0xff, sizeof x);
	CHECK_OK(sx(AT_FDCWD, "file", 0, STATX_ALL, &x));
	CHECK_OK(stat("file", &st));
	CHECK_EQ(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	CHECK(x.stx_mask & STATX_BTIME);
	CHECK_EQ(x.stx_ino, st.st_ino);
	CHECK_EQ(x.stx_mode, st.st_mode);
	CHECK_EQ(x.stx_size, 3);
	CHECK_EQ(x.stx_nlink, 1);
	CHECK_EQ(x.stx_blksize, 4096);
	CHECK_EQ(x.stx_mtime.tv_sec, st.st_mtim.tv_sec);
	CHECK_EQ(x.stx_btime.tv_sec, st.st_ctim.tv_sec);
	CHECK_EQ(x.stx_dev_major << 8 | x.stx_dev_minor, st.st_dev);
	CHECK_OK(sx(AT_FDCWD, "file", 0, STATX_MNT_ID, &x));
	CHECK(x.stx_mask & STATX_MNT_ID);
	CHECK(x.stx_mnt_id > 0);
	/* the root of a mount says so */
	CHECK_OK(sx(AT_FDCWD, "/dev/shm", 0, 0, &y));
	CHECK(y.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT);
	CHECK(y.stx_attributes & STATX_ATTR_MOUNT_ROOT);
	CHECK_EQ(x.stx_mnt_id, (sx(AT_FDCWD, "/dev/shm", 0, STATX_MNT_ID, &y), y.stx_mnt_id));
	CHECK(!(x.stx_attributes & STATX_ATTR_MOUNT_ROOT));
	CHECK_OK(sx(AT_FDCWD, "/proc", 0, STATX_MNT_ID, &y));
	CHECK(x.stx_mnt_id != y.stx_mnt_id);
	/* ways */
	CHECK_OK(sx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
	CHECK_EQ(x.stx_size, 3);
	CHECK_ERRNO(sx(fd, "", 0, STATX_SIZE, &x), ENOENT);
	CHECK_OK(sx(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_MODE, &x));
	CHECK(S_ISLNK(x.stx_mode));
	CHECK_OK(sx(AT_FDCWD, "link", AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_MODE, &x));
	CHECK(S_ISREG(x.stx_mode));
	CHECK_ERRNO(sx(AT_FDCWD, "file", AT_STATX_SYNC_TYPE, 0, &x), EINVAL);
	CHECK_ERRNO(sx(AT_FDCWD, "file", BAD_FLAG, 0, &x), EINVAL);
	CHECK_ERRNO(sx(AT_FDCWD, "file", 0, STATX__RESERVED, &x), EINVAL);
	CHECK_ERRNO(sx(AT_FDCWD, "file", 0, 0, (void *)8), EFAULT);
	CHECK_ERRNO(sx(AT_FDCWD, (void *)8, 0, 0, &x), EFAULT);
	CHECK_ERRNO(sx(999, "file", 0, 0, &x), EBADF);
	CHECK_ERRNO(sx(999, "", AT_EMPTY_PATH, 0, &x), EBADF);
	CHECK_ERRNO(sx(fd, "file", 0, 0, &x), ENOTDIR);
	CHECK_OK(pipe(p));
	CHECK_OK(sx(p[0], "", AT_EMPTY_PATH, STATX_ALL, &x));
	CHECK(S_ISFIFO(x.stx_mode));
	CHECK_ERRNO(fstatat(AT_FDCWD, "file", &st, BAD_FLAG), EINVAL);
	CHECK_OK(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
	CHECK(S_ISDIR(st.st_mode));
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void test_names(void)
{
	int d = open("d", O_RDONLY), fd = open("file", O_RDONLY);
	struct stat st;

	CHECK_ERRNO(unlinkat(d, "none", 0), ENOENT);
	CHECK_ERRNO(unlinkat(d, "sub", 0), EISDIR);
	CHECK_ERRNO(unlinkat(d, "x", AT_REMOVEDIR), ENOTDIR);
	CHECK_ERRNO(unlinkat(d, "x", AT_SYMLINK_NOFOLLOW), EINVAL);
	CHECK_ERRNO(unlinkat(fd, "x", 0), ENOTDIR);
	CHECK_ERRNO(unlinkat(d, ".", AT_REMOVEDIR), EINVAL);
	CHECK_ERRNO(unlinkat(d, "sub/..", AT_REMOVEDIR), ENOTEMPTY);
	CHECK_ERRNO(unlinkat(d, "x/", 0), ENOTDIR);
	CHECK_ERRNO(unlinkat(d, "", 0), ENOENT);
	CHECK_ERRNO(linkat(AT_FDCWD, "file", d, "l1", BAD_FLAG), EINVAL);
	CHECK_OK(linkat(AT_FDCWD, "link", d, "l1", 0));
	CHECK_OK(fstatat(d, "l1", &st, AT_SYMLINK_NOFOLLOW));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_OK(linkat(AT_FDCWD, "link", d, "l2", AT_SYMLINK_FOLLOW));
	CHECK_OK(fstatat(d, "l2", &st, AT_SYMLINK_NOFOLLOW));
	CHECK(S_ISREG(st.st_mode));
	CHECK_ERRNO(linkat(AT_FDCWD, "d", d, "l3", 0), EPERM);
	CHECK_ERRNO(linkat(AT_FDCWD, "/proc/version", d, "l3", 0), EXDEV);
	CHECK_ERRNO(linkat(AT_FDCWD, "none", d, "l3", 0), ENOENT);
	CHECK_ERRNO(linkat(AT_FDCWD, "file", d, "l2", 0), EEXIST);
	CHECK_ERRNO(symlinkat("", d, "s"), ENOENT);
	CHECK_ERRNO(symlinkat("t", d, "l2"), EEXIST);
	CHECK_ERRNO(mkdirat(d, "sub", 0700), EEXIST);
	CHECK_OK(mkdirat(d, "slash/", 0700));
	CHECK_ERRNO(mkdirat(d, "none/x", 0700), ENOENT);
	CHECK_ERRNO(mkdirat(999, "x", 0700), EBADF);
	CHECK_ERRNO(mknodat(d, "dev", S_IFDIR | 0600, 0), EPERM);
	CHECK_ERRNO(mknodat(d, "dev", 0170000 | 0600, 0), EINVAL);
	CHECK_OK(mknodat(d, "plain", 0600, 0));
	CHECK_OK(fstatat(d, "plain", &st, 0));
	CHECK(S_ISREG(st.st_mode));
	if (getuid())
		CHECK_ERRNO(mknodat(d, "dev", S_IFCHR | 0600, 0x103), EPERM);
	close(d);
	close(fd);
}

static int re(const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void test_rename(void)
{
	struct stat a, b, st;

	touch("ra");
	touch("rb");
	CHECK_OK(mkdir("rd", 0755));
	CHECK_OK(mkdir("rd/in", 0755));
	CHECK_OK(mkdir("re", 0755));
	CHECK_OK(stat("ra", &a));
	CHECK_OK(stat("rb", &b));
	CHECK_ERRNO(re("ra", "rb", 8), EINVAL);
	CHECK_ERRNO(re("ra", "rb", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO(re("ra", "rb", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO(re("ra", "rb", RENAME_NOREPLACE), EEXIST);
	CHECK_ERRNO(re("ra", "ra", RENAME_NOREPLACE), EEXIST);
	CHECK_OK(re("ra", "rc", RENAME_NOREPLACE));
	CHECK_OK(re("rc", "ra", RENAME_NOREPLACE));
	CHECK_ERRNO(re("ra", "none", RENAME_EXCHANGE), ENOENT);
	CHECK_OK(re("ra", "rb", RENAME_EXCHANGE));
	CHECK_OK(stat("ra", &st));
	CHECK_EQ(st.st_ino, b.st_ino);
	CHECK_OK(re("ra", "rd", RENAME_EXCHANGE)); /* a file and a directory */
	CHECK_OK(stat("ra/in", &st));
	CHECK_OK(stat("rd", &st));
	CHECK_EQ(st.st_ino, b.st_ino);
	CHECK_OK(re("ra", "rd", RENAME_EXCHANGE));
	CHECK_ERRNO(re("rd", "rd/in/x", 0), EINVAL);
	CHECK_ERRNO(re("rd", "rd/in", RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO(re("rd/in", "rd", RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO(re("rd/in", "rd", 0), ENOTEMPTY);
	CHECK_ERRNO(re("re", "rd", 0), ENOTEMPTY);
	CHECK_ERRNO(re("ra", "rd", 0), EISDIR);
	CHECK_ERRNO(re("rd", "ra", 0), ENOTDIR);
	CHECK_ERRNO(re("none", "rd", 0), ENOENT);
	CHECK_ERRNO(re("ra/", "rx", 0), ENOTDIR);
	CHECK_ERRNO(re("ra", "rx/", 0), ENOTDIR);
	CHECK_OK(re("re", "rf/", 0));
	CHECK_ERRNO(re("rd/.", "rx", 0), EBUSY);
	CHECK_ERRNO(re("rd", "rd/..", 0), EBUSY);
	CHECK_ERRNO(re("rd", "rd/..", RENAME_NOREPLACE), EEXIST);
	CHECK_ERRNO(re("ra", "/proc/x", 0), EXDEV);
	CHECK_ERRNO(re("/", "rx", 0), EXDEV);
	CHECK_OK(link("ra", "rl"));
	CHECK_OK(re("ra", "rl", 0)); /* the same file: nothing happens */
	CHECK_OK(stat("ra", &st));
	CHECK_EQ(st.st_nlink, 2);
}

static void test_times(void)
{
	struct timespec ts[2] = {{100, 5}, {200, 6}};
	struct stat st;
	int fd = open("file", O_RDONLY);

	CHECK_OK(utimensat(AT_FDCWD, "file", ts, 0));
	CHECK_OK(stat("file", &st));
	CHECK_EQ(st.st_atim.tv_sec, 100);
	CHECK_EQ(st.st_atim.tv_nsec, 5);
	CHECK_EQ(st.st_mtim.tv_sec, 200);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_sec = -5;
	CHECK_OK(utimensat(AT_FDCWD, "file", ts, 0));
	CHECK_OK(stat("file", &st));
	CHECK_EQ(st.st_atim.tv_sec, 100);
	CHECK_EQ(st.st_mtim.tv_sec, -5);
	ts[1].tv_nsec = UTIME_NOW;
	CHECK_OK(futimens(fd, ts));
	CHECK_OK(stat("file", &st));
	CHECK(st.st_mtim.tv_sec > 1000000000);
	ts[1].tv_nsec = UTIME_OMIT;
	CHECK_OK(utimensat(AT_FDCWD, "file", ts, 0));
	CHECK_OK(utimensat(999, "none", ts, BAD_FLAG)); /* nothing to do: nothing is looked at */
	ts[1].tv_nsec = 1000000000;
	CHECK_ERRNO(utimensat(AT_FDCWD, "file", ts, 0), EINVAL);
	CHECK_ERRNO(utimensat(AT_FDCWD, "none", ts, 0), ENOENT);
	ts[0] = ts[1] = (struct timespec){7, 0};
	CHECK_ERRNO(utimensat(AT_FDCWD, "file", ts, BAD_FLAG), EINVAL);
	CHECK_ERRNO(syscall(SYS_utimensat, AT_FDCWD, NULL, ts, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_utimensat, fd, NULL, ts, AT_SYMLINK_NOFOLLOW), EINVAL);
	CHECK_ERRNO(utimensat(AT_FDCWD, "none", ts, 0), ENOENT);
	CHECK_OK(utimensat(AT_FDCWD, "link", ts, AT_SYMLINK_NOFOLLOW));
	CHECK_OK(lstat("link", &st));
	CHECK_EQ(st.st_mtim.tv_sec, 7);
	CHECK_OK(stat("file", &st));
	CHECK(st.st_mtim.tv_sec > 1000000000);
	CHECK_OK(utimensat(fd, "", ts, AT_EMPTY_PATH));
	if (getuid()) {
		CHECK_ERRNO(utimensat(AT_FDCWD, "/dev/shm", ts, 0), EPERM);
	}
	close(fd);
}

static void test_modes(void)
{
	struct stat st;
	int fd = open("file", O_RDONLY);
	long r;

	CHECK_OK(fchmodat(AT_FDCWD, "link", 0600, 0));
	CHECK_OK(stat("file", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0600);
	r = syscall(SYS_fchmodat2, AT_FDCWD, "file", 0640, 0);
	if (r == 0 || errno != ENOSYS) { /* Linux 6.6 */
		CHECK_EQ(r, 0);
		CHECK_ERRNO(syscall(SYS_fchmodat2, AT_FDCWD, "file", 0640, BAD_FLAG), EINVAL);
		CHECK_ERRNO(syscall(SYS_fchmodat2, AT_FDCWD, "link", 0640, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
		CHECK_OK(syscall(SYS_fchmodat2, AT_FDCWD, "file", 0600, AT_SYMLINK_NOFOLLOW));
		CHECK_OK(syscall(SYS_fchmodat2, fd, "", 0644, AT_EMPTY_PATH));
		CHECK_ERRNO(syscall(SYS_fchmodat2, fd, "", 0644, 0), ENOENT);
		CHECK_OK(stat("file", &st));
		CHECK_EQ(st.st_mode, S_IFREG | 0644);
	}
	CHECK_OK(chmod("file", 0644));
	CHECK_ERRNO(fchownat(AT_FDCWD, "file", -1, -1, BAD_FLAG), EINVAL);
	CHECK_OK(fchownat(AT_FDCWD, "link", -1, -1, AT_SYMLINK_NOFOLLOW));
	CHECK_OK(fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH));
	if (getuid()) {
		CHECK_ERRNO(fchownat(AT_FDCWD, "file", 0, -1, 0), EPERM);
		CHECK_ERRNO(fchownat(AT_FDCWD, "file", -1, 0, 0), EPERM);
		CHECK_ERRNO(chmod("/dev/shm", 0777), EPERM);
	}
	CHECK_OK(syscall(SYS_faccessat2, AT_FDCWD, "file", R_OK | W_OK, 0));
	CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, "file", X_OK, 0), EACCES);
	CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, "file", 8, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, "file", F_OK, BAD_FLAG), EINVAL);
	CHECK_OK(syscall(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH | AT_EACCESS));
	CHECK_OK(syscall(SYS_faccessat2, AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
	CHECK_ERRNO(syscall(SYS_faccessat2, AT_FDCWD, "dangling", F_OK, 0), ENOENT);
	CHECK_ERRNO(syscall(SYS_faccessat2, 999, "file", F_OK, 0), EBADF);
	CHECK_ERRNO(access("file/x", F_OK), ENOTDIR);
	close(fd);
}

static void test_handles(void)
{
	struct {
		struct file_handle h;
		unsigned char more[128];
	} handle = {.h.handle_bytes = 0};
	int mount, fd = open(".", O_RDONLY);

	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "file", &handle.h, &mount, BAD_FLAG), EINVAL);
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "none", &handle.h, &mount, 0), ENOENT);
	CHECK_ERRNO(name_to_handle_at(999, "none", &handle.h, &mount, 0), EBADF);
	CHECK_ERRNO(name_to_handle_at(AT_FDCWD, "/proc/version", &handle.h, &mount, 0), EOPNOTSUPP);
	handle.h.handle_type = 1;
	CHECK_ERRNO(open_by_handle_at(fd, &handle.h, O_RDONLY), EINVAL);
	handle.h.handle_bytes = 129;
	CHECK_ERRNO(open_by_handle_at(fd, &handle.h, O_RDONLY), EINVAL);
	CHECK_ERRNO(open_by_handle_at(fd, nowhere, O_RDONLY), EFAULT);
	handle.h.handle_bytes = 8;
	CHECK_ERRNO(open_by_handle_at(999, &handle.h, O_RDONLY), EBADF);
	/* By who must not; of what was never told, by who may. */
	if (getuid())
		CHECK_ERRNO(open_by_handle_at(fd, &handle.h, O_RDONLY), EPERM);
	else
		CHECK(open_by_handle_at(fd, &handle.h, O_RDONLY) == -1 &&
		      errno == (prctl(PR_CAPBSET_READ, CAP_DAC_READ_SEARCH) ? ESTALE : EPERM));
	close(fd);
}

int main(void)
{
	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	umask(022);
	touch("file");
	CHECK_OK(symlink("file", "link"));
	CHECK_OK(symlink("none", "dangling"));
	CHECK_OK(mkdir("d", 0755));
	CHECK_OK(mkdir("d/sub", 0755));
	touch("d/x");
	test_statx();
	test_names();
	test_rename();
	test_times();
	test_modes();
	test_handles();
	CHECK_OK(chdir("/"));
	snprintf(text, sizeof text, "rm -rf %s", dir);
	return system(text) || check_done();
}
