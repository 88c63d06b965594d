/* SPDX-License-Identifier: Apache-2.0 */
/* Names: mkdir, rmdir, link, unlink, the rename matrix, getdents offsets, removed working directories. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

static int make(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT, 0644);

	return fd < 0 ? -1 : close(fd);
}

static ino_t ino(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? 0 : st.st_ino;
}

static nlink_t links(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? 0 : st.st_nlink;
}

static void directories(void)
{
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_ERRNO(mkdir("d", 0755), EEXIST);
	CHECK_ERRNO(mkdir("/", 0755), EEXIST);
	CHECK_ERRNO(mkdir("x/y", 0755), ENOENT);
	CHECK_EQ(mkdir("d/e/", 0755), 0);
	CHECK_EQ(links("d"), 3);
	CHECK_ERRNO(rmdir("d"), ENOTEMPTY);
	CHECK_ERRNO(rmdir("d/."), EINVAL);
	CHECK_ERRNO(rmdir("d/e/.."), ENOTEMPTY);
	CHECK_ERRNO(unlink("d"), EISDIR);
	CHECK_EQ(rmdir("d/e/"), 0);
	CHECK_EQ(links("d"), 2);
	make("f");
	CHECK_ERRNO(rmdir("f"), ENOTDIR);
	CHECK_ERRNO(unlink("f/"), ENOTDIR);
	CHECK_ERRNO(unlink("none"), ENOENT);
	CHECK_EQ(rmdir("d"), 0);
}

static void hard_links(void)
{
	int fd;

	CHECK_EQ(link("f", "g"), 0);
	CHECK_EQ(links("f"), 2);
	CHECK_EQ(ino("f"), ino("g"));
	CHECK_ERRNO(link("f", "g"), EEXIST);
	CHECK_ERRNO(link("none", "h"), ENOENT);
	CHECK_ERRNO(link(".", "h"), EPERM);
	CHECK_ERRNO(link("f", "h/"), ENOENT);
	CHECK_EQ(rename("f", "g"), 0); /* two names of one file: both stay */
	CHECK_EQ(links("f"), 2);
	fd = open("f", O_RDWR);
	CHECK_EQ(unlink("f"), 0);
	CHECK_EQ(unlink("g"), 0);
	CHECK_EQ(write(fd, "still", 5), 5);
	struct stat st;
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(st.st_size, 5);
	CHECK_ERRNO(linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH), ENOENT);
	close(fd);
}

static int rename2(const char *a, const char *b, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
}

static void renames(void)
{
	ino_t i, j;

	mkdir("a", 0755);
	mkdir("b", 0755);
	make("a/f");
	make("x");
	make("y");
	i = ino("x");
	CHECK_EQ(rename("x", "y"), 0);
	CHECK_EQ(ino("y"), i);
	CHECK_ERRNO(access("x", F_OK), ENOENT);
	CHECK_EQ(rename("y", "b/y"), 0);
	CHECK_EQ(ino("b/y"), i);
	CHECK_ERRNO(rename("a", "b"), ENOTEMPTY);
	CHECK_ERRNO(rename("a", "b/y"), ENOTDIR);
	CHECK_ERRNO(rename("b/y", "a"), EISDIR);
	CHECK_ERRNO(rename("a", "a/sub"), EINVAL);
	CHECK_ERRNO(rename("a/f", "none/f"), ENOENT);
	CHECK_ERRNO(rename("none", "z"), ENOENT);
	CHECK_ERRNO(rename(".", "z"), EBUSY);
	CHECK_ERRNO(rename("b/y", "z/"), ENOTDIR);
	mkdir("c", 0755);
	i = ino("a");
	CHECK_EQ(rename("a", "c"), 0); /* over an empty directory */
	CHECK_EQ(ino("c"), i);
	CHECK_EQ(access("c/f", F_OK), 0);
	CHECK_EQ(rename("c", "b/c/"), 0);
	CHECK_EQ(links("b"), 3);
	CHECK_EQ(ino("b/c/.."), ino("b"));
	make("p");
	make("q");
	CHECK_ERRNO(rename2("p", "q", RENAME_NOREPLACE), EEXIST);
	CHECK_EQ(rename2("p", "r", RENAME_NOREPLACE), 0);
	i = ino("r");
	j = ino("b");
	CHECK_EQ(rename2("r", "b", RENAME_EXCHANGE), 0);
	CHECK_EQ(ino("b"), i);
	CHECK_EQ(ino("r"), j);
	CHECK_ERRNO(rename2("r", "none", RENAME_EXCHANGE), ENOENT);
	CHECK_ERRNO(rename2("r", "q", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
	CHECK_EQ(access("r/c/f", F_OK), 0);
}

/* Offsets stay right while names come and go: each that stays is seen exactly once. */
static void offsets(void)
{
	char name[32], seen[200] = {0};
	struct dirent *e;
	long at = 0;
	int n = 0;
	DIR *d;

	mkdir("many", 0755);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "many/%d", i);
		make(name);
	}
	d = opendir("many");
	while ((e = readdir(d))) {
		int i = atoi(e->d_name);

		if (e->d_name[0] == '.')
			continue;
		CHECK_EQ(e->d_type, DT_REG);
		seen[i]++;
		n++;
		if (n == 50)
			at = telldir(d);
		snprintf(name, sizeof name, "many/%d", i);
		if (n < 50)
			unlink(name);
	}
	CHECK_EQ(n, 200);
	for (int i = 0; i < 200; i++)
		CHECK_EQ(seen[i], 1);
	seekdir(d, at);
	for (n = 0; readdir(d); n++)
		;
	CHECK(n >= 150); /* the natively used file system may order anew */
	rewinddir(d);
	for (n = 0; readdir(d); n++)
		;
	CHECK_EQ(n, 200 - 49 + 2);
	char small[16];
	int fd = open("many", O_RDONLY);
	CHECK_ERRNO((int)syscall(SYS_getdents64, fd, small, sizeof small), EINVAL);
	CHECK_ERRNO((int)read(fd, small, 1), EISDIR);
	close(fd);
	fd = open("q", O_RDONLY);
	CHECK_ERRNO((int)syscall(SYS_getdents64, fd, small, sizeof small), ENOTDIR);
	close(fd);
	closedir(d);
}

