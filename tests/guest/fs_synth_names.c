/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and attributes in /proc, /sys and /dev/pts: what nobody may make, remove, rename or change, and what those may who
 * own it. Nothing here changes what others see.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "check.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static bool root;

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

/* Nothing is made in @dir: @plain is the errno for regular files, @other for the rest. */
static void no_new_names(const char *dir, int plain, int other)
{
	char name[64], below[72], second[64];

	snprintf(name, sizeof name, "%s/husk-none", dir);
	snprintf(below, sizeof below, "%s/", name);
	snprintf(second, sizeof second, "%s/husk-other", dir);
	CHECK_ERRNO(try_open(name, O_RDONLY), ENOENT);
	CHECK_ERRNO(try_open(name, O_CREAT | O_WRONLY), plain);
	CHECK_ERRNO(try_open(name, O_CREAT | O_EXCL | O_RDWR), plain);
	CHECK_ERRNO(try_open(below, O_CREAT), EISDIR);
	CHECK_ERRNO(try_open(dir, O_CREAT), EISDIR);
	CHECK_ERRNO(mknod(name, S_IFREG | 0600, 0), plain);
	CHECK_ERRNO(mknod(name, S_IFIFO | 0600, 0), other);
	CHECK_ERRNO(mknod(name, S_IFSOCK | 0600, 0), other);
	CHECK_ERRNO(mkdir(name, 0700), other);
	CHECK_ERRNO(mkdir(below, 0700), other);
	CHECK_ERRNO(mkdir(dir, 0700), EEXIST);
	CHECK_ERRNO(symlink("x", name), other);
	CHECK_ERRNO(symlink("x", below), ENOENT);
	CHECK_ERRNO(unlink(name), ENOENT);
	CHECK_ERRNO(rmdir(name), ENOENT);
	CHECK_ERRNO(rename(name, second), ENOENT);
}

static void test_new_names(void)
{
	static const char *const comes_and_goes[] = {
		"/proc",     "/proc/self",       "/proc/self/fd", "/proc/self/task", "/proc/self/fdinfo",
		"/proc/sys", "/proc/sys/kernel", "/proc/tty",     "/proc/self/net",  "/proc/self/ns"};
	static const char *const fixed[] = {"/sys", "/sys/kernel", "/sys/devices/system/cpu", "/dev/pts"};

	for (size_t i = 0; i < sizeof comes_and_goes / sizeof *comes_and_goes; i++)
		no_new_names(comes_and_goes[i], ENOENT, ENOENT);
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		no_new_names(fixed[i], EACCES, root ? EPERM : EACCES);
}

static void test_nameless(void)
{
	CHECK_ERRNO(try_open("/proc", O_TMPFILE | O_RDWR), root ? EOPNOTSUPP : EACCES);
	CHECK_ERRNO(try_open("/proc/self", O_TMPFILE | O_RDWR), EPERM);
	CHECK_ERRNO(try_open("/proc/self/fd", O_TMPFILE | O_RDWR), EOPNOTSUPP);
	CHECK_ERRNO(try_open("/proc/self/task", O_TMPFILE | O_RDWR), root ? EOPNOTSUPP : EACCES);
	CHECK_ERRNO(try_open("/proc/sys", O_TMPFILE | O_RDWR), EACCES);
	CHECK_ERRNO(try_open("/sys", O_TMPFILE | O_RDWR), root ? EOPNOTSUPP : EACCES);
	CHECK_ERRNO(try_open("/proc/version", O_TMPFILE | O_RDWR), ENOTDIR);
	CHECK_ERRNO(try_open("/proc/self/cwd", O_CREAT), EISDIR);
}

