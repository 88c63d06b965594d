/* SPDX-License-Identifier: Apache-2.0 */
/* The host's tree as guests see it: reading, mapping, listing and telling places apart, with more directories
 * than are kept open. Only what holds for any system with /usr and /etc. */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "check.h"

#define MANY 700

/* A big file is the same by read, pread, mmap and seeking. */
static void reading(void)
{
	static char a[3 << 20], b[3 << 20];
	int fd = open("/proc/self/exe", O_RDONLY), other = open("/etc/passwd", O_RDONLY);
	struct stat st, named;
	long size = 0, n;
	char *map;

	CHECK_OK(fstat(fd, &st));
	CHECK(S_ISREG(st.st_mode) && st.st_size > 4096 && st.st_size < (long)sizeof a);
	while ((n = read(fd, a + size, 777)) > 0)
		size += n;
	CHECK_EQ(n, 0);
	CHECK_EQ(size, st.st_size);
	CHECK_EQ(pread(fd, b, sizeof b, 0), size);
	CHECK(!memcmp(a, b, (size_t)size));
	CHECK_EQ(pread(fd, b, 10, size), 0);
	CHECK_EQ(pread(fd, b, 10, size - 3), 3);
	map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED && !memcmp(map, a, (size_t)size));
	munmap(map, (size_t)size);
	map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED);
	map[0] = 'Z';
	CHECK_EQ(pread(fd, b, 1, 0), 1);
	CHECK_EQ(b[0], a[0]);
	munmap(map, (size_t)size);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK(mprotect(map, 4096, PROT_READ | PROT_WRITE) < 0 && errno == EACCES);
	munmap(map, 4096);
	CHECK_ERRNO((int)write(fd, "x", 1), EBADF);
	CHECK_ERRNO(ftruncate(fd, 0), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_END), size);
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), size);
	CHECK_ERRNO((int)lseek(fd, size, SEEK_DATA), ENXIO);
	CHECK_ERRNO((int)lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO((int)lseek(fd, 0x7fffffffffffffffL, SEEK_END), EINVAL);
	CHECK_OK(stat("/etc/passwd", &named));
	CHECK_OK(fstat(other, &st));
	CHECK(st.st_ino == named.st_ino && st.st_dev == named.st_dev && st.st_size == named.st_size);
	CHECK_EQ(st.st_mtim.tv_nsec, named.st_mtim.tv_nsec);
	close(other);
	close(fd);
}

