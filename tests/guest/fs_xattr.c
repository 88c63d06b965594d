/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes of files in memory: name spaces, rights, sizes, lists. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/limits.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "check.h"

static char dir[] = "/dev/shm/husk-xattrXXXXXX", buf[70000], big[70000];
static char *volatile nowhere = (char *)8;

static void test_user(int fd)
{
	CHECK_ERRNO(getxattr("f", "user.a", buf, 10), ENODATA);
	CHECK_OK(setxattr("f", "user.a", "value", 5, 0));
	CHECK_EQ(getxattr("f", "user.a", NULL, 0), 5);
	CHECK_EQ(getxattr("f", "user.a", buf, 100), 5);
	CHECK(!memcmp(buf, "value", 5));
	CHECK_ERRNO(getxattr("f", "user.a", buf, 4), ERANGE);
	CHECK_ERRNO(getxattr("f", "user.a", nowhere, 10), EFAULT);
	CHECK_ERRNO(setxattr("f", "user.a", "x", 1, XATTR_CREATE), EEXIST);
	CHECK_ERRNO(setxattr("f", "user.b", "x", 1, XATTR_REPLACE), ENODATA);
	CHECK_OK(setxattr("f", "user.a", "longer value", 12, XATTR_REPLACE));
	CHECK_OK(setxattr("f", "user.empty", NULL, 0, XATTR_CREATE));
	CHECK_EQ(getxattr("f", "user.empty", buf, 10), 0);
	CHECK_ERRNO(setxattr("f", "user.a", "x", 1, 4), EINVAL);
	CHECK_ERRNO(setxattr("f", "user.a", nowhere, 5, 0), EFAULT);
	CHECK_ERRNO(setxattr("f", "user.a", big, XATTR_SIZE_MAX + 1, 0), E2BIG);
	CHECK_OK(fsetxattr(fd, "user.big", big, 20000, 0));
	CHECK_EQ(fgetxattr(fd, "user.big", buf, sizeof buf), 20000);
	CHECK_OK(fremovexattr(fd, "user.big"));
	CHECK_ERRNO(removexattr("f", "user.big"), ENODATA);
	CHECK_ERRNO(removexattr("f", "user.none"), ENODATA);
	CHECK_ERRNO(getxattr("none", "user.a", buf, 10), ENOENT);
	CHECK_ERRNO(fgetxattr(999, "user.a", buf, 10), EBADF);
	CHECK_ERRNO(getxattr("f", nowhere, buf, 10), EFAULT);
}

static void test_names(void)
{
	char name[300];

	CHECK_ERRNO(getxattr("f", "", buf, 10), ERANGE);
	memset(name, 'n', sizeof name);
	memcpy(name, "user.", 5);
	name[256] = 0;
	CHECK_ERRNO(setxattr("f", name, "x", 1, 0), ERANGE);
	name[255] = 0;
	CHECK_OK(setxattr("f", name, "x", 1, 0));
	CHECK_OK(removexattr("f", name));
	CHECK_ERRNO(setxattr("f", "user.", "x", 1, 0), EINVAL);
	CHECK_ERRNO(getxattr("f", "user.", buf, 1), EINVAL);
	CHECK_ERRNO(setxattr("f", "plain", "x", 1, 0), EOPNOTSUPP);
	CHECK_ERRNO(getxattr("f", "other.space", buf, 1), EOPNOTSUPP);
	CHECK_ERRNO(removexattr("f", "plain"), EOPNOTSUPP);
}

static void test_list(int fd)
{
	ssize_t n = listxattr("f", buf, sizeof buf);

	CHECK_EQ(n, 7 + 11);
	CHECK(n > 0 && memmem(buf, n, "user.a", 7) && memmem(buf, n, "user.empty", 11));
	CHECK_EQ(flistxattr(fd, NULL, 0), n);
	CHECK_ERRNO(listxattr("f", buf, n - 1), ERANGE);
	CHECK_EQ(listxattr("d", buf, sizeof buf), 0);
	CHECK_ERRNO(listxattr("none", buf, sizeof buf), ENOENT);
	CHECK_ERRNO(flistxattr(999, buf, sizeof buf), EBADF);
	CHECK_EQ(listxattr("/proc/version", buf, sizeof buf), 0);
	CHECK_ERRNO(getxattr("/proc/version", "user.a", buf, 10), EOPNOTSUPP);
}

/* More names than a list can hold: how long it would be is told all the same. */
static void test_long_list(void)
{
	const int many = 1000;
	char name[128];

	for (int i = 0; i < many; i++) {
		snprintf(name, sizeof name, "user.%075d", i);
		CHECK_OK(setxattr("d", name, "", 0, 0));
	}
	CHECK_EQ(listxattr("d", NULL, 0), many * 81);
	CHECK_ERRNO(listxattr("d", buf, 100), ERANGE);
	CHECK_ERRNO(listxattr("d", buf, 65536), E2BIG);
	CHECK_ERRNO(listxattr("d", buf, sizeof buf), E2BIG);
	for (int i = 0; i < many; i++) {
		snprintf(name, sizeof name, "user.%075d", i);
		CHECK_OK(removexattr("d", name));
	}
}