static void removed_cwd(const char *base)
{
	char text[PATH_MAX];
	struct stat st;

	mkdir("gone", 0755);
	CHECK_EQ(chdir("gone"), 0);
	CHECK(getcwd(text, sizeof text) && !strcmp(strrchr(text, '/'), "/gone"));
	CHECK_ERRNO((int)syscall(SYS_getcwd, text, 2), ERANGE);
	CHECK_EQ(rename("../gone", "../moved"), 0);
	CHECK(getcwd(text, sizeof text) && !strcmp(strrchr(text, '/'), "/moved"));
	CHECK_EQ(rmdir("../moved"), 0);
	CHECK_ERRNO((int)syscall(SYS_getcwd, text, sizeof text), ENOENT);
	CHECK_EQ(stat(".", &st), 0);
	CHECK_EQ(st.st_nlink, 0);
	CHECK_ERRNO(make("f"), ENOENT);
	CHECK_ERRNO(mkdir("f", 0755), ENOENT);
	CHECK_ERRNO(link("/proc/self/exe", "f"), ENOENT);
	CHECK_ERRNO(rename("/proc/self/exe", "f"), EXDEV);
	CHECK_EQ(chdir(base), 0);
	CHECK_ERRNO(chdir("q"), ENOTDIR);
	CHECK_ERRNO(chdir("none"), ENOENT);
}

/* A name that is too long is told where it would be looked up: after what is wrong with the way there. */
static void long_names(void)
{
	char name[257];

	memset(name, 'n', 256);
	name[256] = 0;
	CHECK_OK(make("short"));
	CHECK_ERRNO(rename("none", name), ENOENT);
	CHECK_ERRNO(rename("short", name), ENAMETOOLONG);
	CHECK_ERRNO(rename(name, "short"), ENAMETOOLONG);
	CHECK_ERRNO(rename(name, "none/x"), ENOENT);
	CHECK_ERRNO(rename(name, "short/x"), ENOTDIR);
	CHECK_ERRNO(rename(name, "/proc/x"), EXDEV);
	CHECK_ERRNO(rename(name, "."), EBUSY);
	CHECK_ERRNO(rename(".", name), EBUSY);
	CHECK_ERRNO(syscall(SYS_renameat2, AT_FDCWD, name, 999, "x", 0), EBADF);
	CHECK_ERRNO(rename2("short", name, RENAME_EXCHANGE), ENAMETOOLONG);
	CHECK_ERRNO(mkdir(name, 0755), ENAMETOOLONG);
	CHECK_ERRNO(link("short", name), ENAMETOOLONG);
	CHECK_ERRNO(unlink(name), ENAMETOOLONG);
	name[255] = 0;
	CHECK_OK(rename("short", name));
	CHECK_OK(unlink(name));
}

/* By a descriptor alone only who has opened it makes a link, or who may read everything. */
static int given;

static void linked_by_child(void)
{
	CHECK_ERRNO(linkat(given, "", AT_FDCWD, "l4", AT_EMPTY_PATH), ENOENT);
}

static void linked_by_other(void)
{
	int own;

	CHECK_OK(linkat(given, "", AT_FDCWD, "l1", AT_EMPTY_PATH));
	CHECK_OK(setresgid(65534, 65534, 65534));
	CHECK_OK(setresuid(65534, 65534, 65534));
	CHECK_ERRNO(linkat(given, "", AT_FDCWD, "l2", AT_EMPTY_PATH), ENOENT);
	CHECK_ERRNO(linkat(given, "x", AT_FDCWD, "l2", AT_EMPTY_PATH), ENOENT);
	CHECK_ERRNO(linkat(given, "x", AT_FDCWD, "l2", 0), ENOTDIR);
	CHECK_OK(linkat(AT_FDCWD, "l1", AT_FDCWD, "l2", AT_EMPTY_PATH));
	own = open("l1", O_PATH);
	CHECK_OK(linkat(own, "", AT_FDCWD, "l3", AT_EMPTY_PATH));
	given = own;
	CHECK_EQ(check_in_child(linked_by_child), 0);
}

static void links_by_descriptor(void)
{
	umask(0);
	CHECK_OK(mkdir("linked", 0777));
	CHECK_OK(chmod(".", 0755));
	CHECK_OK(chdir("linked"));
	given = open("f", O_RDWR | O_CREAT, 0666);
	if (!geteuid())
		CHECK_EQ(check_in_child(linked_by_other), 0);
	else
		CHECK_OK(linkat(given, "", AT_FDCWD, "l1", AT_EMPTY_PATH));
	CHECK_OK(chdir(".."));
	umask(022);
}

int main(void)
{
	char dir[64] = "/tmp/fs_names.XXXXXX", command[128];

	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	umask(022);
	directories();
	hard_links();
	renames();
	long_names();
	links_by_descriptor();
	offsets();
	removed_cwd(dir);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(system(command), 0);
	return check_done();
}
