/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads of files that are read again and again, which husk may let a process do by itself: who watches the file, or
 * its directory, from whenever on, hears of each; who watches something else does not keep anybody from reading.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

#define OFTEN 60 /* calls after which a file is not read in the same way as at first */
#define QUICK (IN_ACCESS | IN_OPEN | IN_CLOSE_NOWRITE)

static char dir[] = "/dev/shm/husk-watchXXXXXX";
static int in;

/* Everything that is queued: a letter an event, which are of one watch each time. */
static const char *events(void)
{
	static char text[200];
	char buf[4096] __attribute__((aligned(8))), *out = text;
	ssize_t n;

	while ((n = read(in, buf, sizeof buf)) > 0) {
		for (char *p = buf; p < buf + n && out < text + 190;) {
			struct inotify_event *e = (void *)p;

			*out++ = e->mask & IN_ACCESS        ? 'r'
				 : e->mask & IN_OPEN        ? 'o'
				 : e->mask & IN_CLOSE       ? 'c'
				 : e->mask & IN_MOVED_TO    ? 't'
				 : e->mask & IN_IGNORED     ? 'i'
				 : e->mask & IN_DELETE_SELF ? 'd'
							    : '?';
			if (e->len)
				*out++ = e->name[0];
			p += sizeof *e + e->len;
		}
	}
	*out = 0;
	return text;
}

static void make(const char *name)
{
	char bytes[10000];
	int fd = open(name, O_CREAT | O_WRONLY, 0644);

	memset(bytes, 'x', sizeof bytes);
	CHECK_EQ(write(fd, bytes, sizeof bytes), (ssize_t)sizeof bytes);
	close(fd);
}

/* By its offset and elsewhere. */
static void read_often(int fd)
{
	char byte;

	for (int i = 0; i < OFTEN; i++) {
		CHECK_EQ(pread(fd, &byte, 1, i), 1);
		CHECK_EQ(read(fd, &byte, 1), 1);
	}
}

static int open_often(const char *name)
{
	int fd = open(name, O_RDONLY);

	CHECK(fd >= 0);
	read_often(fd);
	return fd;
}

static void read_one(int fd)
{
	char byte;

	CHECK_EQ(read(fd, &byte, 1), 1);
}

/* What is heard of one read; and behind the end of a watch. */
static const char *heard(int fd)
{
	read_one(fd);
	return events();
}

static const char *unwatch(int wd)
{
	CHECK_OK(inotify_rm_watch(in, wd));
	return events();
}

static void test_file(void)
{
	int fd = open_often("a/f"), other = open_often("a/g"), wd;
	char byte;

	wd = inotify_add_watch(in, "a/f", QUICK);
	CHECK_STR(heard(fd), "r");
	CHECK_EQ(pread(fd, &byte, 1, 7), 1);
	CHECK_STR(events(), "r");
	read_often(fd);
	CHECK_STR(events(), "r");
	CHECK_STR(heard(fd), "r");
	read_often(other);
	CHECK_STR(events(), "");
	close(open("a/f", O_RDONLY));
	CHECK_STR(events(), "oc");
	CHECK_STR(unwatch(wd), "i");
	read_often(fd);
	CHECK_STR(events(), "");
	close(fd);
	close(other);
}

static void test_directory(void)
{
	int fd = open_often("a/f"), wd = inotify_add_watch(in, "a", QUICK);

	CHECK_STR(heard(fd), "rf");
	read_often(fd);
	CHECK_STR(events(), "rf");
	close(fd);
	CHECK_STR(events(), "cf");
	fd = open_often("a/f");
	CHECK_STR(events(), "ofrf");
	CHECK_STR(heard(fd), "rf");
	close(fd);
	CHECK_STR(unwatch(wd), "cfi");
}

/* Opening and closing are heard of by who does not ask for reads, and asks for them later. */
static void test_mask(void)
{
	int wd = inotify_add_watch(in, "a/f", IN_OPEN | IN_CLOSE), fd = open_often("a/f");

	CHECK_STR(heard(fd), "o");
	CHECK_EQ(inotify_add_watch(in, "a/f", IN_ACCESS | IN_MASK_ADD), wd);
	CHECK_STR(heard(fd), "r");
	CHECK_EQ(inotify_add_watch(in, "a/f", IN_CLOSE), wd);
	read_often(fd);
	close(fd);
	CHECK_STR(events(), "c");
	CHECK_STR(unwatch(wd), "i");
}

