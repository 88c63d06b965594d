/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify on what no disk holds: devices, /proc, /sys, pseudo-terminals. Others use these too, natively: only what this
 * program does is looked at.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"
#include "events.h"

static int in;

/* Of what is queued: what is told of a name by @parent, or by @self. */
static const char *events(int parent, const char *name, int self)
{
	static char some[8192];
	char with_name[100], with_parent[16], with_self[16], *out = some;

	snprintf(with_name, sizeof with_name, "/%s", name);
	snprintf(with_parent, sizeof with_parent, "%d:", parent);
	snprintf(with_self, sizeof with_self, "%d:", self);
	*out = 0;
	events_of(in);
	for (char *p = strtok(events_text, " "); p; p = strtok(NULL, " ")) {
		char *slash = strchr(p, '/');

		if (slash ? !strncmp(p, with_parent, strlen(with_parent)) && !strcmp(slash, with_name)
			  : !strncmp(p, with_self, strlen(with_self)))
			out += sprintf(out, "%s%.*s", out > some ? " " : "",
				       (int)(slash ? slash - p + 1 : (long)strlen(p)), p);
	}
	return some;
}

static int watch(const char *path)
{
	int wd = inotify_add_watch(in, path, IN_ALL_EVENTS);

	CHECK(wd > 0);
	return wd;
}

