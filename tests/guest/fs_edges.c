/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The edges of file calls: offsets at the end of what can be, copies to and from what is no regular file, calls on the
 * wrong kind of file, and flags that are seldom given.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>

#include "check.h"

static char dir[] = "/tmp/fs_edges.XXXXXX";
static int file, null, event, pipes[2], pair[2];

static void test_offsets(void)
{
	char b[10] = "123456789";
	loff_t in, out;

	CHECK_ERRNO(pwrite(file, b, 1, INT64_MAX), EINVAL);
	CHECK_ERRNO(pread(file, b, 10, INT64_MAX - 5), EINVAL);
	CHECK_EQ(pread(file, b, 10, INT64_MAX - 10), 0);
	CHECK_ERRNO(pwrite(null, b, 2, INT64_MAX), EINVAL);
	in = INT64_MAX;
	CHECK_ERRNO(sendfile(null, file, &in, 3), EINVAL);
	CHECK_ERRNO(sendfile(null, file, NULL, (size_t)-1), EINVAL);
	in = -1;
	CHECK_ERRNO(copy_file_range(file, &in, file, NULL, 5, 0), EOVERFLOW);
	in = -100;
	CHECK_ERRNO(copy_file_range(file, &in, file, NULL, 5, 0), EINVAL);
	in = 0;
	out = 20;
	CHECK_ERRNO(copy_file_range(file, &in, file, &out, (size_t)-10, 0), EOVERFLOW);
}

static void test_copies(void)
{
	char b[100];
	loff_t at = 0;
	int d = open(".", O_RDONLY);

	CHECK_OK(lseek(file, 0, SEEK_SET));
	CHECK_EQ(sendfile(null, file, NULL, 100), 12);
	CHECK_EQ(sendfile(null, file, &at, 5), 5);
	CHECK_EQ(at, 5);
	CHECK_EQ(write(pipes[1], "abcdef", 6), 6);
	CHECK_EQ(splice(pipes[0], NULL, null, NULL, 4, 0), 4);
	CHECK_EQ(read(pipes[0], b, 100), 2);
	CHECK_ERRNO(splice(d, NULL, pipes[1], NULL, 5, 0), EINVAL);
	CHECK_ERRNO(splice(event, NULL, pipes[1], NULL, 8, 0), EINVAL);
	CHECK_ERRNO(splice(pipes[0], NULL, event, NULL, 8, 0), EINVAL);
	CHECK_ERRNO(splice(pair[0], NULL, pipes[1], NULL, 8, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(write(pair[1], "xyz", 3), 3);
	CHECK_EQ(splice(pair[0], NULL, pipes[1], NULL, 8, SPLICE_F_NONBLOCK), 3);
	CHECK_EQ(read(pipes[0], b, 100), 3);
	close(d);
	/* What has but the older operations, or just no splicing. */
	CHECK_EQ(lseek(file, 0, SEEK_SET), 0);
	d = open("/proc/self/status", O_RDONLY);
	CHECK_ERRNO(splice(d, NULL, pipes[1], NULL, 5, 0), EINVAL);
	CHECK_ERRNO(sendfile(file, d, NULL, 5), EINVAL);
	close(d);
	d = open("/dev/full", O_RDWR);
	CHECK_ERRNO(splice(pipes[0], NULL, d, NULL, 5, 0), EINVAL);
	CHECK_ERRNO(sendfile(d, file, NULL, 5), EINVAL);
	close(d);
	CHECK_ERRNO(splice(null, NULL, pipes[1], NULL, 5, 0), EINVAL);
	CHECK_ERRNO(sendfile(pipes[1], null, NULL, 5), EINVAL);
	CHECK_ERRNO(sendfile(event, file, NULL, 8), EINVAL);
}

/* By an empty path, whatever the descriptor is of. */
static void test_empty_path(void)
{
	int kinds[] = {pipes[0], pair[0], event, file, null};
	struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
	char name[40];
	struct stat st;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		CHECK_OK(fstatat(kinds[i], "", &st, AT_EMPTY_PATH));
		CHECK_ERRNO(fstatat(kinds[i], "", &st, 0), ENOENT);
		CHECK_OK(syscall(SYS_faccessat2, kinds[i], "", F_OK, AT_EMPTY_PATH));
		CHECK_OK(utimensat(kinds[i], "", omit, AT_EMPTY_PATH));
		snprintf(name, sizeof name, "/proc/self/fd/%d", kinds[i]);
		CHECK_OK(stat(name, &st));
		CHECK_EQ(st.st_nlink, 1);
		CHECK_ERRNO(syscall(SYS_execveat, kinds[i], "", NULL, NULL, AT_EMPTY_PATH), EACCES);
		CHECK_ERRNO(linkat(kinds[i], "", AT_FDCWD, "f", AT_EMPTY_PATH), EEXIST);
	}
	CHECK_OK(fchownat(pipes[0], "", -1, -1, AT_EMPTY_PATH));
	CHECK_ERRNO(open("/proc/self/fd/999", O_RDONLY), ENOENT);
	snprintf(name, sizeof name, "/proc/self/fd/%d", event);
	CHECK_ERRNO(open(name, O_RDONLY), getuid() ? EACCES : ENXIO);
	/* The inode that such files share is nobody's to change. */
	CHECK_ERRNO(fsetxattr(event, "user.x", "1", 1, 0), EPERM);
	CHECK_ERRNO(fgetxattr(event, "user.x", name, 1), ENODATA);
}

static void test_kinds(void)
{
	struct fiemap map = {.fm_length = ~0ULL};
	struct file_dedupe_range same = {0};
	struct statfs st;

	CHECK_EQ(posix_fadvise(pipes[0], 0, 0, POSIX_FADV_NORMAL), ESPIPE);
	CHECK_EQ(posix_fadvise(pair[0], 0, 0, POSIX_FADV_NORMAL), 0);
	CHECK_EQ(posix_fadvise(event, 0, 0, POSIX_FADV_NORMAL), 0);
	CHECK_EQ(posix_fadvise(file, 0, -1, POSIX_FADV_NORMAL), EINVAL);
	CHECK_ERRNO(fallocate(pipes[1], 0, 0, 1), ESPIPE);
	CHECK_ERRNO(fallocate(pair[0], 0, 0, 1), ENODEV);
	CHECK_ERRNO(fallocate(event, 0, 0, 1), ENODEV);
	CHECK_ERRNO(readahead(file, 0, (size_t)-1), EINVAL);
	CHECK_OK(readahead(file, 0, 100));
	CHECK_OK(fstatfs(pipes[0], &st));
	CHECK_EQ(st.f_type, 0x50495045);
	CHECK_OK(fstatfs(pair[0], &st));
	CHECK_EQ(st.f_type, 0x534f434b);
	CHECK_OK(fstatfs(event, &st));
	CHECK_EQ(st.f_type, 0x09041934);
	CHECK_EQ(st.f_flags, 0x20);
	CHECK_ERRNO(ioctl(pipes[0], FS_IOC_FIEMAP, &map), EOPNOTSUPP);
	CHECK_ERRNO(ioctl(pipes[0], FIDEDUPERANGE, &same), EINVAL);
	CHECK_ERRNO(ioctl(file, FIDEDUPERANGE, NULL), EFAULT);
	same.reserved2 = 1;
	CHECK_ERRNO(ioctl(file, FIDEDUPERANGE, &same), EINVAL);
	same.dest_count = 0xffff;
	CHECK_ERRNO(ioctl(file, FIDEDUPERANGE, &same), ENOMEM);
}

static int openat2(int fd, const char *name, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .resolve = resolve};

	return (int)syscall(SYS_openat2, fd, name, &how, sizeof how);
}