/* A file that comes into a watched directory while it is open, or changes places with one there. */
static void test_moves(void)
{
	int fd = open_often("a/f"), wd = inotify_add_watch(in, "b", IN_ACCESS);

	CHECK_STR(heard(fd), "");
	CHECK_OK(rename("a/f", "b/f"));
	CHECK_STR(heard(fd), "rf");
	make("a/f");
	CHECK_OK(renameat2(AT_FDCWD, "a/f", AT_FDCWD, "b/f", RENAME_EXCHANGE));
	CHECK_STR(heard(fd), "");
	read_often(fd);
	CHECK_OK(renameat2(AT_FDCWD, "a/f", AT_FDCWD, "b/f", RENAME_EXCHANGE));
	CHECK_STR(heard(fd), "rf");
	CHECK_OK(rename("b/f", "a/f"));
	close(fd);
	CHECK_STR(unwatch(wd), "i");
}

/* By another name than the one that it was opened by, and by a removed one. */
static void test_names(void)
{
	int fd = open_often("a/f"), wd;

	CHECK_OK(link("a/f", "b/l"));
	wd = inotify_add_watch(in, "b/l", QUICK);
	CHECK_STR(heard(fd), "r");
	CHECK_OK(inotify_rm_watch(in, wd));
	wd = inotify_add_watch(in, "b", QUICK);
	CHECK_STR(events(), "i");
	CHECK_STR(heard(fd), "");
	close(fd);
	fd = open_often("b/l");
	CHECK_STR(events(), "olrl");
	CHECK_OK(unlink("b/l"));
	CHECK_STR(heard(fd), "rl");
	close(fd);
	CHECK_STR(unwatch(wd), "cli");
}

/* Another process reads. */
static void test_processes(void)
{
	int go[2], done[2], fd, wd, status;
	pid_t pid;
	char c;

	CHECK_OK(pipe(go));
	CHECK_OK(pipe(done));
	pid = fork();
	if (!pid) {
		close(go[1]);
		fd = open_often("a/f");
		while (write(done[1], "d", 1) == 1 && read(go[0], &c, 1) == 1)
			read_one(fd);
		_exit(check_failed());
	}
	close(go[0]);
	CHECK_EQ(read(done[0], &c, 1), 1);
	for (int i = 0; i < 20; i++) {
		wd = inotify_add_watch(in, i % 2 ? "a" : "a/f", IN_ACCESS);
		CHECK_EQ(write(go[1], "g", 1), 1);
		CHECK_EQ(read(done[0], &c, 1), 1);
		CHECK_STR(events(), i % 2 ? "rf" : "r");
		CHECK_STR(unwatch(wd), "i");
		for (int j = 0; j < OFTEN; j++) {
			CHECK_EQ(write(go[1], "g", 1), 1);
			CHECK_EQ(read(done[0], &c, 1), 1);
		}
	}
	close(go[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_STR(events(), "");
	close(done[0]);
	close(done[1]);
}

/* What is written to a device that keeps nothing, and read from one that has all. */
static void test_devices(void)
{
	int null = open("/dev/null", O_WRONLY), zero = open("/dev/zero", O_RDONLY), wd;
	char byte = 0;

	for (int i = 0; i < OFTEN; i++) {
		CHECK_EQ(write(null, &byte, 1), 1);
		CHECK_EQ(read(zero, &byte, 1), 1);
	}
	wd = inotify_add_watch(in, "/dev/null", IN_MODIFY);
	CHECK_EQ(write(null, &byte, 1), 1);
	CHECK_EQ(read(zero, &byte, 1), 1);
	CHECK(strchr(events(), '?'));
	CHECK_OK(inotify_rm_watch(in, wd));
	wd = inotify_add_watch(in, "/dev/zero", IN_ACCESS);
	events();
	CHECK_EQ(read(zero, &byte, 1), 1);
	CHECK_STR(events(), "r");
	CHECK_STR(unwatch(wd), "i");
	close(null);
	close(zero);
}

static volatile sig_atomic_t signals;

static void on_signal(int signo)
{
	signals++;
}

static void test_dnotify(void)
{
	int fd = open_often("a/f"), d = open("a", O_RDONLY);

	signal(SIGIO, on_signal);
	CHECK_OK(fcntl(d, F_NOTIFY, DN_MODIFY | DN_MULTISHOT));
	read_often(fd);
	CHECK_EQ(signals, 0);
	CHECK_OK(fcntl(d, F_NOTIFY, DN_ACCESS | DN_MULTISHOT));
	read_one(fd);
	CHECK_EQ(signals, 1);
	read_one(fd);
	CHECK_EQ(signals, 2);
	close(d);
	read_often(fd);
	CHECK_EQ(signals, 2);
	close(fd);
}

int main(void)
{
	char command[100];

	in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	CHECK(in >= 0);
	CHECK(mkdtemp(dir));
	CHECK_OK(chdir(dir));
	CHECK_OK(mkdir("a", 0755));
	CHECK_OK(mkdir("b", 0755));
	make("a/f");
	make("a/g");
	test_file();
	test_directory();
	test_mask();
	test_moves();
	test_names();
	test_processes();
	test_devices();
	test_dnotify();
	close(in);
	CHECK_OK(chdir("/"));
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command) || check_done();
}
