/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks against renames and symlinks: threads move directories away and put links in their place while others walk
 * through them. RESOLVE_BENEATH and RESOLVE_IN_ROOT hold, a path's text is one that was, names are 255 bytes and paths 4,095.
 *
 *	fs_race [DIRECTORY]   in another tree than /dev/shm (tests/cli/trees.sh)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

#define WALKS 3000

static char dir[200];
static int top; /* dir/in, whose outside must not be reached */
static atomic_int stop;

static int open2(int at, const char *path, unsigned long flags, unsigned long resolve)
{
	struct open_how how = {.flags = flags, .resolve = resolve};

	return (int)syscall(SYS_openat2, at, path, &how, sizeof how);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

	CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
	close(fd);
}

/* in/a/b/c moves out of in and back, and links out take its places. */
static void *mover(void *arg)
{
	while (!stop) {
		CHECK_OK(rename("in/a/b", "moved"));
		CHECK_OK(symlink("../../moved", "in/a/b"));
		CHECK_OK(unlink("in/a/b"));
		CHECK_OK(rename("moved", "in/a/b"));
		CHECK_OK(syscall(SYS_renameat2, AT_FDCWD, "in/a", AT_FDCWD, "link", RENAME_EXCHANGE));
		CHECK_OK(syscall(SYS_renameat2, AT_FDCWD, "in/a", AT_FDCWD, "link", RENAME_EXCHANGE));
	}
	return arg;
}

/* @fd, if it is one, is of a file that says "in". */
static void is_inside(int fd)
{
	char text[8] = "";

	if (fd < 0) {
		CHECK(errno == ENOENT || errno == EXDEV || errno == ELOOP || errno == EAGAIN ||
		      errno == ENOTDIR);
		return;
	}
	CHECK_EQ(read(fd, text, sizeof text), 2);
	CHECK_STR(text, "in");
	close(fd);
}

