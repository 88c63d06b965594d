/* SPDX-License-Identifier: Apache-2.0 */
/* mount and umount2 by who may not: what is wrong with flags, strings and names comes first; open_tree. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static char dir[] = "/tmp/fs_mounting.XXXXXX";
static char *volatile nowhere = (char *)8;

static void test_names(void)
{
	char longest[5000];

	memset(longest, 'x', sizeof longest);
	longest[300] = 0;
	CHECK_ERRNO(umount2("none", 0), ENOENT);
	CHECK_ERRNO(umount2("file/x", 0), ENOTDIR);
	CHECK_ERRNO(umount2("", 0), ENOENT);
	CHECK_ERRNO(umount2("loop", 0), ELOOP);
	CHECK_ERRNO(umount2("dangling", 0), ENOENT);
	CHECK_ERRNO(umount2(longest, 0), ENAMETOOLONG);
	CHECK_ERRNO(umount2(nowhere, 0), EFAULT);
	CHECK_ERRNO(umount2("none", 0x1000), EINVAL);
	CHECK_ERRNO(umount2(nowhere, 16), EINVAL);
	CHECK_ERRNO(mount("x", "none", "tmpfs", 0, NULL), ENOENT);
	CHECK_ERRNO(mount(NULL, "file/x", NULL, 0, NULL), ENOTDIR);
	CHECK_ERRNO(mount("x", nowhere, "tmpfs", 0, NULL), EFAULT);
	CHECK_ERRNO(mount(nowhere, "d", "tmpfs", 0, NULL), EFAULT);
	CHECK_ERRNO(mount("x", "d", nowhere, 0, NULL), EFAULT);
	CHECK_ERRNO(mount("x", "d", "tmpfs", 0, nowhere), EFAULT);
	CHECK_ERRNO(mount("x", "none", "tmpfs", 1UL << 31, NULL), ENOENT);
	longest[300] = 'x';
	longest[4500] = 0;
	CHECK_ERRNO(mount("x", "d", longest, 0, NULL), EINVAL);
	CHECK_ERRNO(mount("x", longest, "tmpfs", 0, NULL), ENAMETOOLONG);
}

/* What is no mount point cannot be taken off, by who may or not. */
static void test_not_mounted(void)
{
	if (!geteuid() && prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN)) {
		CHECK_ERRNO(umount2("d", 0), EINVAL);
		CHECK_ERRNO(umount2("dangling", UMOUNT_NOFOLLOW), EINVAL);
	}
}

static long open_tree_at(int dir, const char *name, unsigned flags)
{
	return syscall(428, dir, name, flags);
}

/* open_tree that clones nothing is open(O_PATH). */
static void test_tree(void)
{
	int fd = (int)open_tree_at(AT_FDCWD, "d", OPEN_TREE_CLOEXEC), f, dir;
	struct stat st;

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_OK(fstat(fd, &st));
	CHECK(S_ISDIR(st.st_mode));
	f = openat(fd, "..", O_RDONLY | O_DIRECTORY);
	CHECK(f >= 0);
	dir = (int)open_tree_at(f, "file", 0);
	CHECK(dir >= 0);
	CHECK_EQ(fcntl(dir, F_GETFD), 0);
	CHECK_ERRNO(read(dir, &st, 1), EBADF);
	close(dir);
	dir = (int)open_tree_at(f, "", AT_EMPTY_PATH);
	CHECK(dir >= 0);
	close(dir);
	dir = (int)open_tree_at(AT_FDCWD, "dangling", AT_SYMLINK_NOFOLLOW);
	CHECK_OK(fstat(dir, &st));
	CHECK(S_ISLNK(st.st_mode));
	close(dir);
	close(f);
	close(fd);
	CHECK_ERRNO(open_tree_at(AT_FDCWD, "", 0), ENOENT);
	CHECK_ERRNO(open_tree_at(AT_FDCWD, "dangling", 0), ENOENT);
	CHECK_ERRNO(open_tree_at(AT_FDCWD, nowhere, 0), EFAULT);
	CHECK_ERRNO(open_tree_at(999, "d", 0), EBADF);
	CHECK_ERRNO(open_tree_at(AT_FDCWD, "d", 0x40), EINVAL);
	CHECK_ERRNO(open_tree_at(AT_FDCWD, "d", AT_RECURSIVE), EINVAL);
	/* The same with attributes, none of them given. */
	f = (int)syscall(467, AT_FDCWD, "d", 0, NULL, 0);
	CHECK(f >= 0 || errno == ENOSYS); /* Linux 6.15 */
	if (f >= 0) {
		close(f);
		CHECK_ERRNO(syscall(467, AT_FDCWD, "d", 0, NULL, 32), EINVAL);
	}
}

/* As an ordinary user. */
static void test_refused(void)
{
	int status;

	if (!fork()) {
		if (!geteuid())
			CHECK_OK(setresuid(65534, 65534, 65534));
		CHECK_ERRNO(umount2("d", 0), EPERM);
		CHECK_ERRNO(umount2("dangling", UMOUNT_NOFOLLOW), EPERM);
		CHECK_ERRNO(umount2("/proc", MNT_DETACH), EPERM);
		CHECK_ERRNO(mount("x", "d", "tmpfs", 0, NULL), EPERM);
		CHECK_ERRNO(mount(NULL, "d", NULL, MS_REMOUNT, NULL), EPERM);
		CHECK_ERRNO(mount("d", "d", NULL, MS_BIND, NULL), EPERM);
		CHECK_ERRNO(mount("x", "d", "tmpfs", MS_MGC_VAL, NULL), EPERM);
		CHECK_ERRNO(mount("x", "d", "tmpfs", MS_MGC_VAL | MS_RDONLY, NULL), EPERM);
		CHECK_ERRNO(mount("x", "d", "tmpfs", 1UL << 31, NULL), EINVAL);
		CHECK_ERRNO(open_tree_at(AT_FDCWD, "d", OPEN_TREE_CLONE), EPERM);
		CHECK_ERRNO(open_tree_at(AT_FDCWD, "none", OPEN_TREE_CLONE | AT_RECURSIVE), EPERM);
		_exit(check_failed());
	}
	CHECK(wait(&status) > 0);
	CHECK_EQ(status, 0);
}

int main(void)
{
	CHECK(mkdtemp(dir));
	CHECK_OK(chmod(dir, 0755));
	CHECK_OK(chdir(dir));
	CHECK_OK(mkdir("d", 0755));
	CHECK_OK(mknod("file", S_IFREG | 0644, 0));
	CHECK_OK(symlink("loop", "loop"));
	CHECK_OK(symlink("none", "dangling"));
	test_names();
	test_not_mounted();
	test_tree();
	test_refused();
	unlink("file");
	unlink("loop");
	unlink("dangling");
	rmdir("d");
	CHECK_OK(chdir("/"));
	rmdir(dir);
	return check_done();
}
