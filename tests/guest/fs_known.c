/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that are asked about, and closed, right behind the call that made them: what they are is told truly, and a
 * closing is felt by everybody from then on, whatever the closer does next.
 *
 * Sites of calls are used many times first, so that none of it comes by a signal any more.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#define MANY 200

static int open_file(int flags)
{
	return open("file", O_RDONLY | flags);
}

/* Flags are what they were set to, in every order of asking. */
static void flags(void)
{
	for (int i = 0; i < MANY; i++) {
		int set = i % 2 ? O_CLOEXEC : 0, block = i % 3 ? O_NONBLOCK : 0;
		int fd = open_file(set | block), other;

		CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND), block);
		CHECK_EQ(fcntl(fd, F_GETFD), set ? FD_CLOEXEC : 0);
		CHECK_OK(fcntl(fd, F_SETFD, set ? FD_CLOEXEC : 0));
		CHECK_EQ(fcntl(fd, F_GETFD), set ? FD_CLOEXEC : 0);
		CHECK_OK(fcntl(fd, F_SETFD, set ? 0 : FD_CLOEXEC));
		CHECK_EQ(fcntl(fd, F_GETFD), set ? 0 : FD_CLOEXEC);
		CHECK_OK(fcntl(fd, F_SETFL, O_APPEND));
		CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND), O_APPEND);
		other = fcntl(fd, F_DUPFD_CLOEXEC, 100);
		CHECK(other >= 100);
		CHECK_EQ(fcntl(other, F_GETFD), FD_CLOEXEC);
		CHECK_EQ(fcntl(other, F_GETFL) & O_APPEND, O_APPEND);
		CHECK_OK(close(fd));
		CHECK_OK(close(other));
		CHECK_ERRNO(fcntl(other, F_GETFD), EBADF);
		CHECK_ERRNO(fcntl(fd, F_GETFL), EBADF);
	}
}

/* A closed descriptor is closed for each call, once, and the lowest free one. */
static void closed(void)
{
	char byte;

	for (int i = 0; i < MANY; i++) {
		int fd = open_file(0), again, copy;
		struct stat st;

		CHECK_OK(close(fd));
		CHECK_ERRNO(close(fd), EBADF);
		fd = open_file(0);
		CHECK_OK(fstat(fd, &st));
		CHECK_OK(close(fd));
		again = open_file(0);
		CHECK_EQ(again, fd);
		CHECK_EQ(read(again, &byte, 1), 1);
		CHECK_OK(close(again));
		CHECK_ERRNO((int)read(again, &byte, 1), EBADF);
		CHECK_ERRNO(fstat(again, &st), EBADF);
		fd = open_file(0);
		copy = fcntl(fd, F_DUPFD, 0);
		CHECK_OK(close(fd));
		CHECK_OK(close(copy));
		CHECK_ERRNO(close(copy), EBADF);
		CHECK_ERRNO(close(fd), EBADF);
		fd = open_file(0);
		copy = dup(fd);
		CHECK_OK(close(copy));
		CHECK_EQ(read(fd, &byte, 1), 1);
		CHECK_OK(close(fd));
	}
}

/* The end of a directory is no end for ever. */
static void listed(void)
{
	static char names[8192];
	int fd = open(".", O_RDONLY | O_DIRECTORY), seen = 0;

	for (int i = 0; i < MANY; i++) {
		CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
		CHECK(syscall(SYS_getdents64, fd, names, sizeof names) > 0);
		CHECK_EQ(syscall(SYS_getdents64, fd, names, sizeof names), 0);
		CHECK_EQ(syscall(SYS_getdents64, fd, names, sizeof names), 0);
		CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	}
	CHECK_OK(mkdir("later", 0700));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	for (long n; (n = syscall(SYS_getdents64, fd, names, sizeof names)) > 0;)
		for (long at = 0; at < n; at += ((struct dirent *)(names + at))->d_reclen)
			seen += !strcmp(((struct dirent *)(names + at))->d_name, "later");
	CHECK_EQ(seen, 1);
	CHECK_OK(rmdir("later"));
	CHECK_OK(close(fd));
	CHECK_EQ(syscall(SYS_getdents64, fd, names, sizeof names), -1);
}

