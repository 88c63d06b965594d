/* SPDX-License-Identifier: Apache-2.0 */
/* A file's flags as file_getattr(2), file_setattr(2) and the ioctls FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR tell and change
 * them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

#define NR_file_getattr 468
#define NR_file_setattr 469
#define UNTOUCHED       0x77

struct attr {
	uint64_t xflags;
	uint32_t extsize, nextents, projid, cowextsize;
};

static char top[] = "/dev/shm/husk-flagsXXXXXX";

static long get(int dir, const char *path, void *attr, size_t size, int flags)
{
	return syscall(NR_file_getattr, dir, path, attr, size, flags);
}

static long set(int dir, const char *path, const void *attr, size_t size, int flags)
{
	return syscall(NR_file_setattr, dir, path, attr, size, flags);
}

static void test_arguments(int fd)
{
	unsigned char big[4104];
	int by_path = open("f", O_PATH);

	CHECK_EQ(get(AT_FDCWD, "f", big, 24, 0), 0);
	CHECK_ERRNO(get(AT_FDCWD, "f", big, 23, 0), EINVAL);
	CHECK_ERRNO(get(AT_FDCWD, "f", big, 4097, 0), E2BIG);
	CHECK_ERRNO(get(AT_FDCWD, "f", big, 4097, 1), EINVAL);
	CHECK_ERRNO(get(AT_FDCWD, "f", big, 24, AT_SYMLINK_FOLLOW), EINVAL);
	CHECK_ERRNO(get(AT_FDCWD, "none", (void *)8, 23, 0), EINVAL);
	CHECK_ERRNO(get(AT_FDCWD, "none", (void *)8, 24, 0), ENOENT);
	CHECK_ERRNO(get(AT_FDCWD, "f/x", big, 24, 0), ENOTDIR);
	CHECK_ERRNO(get(AT_FDCWD, "f", (void *)8, 24, 0), EFAULT);
	CHECK_ERRNO(get(AT_FDCWD, NULL, big, 24, 0), EFAULT);
	CHECK_ERRNO(get(AT_FDCWD, "", big, 24, 0), ENOENT);
	CHECK_EQ(get(AT_FDCWD, "", big, 24, AT_EMPTY_PATH), 0);
	CHECK_EQ(get(AT_FDCWD, NULL, big, 24, AT_EMPTY_PATH), 0);
	CHECK_ERRNO(get(-1, "", big, 24, AT_EMPTY_PATH), EBADF);
	CHECK_EQ(get(fd, "", big, 24, AT_EMPTY_PATH), 0);
	CHECK_EQ(get(fd, NULL, big, 24, AT_EMPTY_PATH), 0);
	CHECK_ERRNO(get(fd, "x", big, 24, AT_EMPTY_PATH), ENOTDIR);
	CHECK_ERRNO(get(by_path, "", big, 24, AT_EMPTY_PATH), EBADF);
	CHECK_ERRNO(set(by_path, "", big, 24, AT_EMPTY_PATH), EBADF);

	memset(big, UNTOUCHED, sizeof big);
	CHECK_EQ(get(AT_FDCWD, "f", big, 48, 0), 0);
	CHECK_EQ(big[47], 0);
	CHECK_EQ(big[48], UNTOUCHED);

	memset(big, 0, sizeof big);
	big[40] = 1;
	CHECK_ERRNO(set(AT_FDCWD, "none", big, 48, 0), E2BIG);
	CHECK_ERRNO(set(AT_FDCWD, "none", big, 40, 0), ENOENT);
	CHECK_ERRNO(set(AT_FDCWD, "none", big, 23, 0), EINVAL);
	CHECK_ERRNO(set(AT_FDCWD, "none", (void *)8, 24, 0), EFAULT);
	CHECK_ERRNO(set(AT_FDCWD, "none", (void *)8, 4097, 0), E2BIG);
	big[2] = 2;
	CHECK_ERRNO(set(AT_FDCWD, "none", big, 24, 0), EINVAL);
	close(by_path);
}

/* What @path answers when bit @bit is set, by either way: they differ for bits that have no name. */
static void check_bit(const char *path, int fd, int bit, int err, int ioctl_err)
{
	struct attr a = {.xflags = 1UL << bit}, now;
	struct fsxattr x = {.fsx_xflags = 1U << bit};

	if (err)
		CHECK_ERRNO(set(AT_FDCWD, path, &a, sizeof a, 0), err);
	else
		CHECK_EQ(set(AT_FDCWD, path, &a, sizeof a, 0), 0);
	if (bit < 32 && ioctl_err)
		CHECK_ERRNO(ioctl(fd, FS_IOC_FSSETXATTR, &x), ioctl_err);
	else if (bit < 32)
		CHECK_EQ(ioctl(fd, FS_IOC_FSSETXATTR, &x), 0);
	CHECK_EQ(get(AT_FDCWD, path, &now, sizeof now, 0), 0);
	CHECK_EQ(now.xflags, (bit == 6 || bit == 7) ? 1UL << bit : 0);
	memset(&a, 0, sizeof a);
	CHECK_EQ(set(AT_FDCWD, path, &a, sizeof a, 0), 0);
}