static void test_flags(void)
{
	struct timeval tv[2] = {{100, 0}, {200, 0}};
	int fd, self = open("/proc/self", O_PATH), here = open(".", O_RDONLY);
	struct stat st;

	CHECK_OK(syscall(SYS_newfstatat, here, "f", &st, 0x2000 /* AT_STATX_FORCE_SYNC */));
	CHECK_OK(syscall(SYS_newfstatat, here, "f", &st, 0x4000 /* AT_STATX_DONT_SYNC */));
	CHECK_OK(syscall(SYS_futimesat, file, NULL, tv));
	CHECK_OK(fstat(file, &st));
	CHECK_EQ(st.st_mtime, 200);
	CHECK_ERRNO(syscall(SYS_futimesat, AT_FDCWD, NULL, tv), EFAULT);
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_TMPFILE, O_TMPFILE);
	close(fd);
	CHECK_ERRNO(openat2(self, "cwd", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
	CHECK_ERRNO(openat2(self, "root", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
	fd = openat2(self, "status", O_RDONLY, RESOLVE_NO_XDEV);
	CHECK(fd >= 0);
	close(fd);
	fd = openat2(self, "cwd/f", O_RDONLY, 0);
	CHECK(fd >= 0);
	close(fd);
	close(self);
	close(here);
}

static void test_limit(void)
{
	struct rlimit old, few;

	CHECK_OK(getrlimit(RLIMIT_FSIZE, &old));
	few = (struct rlimit){20, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &few));
	CHECK_EQ(pwrite(file, "x", 0, 100), 0);
	CHECK_ERRNO(pwrite(file, "x", 1, 100), EFBIG);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &old));
}

int main(void)
{
	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	file = open("f", O_RDWR | O_CREAT, 0600);
	null = open("/dev/null", O_RDWR);
	event = eventfd(0, 0);
	CHECK_EQ(write(file, "hello world\n", 12), 12);
	CHECK_OK(pipe(pipes));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	test_offsets();
	test_copies();
	test_empty_path();
	test_kinds();
	test_flags();
	test_limit();
	unlink("f");
	CHECK_OK(chdir("/"));
	rmdir(dir);
	return check_done();
}
