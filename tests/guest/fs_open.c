/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: flags and their errors, creation modes and umask, *at calls, O_PATH, O_TMPFILE, links on the way. */
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

static char dir[64];

static void creation(void)
{
	struct stat st;
	int fd;

	CHECK_ERRNO(open("none", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("none/", O_RDWR | O_CREAT, 0600), EISDIR);
	CHECK_ERRNO(open("none/x", O_RDWR | O_CREAT, 0600), ENOENT);
	umask(027);
	fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0666);
	CHECK(fd >= 0);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_uid, geteuid());
	CHECK_EQ(umask(022), 027);
	CHECK_ERRNO(open("f", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
	CHECK_ERRNO(open("f/", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("f/x", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(open(".", O_WRONLY), EISDIR);
	CHECK_ERRNO(open(".", O_RDONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERRNO((int)syscall(SYS_openat, 99, "f", O_RDONLY), EBADF);
	CHECK_ERRNO((int)syscall(SYS_openat, fd, "f", O_RDONLY), ENOTDIR);
	CHECK_ERRNO((int)syscall(SYS_open, (void *)8, O_RDONLY), EFAULT);
	CHECK_EQ(write(fd, "0123456789", 10), 10);
	close(fd);
	fd = open("f", O_WRONLY | O_TRUNC);
	fstat(fd, &st);
	CHECK_EQ(st.st_size, 0);
	CHECK_ERRNO((int)read(fd, &st, 1), EBADF);
	close(fd);
	fd = open("f", O_RDONLY);
	CHECK_ERRNO((int)write(fd, "x", 1), EBADF);
	CHECK_ERRNO(ftruncate(fd, 0), EINVAL);
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDONLY);
	close(fd);
	fd = open("f", O_WRONLY | O_APPEND);
	CHECK_EQ(write(fd, "ab", 2), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(write(fd, "cd", 2), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
	close(fd);
}

static void names(void)
{
	char name[300], path[PATH_MAX + 10];
	int fd;

	memset(name, 'n', sizeof name);
	name[256] = 0;
	CHECK_ERRNO(open(name, O_RDONLY), ENAMETOOLONG);
	name[255] = 0;
	fd = open(name, O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(unlink(name), 0);
	memset(path, '/', sizeof path);
	path[PATH_MAX] = 0;
	CHECK_ERRNO(open(path, O_RDONLY), ENAMETOOLONG);
	path[PATH_MAX - 1] = 0;
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(access("././//f", F_OK), 0);
	CHECK_EQ(access("../../../../../../../../..//", F_OK), 0);
}

static void links(void)
{
	char text[64], name[8];
	struct stat st;
	int fd;

	CHECK_EQ(symlink("f", "l"), 0);
	CHECK_EQ(symlink("loop", "loop"), 0);
	CHECK_EQ(symlink("missing", "dangling"), 0);
	CHECK_ERRNO(symlink("f", "l"), EEXIST);
	CHECK_ERRNO(symlink("", "e"), ENOENT);
	CHECK_EQ(readlink("l", text, sizeof text), 1);
	CHECK_EQ(readlink("dangling", text, 3), 3);
	CHECK_ERRNO((int)readlink("f", text, sizeof text), EINVAL);
	CHECK_ERRNO((int)readlink("l", text, 0), EINVAL);
	CHECK_ERRNO(open("loop", O_RDONLY), ELOOP);
	CHECK_ERRNO(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERRNO(open("dangling", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("l/", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	fd = open("dangling", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(stat("missing", &st), 0);
	CHECK_EQ(lstat("l", &st), 0);
	CHECK(S_ISLNK(st.st_mode) && st.st_size == 1);
	fd = open("l", O_PATH | O_NOFOLLOW);
	CHECK(fd >= 0);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(readlinkat(fd, "", text, sizeof text), 1);
	CHECK_ERRNO((int)read(fd, text, 1), EBADF);
	CHECK_ERRNO(fchmod(fd, 0600), EBADF);
	close(fd);
	/* Forty links on the way are allowed, one more is not. */
	symlink("f", "l0");
	for (int i = 1; i < 41; i++) {
		snprintf(name, sizeof name, "l%d", i);
		snprintf(text, sizeof text, "l%d", i - 1);
		symlink(text, name);
	}
	CHECK_EQ(access("l39", F_OK), 0);
	CHECK_ERRNO(access("l40", F_OK), ELOOP);
}

static int open2(const char *path, int flags, int mode, int resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static void special(void)
{
	struct stat st;
	char path[64];
	int fd = open(".", O_RDWR | O_TMPFILE, 0600), d;

	if (fd >= 0) {
		CHECK_EQ(fstat(fd, &st), 0);
		CHECK_EQ(st.st_nlink, 0);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		CHECK_EQ(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), 0);
		CHECK_EQ(stat("named", &st), 0);
		CHECK_EQ(st.st_nlink, 1);
		close(fd);
	}
	fd = open2("f", O_RDONLY, 0, RESOLVE_BENEATH);
	CHECK(fd >= 0);
	close(fd);
	CHECK_ERRNO(open2("../x", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2("/etc", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(open2("l", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK_ERRNO(open2("f", O_RDONLY, 0600, 0), EINVAL);
	CHECK_ERRNO(open2("f", O_RDONLY, 0, 0x1000), EINVAL);
	fd = open2("/f", O_RDONLY, 0, RESOLVE_IN_ROOT);
	CHECK(fd >= 0 || errno == ENOENT);
	close(fd);
	/* Through a directory descriptor, wherever the working directory is. */
	d = open(".", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(faccessat(d, "f", F_OK, 0), 0);
	CHECK_EQ(mkdirat(d, "sub", 0700), 0);
	CHECK_EQ(symlinkat("f", d, "sl"), 0);
	CHECK_EQ(renameat(d, "sl", d, "sl2"), 0);
	CHECK_EQ(fstatat(d, "sl2", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(fstatat(d, "", &st, AT_EMPTY_PATH), 0);
	CHECK(S_ISDIR(st.st_mode));
	CHECK_EQ(unlinkat(d, "sub", AT_REMOVEDIR), 0);
	CHECK_ERRNO(unlinkat(d, "sub", AT_REMOVEDIR), ENOENT);
	CHECK_EQ(fchdir(d), 0);
	close(d);
}

int main(void)
{
	char command[128];

	strcpy(dir, "/tmp/fs_open.XXXXXX");
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	creation();
	names();
	links();
	special();
	snprintf(command, sizeof command, "rm -rf %s", dir);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(system(command), 0);
	return check_done();
}