/* Links and other special files have no user attributes; a link of its own is l*xattr's. */
static void test_kinds(void)
{
	CHECK_OK(setxattr("l", "user.via", "link", 4, 0));
	CHECK_EQ(getxattr("f", "user.via", buf, 10), 4);
	CHECK_ERRNO(lsetxattr("l", "user.x", "x", 1, 0), EPERM);
	CHECK_ERRNO(lgetxattr("l", "user.x", buf, 1), ENODATA);
	CHECK_ERRNO(lremovexattr("l", "user.x"), EPERM);
	CHECK_EQ(llistxattr("l", buf, sizeof buf), 0);
	CHECK_OK(lsetxattr("f", "user.l", "x", 1, 0));
	CHECK_EQ(lgetxattr("f", "user.l", buf, 10), 1);
	CHECK_OK(lremovexattr("f", "user.l"));
	/* Of what is no link they are the same as without the l. */
	CHECK_OK(lsetxattr("f", "user.l", "x", 1, XATTR_CREATE));
	CHECK_EQ(lgetxattr("f", "user.l", buf, sizeof buf), 1);
	CHECK_OK(lremovexattr("f", "user.l"));
	CHECK_ERRNO(lgetxattr("f", "user.l", buf, sizeof buf), ENODATA);
	CHECK_ERRNO(setxattr("fifo", "user.x", "x", 1, 0), EPERM);
	CHECK_ERRNO(getxattr("fifo", "user.x", buf, 1), ENODATA);
	CHECK_OK(setxattr("d", "user.x", "dir", 3, 0));
	CHECK_EQ(getxattr("d", "user.x", buf, 10), 3);
	CHECK_OK(removexattr("f", "user.via"));
	CHECK_OK(chmod("d", 01777));
	CHECK_OK(setxattr("d", "user.x", "dir", 3, 0)); /* sticky, but ours */
}

static void test_rights(void)
{
	int ro;

	if (!getuid()) {
		CHECK_OK(setxattr("f", "trusted.t", "t", 1, 0));
		CHECK_EQ(getxattr("f", "trusted.t", buf, 10), 1);
		CHECK(listxattr("f", buf, sizeof buf) > 18);
		CHECK_OK(lsetxattr("l", "trusted.t", "t", 1, 0));
		CHECK_EQ(llistxattr("l", buf, sizeof buf), 10);
		CHECK_OK(setxattr("f", "security.husk", "s", 1, 0));
		CHECK_EQ(getxattr("f", "security.husk", buf, 10), 1);
		CHECK_OK(removexattr("f", "security.husk"));
		CHECK_OK(removexattr("f", "trusted.t"));
		return;
	}
	CHECK_ERRNO(setxattr("f", "trusted.t", "t", 1, 0), EPERM);
	CHECK_ERRNO(getxattr("f", "trusted.t", buf, 10), ENODATA);
	CHECK_ERRNO(removexattr("f", "trusted.t"), EPERM);
	CHECK_ERRNO(setxattr("f", "security.husk", "s", 1, 0), EPERM);
	CHECK_ERRNO(getxattr("f", "security.husk", buf, 10), ENODATA);
	CHECK_OK(chmod("f", 0400));
	CHECK_ERRNO(setxattr("f", "user.a", "x", 1, 0), EACCES);
	CHECK_EQ(getxattr("f", "user.a", buf, 100), 12);
	CHECK_OK(chmod("f", 0));
	CHECK_ERRNO(getxattr("f", "user.a", buf, 100), EACCES);
	CHECK_EQ(listxattr("f", buf, sizeof buf), 18);
	CHECK_OK(chmod("f", 0600));
	ro = open("f", O_RDONLY);
	CHECK_OK(fsetxattr(ro, "user.ro", "x", 1, 0)); /* permission on the file, not the descriptor */
	CHECK_OK(fremovexattr(ro, "user.ro"));
	close(ro);
}

/* The newer calls, where the kernel has them. */
static void test_at(void)
{
	struct {
		uint64_t value;
		uint32_t size, flags;
	} args = {.value = (uintptr_t) "at", .size = 2};
	int d = open(".", O_RDONLY);
	long r = syscall(463, d, "f", 0, "user.at", &args, sizeof args);

	if (r && errno == ENOSYS) { /* Linux 6.13 */
		close(d);
		return;
	}
	CHECK_EQ(r, 0);
	args.value = (uintptr_t)buf;
	args.size = 100;
	CHECK_EQ(syscall(464, d, "f", 0, "user.at", &args, sizeof args), 2);
	CHECK(!memcmp(buf, "at", 2));
	CHECK_ERRNO(syscall(464, d, "f", 0, "user.at", &args, 8), EINVAL);
	CHECK_ERRNO(syscall(464, d, "f", 1, "user.at", &args, sizeof args), EINVAL);
	CHECK_EQ(syscall(465, d, "f", 0, buf, sizeof buf), 18 + 8);
	CHECK_OK(syscall(466, d, "f", 0, "user.at"));
	CHECK_ERRNO(syscall(466, d, "f", 0, "user.at"), ENODATA);
	CHECK_ERRNO(syscall(466, 999, "f", 0, "user.at"), EBADF);
	close(d);
}

int main(void)
{
	int fd;

	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	fd = open("f", O_CREAT | O_RDWR, 0600);
	CHECK_OK(mkdir("d", 0755));
	CHECK_OK(symlink("f", "l"));
	CHECK_OK(mkfifo("fifo", 0600));
	if (setxattr("f", "user.probe", "x", 1, 0) && errno == EOPNOTSUPP) {
		CHECK_OK(chdir("/"));
		snprintf(buf, sizeof buf, "rm -rf %s", dir);
		if (system(buf) == 0)
			check_skip("no user attributes on tmpfs (Linux 6.6)");
	}
	CHECK_OK(removexattr("f", "user.probe"));
	test_user(fd);
	test_names();
	test_list(fd);
	test_long_list();
	test_kinds();
	test_rights();
	test_at();
	close(fd);
	CHECK_OK(chdir("/"));
	snprintf(buf, sizeof buf, "rm -rf %s", dir);
	return system(buf) || check_done();
}