static void test_removal(void)
{
	int elsewhere = root ? EPERM : EACCES;

	CHECK_ERRNO(unlink("/proc/self/stat"), EPERM);
	CHECK_ERRNO(rmdir("/proc/self/stat"), EPERM);
	CHECK_ERRNO(rmdir("/proc/self/task"), EPERM);
	CHECK_ERRNO(unlink("/proc/self/task"), EPERM);
	CHECK_ERRNO(unlink("/proc/self/fd/0"), EPERM);
	CHECK_ERRNO(rmdir("/proc/self/fd/0"), ENOTDIR);
	CHECK_ERRNO(unlink("/proc/sys/kernel/osrelease"), EACCES);
	CHECK_ERRNO(rmdir("/proc/sys/kernel"), EACCES);
	CHECK_ERRNO(rmdir("/sys/kernel"), elsewhere);
	CHECK_ERRNO(rmdir("/proc/self/.."), ENOTEMPTY);
	CHECK_ERRNO(rmdir("/proc/self/."), EINVAL);
	CHECK_ERRNO(rename("/proc/self/stat", "/proc/self/husk-none"), ENOENT);
	CHECK_ERRNO(rename("/proc/self/stat", "/proc/self/status"), EPERM);
	CHECK_ERRNO(rename("/sys/kernel", "/sys/husk-none"), elsewhere);
	CHECK_ERRNO(
		syscall(SYS_renameat2, AT_FDCWD, "/sys/kernel", AT_FDCWD, "/sys/husk-none", RENAME_NOREPLACE),
		root ? EINVAL : EACCES);
	CHECK_ERRNO(link("/proc/self/stat", "/proc/self/husk-none"), ENOENT);
	CHECK_ERRNO(link("/proc/version", "/sys/husk-none"), EXDEV);
}

static void test_access(void)
{
	CHECK_ERRNO(access("/proc/self", W_OK), EPERM);
	CHECK_ERRNO(access("/proc/thread-self", W_OK), EPERM);
	CHECK_ERRNO(access("/proc/1", W_OK), EPERM);
	CHECK_OK(access("/proc/self/fd", W_OK));
	CHECK_ERRNO(access("/proc/sys", W_OK), EACCES);
	CHECK_ERRNO(access("/proc/sys/kernel", W_OK | X_OK), EACCES);
	CHECK_ERRNO(access("/proc/sys/kernel/osrelease", W_OK), EACCES);
	CHECK_ERRNO(access("/proc/sys/kernel/osrelease", X_OK), EACCES);
	CHECK_OK(access("/proc/sys/kernel/osrelease", R_OK));
	CHECK_ERRNO(try_open("/proc/sys/kernel/osrelease", O_RDONLY | O_TRUNC), EACCES);
	CHECK_ERRNO(truncate("/proc/sys/kernel/osrelease", 0), EACCES);
	CHECK_OK(truncate("/proc/self/comm", 5));
	CHECK_ERRNO(truncate("/proc/self", 0), EISDIR);
}

/* Root opens what has no way to be written, and then cannot write. */
static void write_to(const char *path, int open_error, int error)
{
	int fd = open(path, O_WRONLY);

	if (!root || open_error) {
		CHECK_EQ(fd, -1);
		CHECK_EQ(errno, root ? open_error : EACCES);
		return;
	}
	CHECK(fd >= 0);
	CHECK_ERRNO(write(fd, "x", 1), error);
	CHECK_ERRNO(pwrite(fd, "x", 1, 0), ESPIPE);
	close(fd);
}

static void test_writing(void)
{
	write_to("/proc/version", 0, EIO);
	write_to("/proc/uptime", 0, EIO);
	write_to("/proc/self/stat", 0, EINVAL);
	write_to("/proc/self/fdinfo/0", 0, EINVAL);
	write_to("/proc/self/net/unix", EACCES, 0);
	write_to("/sys/devices/system/cpu/online", EACCES, 0);
	write_to("/proc/sys/kernel/osrelease", EACCES, 0);
	if (root) {
		CHECK_OK(try_open("/sys/devices/system/cpu/online", 3));
		CHECK_OK(try_open("/proc/version", 3));
	}
}

