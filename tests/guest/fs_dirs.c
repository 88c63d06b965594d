/* SPDX-License-Identifier: Apache-2.0 */
/* Directories: getdents while names come and go, positions, chroot, fchdir, getcwd of what is gone or out of reach. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static char dir[] = "/dev/shm/husk-dirsXXXXXX", text[8192];

static void touch(const char *name)
{
	int fd = open(name, O_CREAT | O_WRONLY, 0600);

	CHECK(fd >= 0);
	close(fd);
}

static void test_walk(void)
{
	char name[300], seen[200] = "";
	struct dirent *e;
	long at[100], pos;
	int n = 0, i;
	DIR *d;

	CHECK_OK(mkdir("many", 0755));
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "many/f%03d", i);
		touch(name);
	}
	/* every name that is there throughout comes once, though others are removed and made */
	d = opendir("many");
	while ((e = readdir(d))) {
		if (e->d_name[0] != 'f')
			continue;
		i = atoi(e->d_name + 1);
		if (i < 200)
			seen[i]++;
		if (n++ % 3 == 0) {
			snprintf(name, sizeof name, "many/f%03d", i);
			CHECK_OK(unlink(name));
		}
		if (n < 50) {
			snprintf(name, sizeof name, "many/x%03d", n);
			touch(name);
		}
	}
	for (i = 0; i < 200; i++)
		CHECK_EQ(seen[i], 1);
	/* positions */
	rewinddir(d);
	for (n = 0; n < 100 && (e = readdir(d)); n++) {
		at[n] = e->d_off;
		if (n == 50)
			snprintf(name, sizeof name, "%s", e->d_name);
	}
	seekdir(d, at[49]);
	e = readdir(d);
	CHECK_STR(e->d_name, name);
	pos = telldir(d);
	CHECK_EQ(pos, at[50]);
	/* the entry at a position may go: the next one comes */
	closedir(d);
	d = opendir("many");
	for (n = 0; n < 10; n++)
		e = readdir(d);
	pos = telldir(d);
	e = readdir(d);
	snprintf(text, sizeof text, "many/%s", e->d_name);
	e = readdir(d);
	snprintf(name, sizeof name, "%s", e->d_name);
	CHECK_OK(unlink(text));
	seekdir(d, pos);
	e = readdir(d);
	CHECK_STR(e->d_name, name);
	closedir(d);
}

