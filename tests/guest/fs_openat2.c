/* SPDX-License-Identifier: Apache-2.0 */
/* openat2: its structure, every RESOLVE flag; combinations of open's flags; O_PATH descriptors in every call. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>

#include "check.h"

static char dir[] = "/dev/shm/husk-openat2XXXXXX", text[4096];

static int open2(int at, const char *path, __u64 flags, __u64 mode, __u64 resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
	int fd = (int)syscall(SYS_openat2, at, path, &how, sizeof how);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : -1;
}

static void make_tree(void)
{
	int fd;

	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	CHECK_OK(mkdir("d", 0755));
	CHECK_OK(mkdir("d/e", 0755));
	fd = open("d/f", O_CREAT | O_RDWR, 0644);
	CHECK_EQ(write(fd, "data", 4), 4);
	close(fd);
	CHECK_OK(symlink("f", "d/rel"));
	CHECK_OK(symlink("/d/f", "d/abs"));
	CHECK_OK(symlink("../../d/f", "d/e/up"));
	CHECK_OK(symlink("../../../d/f", "d/e/out"));
	CHECK_OK(symlink("e", "d/dirlink"));
	CHECK_OK(symlink("loop", "d/loop"));
	CHECK_OK(symlink("none", "d/dangling"));
}

static void test_structure(void)
{
	struct {
		struct open_how how;
		__u64 more[2];
	} big = {.how = {.flags = O_RDONLY}};

	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "d/f", &big, 23), EINVAL);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "d/f", &big, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "d/f", &big, 5000), E2BIG);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "d/f", 8, 24), EFAULT);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, 8, &big, 24), EFAULT);
	CHECK_OK(close((int)syscall(SYS_openat2, AT_FDCWD, "d/f", &big, sizeof big)));
	big.more[1] = 1;
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "d/f", &big, sizeof big), E2BIG);
	CHECK_ERRNO(open2(AT_FDCWD, "d/f", 1ULL << 40, 0, 0), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "d/f", 0x40000000, 0, 0), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "d/f", O_RDONLY, 0600, 0), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "d/new", O_CREAT | O_RDWR, 010000, 0), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "d/f", O_RDONLY, 0, 0x40), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "d/f", O_RDONLY, 0, 1ULL << 33), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "d/f", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "d/f", O_PATH | O_RDWR, 0, 0), EINVAL);
	CHECK_ERRNO(open2(AT_FDCWD, "d/f", O_PATH | O_CREAT, 0, 0), EINVAL);
	CHECK_OK(open2(AT_FDCWD, "d/f", O_PATH | O_CLOEXEC | O_NOFOLLOW, 0, 0));
	CHECK_ERRNO(open2(999, "d/f", O_RDONLY, 0, 0), EBADF);
	CHECK_OK(open2(999, "/dev/null", O_RDONLY, 0, 0));
	CHECK_ERRNO(open2(999, "/dev/null", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(AT_FDCWD, "", O_RDONLY, 0, 0), ENOENT);
}

static void test_resolve(void)
{
	int d = open("d", O_PATH | O_DIRECTORY), e = open("d/e", O_PATH), f = open("d/f", O_RDONLY);

	/* NO_SYMLINKS: none, last or not; O_PATH|O_NOFOLLOW gives the last itself */
	CHECK_OK(open2(d, "f", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	CHECK_ERRNO(open2(d, "rel", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK_ERRNO(open2(d, "dirlink/up", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK_OK(open2(d, "rel", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS));
	CHECK_ERRNO(open2(d, "rel", O_CREAT | O_RDWR, 0600, RESOLVE_NO_SYMLINKS), ELOOP);
	/* BENEATH */
	CHECK_OK(open2(d, "f", O_RDONLY, 0, RESOLVE_BENEATH));
	CHECK_OK(open2(d, "rel", O_RDONLY, 0, RESOLVE_BENEATH));
	CHECK_OK(open2(d, "e/../f", O_RDONLY, 0, RESOLVE_BENEATH));
	CHECK_ERRNO(open2(d, "..", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(d, "../d/f", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(d, "/dev/null", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(d, "abs", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(e, "up", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(d, "e/up", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_OK(open2(AT_FDCWD, "d/e/up", O_RDONLY, 0, RESOLVE_BENEATH));
	CHECK_ERRNO(open2(AT_FDCWD, "d/e/out", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(d, "../new", O_CREAT | O_RDWR, 0600, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2(d, "none", O_RDONLY, 0, RESOLVE_BENEATH), ENOENT);
	/* IN_ROOT: as chroot */
	CHECK_OK(open2(d, "/f", O_RDONLY, 0, RESOLVE_IN_ROOT));
	CHECK_OK(open2(d, "../../f", O_RDONLY, 0, RESOLVE_IN_ROOT));
	CHECK_ERRNO(open2(d, "abs", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);
	CHECK_OK(open2(AT_FDCWD, "d/abs", O_RDONLY, 0, RESOLVE_IN_ROOT));
	CHECK_OK(open2(AT_FDCWD, "d/e/out", O_RDONLY, 0, RESOLVE_IN_ROOT));
	CHECK_ERRNO(open2(d, "/dev/null", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);
	CHECK_OK(open2(d, "/made", O_CREAT | O_RDWR, 0600, RESOLVE_IN_ROOT));
	CHECK_OK(access("d/made", F_OK));
	CHECK_ERRNO(open2(f, "f", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOTDIR);
	/* NO_MAGICLINKS */
	CHECK_OK(open2(AT_FDCWD, "d/rel", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
	CHECK_ERRNO(open2(AT_FDCWD, "/proc/self/cwd/d/f", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS), ELOOP);
	CHECK_ERRNO(open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS), ELOOP);
	CHECK_OK(open2(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
	CHECK_OK(open2(AT_FDCWD, "/proc/self/exe", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS));
	/* NO_XDEV */
	CHECK_OK(open2(AT_FDCWD, "d/f", O_RDONLY, 0, RESOLVE_NO_XDEV));
	CHECK_ERRNO(open2(AT_FDCWD, "/proc/version", O_RDONLY, 0, RESOLVE_NO_XDEV), EXDEV);
	CHECK_OK(open2(AT_FDCWD, "/usr/bin", O_RDONLY, 0, RESOLVE_NO_XDEV));
	CHECK_ERRNO(open2(AT_FDCWD, "../../shm", O_RDONLY, 0, RESOLVE_NO_XDEV), EXDEV);
	/* CACHED: either it is, or the caller tries again without */
	CHECK_ERRNO(open2(AT_FDCWD, "d/f", O_RDWR | O_TRUNC, 0, RESOLVE_CACHED), EAGAIN);
	CHECK_ERRNO(open2(AT_FDCWD, "d/g", O_RDWR | O_CREAT, 0600, RESOLVE_CACHED), EAGAIN);
	/* all in one */
	CHECK_OK(open2(d, "f", O_RDONLY, 0,
		       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS));
	close(d);
	close(e);
	close(f);
}

static int try_open(const char *path, int flags, int mode)
{
	int fd = open(path, flags, mode);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : -1;
}

static void test_flags(void)
{
	struct stat st;
	int fd, other;

	CHECK_OK(try_open("d", O_RDONLY | O_DIRECTORY, 0));
	CHECK_ERRNO(try_open("d/f", O_RDONLY | O_DIRECTORY, 0), ENOTDIR);
	CHECK_ERRNO(try_open("d", O_WRONLY, 0), EISDIR);
	CHECK_ERRNO(try_open("d", O_RDWR | O_DIRECTORY, 0), EISDIR);
	CHECK_ERRNO(try_open("d", O_RDONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERRNO(try_open("d/f/", O_RDONLY, 0), ENOTDIR);
	CHECK_ERRNO(try_open("d/n/", O_RDWR | O_CREAT, 0600), EISDIR);
	CHECK_ERRNO(try_open("d/f/", O_RDWR | O_CREAT, 0600), EISDIR);
	CHECK_ERRNO(try_open("d/f/x", O_RDWR | O_CREAT, 0600), ENOTDIR);
	CHECK_ERRNO(try_open("d/f", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERRNO(try_open("d/dangling", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERRNO(try_open("d/rel", O_RDONLY | O_NOFOLLOW, 0), ELOOP);
	CHECK_ERRNO(try_open("d/rel", O_RDWR | O_CREAT | O_NOFOLLOW, 0600), ELOOP);
	CHECK_ERRNO(try_open("d/dirlink", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0), ENOTDIR);
	CHECK_ERRNO(try_open("d/rel", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0), ENOTDIR);
	CHECK_ERRNO(try_open("d/loop", O_RDONLY, 0), ELOOP);
	CHECK_ERRNO(try_open("d/loop", O_RDWR | O_CREAT, 0600), ELOOP);
	CHECK_OK(try_open("d/dangling", O_RDWR | O_CREAT, 0600));
	CHECK_OK(unlink("d/none"));
	/* O_CREAT with O_DIRECTORY: never both (Linux 6.4) */
	if (try_open("d/new", O_RDONLY | O_CREAT | O_DIRECTORY, 0600) && errno == EINVAL) {
		CHECK_ERRNO(try_open("d", O_RDONLY | O_CREAT | O_DIRECTORY, 0600), EINVAL);
		CHECK_ERRNO(open2(AT_FDCWD, "d", O_RDONLY | O_CREAT | O_DIRECTORY, 0600, 0), EINVAL);
	}
	unlink("d/new");
	/* read-only and O_TRUNC: truncated, by who may write */
	fd = open("d/t", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(write(fd, "12345", 5), 5);
	CHECK_OK(try_open("d/t", O_RDONLY | O_TRUNC, 0));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 0);
	close(fd);
	/* access mode 3: neither reads nor writes, wants both permissions */
	fd = open("d/t", O_ACCMODE);
	CHECK(fd >= 0);
	CHECK_ERRNO(read(fd, text, 1), EBADF);
	CHECK_ERRNO(write(fd, text, 1), EBADF);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_ACCMODE);
	close(fd);
	CHECK_OK(chmod("d/t", 0400));
	if (getuid()) {
		CHECK_ERRNO(try_open("d/t", O_WRONLY, 0), EACCES);
		CHECK_ERRNO(try_open("d/t", O_ACCMODE, 0), EACCES);
		CHECK_ERRNO(try_open("d/t", O_RDONLY | O_TRUNC, 0), EACCES);
	}
	/* a mode without rights is for later opens only */
	fd = open("d/u", O_RDWR | O_CREAT, 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	close(fd);
	if (getuid())
		CHECK_ERRNO(try_open("d/u", O_RDONLY, 0), EACCES);
	CHECK_OK(try_open("d/f", O_RDWR | O_DIRECT, 0));
	CHECK_ERRNO(try_open("d", O_RDONLY | O_DIRECT, 0), EINVAL);
	CHECK_OK(try_open("d/f", O_RDONLY | O_NOATIME, 0));
	fd = open("d/f", O_RDONLY | O_SYNC | O_DSYNC | O_NOCTTY | O_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL), O_RDONLY | O_SYNC | 0100000);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	fd = open("d/f", 0x40000000 | O_RDONLY); /* unknown bits are nothing to open() */
	CHECK_EQ(fcntl(fd, F_GETFL), O_RDONLY | 0100000);
	close(fd);
	CHECK_OK(mknod("d/sock", S_IFSOCK | 0600, 0));
	CHECK_ERRNO(try_open("d/sock", O_RDONLY, 0), ENXIO);
	CHECK_ERRNO(try_open("d/sock", O_RDONLY | O_CREAT, 0600), ENXIO);
	/* the mark of a name that an overlay has removed: no device, and made by everybody */
	CHECK_OK(mknod("d/white", S_IFCHR | 0666, 0));
	CHECK_OK(stat("d/white", &st));
	CHECK_EQ(st.st_mode & S_IFMT, S_IFCHR);
	CHECK_EQ(st.st_rdev, 0);
	CHECK_ERRNO(try_open("d/white", O_RDONLY, 0), ENXIO);
	CHECK_OK(try_open("d/white", O_PATH, 0));
	CHECK_ERRNO(mknod("d/white", S_IFCHR | 0666, 0), EEXIST);
	if (getuid())
		CHECK_ERRNO(mknod("d/block", S_IFBLK | 0666, 0), EPERM);
	CHECK_OK(unlink("d/white"));
	/* O_TMPFILE */
	CHECK_ERRNO(try_open("d", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	CHECK_ERRNO(try_open("d", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600), EINVAL);
	CHECK_ERRNO(try_open("d", O_TMPFILE | O_CREAT | O_RDWR, 0600), EINVAL);
	CHECK_ERRNO(try_open("d/f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
	CHECK_ERRNO(try_open("d/none", O_TMPFILE | O_RDWR, 0600), ENOENT);
	CHECK_ERRNO(try_open("/proc", O_TMPFILE | O_RDWR, 0600), getuid() ? EACCES : EOPNOTSUPP);
	fd = open("d", O_TMPFILE | O_RDWR, 0640);
	CHECK_EQ(write(fd, "tmp", 3), 3);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
	CHECK_OK(linkat(AT_FDCWD, text, AT_FDCWD, "d/linked", AT_SYMLINK_FOLLOW));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 1);
	CHECK_ERRNO(linkat(AT_FDCWD, text, AT_FDCWD, "d/linked", AT_SYMLINK_FOLLOW), EEXIST);
	CHECK_OK(linkat(AT_FDCWD, text, AT_FDCWD, "d/again", AT_SYMLINK_FOLLOW));
	close(fd);
	fd = open("d", O_TMPFILE | O_RDWR, 0640);
	if (!getuid())
		CHECK_OK(linkat(fd, "", AT_FDCWD, "d/empty", AT_EMPTY_PATH));
	close(fd);
	fd = open("d", O_TMPFILE | O_RDWR | O_EXCL, 0640);
	snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
	CHECK_ERRNO(linkat(AT_FDCWD, text, AT_FDCWD, "d/never", AT_SYMLINK_FOLLOW), ENOENT);
	other = open(text, O_RDWR);
	CHECK(other >= 0);
	close(other);
	close(fd);
}

static void test_path(void)
{
	int p = open("d/f", O_PATH), d = open("d", O_PATH), l = open("d/rel", O_PATH | O_NOFOLLOW), fd;
	struct timespec ts[2] = {{1, 0}, {2, 0}};
	struct statfs sf;
	struct stat st;
	ssize_t n;

	CHECK_ERRNO(read(p, text, 1), EBADF);
	CHECK_ERRNO(write(p, text, 1), EBADF);
	CHECK_ERRNO(pread(p, text, 1, 0), EBADF);
	CHECK_ERRNO(lseek(p, 0, SEEK_SET), EBADF);
	CHECK_ERRNO(ftruncate(p, 0), EBADF);
	CHECK_ERRNO(fchmod(p, 0600), EBADF);
	CHECK_ERRNO(fchown(p, -1, -1), EBADF);
	CHECK_ERRNO(fsync(p), EBADF);
	CHECK_ERRNO(syscall(SYS_getdents64, d, text, sizeof text), EBADF);
	CHECK_ERRNO(fgetxattr(p, "user.x", text, 10), EBADF);
	CHECK_ERRNO(sendfile(1, p, NULL, 1), EBADF);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, p, 0) == MAP_FAILED && errno == EBADF);
	CHECK_ERRNO(futimens(p, ts), EBADF);
	CHECK_OK(fstat(p, &st));
	CHECK(S_ISREG(st.st_mode));
	CHECK_OK(fstat(l, &st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_OK(fstatfs(p, &sf));
	CHECK_OK(fchdir(d));
	CHECK_OK(chdir(dir));
	CHECK_ERRNO(fchdir(p), ENOTDIR);
	n = readlinkat(l, "", text, sizeof text);
	CHECK_EQ(n, 1);
	CHECK_ERRNO(readlinkat(p, "", text, sizeof text), ENOENT);
	CHECK_OK(fstatat(p, "", &st, AT_EMPTY_PATH));
	CHECK_OK(fchmodat(d, "f", 0640, 0));
	CHECK_OK(fchownat(p, "", -1, -1, AT_EMPTY_PATH));
	CHECK_OK(faccessat(d, "f", R_OK, 0));
	snprintf(text, sizeof text, "/proc/self/fd/%d", p);
	CHECK_OK(chmod(text, 0644));
	fd = open(text, O_RDWR);
	CHECK_EQ(read(fd, text, 4), 4);
	close(fd);
	snprintf(text, sizeof text, "/proc/self/fd/%d", l);
	CHECK_ERRNO(open(text, O_RDONLY), ELOOP);
	fd = openat(d, "f", O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	CHECK_ERRNO(openat(p, "x", O_RDONLY), ENOTDIR);
	fd = dup(p);
	CHECK_EQ(fcntl(fd, F_GETFL), O_PATH);
	close(fd);
	fd = open("d", O_PATH | O_RDWR | O_CREAT | O_TRUNC | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL), O_PATH | O_DIRECTORY);
	close(fd);
	if (getuid()) {
		CHECK_OK(chmod("d/f", 0));
		fd = open("d/f", O_PATH); /* no permission on the file is asked for */
		CHECK(fd >= 0);
		close(fd);
		CHECK_OK(chmod("d/f", 0644));
	}
	CHECK_ERRNO(open("d/none", O_PATH), ENOENT);
	fd = open("d/sock", O_PATH);
	CHECK(fd >= 0);
	close(fd);
	close(p);
	close(d);
	close(l);
}

int main(void)
{
	make_tree();
	umask(022);
	test_structure();
	test_resolve();
	test_flags();
	test_path();
	snprintf(text, sizeof text, "rm -rf %s", dir);
	return system(text) || check_done();
}