/* A child is born without what was just closed. */
static void forked(void)
{
	int fd = open_file(0), status;
	pid_t pid;

	CHECK_OK(close(fd));
	pid = fork();
	if (!pid)
		_exit(fcntl(fd, F_GETFD) != -1 || errno != EBADF);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

struct shared {
	atomic_int closed, go, fd;
};

/* Opens the file, and what stands for it in @s; and often before. */
static int open_often(struct shared *s)
{
	for (int i = 0; i < MANY; i++)
		close(open_file(0));
	s->fd = open_file(0);
	return s->fd;
}

/* Says that it has closed its file, and makes no call until it is told that this was seen. */
static _Noreturn void compute(struct shared *s)
{
	s->closed = 1;
	while (s->closed == 1)
		;
	_exit(0);
}

static void wait_for(atomic_int *word, int value)
{
	while (*word != value)
		sched_yield();
}

/* Long enough for another process to fall asleep in its call; without a call of one's own. */
static void pass_time(void)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < 20000000);
}

/* Who waits for the closed file's lock gets it, though the closer makes no call any more. */
static void locked(struct shared *s)
{
	int fd = open_file(0), status, own;
	pid_t pid;

	*s = (struct shared){0};
	pid = fork();
	if (!pid) {
		own = open_often(s);
		flock(own, LOCK_EX);
		s->go = 1;
		pass_time();
		fcntl(own, F_GETFL);
		close(own);
		compute(s);
	}
	wait_for(&s->go, 1);
	CHECK_OK(flock(fd, LOCK_EX));
	wait_for(&s->closed, 1);
	s->closed = 2;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	close(fd);
}

/* Who looks later finds no such descriptor. */
static void looked_at(struct shared *s)
{
	const struct timespec moment = {.tv_nsec = 2000000};
	char path[64];
	int status;
	pid_t pid;

	*s = (struct shared){0};
	pid = fork();
	if (!pid) {
		pass_time();
		close(open_often(s));
		compute(s);
	}
	while (!s->closed)
		nanosleep(&moment, NULL);
	snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, s->fd);
	CHECK(access(path, F_OK) < 0 && errno == ENOENT);
	s->closed = 2;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
}

/* Who watches hears of it. */
static void watched(struct shared *s)
{
	int fd = inotify_init1(0), status, own;
	char event[512];
	pid_t pid;

	*s = (struct shared){0};
	pid = fork();
	if (!pid) {
		own = open_often(s);
		s->go = 1;
		wait_for(&s->go, 2);
		pass_time();
		fcntl(own, F_GETFL);
		close(own);
		compute(s);
	}
	wait_for(&s->go, 1);
	CHECK(inotify_add_watch(fd, ".", IN_CLOSE_NOWRITE) > 0);
	s->go = 2;
	CHECK(read(fd, event, sizeof event) > 0);
	CHECK_EQ(((struct inotify_event *)event)->mask, IN_CLOSE_NOWRITE);
	wait_for(&s->closed, 1);
	s->closed = 2;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	close(fd);
}

int main(void)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char dir[64];
	int fd;

	snprintf(dir, sizeof dir, "/tmp/fs_known.%d", getpid());
	CHECK_OK(mkdir(dir, 0700));
	CHECK_OK(chdir(dir));
	fd = open("file", O_WRONLY | O_CREAT, 0600);
	CHECK_EQ(write(fd, "some bytes", 10), 10);
	CHECK_OK(close(fd));
	flags();
	closed();
	listed();
	forked();
	locked(s);
	looked_at(s);
	watched(s);
	CHECK_OK(unlink("file"));
	CHECK_OK(rmdir(dir));
	return check_done();
}