static void test_errors(void)
{
	int fd = open("many", O_RDONLY), file = open("file", O_CREAT | O_RDWR, 0600), n, total = 0;
	struct stat st;

	CHECK_ERRNO(syscall(SYS_getdents64, file, text, sizeof text), ENOTDIR);
	CHECK_ERRNO(syscall(SYS_getdents64, 999, text, sizeof text), EBADF);
	CHECK_ERRNO(syscall(SYS_getdents64, fd, text, 10), EINVAL);
	CHECK_ERRNO(syscall(SYS_getdents64, fd, 8, 1000), EFAULT);
	CHECK_ERRNO(read(fd, text, 10), EISDIR);
	CHECK_ERRNO(write(fd, text, 10), EBADF);
	CHECK_ERRNO(pread(fd, text, 10, 0), EISDIR);
	/* a small buffer goes on where it ended */
	lseek(fd, 0, SEEK_SET);
	while ((n = syscall(SYS_getdents64, fd, text, 32)) > 0)
		total++;
	CHECK_EQ(n, 0);
	CHECK(total > 100);
	CHECK_EQ(syscall(SYS_getdents64, fd, text, 10), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK(syscall(SYS_getdents64, fd, text, sizeof text) > 0);
	close(fd);
	close(file);
	/* removed */
	CHECK_OK(mkdir("gone", 0755));
	fd = open("gone", O_RDONLY);
	CHECK_OK(rmdir("gone"));
	CHECK_ERRNO(syscall(SYS_getdents64, fd, text, sizeof text), ENOENT);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_ERRNO(openat(fd, "x", O_CREAT | O_RDWR, 0600), ENOENT);
	CHECK_ERRNO(mkdirat(fd, "x", 0700), ENOENT);
	CHECK_ERRNO(openat(fd, "x", O_RDONLY), ENOENT);
	CHECK_OK(fstatat(fd, ".", &st, 0));
	CHECK_OK(fstatat(fd, "..", &st, 0));
	CHECK_OK(fchdir(fd));
	CHECK_ERRNO(syscall(SYS_getcwd, text, sizeof text), ENOENT);
	n = readlink("/proc/self/cwd", text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	CHECK(n > 10 && !strcmp(text + n - 10, " (deleted)"));
	CHECK_OK(chdir(".."));
	CHECK(getcwd(text, sizeof text));
	CHECK_STR(text, dir);
	close(fd);
}

static void test_getcwd(void)
{
	CHECK_EQ(syscall(SYS_getcwd, text, sizeof text), (long)strlen(dir) + 1);
	CHECK_ERRNO(syscall(SYS_getcwd, text, strlen(dir)), ERANGE);
	CHECK_ERRNO(syscall(SYS_getcwd, text, 0), ERANGE);
	CHECK_ERRNO(syscall(SYS_getcwd, 8, 4096), EFAULT);
	CHECK_OK(mkdir("moves", 0755));
	CHECK_OK(chdir("moves"));
	CHECK_OK(rename("../moves", "../moved"));
	CHECK(getcwd(text, sizeof text));
	CHECK_STR(strrchr(text, '/'), "/moved");
	CHECK_OK(chdir(".."));
	CHECK_ERRNO(chdir("file"), ENOTDIR);
	CHECK_ERRNO(chdir("none"), ENOENT);
	CHECK_ERRNO(chdir(""), ENOENT);
	CHECK_ERRNO(fchdir(999), EBADF);
	if (getuid()) {
		CHECK_OK(mkdir("closed", 0600));
		CHECK_ERRNO(chdir("closed"), EACCES);
		CHECK_ERRNO(access("closed/x", F_OK), EACCES);
		CHECK_ERRNO(chroot("."), EPERM);
		CHECK_ERRNO(chroot("file"), ENOTDIR);
	}
}

static void test_chroot(void)
{
	int status;

	if (getuid())
		return;
	CHECK_OK(mkdir("jail", 0755));
	CHECK_OK(mkdir("jail/in", 0755));
	CHECK_OK(symlink("/in", "jail/link"));
	touch("jail/in/mark");
	if (!fork()) {
		int outside = open(".", O_RDONLY | O_DIRECTORY);

		CHECK_OK(chroot("jail"));
		/* the working directory stayed outside */
		CHECK_EQ(syscall(SYS_getcwd, text, sizeof text),
			 (long)sizeof "(unreachable)" + (long)strlen(dir));
		CHECK(!strncmp(text, "(unreachable)/", 14));
		CHECK_OK(access("jail/in/mark", F_OK));
		CHECK_OK(access("/in/mark", F_OK));
		CHECK_OK(access("/link/mark", F_OK));
		CHECK_OK(access("/../../in/mark", F_OK));
		CHECK_ERRNO(access("/dev", F_OK), ENOENT);
		CHECK_OK(chdir("/link"));
		CHECK_EQ(syscall(SYS_getcwd, text, sizeof text), 4);
		CHECK_STR(text, "/in");
		CHECK_OK(chdir("../../.."));
		CHECK_EQ(syscall(SYS_getcwd, text, sizeof text), 2);
		CHECK_STR(text, "/");
		CHECK_OK(fchdir(outside));
		CHECK_OK(access("jail", F_OK));
		CHECK_OK(chroot("jail/in"));
		CHECK_OK(access("/mark", F_OK));
		_exit(check_failed());
	}
	wait(&status);
	CHECK_EQ(status, 0);
	CHECK_OK(access("/dev", F_OK));
}

int main(void)
{
	char back[sizeof dir + 16];

	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	test_walk();
	test_errors();
	test_getcwd();
	test_chroot();
	CHECK_OK(chdir("/"));
	snprintf(back, sizeof back, "rm -rf %s", dir);
	return system(back) || check_done();
}