/* What is changed of a process's files is as it was with the next look-up. */
static void test_attributes(void)
{
	struct timespec times[2] = {{1, 0}, {2, 0}};
	struct stat st;

	CHECK_ERRNO(chmod("/proc/self/stat", 0444), EPERM);
	CHECK_ERRNO(chmod("/proc/self/fd", 0500), EPERM);
	CHECK_ERRNO(chmod("/proc/self", 0555), EPERM);
	CHECK_ERRNO(chmod("/proc/sys/kernel", 0555), EPERM);
	CHECK_ERRNO(chmod("/proc/sys/kernel/osrelease", 0444), EPERM);
	CHECK_OK(chown("/proc/self/stat", getuid(), getgid()));
	CHECK_ERRNO(chown("/proc/self", getuid(), getgid()), EPERM);
	CHECK_ERRNO(chown("/proc/sys/kernel", 0, 0), EPERM);
	CHECK_OK(lchown("/proc/self/exe", getuid(), getgid()));
	CHECK_OK(lchown("/proc/self/fd/0", (uid_t)-1, (gid_t)-1));
	CHECK_OK(lchown("/proc/self", (uid_t)-1, (gid_t)-1));
	CHECK_OK(utimensat(AT_FDCWD, "/proc/self/stat", times, 0));
	CHECK_OK(utimensat(AT_FDCWD, "/proc/self/exe", times, AT_SYMLINK_NOFOLLOW));
	CHECK_ERRNO(utimensat(AT_FDCWD, "/proc/self", NULL, 0), EPERM);
	CHECK_ERRNO(utimensat(AT_FDCWD, "/proc/self", times, 0), EPERM);
	CHECK_ERRNO(syscall(SYS_fchmodat2, AT_FDCWD, "/proc/self/exe", 0777, AT_SYMLINK_NOFOLLOW),
		    EOPNOTSUPP);
	CHECK_OK(stat("/proc/self/stat", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0444);
	CHECK_EQ(st.st_uid, getuid());
	if (root) {
		CHECK_OK(chown("/proc/self/stat", 1, 1));
		CHECK_OK(stat("/proc/self/stat", &st));
		CHECK_EQ(st.st_uid, 0);
		CHECK_OK(chown("/proc/version", (uid_t)-1, (gid_t)-1));
		CHECK_OK(chmod("/proc/version", 0444)); /* as it is */
		CHECK_OK(chmod("/sys/devices/system/cpu/online", 0444));
	} else {
		CHECK_ERRNO(chown("/proc/self/stat", 0, 0), EPERM);
		CHECK_ERRNO(chmod("/proc/version", 0444), EPERM);
		CHECK_ERRNO(utimensat(AT_FDCWD, "/proc/version", NULL, 0), EACCES);
		CHECK_ERRNO(utimensat(AT_FDCWD, "/proc/version", times, 0), EPERM);
	}
}

static void test_xattrs(void)
{
	char buf[8];

	CHECK_ERRNO(setxattr("/proc/version", "user.x", "y", 1, 0), root ? EOPNOTSUPP : EACCES);
	CHECK_ERRNO(setxattr("/proc/self", "user.x", "y", 1, 0), EPERM);
	CHECK_ERRNO(getxattr("/proc/version", "user.x", buf, sizeof buf), EOPNOTSUPP);
	CHECK_ERRNO(getxattr("/sys/kernel", "user.x", buf, sizeof buf), ENODATA);
	CHECK_ERRNO(getxattr("/sys/kernel", "security.capability", buf, sizeof buf), ENODATA);
	CHECK_EQ(listxattr("/proc/version", buf, sizeof buf), 0);
}

/* A namespace is a file that can be held and asked what it is. */
static void test_namespaces(void)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY), user;
	char path[40], link[64] = "", expected[64];
	unsigned uid = 77;
	struct stat st;

	CHECK(fd >= 0);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0444);
	CHECK_EQ(ioctl(fd, NS_GET_NSTYPE), CLONE_NEWUTS);
	CHECK_ERRNO(ioctl(fd, NS_GET_PARENT), EINVAL);
	CHECK_ERRNO(ioctl(fd, NS_GET_OWNER_UID, &uid), EINVAL);
	CHECK_ERRNO(read(fd, link, 1), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, SEEK_SET), ESPIPE);
	CHECK_ERRNO(fchmod(fd, 0444), EPERM);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	snprintf(expected, sizeof expected, "uts:[%lu]", (unsigned long)st.st_ino);
	CHECK(readlink(path, link, sizeof link - 1) > 0);
	CHECK_STR(link, expected);
	user = ioctl(fd, NS_GET_USERNS);
	CHECK(user >= 0);
	CHECK_EQ(ioctl(user, NS_GET_NSTYPE), CLONE_NEWUSER);
	CHECK_EQ(fcntl(user, F_GETFD), FD_CLOEXEC);
	CHECK_OK(ioctl(user, NS_GET_OWNER_UID, &uid));
	CHECK_EQ(uid, 0);
	CHECK_ERRNO(ioctl(user, NS_GET_PARENT), EPERM);
	close(user);
	close(fd);
	CHECK_ERRNO(try_open("/proc/self/ns/uts", O_WRONLY), EPERM);
	CHECK_ERRNO(try_open("/proc/self/ns/uts", O_RDONLY | O_DIRECT), EINVAL);
	CHECK_ERRNO(access("/proc/self/ns/uts", W_OK), EPERM);
}

int main(void)
{
	root = !geteuid();
	test_new_names();
	test_nameless();
	test_removal();
	test_access();
	test_writing();
	test_attributes();
	test_xattrs();
	test_namespaces();
	return check_done();
}