static void begin(void)
{
	in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

/* What is read and written goes past a device's directory, but not who opens it. */
static void test_devices(void)
{
	int dir, node, fd;
	char c;

	begin();
	dir = watch("/dev");
	node = watch("/dev/full");
	CHECK_EQ(watch("/dev/full"), node);
	fd = open("/dev/full", O_RDWR);
	CHECK_STR(events(dir, "full", node), "1:OPEN/ 2:OPEN");
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_STR(events(dir, "full", node), "2:ACCESS");
	CHECK_ERRNO(write(fd, &c, 1), ENOSPC);
	CHECK_STR(events(dir, "full", node), "");
	close(fd);
	CHECK_STR(events(dir, "full", node), "1:CLOSE_WRITE/ 2:CLOSE_WRITE");
	CHECK_OK(access("/dev/full", R_OK));
	CHECK_STR(events(dir, "full", node), "");
	/* one that was opened before it was watched, and often used */
	fd = open("/dev/zero", O_RDWR);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(read(fd, &c, 1), 1);
	node = watch("/dev/zero");
	CHECK_STR(events(dir, "zero", node), "1:OPEN/");
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(write(fd, &c, 1), 1);
	CHECK_STR(events(dir, "zero", node), "3:ACCESS 3:MODIFY");
	CHECK_OK(inotify_rm_watch(in, node));
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_STR(events(dir, "zero", node), "3:IGNORED");
	close(fd);
	CHECK_STR(events(dir, "zero", node), "1:CLOSE_WRITE/");
	close(in);
}

/* A text that is told by its directory and by itself. */
static void text_file(int dir, const char *where, const char *name)
{
	char path[100], expected[64], c;
	int fd, node;

	snprintf(path, sizeof path, "%s/%s", where, name);
	node = watch(path);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	snprintf(expected, sizeof expected, "%d:OPEN/ %d:OPEN", dir, node);
	CHECK_STR(events(dir, name, node), expected);
	CHECK_EQ(read(fd, &c, 1), 1);
	snprintf(expected, sizeof expected, "%d:ACCESS/ %d:ACCESS", dir, node);
	CHECK_STR(events(dir, name, node), expected);
	close(fd);
	snprintf(expected, sizeof expected, "%d:CLOSE/ %d:CLOSE", dir, node);
	CHECK_STR(events(dir, name, node), expected);
}

static void test_texts(void)
{
	static const char *const texts[][2] = {
		{"/proc", "execdomains"},
		{"/proc/sys/kernel", "cap_last_cap"},
		{"/proc/self", "stat"},
		{"/proc/self", "status"},
		{"/proc/self/fdinfo", "0"},
		{"/proc/thread-self", "limits"},
		{"/sys/devices/system/cpu", "kernel_max"},
		{"/sys/devices/system/cpu/cpu0/topology", "core_id"},
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		begin();
		text_file(watch(texts[i][0]), texts[i][0], texts[i][1]);
		close(in);
	}
}

static void test_written(void)
{
	int dir, node, fd;

	begin();
	dir = watch("/proc/self");
	node = watch("/proc/self/comm");
	fd = open("/proc/self/comm", O_WRONLY);
	CHECK_EQ(write(fd, "x", 1), 1);
	close(fd);
	CHECK_STR(events(dir, "comm", node),
		  "1:OPEN/ 2:OPEN 1:MODIFY/ 2:MODIFY 1:CLOSE_WRITE/ 2:CLOSE_WRITE");
	close(in);
}

static void list(const char *path)
{
	DIR *d = opendir(path);

	CHECK(d);
	CHECK(readdir(d));
	closedir(d);
}

static void test_directories(void)
{
	int proc, own, fds;

	begin();
	proc = watch("/proc");
	own = watch("/proc/self");
	fds = watch("/proc/self/fd");
	CHECK(proc != own && own != fds);
	list("/proc/self/fd");
	CHECK_STR(events(own, "fd", fds),
		  "2:OPEN+ISDIR/ 3:OPEN+ISDIR 2:ACCESS+ISDIR/ 3:ACCESS+ISDIR 2:CLOSE+ISDIR/ 3:CLOSE+ISDIR");
	list("/proc/self/");
	CHECK(strstr(events(0, "", own), "2:OPEN+ISDIR"));
	close(in);
	begin();
	own = watch("/sys/devices/system");
	fds = watch("/sys/devices/system/cpu");
	list("/sys/devices/system/cpu");
	CHECK(strstr(events(own, "cpu", fds), "1:OPEN+ISDIR/ 2:OPEN+ISDIR 1:ACCESS+ISDIR/ 2:ACCESS+ISDIR"));
	close(in);
}

/* Of a process that has ended nothing more is heard; nor do those who come after it under its number. */
static void test_ended(void)
{
	char path[40];
	pid_t pid = fork();
	int node;

	if (!pid) {
		pause();
		_exit(0);
	}
	begin();
	snprintf(path, sizeof path, "/proc/%d", pid);
	node = watch(path);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
	CHECK_STR(events(node, "stat", node), "");
	CHECK_OK(inotify_rm_watch(in, node));
	close(in);
}

static int slave_number(int master, char *path, size_t size)
{
	int number = -1, zero = 0;

	CHECK_OK(ioctl(master, TIOCGPTN, &number));
	CHECK_OK(ioctl(master, TIOCSPTLCK, &zero));
	snprintf(path, size, "/dev/pts/%d", number);
	return number;
}

static void test_terminals(void)
{
	int dir, ptmx, node, master, slave;
	char path[64], name[16], link[64] = "", c[8];
	struct stat st;

	begin();
	dir = watch("/dev/pts");
	ptmx = watch("/dev/ptmx");
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	CHECK(master >= 0);
	snprintf(name, sizeof name, "%d", slave_number(master, path, sizeof path));
	CHECK_STR(events(dir, name, ptmx), "1:CREATE/"); /* and nothing of /dev/ptmx: each gets another one */
	node = watch(path);
	slave = open(path, O_RDWR | O_NOCTTY);
	CHECK_STR(events(dir, name, node), "1:OPEN/ 3:OPEN");
	CHECK_EQ(write(slave, "ab\n", 3), 3);
	CHECK_STR(events(dir, name, node), "3:MODIFY");
	CHECK_EQ(read(master, c, 4), 4);
	CHECK_EQ(write(master, "cd\n", 3), 3);
	CHECK_STR(events(dir, name, node), "");
	CHECK_EQ(read(slave, c, 3), 3);
	CHECK_STR(events(dir, name, node), "3:ACCESS");
	CHECK_OK(fchmod(slave, 0622));
	CHECK_STR(events(dir, name, node), "1:ATTRIB/ 3:ATTRIB");
	CHECK_OK(chown(path, getuid(), (gid_t)-1));
	CHECK_STR(events(dir, name, node), "1:ATTRIB/ 3:ATTRIB");
	close(slave);
	CHECK_STR(events(dir, name, node), "1:CLOSE_WRITE/ 3:CLOSE_WRITE");
	CHECK_OK(stat(path, &st));
	CHECK_EQ(st.st_ino, 3 + atoi(name));
	close(master);
	CHECK_STR(events(dir, name, node), "1:DELETE/ 3:DELETE_SELF 3:IGNORED");
	CHECK_STR(events(0, "", ptmx), "");
	close(in);
	/* open until after its end */
	begin();
	dir = watch("/dev/pts");
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	snprintf(name, sizeof name, "%d", slave_number(master, path, sizeof path));
	node = watch(path);
	slave = open(path, O_RDWR | O_NOCTTY);
	events(dir, name, node);
	close(master);
	CHECK_STR(events(dir, name, node), "1:DELETE/");
	CHECK_OK(fstat(slave, &st));
	CHECK_EQ(st.st_nlink, 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", slave);
	CHECK(readlink(path, link, sizeof link - 1) > 0);
	snprintf(path, sizeof path, "/dev/pts/%s (deleted)", name);
	CHECK_STR(link, path);
	close(slave);
	CHECK(strstr(events(dir, name, node), "2:DELETE_SELF 2:IGNORED"));
	close(in);
}

/* The same object has the same number, asked for in whatever way, and after everybody has let go of it. */
static void test_numbers(void)
{
	static const char *const paths[] = {"/dev/full", "/proc/version", "/proc/self/stat", "/proc/self/fd",
					    "/sys/devices/system/cpu/online"};
	struct stat first, again;
	int fd;

	begin();
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		CHECK_OK(stat(paths[i], &first));
		fd = open(paths[i], O_RDONLY);
		CHECK_OK(fstat(fd, &again));
		CHECK_EQ(first.st_ino, again.st_ino);
		close(fd);
		watch(paths[i]);
		CHECK_OK(stat(paths[i], &again));
		CHECK_EQ(first.st_ino, again.st_ino);
	}
	close(in);
}

int main(void)
{
	test_devices();
	test_texts();
	test_written();
	test_directories();
	test_ended();
	test_terminals();
	test_numbers();
	return check_done();
}