struct dirent64_head {
	unsigned long ino;
	long off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

/* One listing by large pieces, one by the smallest with each offset sought again: the same names, once each.
 */
static void listing(const char *path)
{
	static char big[1 << 20];
	char small[300];
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	long size = 0, n, at = 0, pos = 0;
	struct stat st;

	CHECK(fd >= 0);
	while ((n = syscall(SYS_getdents64, fd, big + size, sizeof big - (size_t)size)) > 0)
		size += n;
	CHECK_EQ(n, 0);
	CHECK_EQ(syscall(SYS_getdents64, fd, big + size, sizeof big - (size_t)size), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	while (at < size && !check_failed()) {
		struct dirent64_head *d = (void *)(big + at), *e = (void *)small;

		CHECK_EQ(lseek(fd, pos, SEEK_SET), pos);
		n = syscall(SYS_getdents64, fd, small, sizeof small);
		CHECK(n > 0);
		if (n <= 0)
			break;
		CHECK(!strcmp(d->name, e->name));
		CHECK_EQ(d->ino, e->ino);
		CHECK_EQ(d->type, e->type);
		CHECK_OK(fstatat(fd, d->name, &st, AT_SYMLINK_NOFOLLOW));
		CHECK(d->type == DT_UNKNOWN || d->type == IFTODT(st.st_mode));
		at += d->reclen;
		pos = e->off;
	}
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_ERRNO((int)syscall(SYS_getdents64, fd, small, 20), EINVAL);
	CHECK_ERRNO((int)read(fd, small, 1), EISDIR);
	CHECK_ERRNO((int)openat(fd, "no such name", O_RDONLY), ENOENT);
	close(fd);
}

/* Many files open, each still itself; many places seen, the first ones still there. */
static void many(void)
{
	static struct stat seen[MANY];
	static char names[MANY][256];
	int fds[100], n = 0, opened = 0;
	struct dirent *e;
	struct stat st;
	DIR *d = opendir("/usr/bin");

	while (n < MANY && (e = readdir(d))) {
		if (strlen(e->d_name) > 200 || fstatat(dirfd(d), e->d_name, &seen[n], AT_SYMLINK_NOFOLLOW))
			continue;
		strcpy(names[n++], e->d_name);
	}
	for (int i = 0; i < n && opened < 100; i++) {
		int fd = openat(dirfd(d), names[i], O_PATH | O_NOFOLLOW);

		CHECK(fd >= 0);
		fds[opened++] = fd;
	}
	for (int i = n - 1; i >= 0; i--) {
		CHECK_OK(fstatat(dirfd(d), names[i], &st, AT_SYMLINK_NOFOLLOW));
		CHECK(st.st_ino == seen[i].st_ino && st.st_mode == seen[i].st_mode &&
		      st.st_size == seen[i].st_size);
	}
	for (int i = 0; i < opened; i++) {
		CHECK_OK(fstat(fds[i], &st));
		CHECK_EQ(st.st_ino, seen[i].st_ino);
		close(fds[i]);
	}
	closedir(d);
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode &&
	       a->st_nlink == b->st_nlink && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	       a->st_rdev == b->st_rdev && a->st_size == b->st_size && a->st_blocks == b->st_blocks &&
	       a->st_blksize == b->st_blksize && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* What the first look at a name tells is what the second tells, and the file once it is open. */
static void looks(const char *path)
{
	struct stat first, st, led;
	char slash[300];
	struct dirent *e;
	DIR *d = opendir(path);
	int fd;

	CHECK(d != NULL);
	while (d && (e = readdir(d)) && !check_failed()) {
		bool leads;

		CHECK_OK(fstatat(dirfd(d), e->d_name, &first, AT_SYMLINK_NOFOLLOW));
		CHECK_OK(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW));
		CHECK(same(&first, &st));
		leads = !fstatat(dirfd(d), e->d_name, &led, 0);
		CHECK(leads || S_ISLNK(first.st_mode));
		CHECK(S_ISLNK(first.st_mode) || same(&first, &led));
		fd = openat(dirfd(d), e->d_name, O_PATH | O_NOFOLLOW);
		CHECK_OK(fstat(fd, &st));
		CHECK(same(&first, &st));
		close(fd);
		fd = leads ? openat(dirfd(d), e->d_name, O_PATH) : -1;
		if (leads) {
			CHECK_OK(fstat(fd, &st));
			CHECK(same(&led, &st));
			close(fd);
		}
		snprintf(slash, sizeof slash, "%s/", e->d_name);
		if (leads && S_ISDIR(led.st_mode))
			CHECK_OK(fstatat(dirfd(d), slash, &st, AT_SYMLINK_NOFOLLOW));
		else if (leads)
			CHECK_ERRNO(fstatat(dirfd(d), slash, &st, AT_SYMLINK_NOFOLLOW), ENOTDIR);
		snprintf(slash, sizeof slash, "%s.no", e->d_name);
		CHECK_ERRNO(fstatat(dirfd(d), slash, &st, 0), ENOENT);
	}
	if (d)
		closedir(d);
}

/* The first look at a name with a slash behind it, and by a link with one. */
static void slashes(void)
{
	struct stat st;

	CHECK_ERRNO(stat("/etc/group/", &st), ENOTDIR);
	CHECK_ERRNO(lstat("/etc/passwd/", &st), ENOTDIR);
	CHECK_ERRNO(stat("/etc/group/.", &st), ENOTDIR);
	CHECK_OK(lstat("/usr/../etc/group", &st));
}

static void links(void)
{
	char text[4096], full[4096];
	struct stat a, b;
	ssize_t n;

	CHECK_ERRNO((int)readlink("/etc/passwd", text, sizeof text), EINVAL);
	CHECK_ERRNO((int)readlink("/etc", text, sizeof text), EINVAL);
	n = readlink("/proc/self/exe", text, sizeof text - 1);
	CHECK(n > 0);
	if (n <= 0)
		return;
	text[n] = 0;
	CHECK_OK(stat(text, &a));
	CHECK_OK(stat("/proc/self/exe", &b));
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	CHECK_OK(stat("/usr/bin/../../usr/./bin", &a));
	CHECK_OK(stat("/usr/bin", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_ERRNO(stat("/etc/passwd/", &a), ENOTDIR);
	CHECK_ERRNO(stat("/etc/passwd/x", &a), ENOTDIR);
	CHECK_ERRNO(open("/etc/passwd", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(open("/usr", O_WRONLY), EISDIR);
	memset(full, 'x', 300);
	memcpy(full, "/etc/", 5);
	full[300] = 0;
	CHECK_ERRNO(stat(full, &a), ENAMETOOLONG);
}

static void whole(void)
{
	struct statfs fs, by_fd;
	int fd = open("/usr", O_RDONLY | O_DIRECTORY);

	CHECK_OK(statfs("/usr", &fs));
	CHECK_OK(fstatfs(fd, &by_fd));
	CHECK(fs.f_bsize > 0 && fs.f_type == by_fd.f_type && fs.f_blocks == by_fd.f_blocks);
	CHECK_OK(fsync(fd));
	close(fd);
}

int main(void)
{
	reading();
	slashes();
	looks("/usr/lib");
	looks("/etc/alternatives");
	listing("/usr/bin");
	listing("/etc");
	listing("/");
	many();
	links();
	whole();
	return check_done();
}