static void test_bits(const char *path)
{
	int fd = open(path, O_RDONLY), dir;
	struct stat st;

	fstat(fd, &st);
	dir = S_ISDIR(st.st_mode);
	for (int bit = 0; bit < 64; bit++) {
		switch (bit) {
		case 3: /* FS_XFLAG_IMMUTABLE, FS_XFLAG_APPEND */
		case 4:
			break;
		case 1:  /* FS_XFLAG_PREALLOC */
		case 6:  /* FS_XFLAG_NOATIME */
		case 7:  /* FS_XFLAG_NODUMP */
		case 16: /* FS_XFLAG_COWEXTSIZE without a size */
		case 31: /* FS_XFLAG_HASATTR */
			check_bit(path, fd, bit, 0, 0);
			break;
		case 11: /* FS_XFLAG_EXTSIZE without a size */
			check_bit(path, fd, bit, dir ? EINVAL : 0, dir ? EINVAL : 0);
			break;
		case 12: /* FS_XFLAG_EXTSZINHERIT */
			check_bit(path, fd, bit, dir ? 0 : EINVAL, dir ? 0 : EINVAL);
			break;
		case 0:
		case 5:
		case 8 ... 10:
		case 13 ... 15:
			check_bit(path, fd, bit, EOPNOTSUPP, EOPNOTSUPP);
			break;
		default:
			check_bit(path, fd, bit, EINVAL, EOPNOTSUPP);
		}
	}
	close(fd);
}

static void test_fields(void)
{
	struct attr a = {.extsize = 4096}, now;

	CHECK_ERRNO(set(AT_FDCWD, "f", &a, sizeof a, 0), EOPNOTSUPP);
	a = (struct attr){.nextents = 5};
	CHECK_EQ(set(AT_FDCWD, "f", &a, sizeof a, 0), 0);
	a = (struct attr){.projid = 1};
	CHECK_ERRNO(set(AT_FDCWD, "f", &a, sizeof a, 0), EOPNOTSUPP);
	a = (struct attr){.projid = ~0u};
	CHECK_ERRNO(set(AT_FDCWD, "f", &a, sizeof a, 0), EINVAL);
	a = (struct attr){.cowextsize = 4096};
	CHECK_ERRNO(set(AT_FDCWD, "f", &a, sizeof a, 0), EOPNOTSUPP);
	CHECK_EQ(get(AT_FDCWD, "f", &now, sizeof now, 0), 0);
	CHECK(!now.xflags && !now.extsize && !now.nextents && !now.projid && !now.cowextsize);
}

/* By one way and told by the other. */
static void test_both_ways(int fd)
{
	struct attr a = {.xflags = FS_XFLAG_NODUMP};
	unsigned int flags = 0;

	CHECK_EQ(set(fd, "", &a, sizeof a, AT_EMPTY_PATH), 0);
	CHECK_EQ(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
	CHECK_EQ(flags & FS_NODUMP_FL, FS_NODUMP_FL);
	flags = FS_NOATIME_FL;
	CHECK_EQ(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
	CHECK_EQ(get(AT_FDCWD, "l", &a, sizeof a, 0), 0);
	CHECK_EQ(a.xflags, FS_XFLAG_NOATIME);
	a.xflags = 0;
	CHECK_EQ(set(AT_FDCWD, "f", &a, sizeof a, 0), 0);
}

static void test_files_without(void)
{
	int memfd = memfd_create("m", 0), p[2];
	struct attr a = {0};

	CHECK_EQ(get(memfd, "", &a, sizeof a, AT_EMPTY_PATH), 0);
	CHECK_OK(pipe(p));
	CHECK_ERRNO(get(p[0], "", &a, sizeof a, AT_EMPTY_PATH), EOPNOTSUPP);
	CHECK_ERRNO(set(p[0], "", &a, sizeof a, AT_EMPTY_PATH), EOPNOTSUPP);
	CHECK_ERRNO(get(AT_FDCWD, "l", &a, sizeof a, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
	CHECK_ERRNO(set(AT_FDCWD, "l", &a, sizeof a, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
	CHECK_ERRNO(get(AT_FDCWD, "p", &a, sizeof a, 0), EOPNOTSUPP);
	CHECK_ERRNO(get(AT_FDCWD, "/proc/self/status", &a, sizeof a, 0), EOPNOTSUPP);
	CHECK_ERRNO(set(AT_FDCWD, "/proc/self/status", &a, sizeof a, 0), EOPNOTSUPP);
	CHECK_ERRNO(get(AT_FDCWD, "/dev/null", &a, sizeof a, 0), EOPNOTSUPP);
}

static void as_nobody(void)
{
	struct attr a = {0};

	CHECK_OK(setresuid(65534, 65534, 65534));
	CHECK_EQ(get(AT_FDCWD, "f", &a, sizeof a, 0), 0);
	CHECK_ERRNO(set(AT_FDCWD, "f", &a, sizeof a, 0), EPERM);
}

int main(void)
{
	struct attr a;
	int fd;

	if (get(AT_FDCWD, "/", &a, sizeof a, 0) == -1 && errno == ENOSYS)
		check_skip("Linux before 6.17");
	CHECK(mkdtemp(top));
	CHECK_OK(chdir(top));
	CHECK_OK(chmod(".", 0755));
	fd = open("f", O_RDWR | O_CREAT, 0644);
	CHECK_OK(mkdir("d", 0755));
	CHECK_OK(symlink("f", "l"));
	CHECK_OK(mkfifo("p", 0644));

	test_arguments(fd);
	test_bits("f");
	test_bits("d");
	test_fields();
	test_both_ways(fd);
	test_files_without();
	if (!geteuid())
		CHECK_EQ(check_in_child(as_nobody), 0);

	unlink("f");
	unlink("l");
	unlink("p");
	rmdir("d");
	rmdir(top);
	return check_done();
}