static void *walker(void *arg)
{
	static const char *const paths[] = {
		"a/b/c/f", "a/b/../b/c/f", "a/b/c/../../../f", "a/b/c/../../f", "a/b/c/out", "a/./b//c/./f",
		"f",       "a/b/c/up/f"};

	for (int i = 0; i < WALKS; i++) {
		const char *p = paths[i % (sizeof paths / sizeof *paths)];

		is_inside(open2(top, p, O_RDONLY, RESOLVE_BENEATH));
		is_inside(open2(top, p, O_RDONLY, RESOLVE_IN_ROOT));
		is_inside(open2(top, p, O_RDONLY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
	}
	return arg;
}

/* Where the working directory is moved about, its text is one of those that it had. */
static void *stander(void *arg)
{
	char text[PATH_MAX], in[sizeof dir + 20], moved[sizeof dir + 20], linked[sizeof dir + 20];
	int fd = *(int *)arg;
	ssize_t n;

	snprintf(in, sizeof in, "%s/in/a/b/c", dir);
	snprintf(moved, sizeof moved, "%s/moved/c", dir);
	snprintf(linked, sizeof linked, "%s/link/b/c", dir);
	for (int i = 0; i < WALKS; i++) {
		char self[40];
		int up;

		snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
		n = readlink(self, text, sizeof text - 1);
		CHECK(n > 0);
		text[n > 0 ? n : 0] = 0;
		CHECK(!strcmp(text, in) || !strcmp(text, moved) || !strcmp(text, linked));
		up = openat(fd, "../c/f", O_RDONLY);
		CHECK(up >= 0); /* whoever moves b, c is in it */
		close(up);
	}
	return arg;
}

static void test_moves(void)
{
	pthread_t threads[4];
	int c;

	CHECK_OK(mkdir("in", 0755));
	CHECK_OK(mkdir("in/a", 0755));
	CHECK_OK(mkdir("in/a/b", 0755));
	CHECK_OK(mkdir("in/a/b/c", 0755));
	put("f", "outside");
	put("in/f", "in");
	put("in/a/f", "in");
	put("in/a/b/f", "in");
	put("in/a/b/c/f", "in");
	CHECK_OK(symlink("../../../../f", "in/a/b/c/out"));
	CHECK_OK(symlink("../../..", "in/a/b/c/up"));
	CHECK_OK(symlink("..", "link"));
	top = open("in", O_RDONLY | O_DIRECTORY);
	c = open("in/a/b/c", O_RDONLY | O_DIRECTORY); /* before anybody moves it */
	CHECK(top >= 0 && c >= 0);
	pthread_create(&threads[0], NULL, stander, &c);
	pthread_create(&threads[1], NULL, walker, NULL);
	pthread_create(&threads[2], NULL, walker, NULL);
	pthread_create(&threads[3], NULL, mover, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	stop = 1;
	pthread_join(threads[3], NULL);
	close(c);
	close(top);
}

/* A directory as long as a path may be, and one step further. */
static void test_long(void)
{
	char name[257], path[PATH_MAX + 2], text[PATH_MAX + 2];
	size_t len;
	struct stat st;
	int fd, here = open(".", O_RDONLY | O_DIRECTORY);

	memset(name, 'n', 256);
	name[256] = 0;
	CHECK_ERRNO(mkdir(name, 0755), ENAMETOOLONG);
	CHECK_ERRNO(symlink("x", name), ENAMETOOLONG);
	CHECK_ERRNO(link("f", name), ENAMETOOLONG);
	CHECK_ERRNO(rename("f", name), ENAMETOOLONG);
	CHECK_ERRNO(unlink(name), ENAMETOOLONG);
	name[255] = 0;
	/* relative: 15 names of 256 bytes with their slashes, and 255 bytes */
	for (len = 0; len < 15 * 256; len += 256) {
		memcpy(path + len, name, 255);
		path[len + 255] = 0;
		CHECK_OK(mkdir(path, 0755));
		path[len + 255] = '/';
	}
	memcpy(path + len, name, 255);
	path[len + 255] = 0; /* 4,095 bytes */
	CHECK_EQ(strlen(path), PATH_MAX - 1);
	CHECK_OK(mkdir(path, 0755));
	CHECK_OK(stat(path, &st));
	memcpy(text, path, PATH_MAX);
	text[PATH_MAX - 1] = '/';
	text[PATH_MAX] = 0;
	CHECK_ERRNO(stat(text, &st), ENAMETOOLONG);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	CHECK_OK(mkdirat(fd, name, 0755));
	CHECK_OK(chdir(path));
	CHECK_OK(chdir(name));
	CHECK_ERRNO(syscall(SYS_getcwd, text, sizeof text), ENAMETOOLONG);
	CHECK_OK(stat("../../.", &st));
	CHECK_OK(fchdir(here));
	CHECK_OK(unlinkat(fd, name, AT_REMOVEDIR));
	close(fd);
	memset(text, '.', PATH_MAX - 1);
	for (int i = 1; i < PATH_MAX - 1; i += 2)
		text[i] = '/';
	text[PATH_MAX - 1] = 0; /* ././././. */
	CHECK_OK(stat(text, &st));
	memset(text, '/', PATH_MAX - 1);
	CHECK_OK(stat(text, &st));
	for (len = PATH_MAX - 1; len; len = len > 256 ? len - 256 : 0) {
		path[len] = 0;
		CHECK_OK(rmdir(path));
	}
	close(here);
}

/* 40 deep, made and removed; and many levels by one name each, as far as one likes. */
static void test_deep(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY), here = dup(fd), next;
	char path[200] = "", text[PATH_MAX];
	struct stat st;

	for (int i = 0; i < 40; i++)
		strcat(path, i ? "/d" : "d");
	for (size_t n = 1; n < strlen(path); n += 2) {
		char part[200];

		snprintf(part, sizeof part, "%.*s", (int)n, path);
		CHECK_OK(mkdir(part, 0755));
	}
	CHECK_OK(mkdir(path, 0755));
	CHECK_OK(stat(path, &st));
	CHECK_OK(chdir(path));
	CHECK(getcwd(text, sizeof text) && strstr(text, path));
	CHECK_OK(fchdir(here));
	for (size_t n = strlen(path); n; n = n > 1 ? n - 2 : 0) {
		path[n] = 0;
		CHECK_OK(rmdir(path));
		if (n == 1)
			break;
	}
	/* 3,000 levels */
	for (int i = 0; i < 3000; i++) {
		CHECK_OK(mkdirat(fd, "e", 0755));
		next = openat(fd, "e", O_RDONLY | O_DIRECTORY);
		CHECK(next >= 0);
		close(fd);
		fd = next;
	}
	CHECK_OK(fchdir(fd));
	CHECK_ERRNO(syscall(SYS_getcwd, text, sizeof text), ENAMETOOLONG);
	for (int i = 0; i < 3000; i++) {
		CHECK_OK(chdir(".."));
		CHECK_OK(rmdir("e"));
	}
	close(fd);
	CHECK_OK(fchdir(here));
	close(here);
}

int main(int argc, char **argv)
{
	snprintf(dir, sizeof dir, "%s/husk-raceXXXXXX", argc > 1 ? argv[1] : "/dev/shm");
	CHECK(mkdtemp(dir) != NULL);
	CHECK_OK(chdir(dir));
	test_moves();
	test_long();
	test_deep();
	CHECK_EQ(system("rm -rf *"), 0);
	CHECK_OK(chdir("/"));
	CHECK_OK(rmdir(dir));
	return check_done();
}
